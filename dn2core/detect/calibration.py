"""From the normals' scores to a limit that keeps a false-alarm budget, and what it may be expected to flag.

A normal's score stands for that of the next good part: held out, or leave-one-out (which is only nearly
exchangeable with it, for each was compared with one normal less). Scores above the limit are flagged.
"""

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import betaincinv, betaln, btdtrib, fdtri, ndtri

from dn2core.errors import Refused

CONFIDENCE = 0.95
_TAIL = (1 - CONFIDENCE) / 2
_ROUNDING = 1e-9  # 200 * (1 - 0.995) is a hair below 1


@dataclass(frozen=True)
class Forecast:
    """The share of good parts that a limit will flag: the expectation and a two-sided 95 % interval.

    `expected` is NaN where there is no limit; the interval is 0 to 1 then.
    """

    expected: float
    low: float
    high: float
    n: int  # calibration scores
    n_effective: float  # what they are worth as independent ones; n without lots
    above: int  # how many of them lie above the limit
    set_aside: int = 0  # normals without a score here that may be good and above it

    @property
    def design_effect(self) -> float:
        """How many scores of these lots say as much as one that is independent; 1 without lots."""
        return self.n / self.n_effective if self.n else 1.0


@dataclass(frozen=True)
class Limit:
    """A limit by a false-alarm budget, and whether the normals are enough to claim that budget."""

    value: float  # one of the scores; those above it are flagged; NaN below two scores
    budget: float
    forecast: Forecast
    supported: bool
    best_budget: float  # the smallest budget that this many (effective) normals support
    more_needed: int  # normals missing for the budget asked for, from lots like the ones known; 0 when supported


def check_budget(budget: float) -> None:
    """Refuses a false-alarm budget that is not a share between 0 and 1, both excluded."""
    if not 0 < budget < 1:
        raise Refused("BUDGET_OUT_OF_RANGE", budget=budget)


def conformal_limit(scores: np.ndarray, budget: float) -> float:
    """The smallest of the scores above which the next good part lies with a chance of at most `budget`.

    Split conformal: of n scores and the next one each rank is as likely, so the limit is the score of rank
    ceil((n + 1)(1 - budget)); where n is too small for that rank, the largest (Vovk, Gammerman, Shafer,
    Algorithmic Learning in a Random World, 2005; Lei et al. 2018). The chance is over the draw of the normals,
    too: with these very normals it may be more or less, see `forecast`.

    Args:
        scores: (n,) of normals, higher = more anomalous.
        budget: share of good parts that may be flagged, between 0 and 1.

    Returns:
        One of the scores; NaN below two.

    Raises:
        Refused: when the budget is out of its range or a score is not finite.
    """
    return float(limits_of_rows(np.sort(_finite(scores))[None], budget)[0])


def limits_of_rows(sorted_rows: np.ndarray, budget: float) -> np.ndarray:
    """`conformal_limit` of every row of (m, n) scores that are ascending already; (m,) float64."""
    check_budget(budget)
    sorted_rows = np.asarray(sorted_rows)
    rows, n = sorted_rows.shape
    if n < 2:
        return np.full(rows, np.nan)
    _finite(sorted_rows[:, [0, -1]])  # sorting puts what is not finite at the ends
    limits = sorted_rows[:, n - _ranks_above(n, budget)]
    return limits.astype(np.float64)


