"""Tables of neighbours that follow a change of the bank, exactly and without a search of everything.

A vector that joins is compared by itself and put into the rows where it belongs. A vector that leaves is cut out
of the rows that hold it. Each row holds a few neighbours more than were asked for, so that it can lose some before
it must be searched for again; otherwise one vector that is near to many would cost a search of them all.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from dn2core.detect.bank import Bank, Found
from dn2core.errors import Refused

SPARE = 14  # neighbours beyond k in a fresh row: how many it can lose before it is searched for again
_GONE = -2  # the index of a vector that left, until it is cut out
_ROWS = 8192  # rows sorted at once, so that their parts stay in the processor's cache


@dataclass(frozen=True)
class NeighbourTable:
    """The nearest vectors of a bank for each query, and some spare ones.

    distances: (q, w) float32 squared L2, ascending, w = min(vectors there are, k_asked + SPARE).
    indices: (q, w) int64 rows of the bank; equal distances stand in the order of their rows.
    k_asked: neighbours per query; so many, or all there are, are always known. Of the spare ones a row
        may have lost some: then it ends in infinite distances with the index -1.
    """

    distances: np.ndarray
    indices: np.ndarray
    k_asked: int

    @property
    def found(self) -> Found:
        """The neighbours without the spare ones, as `Bank.search` or `leave_one_out` gives them; views.

        Raises:
            Refused: when there is no neighbour, for the table is of a single normal's others.
        """
        used = min(self.k_asked, self.distances.shape[1])
        if used == 0:
            raise Refused("TWO_NORMALS_NEEDED")
        return Found(self.distances[:, :used], self.indices[:, :used], used, self.k_asked)

    @property
    def nbytes(self) -> int:
        return self.distances.nbytes + self.indices.nbytes

    def joined(self, more: "NeighbourTable") -> "NeighbourTable":
        """These queries and then more of them, searched for in the same bank with the same k."""
        if (self.k_asked, self.distances.shape[1]) != (more.k_asked, more.distances.shape[1]):
            raise ValueError("expected tables of the same bank and the same k")
        return NeighbourTable(
            np.concatenate([self.distances, more.distances]),
            np.concatenate([self.indices, more.indices]),
            self.k_asked,
        )


def neighbour_table(bank: Bank, queries: np.ndarray, k: int) -> NeighbourTable:
    """The neighbours of (q, d) queries that `bank.prepare` gave; its `found` is that of `bank.search`.

    Raises:
        Refused: when k < 1.
    """
    _check_k(k)
    found = bank.search_prepared(queries, k + SPARE)
    return NeighbourTable(found.distances, found.indices, int(k))


def own_neighbour_table(bank: Bank, k: int) -> NeighbourTable:
    """The other neighbours of each vector in the bank; its `found` is that of `leave_one_out`.

    A bank of one vector has a table of no columns, from which `updated_own` can go on.

    Raises:
        Refused: when k < 1.
    """
    _check_k(k)
    return _others(bank, np.arange(bank.n), k)


def updated(table: NeighbourTable, queries: np.ndarray, bank: Bank, keep: np.ndarray) -> NeighbourTable:
    """The table of the same queries after vectors left the bank, joined it, or both.

    `found` is, bit for bit, that of a fresh search; the given table stays as it is.

    Args:
        table: what `neighbour_table` or this function gave for the bank before.
        queries: (q, d) float32 as `Bank.prepare` gave them.
        bank: the bank now, which is `before.changed(keep, added)`.
        keep: (n,) bool, which vectors of the bank before are still there.
    """
    kept = _kept(keep, bank)
    return _changed(table, queries, bank, keep, kept, bank.n, lambda rows, k: bank.search_prepared(queries[rows], k))


def updated_own(table: NeighbourTable, bank: Bank, keep: np.ndarray) -> NeighbourTable:
    """As `updated`, for the bank's own vectors; `found` is, bit for bit, that of `leave_one_out`.

    Args:
        table: what `own_neighbour_table` or this function gave for the bank before.
        bank: the bank now, which is `before.changed(keep, added)`.
        keep: (n,) bool, which vectors of the bank before are still there.
    """
    kept = _kept(keep, bank)
    stayed = NeighbourTable(table.distances[keep], table.indices[keep], table.k_asked)
    stayed = _changed(stayed, bank.features[:kept], bank, keep, kept - 1, bank.n - 1, bank.search_others)
    if kept == bank.n:
        return stayed
    return stayed.joined(_others(bank, np.arange(kept, bank.n), table.k_asked))


def _changed(
    table: NeighbourTable,
    queries: np.ndarray,
    bank: Bank,
    keep: np.ndarray,
    stay: int,
    there: int,
    search: Callable[[np.ndarray, int], Found],
) -> NeighbourTable:
    """`stay` of each row's possible neighbours are old ones, and `there` are all that it can have now."""
    width = min(there, table.k_asked + SPARE)
    distances, indices = _without(table, keep, width)
    if bank.n > keep.sum():
        _put_in(distances, indices, queries, bank, int(keep.sum()), stay)
    if width:
        short = np.flatnonzero(indices[:, min(table.k_asked, width) - 1] < 0)
        if len(short):
            found = search(short, width)
            distances[short], indices[short] = found.distances, found.indices
    return NeighbourTable(distances, indices, table.k_asked)


