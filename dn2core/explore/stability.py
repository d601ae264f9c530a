"""How much hangs on k: verdicts that flip, orders that change, and which k to take."""

from dataclasses import dataclass

import numpy as np

from dn2core.errors import Refused
from dn2core.explore.bootstrap import Estimate
from dn2core.explore.labelled import LabelledSweep, labelled_sweep

SAME_FLAGS, FEW_FLIPS, UNSTABLE, LABELS_PREFER, NOT_DEFINED = (
    "same_flags",
    "few_flips",
    "unstable",
    "labels_prefer",
    "not_defined",
)
_WIDE = 3  # so many k in a row make a range worth naming
_FEW = 0.1  # flips as a share of the flags; one is always few
_ENOUGH = 10  # labelled images of each class; with fewer the bootstrap's intervals are too narrow


@dataclass(frozen=True)
class Stability:
    """One row for each k = 1, 2, ..., K."""

    k: np.ndarray  # (K,) int64
    k_now: int  # the k in use, that others are compared with
    limits: np.ndarray  # (K,) float64; NaN where there is none
    flagged: np.ndarray  # (K, q) bool
    flips: np.ndarray  # (K - 1,) float64: share of the images with another flag at k + 1 than at k; NaN for none
    correlation: np.ndarray  # (K,) float64: Spearman's, of the scores with those at k_now
    changed: np.ndarray  # (K,) int64: images with another flag than at k_now
    plateau: tuple[int, int]  # first and last k of the range with equal flags: see `stability`
    labelled: LabelledSweep | None  # None without labels

    @property
    def flagged_count(self) -> np.ndarray:
        """(K,) int64: images flagged."""
        return self.flagged.sum(axis=1)


@dataclass(frozen=True)
class Recommendation:
    """Which k to take and why, as data.

    kind: "same_flags": every k from k_from to k_to, the one in use among them, gives the same flags;
        "few_flips": there at most `flips` images get another flag than at the k in use;
        "unstable": around the k in use flags change; k_from to k_to is the nearest range where they do not
        (the k in use alone if there is none);
        "labels_prefer": k_from to k_to separate the labelled images better, by more than chance explains;
        "not_defined": nothing was scored, or there is no limit.
    """

    kind: str
    k_from: int
    k_to: int
    k_recommended: int
    flags: int  # images flagged at k_recommended
    flips: int  # the most images from k_from to k_to that get another flag than at the k in use
    gain: Estimate | None = None  # of ROC AUC at k_recommended over the k in use; None but for "labels_prefer"


