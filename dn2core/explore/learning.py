"""Are the normals enough? What fewer of them would have done."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from dn2core.detect.bank import Bank
from dn2core.detect.calibration import check_budget, conformal_limit
from dn2core.errors import Refused
from dn2core.explore.curves import roc_auc
from dn2core.explore.evaluation import labelled

MOST = 3_000  # normals and labelled images of a class that the curve looks at; more are drawn from
_HELD_BACK = 0.2  # share of the normals that even the largest subset leaves unseen
_LEAST = 5  # normals of the smallest subset, unless asked for


@dataclass(frozen=True)
class Spread:
    """A value for each of S sizes in each of D draws of the normals."""

    draws: np.ndarray  # (S, D) float64

    @property
    def mean(self) -> np.ndarray:
        """(S,) float64."""
        return self.draws.mean(axis=1)

    @property
    def std(self) -> np.ndarray:
        """(S,) float64: standard deviation over the draws."""
        return self.draws.std(axis=1)


@dataclass(frozen=True)
class LearningCurve:
    """What subsets of the normals say about the normals and labelled images that they do not hold."""

    n: int  # normals there are
    used: int  # normals that the curve rests on: n, or MOST drawn from them
    k: int
    budget: float
    sizes: np.ndarray  # (S,) int64: normals in the subsets, growing
    false_alarms: Spread  # share, 0 to 1, of the other normals above the limit that the subset sets
    usual_distance: Spread  # of the other normals to the subset, as a multiple of the one with all normals
    roc_auc: Spread | None  # of the labelled images by the subset; None where a class is missing
    good: int  # labelled good images that it rests on
    defects: int


def learning_curve(
    normal_features: np.ndarray,
    scored_features: np.ndarray | None = None,
    labels: np.ndarray | None = None,
    *,
    normalise: bool = False,
    k: int = 2,
    budget: float = 0.01,
    sizes: list[int] | None = None,
    draws: int = 10,
    seed: int = 0,
) -> LearningCurve:
    """False alarms, usual distance and ROC AUC with fewer normals than there are.

    Each draw shuffles the normals and takes the first ones: its subsets lie within each other. A subset sets
    its limit by its own leave-one-out scores (`conformal_limit`); the normals outside stand for new good parts.
    The score is the mean of the k smallest squared L2 distances.

    Args:
        normal_features: (n, d) vectors of the normals, n >= 3.
        scored_features: (q, d) vectors of other images; None without any.
        labels: (q,) of "good", "defect", "unsure", ""; leave "" for images that lie among the normals, too.
        normalise: scale vectors to unit length first, as `Bank` does.
        budget: false-alarm budget, between 0 and 1.
        sizes: growing, from 2 to one less than the normals used; None: four fifths of them, halved down to five.
        draws: of the subsets.

    Raises:
        Refused: when there are fewer than three normals, an argument is out of its range, shapes do not fit or
            a number is not finite.
    """
    check_budget(budget)
    if k < 1:
        raise Refused("K_TOO_SMALL", k=k)
    if draws < 1:
        raise Refused("DRAWS_TOO_FEW", draws=draws)
    rng = np.random.default_rng(seed)
    normals = Bank(normal_features, normalise=normalise).features
    if len(normals) < 3:
        raise Refused("NORMALS_TOO_FEW", wanted=3, n=len(normals))
    n, normals = len(normals), _at_most(normals, rng)
    sizes = _sizes(len(normals), sizes)
    good, defects = _labelled_features(scored_features, labels, normals.shape[1], normalise, rng)
    rows = np.concatenate([normals, good, defects])
    table = squared_distances(rows, normals)
    used = len(normals)
    np.fill_diagonal(table[:used], np.inf)  # no normal is its own neighbour
    with_all = _usual(_scores(_nearest(table, k), k, used)[:used])

    alarms, usual, area = np.empty((3, len(sizes), draws))
    for draw in range(draws):
        order = rng.permutation(used)
        for i, scores in enumerate(_growing(table, order, sizes, k)):
            members, unseen = scores[order[: sizes[i]]], scores[order[sizes[i] :]]
            alarms[i, draw] = (unseen > conformal_limit(members, budget)).mean()
            usual[i, draw] = ratio(_usual(unseen), with_all)
            if len(good) and len(defects):
                area[i, draw] = roc_auc(scores[used : used + len(good)], scores[used + len(good) :])
    return LearningCurve(
        n=n,
        used=used,
        k=int(k),
        budget=float(budget),
        sizes=sizes,
        false_alarms=Spread(alarms),
        usual_distance=Spread(usual),
        roc_auc=Spread(area) if len(good) and len(defects) else None,
        good=len(good),
        defects=len(defects),
    )


def ratio(value: float, whole: float) -> float:
    """value / whole; 1 where both are 0, NaN where only the whole is."""
    if whole == 0:
        return 1.0 if value == 0 else np.nan
    return value / whole


def squared_distances(rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """(r, c) float32 squared L2 distances of every row to every column by norms and products; never negative.

    In float64 around the mean, so that vectors close together keep their distance.
    """
    mean = columns.mean(axis=0, dtype=np.float64)
    rows, columns = rows - mean, columns - mean
    table = rows @ columns.T
    table *= -2
    table += np.einsum("ij,ij->i", rows, rows)[:, None]
    table += np.einsum("ij,ij->i", columns, columns)
    return np.maximum(table, 0, out=table).astype(np.float32)


def _growing(table: np.ndarray, order: np.ndarray, sizes: np.ndarray, k: int) -> Iterator[np.ndarray]:
    """Scores (r,) of every row of the table by the first columns of an order, for each size."""
    nearest, have = np.empty((len(table), 0), np.float32), 0
    for size in sizes.tolist():
        more = _nearest(np.take(table, order[have:size], axis=1), k)
        nearest = _nearest(np.concatenate([nearest, more], axis=1), k)
        have = size
        yield _scores(nearest, k, size)


def _nearest(distances: np.ndarray, k: int) -> np.ndarray:
    """The k smallest of each row, or all where there are fewer, ascending."""
    if distances.shape[1] > k:
        distances = np.partition(distances, k - 1, axis=1)[:, :k]
    return np.sort(distances, axis=1)


def _scores(nearest: np.ndarray, k: int, size: int) -> np.ndarray:
    # A normal of the subset has only size - 1 others; all are compared by as many.
    return nearest[:, : min(k, size - 1)].mean(axis=1, dtype=np.float64)


def _usual(scores: np.ndarray) -> float:
    return float(np.sqrt(np.median(scores)))


def _sizes(n: int, asked: list[int] | None) -> np.ndarray:
    if asked is None:
        largest = min(n - 1, max(2, round((1 - _HELD_BACK) * n)))
        halved = [largest]
        while halved[-1] // 2 >= _LEAST:
            halved.append(halved[-1] // 2)
        return np.array(halved[::-1])
    sizes = np.asarray(asked)
    if sizes.ndim != 1 or len(sizes) == 0 or (np.diff(sizes) <= 0).any() or sizes[0] < 2 or sizes[-1] >= n:
        raise Refused("SIZES_OUT_OF_RANGE", least=2, most=n - 1, got=str(np.asarray(asked).tolist()))
    return sizes.astype(np.int64)


def _at_most(features: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    if len(features) <= MOST:
        return features
    return features[np.sort(rng.choice(len(features), MOST, replace=False))]


def _labelled_features(features, labels, dim: int, normalise: bool, rng) -> tuple[np.ndarray, np.ndarray]:
    """Vectors (n, d) of the images labelled good, and (m, d) of the defects."""
    none = np.empty((0, dim), np.float32)
    if features is None or labels is None:
        return none, none
    features = np.asarray(features)
    if features.ndim != 2 or features.shape[1] != dim:
        raise Refused("VECTORS_SHAPE", wanted=f"(n, {dim})", got=str(features.shape))
    parts = [features[at] for at in labelled(labels, None, len(features))[:2]]
    return tuple(Bank(_at_most(part, rng), normalise=normalise).features if len(part) else none for part in parts)
