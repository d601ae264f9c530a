"""Vectors as points of a map: PCA at once, UMAP in a process of its own, new points on an old map."""

import warnings
from dataclasses import dataclass

import numpy as np

from dn2core.detect import Found
from dn2core.errors import Refused

FEWEST_FOR_UMAP = 10
NEIGHBOURS = 15  # of each point, itself included: what UMAP takes by default
_AXES_FROM = 4_000  # rows that suffice to find the main axes

TOO_FEW = "UMAP needs at least 10 images."
ALL_EQUAL = "All images look the same to the network, so there is no neighbourhood to draw."
NO_RESULT = "UMAP gave no usable map for these images."


@dataclass(frozen=True)
class Projection:
    """xy (n, 2) float32, always finite; kind "umap" or "pca"; reason why it is not a UMAP, else None."""

    xy: np.ndarray
    kind: str
    reason: str | None = None


def pca_map(features: np.ndarray) -> np.ndarray:
    """Coordinates along the two directions in which the vectors differ most.

    Args:
        features: (n, d) float32, finite.

    Returns:
        (n, 2) float32; zeros along a direction in which nothing differs. The same vectors
        give the same map; mirror images are avoided by making each axis's largest part positive.

    Raises:
        Refused: when a number is not finite.
    """
    features = np.asarray(features, np.float32)
    bad = ~np.isfinite(features).all(axis=1)
    if bad.any():
        raise Refused("VECTORS_NOT_FINITE", count=int(bad.sum()), first=int(bad.argmax()))
    n = len(features)
    if n < 2:
        return np.zeros((n, 2), np.float32)
    sample = features[:: -(-n // _AXES_FROM)]
    mean = sample.mean(axis=0, dtype=np.float64).astype(np.float32)
    axes = _main_axes(sample - mean)
    xy = (features - mean) @ axes
    return np.ascontiguousarray(np.where(np.isfinite(xy), xy, 0), np.float32)


def umap_map(features: np.ndarray, neighbours: Found, seed: int = 0) -> Projection:
    """UMAP of the vectors, begun from their PCA; the PCA itself where UMAP cannot run.

    Call it only in a process of its own: numba aborts a process whose threads enter it together.

    Args:
        features: (n, d) float32.
        neighbours: of each vector among the others (`leave_one_out`), squared L2.
        seed: the same seed and vectors give the same map on one machine.
    """
    start = pca_map(features)
    if len(start) < FEWEST_FOR_UMAP:
        return Projection(start, "pca", TOO_FEW)
    if not start.any():
        return Projection(start, "pca", ALL_EQUAL)
    try:
        xy = _umap(start, neighbours, seed)
    except (ValueError, ArithmeticError, np.linalg.LinAlgError):
        return Projection(start, "pca", NO_RESULT)
    if xy.shape != start.shape or not np.isfinite(xy).all():
        return Projection(start, "pca", NO_RESULT)
    return Projection(xy, "umap")


def place(mapped_xy: np.ndarray, distances: np.ndarray, indices: np.ndarray) -> np.ndarray:
    """Where new points lie on a finished map: between their nearest mapped points, which do not move.

    The nearest counts 1, one that is farther by the mean excess over the nearest counts 1/e.
    A point at distance 0 from mapped ones lies on them.

    Args:
        mapped_xy: (n, 2) the map.
        distances: (m, k) squared L2 to the nearest mapped vectors, ascending, k >= 1.
        indices: (m, k) their rows in the map.

    Returns:
        (m, 2) float32.
    """
    mapped_xy = np.asarray(mapped_xy, np.float64)
    if len(distances) == 0:
        return np.zeros((0, 2), np.float32)
    far = np.sqrt(np.asarray(distances, np.float64))
    excess = far - far[:, :1]
    scale = excess.mean(axis=1, keepdims=True)
    weights = np.exp(-excess / np.where(scale > 0, scale, 1))
    on_it = far == 0
    weights = np.where(on_it.any(axis=1, keepdims=True), on_it, weights)
    weights /= weights.sum(axis=1, keepdims=True)
    return np.einsum("mk,mkc->mc", weights, mapped_xy[indices]).astype(np.float32)


def _main_axes(centred: np.ndarray) -> np.ndarray:
    """(d, 2) float32 orthonormal axes of the largest variance; zeros where there is none."""
    n, d = centred.shape
    largest = np.abs(centred).max()
    if largest == 0:
        return np.zeros((d, 2), np.float32)
    scaled = (centred / largest).astype(np.float64)
    values, vectors = np.linalg.eigh(scaled.T @ scaled if d <= n else scaled @ scaled.T)
    values, vectors = values[::-1][:2], vectors[:, ::-1][:, :2]
    axes = vectors if d <= n else scaled.T @ vectors
    axes = np.pad(axes, ((0, 0), (0, 2 - axes.shape[1])))
    lengths = np.linalg.norm(axes, axis=0)
    real = np.zeros(2, bool)
    real[: len(values)] = values > values[0] * 1e-12
    axes = np.where(real, axes / np.where(lengths > 0, lengths, 1), 0)
    signs = np.sign(axes[np.abs(axes).argmax(axis=0), [0, 1]])
    return (axes * np.where(signs < 0, -1, 1)).astype(np.float32)


def _umap(start: np.ndarray, neighbours: Found, seed: int) -> np.ndarray:
    indices, distances = _with_self(neighbours)
    count = min(NEIGHBOURS, indices.shape[1], len(start) - 1)
    with warnings.catch_warnings():
        # That transform() will not work, one job is used, tensorflow is absent: all as intended.
        warnings.simplefilter("ignore")
        from umap import UMAP  # slow to import, and only this process needs it

        # The neighbours are given, so the points themselves only lend their number.
        return UMAP(
            n_neighbors=count,
            precomputed_knn=(indices[:, :count], distances[:, :count]),
            init=_spread(start, seed),
            random_state=seed,
            n_jobs=1,
        ).fit_transform(start)


def _with_self(neighbours: Found) -> tuple[np.ndarray, np.ndarray]:
    """Neighbours as UMAP wants them: each point first among its own, and distances not squared."""
    own = np.arange(len(neighbours.indices))
    indices = np.column_stack([own, neighbours.indices]).astype(np.int32)
    distances = np.column_stack([np.zeros(len(own)), np.sqrt(neighbours.distances)]).astype(np.float32)
    return indices, distances


def _spread(start: np.ndarray, seed: int) -> np.ndarray:
    """PCA coordinates at UMAP's scale, with equal points set apart a little so that they can separate."""
    noise = np.random.default_rng(seed).normal(scale=1e-4, size=start.shape)
    return (start / np.abs(start).max() * 10 + noise).astype(np.float32)