def stability(
    scores: np.ndarray,
    limits: np.ndarray,
    k_now: int,
    labels: np.ndarray | None = None,
    exclude: np.ndarray | None = None,
    *,
    draws: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> Stability:
    """Flags and order of the images at every k against those at the k in use.

    The plateau is the range of k around k_now over which every flag is the same; where k_now stands alone in it,
    the nearest range of two or more (of two that are as near, the longer).

    Args:
        scores: (K, q) row k - 1 at k neighbours, higher = more anomalous.
        limits: (K,) scores above are flagged; NaN where there is no limit, and no flag then.
        k_now: the k in use; beyond K the last one counts.
        labels, exclude, draws, seed, level: of `labelled_sweep`; None without labels.

    Raises:
        Refused: when k_now < 1, a shape does not fit or a score is not finite; with labels as `evaluate`.
    """
    scores, limits = np.asarray(scores), np.asarray(limits, np.float64)
    if scores.ndim != 2 or len(scores) == 0 or limits.shape != (len(scores),):
        raise Refused("SCORE_TABLE_SHAPE", got=f"shapes {scores.shape} and {limits.shape}")
    if k_now < 1:
        raise Refused("K_TOO_SMALL", k=k_now)
    bad = scores.size - int(np.isfinite(scores).sum())
    if bad:
        raise Refused("SCORES_NOT_FINITE", count=bad)
    now = min(int(k_now), len(scores))
    # In the scores' own precision, as the verdicts compare them.
    flagged = scores > limits[:, None].astype(scores.dtype)
    flips = (flagged[1:] != flagged[:-1]).sum(axis=1)
    options = {"k_now": now, "draws": draws, "seed": seed, "level": level}
    return Stability(
        k=np.arange(1, len(scores) + 1),
        k_now=now,
        limits=limits,
        flagged=flagged,
        flips=flips / scores.shape[1] if scores.shape[1] else np.full(len(flips), np.nan),
        correlation=_rank_correlations(scores, now - 1),
        changed=(flagged != flagged[now - 1]).sum(axis=1),
        plateau=_plateau(flips == 0, now),
        labelled=None if labels is None else labelled_sweep(scores, flagged, labels, exclude, **options),
    )


def recommendation(stability: Stability) -> Recommendation:
    """The k in use wherever it does, another one where flags or labels speak against it.

    Labels count from ten of each class on, and only where another k separates them better beyond chance.
    """
    s, now = stability, stability.k_now
    k_from, k_to = s.plateau
    if s.flagged.shape[1] == 0 or np.isnan(s.limits[now - 1]):
        return _recommend(s, NOT_DEFINED, now, now, now)
    better = _better_by_labels(s)
    if better is not None:
        return better
    if k_from <= now <= k_to and (k_to - k_from + 1 >= min(_WIDE, len(s.k))):
        return _recommend(s, SAME_FLAGS, k_from, k_to, now)
    few = max(1, int(_FEW * s.flagged[now - 1].sum()))
    first, last = _around(s.changed <= few, now)
    if last - first + 1 >= min(_WIDE, len(s.k)):
        return _recommend(s, FEW_FLIPS, first, last, now)
    return _recommend(s, UNSTABLE, k_from, k_to, min(max(now, k_from), k_to))


def _better_by_labels(s: Stability) -> Recommendation | None:
    found = s.labelled
    if found is None or found.gain is None or min(found.good, found.defects) < _ENOUGH:
        return None
    real = found.gain.low > 0
    if not real.any():
        return None
    best = int(np.where(real, found.gain.value, -np.inf).argmax())
    gain = Estimate(*(float(values[best]) for values in (found.gain.value, found.gain.low, found.gain.high)))
    return _recommend(s, LABELS_PREFER, *_around(real, best + 1), best + 1, gain)


def _recommend(s: Stability, kind: str, k_from: int, k_to: int, k: int, gain: Estimate | None = None) -> Recommendation:
    flips = int(s.changed[k_from - 1 : k_to].max())
    return Recommendation(kind, k_from, k_to, k, int(s.flagged[k - 1].sum()), flips, gain)


def _around(holds: np.ndarray, k: int) -> tuple[int, int]:
    """First and last k of the unbroken range around k where (K,) bool holds; it holds at k."""
    breaks = np.flatnonzero(~holds) + 1
    before, after = breaks[breaks < k], breaks[breaks > k]
    return int(before[-1]) + 1 if len(before) else 1, int(after[0]) - 1 if len(after) else len(holds)


def _plateau(same: np.ndarray, k_now: int) -> tuple[int, int]:
    """The range of `stability`, from (K - 1,) bool: flags at k + 1 equal those at k."""
    first = np.flatnonzero(np.append(True, ~same)) + 1
    last = np.append(first[1:] - 1, len(same) + 1)
    away = np.maximum(np.maximum(first - k_now, k_now - last), 0)
    # A k alone is taken only when no range is there at all, and then k_now is one of those alone, at 0.
    alone = first == last
    best = np.lexsort((first - last, away, alone))[0]
    return int(first[best]), int(last[best])


def _rank_correlations(scores: np.ndarray, now: int) -> np.ndarray:
    """Spearman's correlation of each row with row `now`, equal scores sharing their mean rank.

    Scores that are all equal rank nothing: against others of that kind that is agreement (1), else none (0).
    """
    reference = _centred_ranks(scores[now])
    norm = np.sqrt(reference @ reference)
    found = np.empty(len(scores))
    for row, of_k in enumerate(scores):
        ranks = _centred_ranks(of_k)
        own = np.sqrt(ranks @ ranks)
        found[row] = (ranks @ reference) / (own * norm) if own and norm else float(own == norm)
    return np.clip(found, -1, 1)


def _centred_ranks(scores: np.ndarray) -> np.ndarray:
    """(q,) float64 ranks around 0, equal scores at the mean of theirs."""
    order = np.argsort(scores)
    ranked = scores[order]
    starts = np.flatnonzero(np.append(True, ranked[1:] != ranked[:-1])) if len(ranked) else np.empty(0, int)
    ends = np.append(starts[1:], len(ranked))[: len(starts)]
    ranks = np.empty(len(scores))
    ranks[order] = np.repeat((starts + ends) / 2, ends - starts)
    return ranks - len(scores) / 2
