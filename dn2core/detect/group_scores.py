"""How far a group lies from good groups, and how much of that each of its images brings. Higher = more anomalous."""

from dataclasses import dataclass

import numpy as np
from sklearn.covariance import ledoit_wolf

from dn2core.detect.bank import Bank
from dn2core.detect.scores import knn_scores

_SMALLEST = 1e-12  # variance of good groups along an axis; identical ones have none


@dataclass(frozen=True)
class Nearest:
    """Good groups as the paper compares with them: the mean squared distance to the k nearest of their vectors."""

    bank: Bank
    k: int

    def score(self, vectors: np.ndarray, sizes: np.ndarray) -> np.ndarray:
        return knn_scores(self.bank.search(vectors, self.k).distances, self.k).astype(np.float64)

    def centre(self, vector: np.ndarray) -> np.ndarray:
        """(D,) what the group is compared with: the mean of the nearest groups' vectors."""
        found = self.bank.search(vector[None], self.k)
        return self.bank.features[found.indices[0]].mean(axis=0, dtype=np.float64)

    def pull(self, vector: np.ndarray) -> np.ndarray:
        """(D,) the direction in which the group deviates."""
        return vector - self.centre(vector)


@dataclass(frozen=True)
class Normality:
    """Good groups by their mean and how they vary: the squared Mahalanobis distance to the mean.

    precision: (D, D), of groups of one image where `images` normals are known, of whole groups where it is None.
    """

    mean: np.ndarray
    precision: np.ndarray
    images: int | None = None

    def score(self, vectors: np.ndarray, sizes: np.ndarray) -> np.ndarray:
        offsets = vectors - self.mean
        distances = np.einsum("ij,jk,ik->i", offsets, self.precision, offsets)
        if self.images is None:
            return distances
        return distances / (1 / np.asarray(sizes) + 1 / self.images)  # both means are uncertain

    def centre(self, vector: np.ndarray) -> np.ndarray:
        return self.mean

    def pull(self, vector: np.ndarray) -> np.ndarray:
        return self.precision @ (vector - self.mean)


class Spread:
    """No reference at all: the trace of the covariance is the score."""

    def score(self, vectors: np.ndarray, sizes: np.ndarray) -> np.ndarray:
        return vectors[:, 0].astype(np.float64)


def normality_of_groups(vectors: np.ndarray) -> Normality:
    """By the vectors of whole good groups; covariance shrunk after Ledoit and Wolf (2004)."""
    return Normality(vectors.mean(axis=0), _precision(vectors))


def normality_of_images(places: np.ndarray) -> Normality:
    """By single normals: a group of m varies by 1 / m of what they do."""
    return Normality(places.mean(axis=0), _precision(places), len(places))


def parts_of(
    reference: Nearest | Normality | Spread, method: str, vector: np.ndarray, images: np.ndarray
) -> np.ndarray:
    """(m,) float64: what each image brings to the group's score; those below 0 bring it down.

    Exact: they add up to the squared distance to the centre of what the group was compared with, up to one factor.
    A mean's deviation is the mean of its images' deviations, so each brings its own along the group's; of a largest
    value, the image that has it brings it; vectors one behind the other bring each their own block, and to the trace
    of a covariance each brings its squared distance to the group's mean.

    Args:
        reference: what the group was scored by.
        vector: (D,) of the group.
        images: (m, d) features of its images; (m, D) places for "composition".
    """
    if isinstance(reference, Spread):
        return ((images - images.mean(axis=0, dtype=np.float64)) ** 2).sum(axis=1)
    centre, pull = reference.centre(vector), reference.pull(vector)
    if method == "concat":
        return ((images.ravel() - centre) ** 2).reshape(len(images), -1).sum(axis=1)
    if method == "max":
        brought = np.zeros(len(images))
        np.add.at(brought, images.argmax(axis=0), pull**2)
        return brought
    return (images - centre) @ pull / len(images)


def shares_of(parts: np.ndarray) -> np.ndarray:
    """(m,) float64, at least 0, summing to 1: parts below 0 count as none; all alike where nothing is above 0."""
    brought = np.maximum(parts, 0)
    total = brought.sum()
    return brought / total if total > 0 else np.full(len(parts), 1 / len(parts))


def _precision(vectors: np.ndarray) -> np.ndarray:
    if len(vectors) < 2:
        return np.eye(vectors.shape[1])
    covariance, _ = ledoit_wolf(vectors)
    return np.linalg.inv(covariance + _SMALLEST * np.eye(len(covariance)))
