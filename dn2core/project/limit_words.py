"""What normals can promise, in words; the same wherever it is said."""

import math

from dn2core.detect.calibration import Limit
from dn2core.report.say import ENGLISH, Say


def refusal(limit: Limit, say: Say = ENGLISH, best: int | None = None) -> str:
    """Why a budget cannot be promised, and what it takes; for a limit that does not support its budget.

    Args:
        best: the largest N of "1 in N" that can be promised, where it was looked for; else by `Limit.best_budget`.
    """
    return say.tn(
        "{n} score of good parts cannot promise {budget}: with 95 % confidence they support {best} at best; "
        "{more} more are needed.",
        "{n} scores of good parts cannot promise {budget}: with 95 % confidence they support {best} at best; "
        "{more} more are needed.",
        limit.forecast.n,
        budget=budget_words(limit.budget, say),
        best=support_words(whole(limit.best_budget) if best is None else best, say),
        more=say.number(limit.more_needed),
    )


def budget_words(budget: float, say: Say = ENGLISH) -> str:
    """A budget as "1 in 14": N in whole numbers, rounded down; what lies between 1 in 5 and 1 in 2 in percent."""
    n = whole(budget)
    if budget > 0.2 and abs(1 / budget - n) > 1e-6:
        return say.one_in(budget)
    return say.t("1 in {n}", n=say.number(n))


def support_words(n: int | None, say: Say = ENGLISH) -> str:
    """What scores can promise, by the largest N of "1 in N"; None for nothing."""
    return say.t("less than 1 in 2") if n is None or n < 2 else say.t("1 in {n}", n=say.number(n))


def whole(share: float) -> int:
    """The N of "1 in N", rounded down: it never says that fewer are flagged than the share does."""
    return math.floor(1 / share + 1e-6)
