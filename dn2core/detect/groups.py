"""Groups of images: one vector for each, whatever the order of its images (the paper's section on groups)."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from dn2core.detect.set_features import Composition, composition_of
from dn2core.errors import Refused


@dataclass(frozen=True)
class Pooling:
    """A way to make one vector of a group's images: its title, and its formula in words."""

    name: str
    title: str
    formula: str


POOLINGS: dict[str, Pooling] = {
    pooling.name: pooling
    for pooling in (
        Pooling("mean", "Mean", "mean of the images' vectors: the paper's"),
        Pooling("max", "Largest", "the largest value of each number among the images' vectors"),
        Pooling("concat", "One behind the other", "the images' vectors one behind the other; order counts"),
        Pooling(
            "covariance",
            "Spread",
            "trace of the covariance of the images' vectors: how much the images of the group differ from each "
            "other; needs no normals",
        ),
        Pooling(
            "composition",
            "Composition",
            "mean of the images' places along the axes that matter, and the share of each kind of image; compared by "
            "how good groups vary (squared Mahalanobis distance)",
        ),
    )
}


@dataclass(frozen=True)
class Pooled:
    """One vector for each group.

    vectors: (g, D) float32. "covariance": (g, 1), which is a score by itself, higher = images differ more.
    names: (g,) the groups in the order of their first image.
    sizes: (g,) int64 images of each.
    rows: for each group the (size,) int64 rows of its images, ascending.
    """

    method: str
    vectors: np.ndarray
    names: tuple[Hashable, ...]
    sizes: np.ndarray
    rows: tuple[np.ndarray, ...]


def pool_groups(
    features: np.ndarray,
    groups: Sequence[Hashable] | np.ndarray,
    method: str = "mean",
    *,
    learned: Composition | None = None,
) -> Pooled:
    """One vector for each group of images.

    Args:
        features: (n, d) float32 of all images, as the bank compares them (unit length where it normalises).
        groups: (n,) the group of each, integers or strings.
        method: a key of POOLINGS.
        learned: what "composition" was learned from, see `composition_of`; by default these very groups.

    Raises:
        Refused: UNKNOWN_POOLING; VECTORS_SHAPE; GROUPS_DIFFER when the groups are not as many as the images;
            GROUP_SIZES for "concat" of groups of different sizes.
    """
    check_method(method)
    features = checked_features(features)
    names, rows = rows_of_groups(groups, len(features))
    if method == "composition" and learned is None:
        learned = composition_of(features, rows)
    sizes = np.array([len(each) for each in rows], np.int64)
    return Pooled(method, pool_rows(features, rows, method, learned), names, sizes, rows)


def pool_rows(
    features: np.ndarray, rows: Sequence[np.ndarray], method: str, learned: Composition | None = None
) -> np.ndarray:
    """(g, D) float32 vectors of groups that are given by the rows of their images."""
    if method == "composition" and not learned.balanced:
        return learned.places(means_of_rows(features, rows)).astype(np.float32)  # a mean's place is the places' mean
    if method == "composition":
        features, method = learned.places(features), "mean"
    if method == "mean":
        return means_of_rows(features, rows).astype(np.float32)
    if method == "max":
        return np.stack([features[each].max(axis=0) for each in rows])
    if method == "concat":
        sizes = {len(each) for each in rows}
        if len(sizes) > 1:
            raise Refused("GROUP_SIZES", least=min(sizes), most=max(sizes))
        return np.stack([features[each].ravel() for each in rows])
    return np.array([[_spread(features[each])] for each in rows], np.float32)


def means_of_rows(features: np.ndarray, rows: Sequence[np.ndarray]) -> np.ndarray:
    """(g, d) float64 mean vectors. In float64, so that equal images have a mean equal to them after rounding."""
    if sum(map(len, rows)) <= len(features):
        return np.stack([features[each].mean(axis=0, dtype=np.float64) for each in rows])
    weights = np.zeros((len(rows), len(features)))  # where groups share images, each is read once
    for weight, each in zip(weights, rows, strict=True):
        weight[each] = 1 / len(each)
    return weights @ features.astype(np.float64, copy=False)


def rows_of_groups(
    groups: Sequence[Hashable] | np.ndarray, n: int
) -> tuple[tuple[Hashable, ...], tuple[np.ndarray, ...]]:
    """The names of the groups in the order of their first image, and the rows of each; None is no group."""
    groups = groups.tolist() if isinstance(groups, np.ndarray) else list(groups)
    if len(groups) != n:
        raise Refused("GROUPS_DIFFER", n=n, got=len(groups))
    rows: dict[Hashable, list[int]] = {}
    for row, group in enumerate(groups):
        if group is not None:
            rows.setdefault(group, []).append(row)
    return tuple(rows), tuple(np.array(each, np.int64) for each in rows.values())


def check_method(method: str) -> None:
    """Refuses a name that is not in POOLINGS."""
    if method not in POOLINGS:
        raise Refused("UNKNOWN_POOLING", name=method, known=", ".join(POOLINGS))


def checked_features(features: np.ndarray) -> np.ndarray:
    """(n, d) float32 and finite; refuses the rest."""
    features = np.asarray(features, np.float32)
    if features.ndim != 2 or features.shape[1] == 0:
        raise Refused("VECTORS_SHAPE", wanted="(n, d)", got=str(features.shape))
    bad = ~np.isfinite(features).all(axis=1)
    if bad.any():
        raise Refused("VECTORS_NOT_FINITE", count=int(bad.sum()), first=int(bad.argmax()))
    return features


def _spread(images: np.ndarray) -> float:
    """Trace of the sample covariance: the sum of the variances; 0 for one image."""
    if len(images) == 1:
        return 0.0
    return float(images.astype(np.float64).var(axis=0, ddof=1).sum())
