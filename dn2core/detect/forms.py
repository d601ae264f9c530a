"""Score forms: the ways to make one number of the distances to the k nearest normals. Higher = more anomalous."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from dn2core.detect.bank import Found
from dn2core.errors import Refused

# The neighbours' own score counts as at least this share of the image's mean, so that identical normals, whose own
# score is 0, divide nothing by 0. It goes by the image alone: leaving a normal out cannot move it.
DENSEST = 1e-4

_ROWS = 1 << 15  # images whose tables are held at once


@dataclass(frozen=True)
class Form:
    """A score form: its title, its formula in words, and the function from `_Near` and k to (q,) float64."""

    name: str
    title: str
    formula: str
    scores: Callable[["_Near", int], np.ndarray]
    around: bool = False  # looks at the neighbours' own scores


def form_scores(form: str, found: Found, loo: Found | None, k: int, *, own: bool = False) -> np.ndarray:
    """Scores at k neighbours; higher = more anomalous.

    Args:
        form: a key of FORMS.
        found: (q, K) neighbours of the scored images; where K < k, all K count.
        loo: (n, L) neighbours of each normal among the others, of the same bank; None below two normals, where
            "density" is the mean. Where L < k, all L count in the normals' own scores.
        k: neighbours to use.
        own: the normals themselves are scored: `found` is the leave-one-out table (and `loo` is not looked at).
            Then nothing of normal i counts in its own score: a neighbour that has i among its first k is taken
            at its k nearest without i, at fewer where the table ends there, and as it is where i is all it has.

    Returns:
        (q,) float32: "mean" and "kth" in squared distances, "density" in distances.

    Raises:
        Refused: an unknown form, k < 1, or no column of distances.
    """
    if k < 1:
        raise Refused("K_TOO_SMALL", k=k)
    rule = form_of(form)
    return _scores(rule, found, loo, [min(int(k), _columns(found))], own)[0]


def form_scores_for_every_k(form: str, found: Found, loo: Found | None, *, own: bool = False) -> np.ndarray:
    """As `form_scores` for k = 1, 2, ..., K at once.

    Returns:
        (q, K) float32; column k - 1 equals `form_scores` at k bit for bit, whatever other images come along.

    Raises:
        Refused: an unknown form or no column of distances.
    """
    rule = form_of(form)
    return np.ascontiguousarray(_scores(rule, found, loo, range(1, _columns(found) + 1), own).T)


def form_of(name: str) -> Form:
    """The table's row of that name."""
    if name not in FORMS:
        raise Refused("UNKNOWN_FORM", name=name, known=", ".join(FORMS))
    return FORMS[name]


def _mean(near: "_Near", k: int) -> np.ndarray:
    return near.sums[k - 1] / k


def _kth(near: "_Near", k: int) -> np.ndarray:
    return near.distances[k - 1]


def _density(near: "_Near", k: int) -> np.ndarray:
    mean = _mean(near, k)
    if near.normals is None:
        return mean
    around = np.maximum(near.own_scores(k), DENSEST * mean)
    return np.divide(mean, np.sqrt(around), out=np.zeros_like(mean), where=mean > 0)


FORMS: dict[str, Form] = {
    form.name: form
    for form in (
        Form(
            "mean",
            "Mean of the squared distances",
            "mean of the squared distances to the k nearest normals",
            _mean,
        ),
        Form(
            "kth",
            "Squared distance to the k-th",
            "squared distance to the k-th nearest normal",
            _kth,
        ),
        Form(
            "density",
            "Mean, corrected for density",
            "mean of the squared distances to the k nearest normals"
            " / square root of the mean of these normals' own scores (each by its k nearest other normals)",
            _density,
            around=True,
        ),
    )
}


class _Near:
    """Some images' `most` nearest, a row for each rank: (most, q) arrays, and (L, n) ones of the normals."""

    def __init__(self, found: Found, rows: slice, most: int, normals: "_Normals | None", own: bool):
        self.distances = np.ascontiguousarray(found.distances[rows, :most].T)
        self.sums = np.cumsum(self.distances, axis=0, dtype=np.float64)
        self.indices = np.ascontiguousarray(found.indices[rows, :most].T)
        self.rows, self.normals, self.own = rows, normals, own

    @cached_property
    def ranks(self) -> np.ndarray:
        """(K, q): where each scored normal stands in the lists of its neighbours."""
        return self.normals.ranks_of(self.indices, self.rows)

    def own_scores(self, k: int) -> np.ndarray:
        """(q,) float64: mean of the own scores of each image's k nearest normals.

        Added up rank by rank, so that a sum does not depend on how many images are summed beside it.
        """
        if self.own:
            return sum(self._own_without(k, rank) for rank in range(k)) / k
        scores = self.normals.scores(k)
        return sum(scores[self.indices[rank]] for rank in range(k)) / k

    def _own_without(self, k: int, rank: int) -> np.ndarray:
        """(q,) the own score of each scored normal's neighbour of that rank, that normal left out."""
        sums, neighbour = self.normals.sums, self.indices[rank]
        used, taken = min(k, len(sums)), min(k + 1, len(sums))
        score = sums[used - 1][neighbour] / used
        if taken == 1:
            return score
        without = (sums[taken - 1][neighbour] - self.distances[rank]) / (taken - 1)
        return np.where(self.ranks[rank] < used, np.maximum(without, 0), score)


class _Normals:
    """The normals' distances to each other, added up: sums (L, n) float64."""

    def __init__(self, loo: Found):
        self.distances, self.indices = loo.distances, loo.indices

    @cached_property
    def sums(self) -> np.ndarray:
        return np.cumsum(np.ascontiguousarray(self.distances.T), axis=0, dtype=np.float64)

    def scores(self, k: int) -> np.ndarray:
        """(n,) float64: each normal's mean squared distance to its k nearest others."""
        used = min(k, len(self.sums))
        return self.sums[used - 1] / used

    def ranks_of(self, neighbours: np.ndarray, rows: slice) -> np.ndarray:
        """(K, q): where normal i of `rows` stands in the list of each of its (K, q) neighbours; L where it doesn't."""
        last, n = self.indices.shape[1], len(self.indices)
        ranks = np.full(neighbours.shape, last, np.int64)
        own = np.arange(n)[rows]
        for rank, column in enumerate(np.ascontiguousarray(self.indices.T)):
            ranks[column[neighbours] == own] = rank
        return ranks


def _scores(form: Form, found: Found, loo: Found | None, ks: Iterable[int], own: bool) -> np.ndarray:
    """(len(ks), q) float32."""
    ks, q = list(ks), len(found.distances)
    loo = found if own else loo
    normals = _Normals(loo) if loo is not None else None
    scores = np.empty((len(ks), q), np.float32)
    for start in range(0, q, _ROWS):
        rows = slice(start, min(q, start + _ROWS))
        near = _Near(found, rows, max(ks), normals, own)
        for row, k in zip(scores, ks, strict=True):
            row[rows] = form.scores(near, k)
    return scores


def _columns(found: Found) -> int:
    distances = np.asarray(found.distances)
    if distances.ndim != 2 or distances.shape[1] == 0:
        raise Refused("DISTANCES_SHAPE", got=str(distances.shape))
    return distances.shape[1]
