"""How limits read: the budget behind them, what they promise, and when they cannot."""

import numpy as np

from dn2core.detect import flagged_of, limit_for
from dn2core.project import limit_words
from dn2core.project.limit_words import whole
from pages.parts.history_words import SAY
from pages.parts.text import number, t, tn

OF = 1_000  # good parts that a forecast speaks of


def budget_words(budget: float) -> str:
    """A budget as "1 in 14": N in whole numbers, rounded down; what lies between 1 in 5 and 1 in 2 in percent."""
    return limit_words.budget_words(budget, SAY)


def support_words(n: int | None) -> str:
    """What scores can promise, by the largest N of "1 in N" (see `promised`)."""
    return limit_words.support_words(n, SAY)


def refusal(calibration, best: int | None = None) -> str:
    """Why a budget cannot be promised, and what it takes; for a limit that does not support its budget.

    Args:
        best: the largest N that can be promised, where it was looked for (see `promised`).
    """
    return limit_words.refusal(calibration, SAY, best)


def promised(scores: np.ndarray, best_budget: float, lots: np.ndarray | None, set_aside: int = 0) -> int | None:
    """The largest N for which the scores can promise 1 in N; None where they cannot promise even 1 in 2.

    With lots, what scores are worth hangs on the limit itself, so each N is asked.
    """
    candidates = range(whole(best_budget), 1, -1)
    return next((n for n in candidates if limit_for(scores, 1 / n, lots, set_aside=set_aside).supported), None)


def about(count: float) -> str:
    """An expected number of parts as people say it: "about 5", "fewer than 1"."""
    if not count >= 0.95:
        return t("fewer than 1")
    return t("about {n}", n=number(round(count)))


def expected_words(forecast, supported: bool = True) -> str:
    """How many good parts will be flagged, of a thousand; may be, where the budget cannot be promised."""
    expected, _, _ = flagged_of(forecast, OF)
    values = {"n": number(round(expected)) if expected == expected else "–", "of": number(OF)}
    if expected < 0.95:
        if supported:
            return t("Fewer than 1 of {of} good parts will be flagged", **values)
        return t("Fewer than 1 of {of} good parts may be flagged", **values)
    if supported:
        return t("About {n} of {of} good parts will be flagged", **values)
    return t("About {n} of {of} good parts may be flagged", **values)


def interval_words(forecast) -> str:
    """Between how many and how many of the next thousand good parts."""
    _, low, high = flagged_of(forecast, OF)
    return t("between {low} and {high} of the next {of}", low=number(low), high=number(high), of=number(OF))


def set_aside_words(forecast) -> str:
    """That good parts among the cleaned normals would be flagged; "" where none are missing."""
    if not forecast.set_aside:
        return ""
    return tn(
        "{n} normal was dropped by its distance alone; were it a good part, others like it would be flagged, "
        "and the interval allows for that.",
        "{n} normals were dropped by their distance alone; were they good parts, others like them would be flagged, "
        "and the interval allows for that.",
        forecast.set_aside,
    )


def lots_worth(forecast) -> str:
    """That images of a lot resemble each other; "" where they count in full."""
    if forecast.design_effect < 1.05:
        return ""
    return t(
        "Images of a lot resemble each other: these {n} scores say as much as {worth} independent ones.",
        n=number(forecast.n),
        worth=number(max(1, round(forecast.n_effective))),
    )


def workload(judged) -> str:
    """What good parts will cost in work: how many of a thousand are to be looked at, how many rejected."""
    flagged, _, _ = flagged_of(judged.calibration.forecast, OF)
    rejected, _, _ = flagged_of(judged.rejection.forecast, OF)
    if judged.limit == judged.reject_limit:
        return t("Both limits fall on the same score, so nothing lies between them for review: more normals tell more.")
    return t(
        "Of {of} good parts {review} to review, {reject} to reject.",
        of=number(OF),
        review=about(flagged - rejected),
        reject=about(rejected),
    )
