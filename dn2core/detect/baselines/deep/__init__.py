"""Detectors for which a small network is trained on the normals' pixels.

torch takes seconds to import, so it waits for the first fit.
"""

from collections.abc import Callable
from importlib import import_module

import numpy as np

from dn2core.detect.baselines.detector import Scorer, Training


def fit_by(module: str, name: str = "fit") -> Callable[[np.ndarray, Training], Scorer]:
    """The fit of that name in a module of this package, which is imported when it is called."""

    def fit(normals: np.ndarray, training: Training) -> Scorer:
        return getattr(import_module(f"{__name__}.{module}"), name)(normals, training)

    return fit
