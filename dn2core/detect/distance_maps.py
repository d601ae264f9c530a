"""From the distances of an image's patches to a distance map, and from the map to a score.

Stages are put together by a power mean. Those of a network have one unit, their usual spread; colours have not: a shiny
part has colours that good ones seldom show, a painted one has none. So colours count by how far those of good parts go.
The same good parts set the limit, which comes out a little low for it where they are fewer than twenty.

A distance map is (rows, columns) float32 in the grid of the finest stage, a root of squared distances, higher = more
anomalous, NaN where a mask hides the cell. Before stages are put together there is one map for each, in that grid, too.
"""

from collections.abc import Iterable, Sequence

import numpy as np

TOGETHER = 4  # power mean over the stages: between their mean and the largest alone
SMOOTHED = 0.55  # cells, standard deviation of the Gaussian over a distance map
TOP = 10  # cells whose mean is the image's score
HIGH = 0.95  # quantile of the scores of good parts at which colours are as far as what the network sees
UNKNOWN = 0.5  # what colours count by where there is no other good part to learn it from
MOST = 10.0  # and at most, where good parts have all the same colours


def together(maps: Sequence[np.ndarray], weights: Sequence[float]) -> np.ndarray:
    """Maps of all stages -> (rows, columns) float32 distance map."""
    powers = sum((weight * one) ** TOGETHER for weight, one in zip(weights, maps, strict=True))
    return smoothed((powers / len(weights)) ** (1 / TOGETHER))


def balanced(good: Iterable[Sequence[np.ndarray]], weights: Sequence[float]) -> tuple[float, ...]:
    """The weights of the stages, where the first, the colours, is brought to the unit of the others.

    After that their scores are equal at a high quantile of good parts, but for the weight that was given.

    Args:
        good: maps of the stages of good parts, each compared without itself.
    """
    own, others = [], []
    for colours, *stages in good:
        own.append(patch_score(smoothed(colours)))
        others.append(patch_score(together(stages, weights[1:])))
    scores = np.array([own, others]).reshape(2, -1)
    scores = scores[:, ~np.isnan(scores).any(axis=0)]  # a part may have colours to compare with and nothing else
    mine, usual = np.quantile(scores, HIGH, axis=1).tolist() if scores.size else (0.0, 0.0)
    ratio = usual / max(mine, usual / MOST) if usual > 0 else UNKNOWN
    return (weights[0] * ratio, *weights[1:])


def patch_score(distances: np.ndarray) -> float:
    """An image's score: the mean of the TOP largest of its distance map; higher = more anomalous, NaN without any."""
    values = distances[~np.isnan(distances)]
    if not len(values):
        return float("nan")
    top = min(TOP, len(values))
    return float(np.partition(values, -top)[-top:].astype(np.float64).mean())


def smoothed(distances: np.ndarray) -> np.ndarray:
    """A distance map, averaged by a Gaussian over the cells that are looked at; NaN stays where it is."""
    from scipy.ndimage import gaussian_filter

    known = ~np.isnan(distances)
    values = gaussian_filter(np.where(known, distances, 0), SMOOTHED, mode="nearest")
    if known.all():
        return values
    shares = gaussian_filter(known.astype(np.float32), SMOOTHED, mode="nearest")
    return np.where(known, values / np.maximum(shares, 1e-6), np.nan).astype(np.float32)


def coarser(looked_at: np.ndarray, grid: tuple[int, int]) -> np.ndarray:
    """The cells of a coarser grid in which some of these lie: (rows, columns) bool -> `grid` bool."""
    rows, columns = grid
    return looked_at.reshape(rows, looked_at.shape[0] // rows, columns, -1).any(axis=(1, 3))


def finer(distances: np.ndarray, grid: tuple[int, int]) -> np.ndarray:
    """A distance map of a coarser stage in the finest grid, interpolated between the cells that are known."""
    if distances.shape == grid:
        return distances
    known = ~np.isnan(distances)
    values = _enlarged(np.where(known, distances, 0), grid)
    if known.all():
        return values
    with np.errstate(invalid="ignore"):
        return values / _enlarged(known.astype(np.float32), grid)


def _enlarged(values: np.ndarray, grid: tuple[int, int]) -> np.ndarray:
    import torch
    from torch.nn.functional import interpolate

    return interpolate(torch.from_numpy(values)[None, None], size=grid, mode="bilinear", align_corners=False)[
        0, 0
    ].numpy()