def _without(table: NeighbourTable, keep: np.ndarray, width: int) -> tuple[np.ndarray, np.ndarray]:
    """A copy of the table, `width` columns wide, with the vectors that stay under their new rows."""
    distances = table.distances.copy()
    if keep.all():
        indices = table.indices.copy()
    else:
        # One entry more at the end, where the index -1 leads to itself.
        indices = np.append(np.where(keep, np.cumsum(keep) - 1, _GONE), -1)[table.indices]
        for rows in _chunks(np.flatnonzero((indices == _GONE).any(axis=1))):
            gone = indices[rows] == _GONE
            order = np.argsort(gone, axis=1, kind="stable")
            distances[rows] = np.take_along_axis(np.where(gone, np.float32(np.inf), distances[rows]), order, 1)
            indices[rows] = np.take_along_axis(np.where(gone, -1, indices[rows]), order, 1)
    return _as_wide(distances, width, np.inf), _as_wide(indices, width, -1)


def _as_wide(array: np.ndarray, width: int, fill: float) -> np.ndarray:
    """Cut or filled up; what is cut is unknown, for columns become fewer only when there are no more vectors."""
    before = array.shape[1]
    if before < width:
        wide = np.empty((len(array), width), array.dtype)  # np.pad takes twice as long
        wide[:, :before], wide[:, before:] = array, fill
        return wide
    return array if before == width else array[:, :width].copy()


def _put_in(distances: np.ndarray, indices: np.ndarray, queries: np.ndarray, bank: Bank, first: int, stay: int) -> None:
    """Merge the bank's vectors from row `first` on into rows that know of the others, in place.

    A row that does not know all `stay` others cannot tell what comes behind its last known one, so only what
    is nearer than that goes in; at an equal distance, an old vector that it does not know has the lower row.
    """
    width = distances.shape[1]
    if width == 0:
        return
    last = distances[:, -1].copy()
    ending = np.flatnonzero(indices[:, -1] < 0)
    known = (indices[ending] >= 0).sum(axis=1)
    last[ending] = np.where(known == 0, -np.inf, distances[ending, known - 1])
    last[ending[known == stay]] = np.inf
    new = bank.changed(np.arange(bank.n) >= first).search_prepared(queries, width)
    for rows in _chunks(np.flatnonzero(new.distances[:, 0] < last)):
        enters = new.distances[rows] < last[rows, None]
        near = np.where(enters, new.distances[rows], np.float32(np.inf))
        at = np.where(enters, new.indices[rows] + first, -1)
        near, at = np.hstack([distances[rows], near]), np.hstack([indices[rows], at])
        # Stable: at equal distances the old ones, whose rows are lower, stay before the new ones.
        order = np.argsort(near, axis=1, kind="stable")[:, :width]
        distances[rows] = np.take_along_axis(near, order, 1)
        indices[rows] = np.take_along_axis(at, order, 1)


def _others(bank: Bank, rows: np.ndarray, k: int) -> NeighbourTable:
    if bank.n == 1:
        return NeighbourTable(np.empty((len(rows), 0), np.float32), np.empty((len(rows), 0), np.int64), int(k))
    found = bank.search_others(rows, k + SPARE)
    return NeighbourTable(found.distances, found.indices, int(k))


def _kept(keep: np.ndarray, bank: Bank) -> int:
    kept = int(np.count_nonzero(keep))
    if kept > bank.n:
        raise ValueError(f"expected a bank of the {kept} vectors that stay and the new ones, got {bank.n} vectors")
    return kept


def _chunks(rows: np.ndarray) -> Iterator[np.ndarray]:
    return (rows[start : start + _ROWS] for start in range(0, len(rows), _ROWS))


def _check_k(k: int) -> None:
    if k < 1:
        raise Refused("K_TOO_SMALL", k=k)
