"""What a group is made of: set features that go beyond the mean of the images' vectors.

The mean of a group adds up what its images have in common and what they differ in, all directions alike. Good
groups tell which directions matter. If each holds the same kinds of images, their means hardly differ along the
directions that tell one kind from the other, much less than means of images picked at random would. These are the
generalised eigenvectors of the images' scatter against that of the groups' means: Fisher's discriminant axes (Annals
of Eugenics 7, 1936), found without any label. Along them the kinds of images are apart, so that they can be counted.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.linalg import eigh

AXES = 64  # principal axes that are looked at, at most
_IMAGES_PER_AXIS = 8  # fewer make the variance along an axis a guess
_GROUPS_PER_AXIS = 16  # by chance alone the ratio reaches 1 / (1 - sqrt(1 / 16))^2 = 1.8 (Marchenko and Pastur, 1967)
_BALANCED = 2.0  # images vary along an axis this many times as much as good groups let through
_SMALLEST = 1e-8  # variance along an axis, as a share of the vectors' mean square: identical images have none
_SOFTNESS = 0.5


@dataclass(frozen=True)
class Composition:
    """Where an image stands along the axes that matter, and of what kind it is.

    mean: (d,) of the images it was learned from.
    axes: (d, a) float64; after them the variance within good groups is 1.
    kinds: (c, a) centres of the kinds of images; none where good groups keep no balance.
    """

    mean: np.ndarray
    axes: np.ndarray
    kinds: np.ndarray

    @property
    def balanced(self) -> bool:
        """Whether good groups keep a balance of kinds; else the axes are the images' principal ones."""
        return len(self.kinds) > 0

    def places(self, features: np.ndarray) -> np.ndarray:
        """(n, a + c) float64: places along the axes, then how much of each kind an image is (sums to 1)."""
        places = (features - self.mean).astype(np.float64) @ self.axes
        if not self.balanced:
            return places
        squared = ((places[:, None] - self.kinds) ** 2).sum(axis=2)
        nearness = np.exp(-_SOFTNESS / 2 * (squared - squared.min(axis=1, keepdims=True)))
        return np.hstack([places, nearness / nearness.sum(axis=1, keepdims=True)])


def composition_of(features: np.ndarray, rows: Sequence[np.ndarray] | None = None, *, seed: int = 0) -> Composition:
    """Learns the axes and the kinds from normals, and from good groups of them where there are any.

    Args:
        features: (n, d) of normals.
        rows: the rows of each good group; None where none are known.
        seed: of the kinds' search (K-means).
    """
    known = len(rows) if rows is not None else 0
    inside = np.concatenate(rows) if known else np.arange(len(features))
    mean, axes, variances = _principal(features[inside])
    usable = known // _GROUPS_PER_AXIS
    if usable > 1:
        usable = min(usable, axes.shape[1])
        places = (features - mean).astype(np.float64) @ axes[:, :usable]
        # A mean of m images varies by 1 / m of what they do, if they are picked at random.
        means = np.stack([places[each].mean(axis=0) * np.sqrt(len(each)) for each in rows])
        within = np.cov(means.T) + _SMALLEST * variances[0] * np.eye(usable)
        ratios, directions = eigh(np.cov(places[inside].T), within)
        kept = directions[:, ratios > _BALANCED]
        if kept.size:
            from sklearn.cluster import KMeans

            kinds = KMeans(kept.shape[1] + 1, n_init=3, random_state=seed).fit(places[inside] @ kept)
            return Composition(mean, axes[:, :usable] @ kept, kinds.cluster_centers_)
    return Composition(mean, axes / np.sqrt(variances), np.empty((0, axes.shape[1])))


def _principal(features: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The mean, the leading principal axes (d, a) and the variances (a,) along them, never 0."""
    mean = features.mean(axis=0, dtype=np.float64).astype(np.float32)
    centred = (features - mean).astype(np.float64)
    wanted = max(1, min(AXES, len(features) // _IMAGES_PER_AXIS, features.shape[1]))
    floor = _SMALLEST * max(float((features.astype(np.float64) ** 2).sum(axis=1).mean()), np.finfo(np.float32).tiny)
    n, d = features.shape
    if n < d:  # the same axes, from the smaller table
        variances, at = eigh(centred @ centred.T / max(1, n - 1), subset_by_index=(n - wanted, n - 1))
        axes = centred.T @ at
        axes /= np.maximum(np.linalg.norm(axes, axis=0), np.finfo(np.float64).tiny)
    else:
        variances, axes = eigh(centred.T @ centred / (n - 1), subset_by_index=(d - wanted, d - 1))
    return mean, axes[:, ::-1], np.maximum(variances[::-1], floor)