def forecast(
    scores: np.ndarray,
    limit: float,
    lots: Sequence[Hashable] | np.ndarray | None = None,
    *,
    set_aside: int = 0,
) -> Forecast:
    """The share of good parts that will lie above a limit, as far as the normals' scores can tell.

    With x of n scores strictly above it, (x + 1) / (n + 1) is expected. That is exact for a limit that is
    one of n exchangeable scores, all different; for a limit between two of them it is that of the lower one.

    The interval is Clopper and Pearson's (Biometrika 26, 1934) for x of n. It holds for a limit set by hand, and
    for one chosen among the same scores: the share above it is Beta(x + 1, n - x) then, whose upper quantile is
    the interval's upper end, and whose lower one lies above the lower end. Scores that equal the limit pass,
    so counting them as above would be wrong where many are equal.

    Images of a lot resemble each other. With `lots` the interval is taken at an effective sample size instead,
    n over the design effect, x in proportion (Korn and Graubard, Survey Methodology 24, 1998). See
    `_design_effect`. The expectation stays. In simulations with lots that differ it held the true share in 95 %
    of the cases or more from three lots on, in 91 % with two.

    Cleaning drops the normals that lie farthest. Those among them that were good after all are just what a limit
    flags, and the scores that are left know nothing of them. So the upper end counts all that are set aside as
    good and above the limit, the lower end and the expectation none. Where a person has looked at them, the good
    ones belong back into the scores, and the others need not be counted.

    Args:
        scores: (n,) of normals, held out or leave-one-out (with lots: leave-one-lot-out).
        limit: NaN where there is none.
        lots: (n,) the lot of each score, integers or strings; None where the scores are independent. A single lot
            is worth one score: it says nothing of how lots differ.
        set_aside: how many normals were dropped by their distance alone.

    Raises:
        Refused: when a score is not finite or the lots are not as many as the scores.
    """
    scores = _finite(scores)
    n, above = len(scores), int((scores > limit).sum())
    n_effective = float(n) if lots is None or n == 0 else _effective(scores, limit, _codes(lots, n))
    if n == 0 or math.isnan(limit):
        return Forecast(math.nan, 0.0, 1.0, n, n_effective, above, set_aside)
    ahead = Forecast((above + 1) / (n + 1), 0.0, 1.0, n, n_effective, above, set_aside)
    (a, b), (a_high, b_high) = _ends(ahead)
    return replace(
        ahead,
        low=float(betaincinv(a, b, _TAIL)) if a > 0 else 0.0,
        high=float(betaincinv(a_high, b_high, 1 - _TAIL)) if b_high > 0 else 1.0,
    )


def limit_for(
    scores: np.ndarray,
    budget: float,
    lots: Sequence[Hashable] | np.ndarray | None = None,
    *,
    set_aside: int = 0,
) -> Limit:
    """The limit by a budget, its forecast, and whether the normals are enough to claim the budget.

    n independent scores support it where (1 - budget)^n <= 0.05: then no more than the budget lies above the
    largest of them, with 95 % confidence (Wilks, Annals of Mathematical Statistics 12, 1941). Fewer
    cannot promise it by any limit that they set. Those set aside count as above it.

    Args, Raises: as `conformal_limit` and `forecast`.
    """
    value = conformal_limit(scores, budget)
    ahead = forecast(scores, value, lots, set_aside=set_aside)
    needed = max(2, math.ceil(_needed(budget, set_aside / ahead.design_effect) * ahead.design_effect - _ROUNDING))
    more_needed = max(0, needed - ahead.n)
    return Limit(
        value=value,
        budget=float(budget),
        forecast=ahead,
        supported=more_needed == 0,
        best_budget=_best_budget(ahead.n_effective, set_aside / ahead.design_effect),
        more_needed=more_needed,
    )


def normals_needed(budget: float) -> int:
    """How many independent normals support a false-alarm budget: 59 for 1 in 20, 299 for 1 in 100."""
    check_budget(budget)
    return _needed(budget, 0)


def flagged_of(forecast: Forecast, m: int) -> tuple[float, int, int]:
    """How many of the next m good parts will be flagged: expected, and a 95 % prediction interval.

    Wider than m times the forecast's interval, for the count of m parts varies by itself, too: beta-binomial,
    exact at the upper end for a limit that is one of n exchangeable scores. With lots, the m parts are taken to
    come in lots of the same size as the known ones, and their number is worth as much less.
    """
    if math.isnan(forecast.expected) or m == 0:
        return m * forecast.expected if m else 0.0, 0, m
    (a, b), (a_high, b_high) = _ends(forecast)
    worth = max(1, round(m / forecast.design_effect))
    low = _beta_binomial_quantile(_TAIL, worth, a, b) if a > 0 else 0
    high = _beta_binomial_quantile(1 - _TAIL, worth, a_high, b_high) if b_high > 0 else worth
    return m * forecast.expected, math.floor(low * m / worth), math.ceil(high * m / worth - _ROUNDING)


