"""How far a group lies from good groups, and how much of that each of its images brings. Higher = more anomalous."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from dn2core.detect.bank import Bank
from dn2core.detect.groups import check_method, checked_features, pool_rows, rows_of_groups
from dn2core.detect.scores import knn_scores
from dn2core.detect.set_features import Composition, composition_of
from dn2core.errors import Refused

_SMALLEST = 1e-12  # variance of good groups along an axis; identical ones have none


def score_groups(
    normals: np.ndarray,
    normal_groups: Sequence[Hashable] | np.ndarray,
    features: np.ndarray,
    groups: Sequence[Hashable] | np.ndarray,
    *,
    method: str = "mean",
    k: int = 2,
) -> np.ndarray:
    """How far groups lie from known good groups; higher = more anomalous. For verdicts see `judge_groups`.

    Args:
        normals: (n, d) float32, as the bank compares them.
        normal_groups: (n,) the good groups; images of None are in none.
        features: (q, d) float32 of the groups to score.
        groups: (q,) likewise.
        method: a key of POOLINGS; "covariance" does not look at the normals.
        k: nearest good groups, where the method compares with those.

    Returns:
        (g,) float64, in the order of the groups' first images.

    Raises:
        Refused: what `pool_groups` refuses; K_TOO_SMALL; BANK_EMPTY without a good group.
    """
    check_method(method)
    if k < 1:
        raise Refused("K_TOO_SMALL", k=k)
    normals, features = checked_features(normals), checked_features(features)
    _, good = rows_of_groups(normal_groups, len(normals))
    _, rows = rows_of_groups(groups, len(features))
    if not good and method != "covariance":
        raise Refused("BANK_EMPTY")
    return reference_of_groups(normals, good, method, k).score(features, rows)


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


@dataclass(frozen=True)
class GroupReference:
    """What groups are compared with, and how they are pooled for it."""

    good: Nearest | Normality | Spread
    method: str
    learned: Composition | None = None

    def score(self, features: np.ndarray, rows: Sequence[np.ndarray]) -> np.ndarray:
        """(g,) float64 of groups that are given by the rows of their images."""
        vectors = pool_rows(features, rows, self.method, self.learned)
        return self.good.score(vectors, np.array([len(each) for each in rows]))

    def shares(self, images: np.ndarray) -> np.ndarray:
        """(m,) float64, at least 0, summing to 1: what each image of a group brings to its score."""
        vector = pool_rows(images, [np.arange(len(images))], self.method, self.learned)[0]
        places = self.learned.places(images) if self.learned else images
        return shares_of(parts_of(self.good, self.method, vector, places))


def reference_of_groups(features: np.ndarray, rows: Sequence[np.ndarray], method: str, k: int) -> GroupReference:
    """By good groups, given by the rows of their images."""
    if method == "covariance":
        return GroupReference(Spread(), method)
    learned = composition_of(features, rows) if method == "composition" else None
    vectors = pool_rows(features, rows, method, learned)
    good = Normality(vectors.mean(axis=0), _precision(vectors)) if learned else Nearest(Bank(vectors), k)
    return GroupReference(good, method, learned)


def reference_of_images(features: np.ndarray) -> GroupReference:
    """By single normals, where groups of them would be drawn: what they do follows from the images, without drawing."""
    learned = composition_of(features)
    places = learned.places(features)
    good = Normality(places.mean(axis=0), _precision(places), len(places))
    return GroupReference(good, "composition", learned)


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
    from sklearn.covariance import ledoit_wolf  # takes a second, which pages without lots need not wait

    covariance, _ = ledoit_wolf(vectors)
    return np.linalg.inv(covariance + _SMALLEST * np.eye(len(covariance)))
