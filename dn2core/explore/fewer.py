"""What fewer vectors in the bank would cost and save, measured on the user's own images."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.stats import spearmanr

from dn2core.detect import Bank, Found, Judgement, Reference, ScoreTable
from dn2core.detect.compression import coreset, kmeans, kmeans_is_quick
from dn2core.explore.bootstrap import Estimate, bootstrap
from dn2core.explore.comparison import FEW_LABELS
from dn2core.explore.curves import roc_auc
from dn2core.explore.evaluation import labelled

SHARES = (0.01, 0.05, 0.10, 0.25)
QUICK = 0.005  # seconds for an image, below which searching is little beside encoding it
_LOSS = 0.01  # of ROC AUC that fewer vectors may cost: the paper's "under one point"
_AGREES = 0.98  # rank correlation from which the order of the images is the same for a person
_TIMED = 200  # images that are searched for to tell the time
_PART = 2_000  # images searched for between two beats
_TURNS = 7  # the quickest of which counts: others may be at work


@dataclass(frozen=True)
class Kept:
    """One bank: all normals, or some of them.

    correlation is Spearman's, of the scores with those by all normals; NaN below two images or without any order.
    """

    method: str  # "all", "kmeans" or "coreset"
    share: float
    n: int  # vectors
    seconds: float  # of search for an image
    nbytes: int  # of memory, the search among them included
    roc_auc: Estimate | None  # None below `FEW_LABELS` labels of a class: by so few all banks look alike
    correlation: float
    flagged: int
    changed: int  # images with another flag than by all normals


@dataclass(frozen=True)
class Advice:
    """Which bank to take and why.

    kind: "quick": all are searched quickly enough; "fewer": `take` is quicker and judges as well; "none": no smaller
        bank judges as well.
    """

    kind: str
    take: Kept
    all: Kept


def fewer(
    bank: Bank,
    queries: np.ndarray,
    judged: Judgement,
    checks: np.ndarray,
    more_checks: np.ndarray | None = None,
    labels: np.ndarray | None = None,
    exclude: np.ndarray | None = None,
    *,
    lots: np.ndarray | None = None,
    shares: tuple[float, ...] = SHARES,
    seed: int = 0,
    tell: Callable[[int, int], None] = lambda done, total: None,
    beat: Callable[[], None] = lambda: None,
) -> list[Kept]:
    """All normals, then each share of them by k-means and by coreset.

    Shares too small for the k in use are left out, and those of k-means that would take too long.

    The limit of a smaller bank rests on good parts that had no say in what it holds.

    Args:
        bank: of all normals.
        queries: (q, d) float32 scored images, as `bank.prepare` gave them.
        judged: their scores and verdicts by all normals; its k, form and budget hold for all.
        checks: (c,) rows of the bank that are set aside to check the limit.
        more_checks: (h, d) float32 held-out good parts, as the bank compares them.
        labels: (q,) of "good", "defect", "unsure", ""; None without any.
        exclude: (q,) bool: the image is one of the normals, too.
        lots: (h + c,) codes of the checks' lots, those held out first.
        tell: called with (banks measured, banks in all).
        beat: called often in between; what it raises ends the measurement.
    """
    n = bank.n
    rest = np.setdiff1d(np.arange(n), checks)
    good = np.concatenate([np.empty((0, bank.dim), np.float32) if more_checks is None else more_checks])
    good = np.concatenate([good, bank.features[checks]])
    counts = {share: max(1, round(share * n)) for share in sorted(shares)}
    counts = {share: m for share, m in counts.items() if judged.k < m <= len(rest)}
    tried = [("kmeans", share) for share, m in counts.items() if kmeans_is_quick(len(rest), m, bank.dim)]
    tried += [("coreset", share) for share in counts]
    marks = np.full(len(queries), "") if labels is None else np.asarray(labels)
    goods, defects, _ = labelled(marks, exclude, len(queries))
    enough = min(len(goods), len(defects)) >= FEW_LABELS

    def measured(method: str, share: float, small: Bank, scores: np.ndarray, flagged: np.ndarray) -> Kept:
        return Kept(
            method=method,
            share=share,
            n=small.n,
            seconds=_seconds(small, queries, judged.k),
            nbytes=small.nbytes,
            roc_auc=bootstrap(roc_auc, scores[goods], scores[defects]) if enough else None,
            correlation=_correlation(scores, judged.scores),
            flagged=int(flagged.sum()),
            changed=int((flagged != judged.flagged).sum()),
        )

    found = [measured("all", 1.0, bank, judged.scores, judged.flagged)]
    vectors = bank.features[rest]
    cover = None
    for method, share in tried:
        tell(len(found), 1 + len(tried))
        if method == "kmeans":
            rows = kmeans(vectors, counts[share], seed=seed, tell=lambda *_: beat()).members
        else:
            if cover is None:
                cover = coreset(vectors, max(counts.values()), seed=seed, tell=lambda *_: beat())
            rows = cover[: counts[share]]
        small = Bank(vectors[np.sort(rows)])
        after = _judged(small, queries, good, lots, judged, beat)
        found.append(measured(method, share, small, after.scores, after.flagged))
    return found


def advice(found: list[Kept]) -> Advice:
    """All normals where that is quick enough, else the smallest bank that judges as well."""
    everything = found[0]
    if everything.seconds <= QUICK:
        return Advice("quick", everything, everything)
    as_well = [one for one in found[1:] if _as_well(one, everything) and one.seconds < everything.seconds]
    if not as_well:
        return Advice("none", everything, everything)
    return Advice("fewer", min(as_well, key=lambda one: (one.n, one.changed)), everything)


def _as_well(one: Kept, everything: Kept) -> bool:
    """In the same order, and by labels, where there are enough, no worse."""
    worse = one.roc_auc is not None and one.roc_auc.value < everything.roc_auc.value - _LOSS
    return one.correlation >= _AGREES and not worse


def _judged(
    small: Bank,
    queries: np.ndarray,
    good: np.ndarray,
    lots: np.ndarray | None,
    like: Judgement,
    beat: Callable[[], None],
) -> Judgement:
    def search(vectors: np.ndarray) -> Found:
        return _in_parts(lambda part: small.search_prepared(vectors[part], like.k), len(vectors), beat)

    rows = np.arange(small.n)
    loo = _in_parts(lambda part: small.search_others(rows[part], like.k), small.n, beat)
    found, reference = search(queries), Reference("held_out", search(good), lots)
    return ScoreTable(loo, found, form=like.form, reference=reference).judge(like.k, like.budget)


def _in_parts(search: Callable[[slice], Found], n: int, beat: Callable[[], None]) -> Found:
    """A search of n vectors, some at a time, with a beat after each."""
    parts = []
    for start in range(0, max(1, n), _PART):
        parts.append(search(slice(start, start + _PART)))
        beat()
    joined = (np.concatenate([getattr(part, name) for part in parts]) for name in ("distances", "indices"))
    return Found(*joined, parts[0].k, parts[0].k_asked)


def _seconds(bank: Bank, queries: np.ndarray, k: int) -> float:
    """For one image, of `_TIMED` that are searched for together; of the bank's own vectors where nothing is scored."""
    asked = queries[:_TIMED] if len(queries) else bank.features[:_TIMED]
    took = []
    for _ in range(_TURNS):
        start = time.perf_counter()
        bank.search_prepared(asked, k)
        took.append(time.perf_counter() - start)
    return min(took) / len(asked)


def _correlation(scores: np.ndarray, others: np.ndarray) -> float:
    if len(scores) < 2 or np.ptp(scores) == 0 or np.ptp(others) == 0:
        return float("nan")
    return float(spearmanr(scores, others).statistic)
