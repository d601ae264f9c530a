"""How well maps tell where the defects are, where masks say so: pixel ROC AUC and per-region overlap.

Maps are (h, w) numbers of a picture's size, higher = more anomalous, NaN where a pixel does not count; masks are (h, w)
bool, True on the defect. All pictures are judged together, by the same thresholds; those of good parts belong to them.
"""

from collections.abc import Sequence

import numpy as np
from PIL import Image
from scipy.ndimage import label

from dn2core.errors import Refused
from dn2core.explore.curves import roc_auc

_EIGHT = np.ones((3, 3), bool)  # pixels that touch by a corner belong to one region


def pixel_roc_auc(maps: Sequence[np.ndarray], masks: Sequence[np.ndarray]) -> float | None:
    """Chance that a pixel of a defect lies higher than one that is good, a tie counting half; 0 to 1.

    Returns:
        None without pixels of both kinds.

    Raises:
        Refused: when maps and masks differ in number or shape.
    """
    values, regions = _pixels(maps, masks)
    return roc_auc(values[regions == 0], values[regions > 0])


def pro(maps: Sequence[np.ndarray], masks: Sequence[np.ndarray], limit: float = 0.3) -> float | None:
    """Per-region overlap: how much of each defect is found, however small it is beside others; 0 to 1.

    At each threshold, the mean over all connected regions of the share of their pixels that lies above, against the
    share of good pixels that does; the area under that curve up to `limit` of the good pixels, as a share of the
    largest possible (Bergmann et al., Uninformed Students, CVPR 2020). Between two thresholds the curve is straight.

    Returns:
        None without pixels of both kinds.

    Raises:
        Refused: as `pixel_roc_auc`.
    """
    values, regions = _pixels(maps, masks)
    sizes = np.bincount(regions)
    if sizes[0] == 0 or len(sizes) == 1:
        return None
    weights = 1 / np.maximum(sizes, 1) / np.count_nonzero(sizes[1:])  # hidden as a whole, a region has no pixel
    order = np.argsort(-values, kind="stable")
    values, regions = values[order], regions[order]
    last = np.append(values[1:] != values[:-1], True)  # equal values are found together
    alarms = np.cumsum(regions == 0)[last] / sizes[0]
    found = np.cumsum(np.where(regions > 0, weights[regions], 0))[last]
    alarms, found = np.append(0, alarms), np.append(0, found)
    below = alarms <= limit
    at_limit = np.interp(limit, alarms, found)
    return float(np.trapezoid(np.append(found[below], at_limit), np.append(alarms[below], limit)) / limit)


def enlarged(distances: np.ndarray, width: int, height: int) -> np.ndarray:
    """A (rows, columns) map without NaN, (height, width) float32: bilinear between the middles of its cells."""
    return np.asarray(Image.fromarray(np.float32(distances)).resize((width, height), Image.Resampling.BILINEAR))


def _pixels(maps: Sequence[np.ndarray], masks: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """(p,) values of the pixels that count, and their regions: 0 for good ones, each region its own number."""
    shapes = [np.shape(one) for one in maps], [np.shape(one) for one in masks]
    if shapes[0] != shapes[1] or not shapes[0]:
        raise Refused("MASKS_DIFFER", maps=_some(shapes[0]), masks=_some(shapes[1]))
    values, regions, most = [], [], 0
    for one, mask in zip(maps, masks, strict=True):
        numbers, count = label(mask, structure=_EIGHT)
        counts = ~np.isnan(one)
        values.append(np.asarray(one)[counts])
        regions.append(np.where(numbers > 0, numbers + most, 0)[counts])
        most += count
    return np.concatenate(values), np.concatenate(regions)


def _some(shapes: list) -> str:
    return f"{len(shapes)} of {sorted(set(shapes))[:3]}"
