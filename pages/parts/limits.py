"""How limits read: the budget behind them, what they promise, and when they cannot."""

from pages.parts.look import one_in
from pages.parts.text import number, tn


def refusal(calibration) -> str:
    """Why a budget cannot be promised, and what it takes; for a limit that does not support its budget."""
    return tn(
        "{n} score of good parts cannot promise {budget}: with 95 % confidence they support {best} at best; "
        "{more} more are needed.",
        "{n} scores of good parts cannot promise {budget}: with 95 % confidence they support {best} at best; "
        "{more} more are needed.",
        calibration.forecast.n,
        budget=one_in(calibration.budget),
        best=one_in(calibration.best_budget),
        more=number(calibration.more_needed),
    )
