"""Two ways to look at the same images, the whole and its patches: which found what."""

import numpy as np

FOUND = ("both", "patches", "whole", "neither")


def found_by(whole: np.ndarray, patches: np.ndarray) -> np.ndarray:
    """(q,) words of FOUND: which of two modes flags each image.

    Args:
        whole, patches: (q,) bool, flagged by that mode.
    """
    return np.select([whole & patches, patches, whole], FOUND[:3], FOUND[3])
