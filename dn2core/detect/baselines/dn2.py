"""DN2 itself, as one detector among the others."""

from collections.abc import Callable

import numpy as np

from dn2core.detect.bank import Bank
from dn2core.detect.baselines.detector import Scorer, Training
from dn2core.detect.forms import form_scores
from dn2core.detect.scores import leave_one_out


def nearest_normals(*, k: int, form: str, normalise: bool) -> Callable[[np.ndarray, Training], Scorer]:
    """The fit of DN2 with these settings: it keeps the normals; the form `density` looks at their own scores, too."""

    def fit(normals: np.ndarray, training: Training) -> Scorer:
        bank = Bank(normals, normalise=normalise)
        loo = leave_one_out(bank, k) if form == "density" and bank.n > 1 else None
        return lambda queries: form_scores(form, bank.search(queries, k), loo, k).astype(np.float64)

    return fit