def p_values(reference_scores: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Conformal p-values: how often a good part would score as high or higher; small = anomalous.

    Args:
        reference_scores: (n,) of normals, held out or leave-one-out.
        scores: (q,) of other images.

    Returns:
        (q,) float64 in [1 / (n + 1), 1]: (1 + number of the normals at or above) / (n + 1).
    """
    ranked = np.sort(_finite(reference_scores))
    at_or_above = len(ranked) - np.searchsorted(ranked, _finite(scores), side="left")
    return (1 + at_or_above) / (len(ranked) + 1)


def good_share(p_values: np.ndarray, at: float = 0.5) -> float:
    """The share of good parts among images with these p-values, 0 to 1; 1 where there are none.

    p-values of good parts are spread evenly, those of defects are small; so what lies above `at` is taken to be
    good (Storey, Journal of the Royal Statistical Society B 64, 2002). Defects that score like good parts count
    as good, so it errs upwards.

    Raises:
        Refused: when `at` is not from 0 to below 1, or a p-value is not finite.
    """
    if not 0 <= at < 1:
        raise Refused("SHARE_OUT_OF_RANGE", what="at", share=at)
    p_values = _finite(p_values)
    if len(p_values) == 0:
        return 1.0
    return min(1.0, float((p_values > at).mean() / (1 - at)))


def _ranks_above(n: int, budget: float) -> int:
    """Of the n + 1 ranks, how many lie behind the limit: as many as the budget allows, at least one."""
    return min(n, max(1, math.floor((n + 1) * budget + _ROUNDING)))


def _ends(forecast: Forecast) -> tuple[tuple[float, float], tuple[float, float]]:
    """The beta distributions whose quantiles are the lower and the upper end, as (a, b) each."""
    worth = 1 / forecast.design_effect
    below, above, at_most = (
        worth * count for count in (forecast.n - forecast.above, forecast.above, forecast.above + forecast.set_aside)
    )
    return (above, below + 1), (at_most + 1, below)


def _needed(budget: float, above: float) -> int:
    """How many independent scores below a limit make its share at most `budget`, with `above` of them above it."""
    if above == 0:
        return max(1, math.ceil(math.log(1 - CONFIDENCE) / math.log1p(-budget) - _ROUNDING))
    return max(1, math.ceil(btdtrib(above + 1, CONFIDENCE, budget) - _ROUNDING))


def _best_budget(below: float, above: float) -> float:
    return float(betaincinv(above + 1, below, CONFIDENCE)) if below > 0 else 1.0


def _beta_binomial_quantile(q: float, m: int, a: float, b: float) -> int:
    counts = np.arange(m + 1)
    log_p = betaln(counts + a, m - counts + b) - betaln(a, b) - betaln(counts + 1, m - counts + 1) - math.log(m + 1)
    return min(m, int(np.searchsorted(np.cumsum(np.exp(log_p)), q)))


def _effective(scores: np.ndarray, limit: float, lots: np.ndarray) -> float:
    n, count = len(scores), lots.max() + 1
    if count == 1:
        return 1.0
    if count == n:
        return float(n)
    # The variance of the few flagged ones alone is too small by chance too often: with 3 to 20 lots that differ,
    # its interval held the true share in 57 to 95 % of simulated cases. The ranks of all scores tell more.
    # A lot that differs in its tail only shows in the flagged ones.
    ranked = np.sort(scores)
    ranks = (np.searchsorted(ranked, scores, side="left") + np.searchsorted(ranked, scores, side="right")) / 2
    effect = max(_design_effect(ndtri(ranks / n), lots), _design_effect((scores > limit).astype(float), lots))
    return max(1.0, n / effect)


def _design_effect(values: np.ndarray, lots: np.ndarray) -> float:
    """By how much the variance of a mean grows because values of a lot resemble each other; at least 1.

    1 + (size - 1) times the intraclass correlation (Kish, Survey Sampling, 1965), which is estimated from the
    variances between and within the lots (Donner, International Statistical Review 54, 1986). Their ratio is
    divided by the median that it has by chance, for with two or three lots it is below its mean most of the time.

    Args:
        values: (n,), all equal or not.
        lots: (n,) codes 0, 1, ...; at least two lots, fewer than n.
    """
    sizes = np.bincount(lots)
    n, count = len(values), len(sizes)
    means = np.bincount(lots, values) / sizes
    by_chance = fdtri(count - 1, n - count, 0.5)
    between = (sizes * (means - values.mean()) ** 2).sum() / (count - 1) / by_chance
    within = ((values - means[lots]) ** 2).sum() / (n - count)
    mean_square = (sizes**2).sum() / n  # the size of the lot of an image picked at random
    usual = (n - mean_square) / (count - 1)
    spread = between + (usual - 1) * within
    correlation = max(0.0, (between - within) / spread) if spread > 0 else 0.0
    return 1 + (mean_square - 1) * correlation


def _codes(lots: Sequence[Hashable] | np.ndarray, n: int) -> np.ndarray:
    lots = lots.tolist() if isinstance(lots, np.ndarray) else list(lots)
    if len(lots) != n:
        raise Refused("LOTS_DIFFER", n=n, got=len(lots))
    numbers = {lot: number for number, lot in enumerate(dict.fromkeys(lots))}
    return np.array([numbers[lot] for lot in lots])


def _finite(scores: np.ndarray) -> np.ndarray:
    scores = np.asarray(scores)
    bad = ~np.isfinite(scores)
    if bad.any():
        raise Refused("SCORES_NOT_FINITE", count=int(bad.sum()))
    return scores
