"""Near-duplicates among the normals: copies, re-encoded copies, and shots of the same part a moment later."""

import numpy as np

from dn2core.detect.bank import Bank, Found
from dn2core.detect.scores import leave_one_out
from dn2core.errors import Refused

NEAREST = 8  # of each normal's neighbours, so many are looked at for pairs
CLOSE = 0.2  # the automatic cutoff, as a share of the usual distance between neighbours

_TENTH = 10  # which neighbour tells the usual distance: copies up to nine do not hide it
_ASKED = 1_000  # normals whose neighbours tell the usual distance


def near_duplicates(bank: Bank, cutoff: float, loo: Found | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of normals that lie within the cutoff of each other, the closest first.

    Each normal contributes pairs with its 8 nearest others only, so that n normals make at most 8 n pairs even when
    all of them are the same image. Identical ones stay one group along these pairs: each is paired with the first.

    Args:
        cutoff: L2 distance, not squared; a pair at exactly this distance counts.
        loo: what `leave_one_out` gave for this bank, at any k, where it is there already: saves the search, and
            fewer than 8 columns look at fewer neighbours.

    Returns:
        (p, 2) int64 rows a < b, each pair once, and (p,) float32 L2 distances, ascending; equal ones by their rows.

    Raises:
        Refused: when the cutoff is no distance. A bank of one normal has no pairs.
    """
    cutoff = check_cutoff(cutoff)
    if bank.n < 2:
        return np.empty((0, 2), np.int64), np.empty(0, np.float32)
    loo = leave_one_out(bank, NEAREST) if loo is None else loo
    distances = np.sqrt(loo.distances[:, :NEAREST])
    at, rank = np.nonzero(distances <= cutoff)
    other = loo.indices[at, rank]
    pairs, first = np.unique(np.sort(np.stack([at, other], axis=1), axis=1), axis=0, return_index=True)
    distances = distances[at, rank][first]
    order = np.argsort(distances, kind="stable")
    return pairs[order], distances[order]


def automatic_cutoff(bank: Bank) -> float:
    """A fifth of the usual L2 distance between neighbours: the median distance of a normal to its tenth nearest.

    Of more than 1,000 normals, 1,000 drawn at random are asked. 0, which means exact copies only, where most normals
    have ten or more of these.
    """
    rows = np.arange(bank.n)
    if bank.n > _ASKED:
        rows = np.sort(np.random.default_rng(0).choice(bank.n, _ASKED, replace=False))
    tenth = bank.search_others(rows, _TENTH).distances[:, -1]
    return CLOSE * float(np.sqrt(np.median(tenth)))


def check_cutoff(cutoff: float) -> float:
    """The cutoff itself.

    Raises:
        Refused: when it is negative, infinite or NaN.
    """
    if not 0 <= cutoff < np.inf:
        raise Refused("CUTOFF_OUT_OF_RANGE", cutoff=cutoff)
    return float(cutoff)
