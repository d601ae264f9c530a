"""From distances to scores: the mean of the k smallest squared distances."""

import numpy as np

from dn2core.detect.bank import Bank, Found
from dn2core.errors import Refused


def knn_scores(distances: np.ndarray, k: int = 2) -> np.ndarray:
    """Mean of the k smallest squared L2 distances; higher = more anomalous.

    Args:
        distances: (q, K) squared L2, ascending. For a normal's own score the
            normal itself must be out already: see `leave_one_out`.
        k: neighbours to average; where fewer than k columns are there, all of them are.

    Returns:
        (q,) float32.

    Raises:
        Refused: when k < 1 or there is no column.
    """
    if k < 1:
        raise Refused("K_TOO_SMALL", k=k)
    return np.ascontiguousarray(scores_for_every_k(distances[:, :k])[:, -1])


def scores_for_every_k(distances: np.ndarray) -> np.ndarray:
    """Scores for k = 1, 2, ..., K at once; higher = more anomalous.

    Args:
        distances: (q, K) squared L2, ascending.

    Returns:
        (q, K) float32; column k - 1 equals `knn_scores(distances, k)` bit for bit.

    Raises:
        Refused: when there is no column.
    """
    distances = np.asarray(distances)
    if distances.ndim != 2 or distances.shape[1] == 0:
        raise Refused("DISTANCES_SHAPE", got=str(distances.shape))
    sums = np.cumsum(distances, axis=1, dtype=np.float64)
    return (sums / np.arange(1, distances.shape[1] + 1)).astype(np.float32)


def leave_one_out(bank: Bank, k: int) -> Found:
    """The k nearest other vectors of each vector in the bank, as if it were not there itself.

    Only the vector's own row is left out: another row with the same numbers stays
    a neighbour, at distance 0.

    Returns:
        Found with (n, k) arrays; k is reduced to n - 1 where the bank holds no more.

    Raises:
        Refused: when k < 1 or the bank holds a single vector.
    """
    if k < 1:
        raise Refused("K_TOO_SMALL", k=k)
    if bank.n < 2:
        raise Refused("TWO_NORMALS_NEEDED")
    return bank.search_others(np.arange(bank.n), k)
