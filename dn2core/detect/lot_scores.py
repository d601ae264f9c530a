"""The normals' scores by lots: nothing of an image's lot counts in its score, as in that of a new image."""

from collections.abc import Callable

import numpy as np

from dn2core.detect.bank import Found
from dn2core.detect.forms import form_of, form_scores, form_scores_for_every_k

_ROWS = 1 << 10  # images scored at once; each of their neighbours has a row of its own in a table


def lot_scores(form: str, found: Found, loo: Found, lots: np.ndarray, k: int) -> np.ndarray:
    """As `form_scores` of the normals, each against those of other lots; higher = more anomalous.

    Where a form looks at the neighbours' own scores, these are taken without the image's lot, too: see
    `without_lots`.

    Args:
        form: a key of `FORMS`.
        found: (n, K) neighbours of other lots, as `leave_one_lot_out` gives them.
        loo: (n, L) neighbours of each normal among the others, of the same bank.
        lots: (n,) codes.
        k: neighbours to use; where K < k, all K count.

    Returns:
        (n,) float32.

    Raises:
        Refused: what `form_scores` refuses.
    """
    if not form_of(form).around or k < 1:
        return form_scores(form, found, loo, k)
    near = Found(found.distances[:, :k], found.indices[:, :k], min(k, found.k), found.k_asked)
    return _scores(near, loo, lots, lambda near, loo: form_scores(form, near, loo, k))


def lot_scores_for_every_k(form: str, found: Found, loo: Found, lots: np.ndarray) -> np.ndarray:
    """As `lot_scores` for k = 1, 2, ..., K at once.

    Returns:
        (n, K) float32; column k - 1 equals `lot_scores` at k bit for bit.
    """
    if not form_of(form).around:
        return form_scores_for_every_k(form, found, loo)
    return _scores(found, loo, lots, lambda near, loo: form_scores_for_every_k(form, near, loo))


def without_lots(loo: Found, lots: np.ndarray, rows: np.ndarray, left_out: np.ndarray) -> Found:
    """Rows of a leave-one-out table as if a lot were not there.

    A row of it ends where the table ended. The mean of what is left fills it up, so that at a k beyond that the
    mean of k is the mean of all that are left. A row of which nothing is left stays as it is.

    Args:
        loo: (n, L) neighbours of each normal among the others.
        lots: (n,) codes.
        rows: (p,) normals.
        left_out: (p,) the code of the lot that each is to do without.

    Returns:
        Found with (p, L) arrays; the index is -1 where the mean stands.
    """
    distances, indices = loo.distances[rows], loo.indices[rows]
    gone = lots[indices] == left_out[:, None]
    some = np.flatnonzero(gone.any(axis=1) & ~gone.all(axis=1))
    gone = gone[some]
    order = np.argsort(gone, axis=1, kind="stable")
    behind = np.take_along_axis(gone, order, 1)
    means = distances[some].mean(axis=1, dtype=np.float64, where=~gone).astype(np.float32)
    distances[some] = np.where(behind, means[:, None], np.take_along_axis(distances[some], order, 1))
    indices[some] = np.where(behind, -1, np.take_along_axis(indices[some], order, 1))
    return Found(distances, indices, loo.k, loo.k_asked)


def _scores(near: Found, loo: Found, lots: np.ndarray, score: Callable[[Found, Found], np.ndarray]) -> np.ndarray:
    """Scores by a table of the normals in which each stands once for every lot that it is a neighbour of."""
    names, codes = np.unique(lots, return_inverse=True)
    by_lot = np.argsort(codes, kind="stable")  # images of one lot share their neighbours' rows
    scores: list[np.ndarray] = []
    for start in range(0, len(by_lot), _ROWS):
        images = by_lot[start : start + _ROWS]
        wanted = near.indices[images] * len(names) + codes[images, None]
        pairs, at = np.unique(wanted, return_inverse=True)
        normals = without_lots(loo, codes, pairs // len(names), pairs % len(names))
        scores.append(score(Found(near.distances[images], at.reshape(wanted.shape), near.k, near.k_asked), normals))
    back = np.argsort(by_lot)
    return np.concatenate(scores)[back]
