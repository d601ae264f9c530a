"""Vectors to scores and verdicts."""

from dn2core.detect.bank import Bank, Found
from dn2core.detect.calibration import (
    Forecast,
    Limit,
    check_budget,
    conformal_limit,
    flagged_of,
    forecast,
    good_share,
    limit_for,
    normals_needed,
    p_values,
)
from dn2core.detect.cleaning import Cleaning, clean, rescored
from dn2core.detect.forms import FORMS, form_of, form_scores
from dn2core.detect.near_duplicates import near_duplicates
from dn2core.detect.scores import knn_scores, leave_one_out, scores_for_every_k
from dn2core.detect.verdicts import (
    BUDGET,
    CALIBRATIONS,
    FEW_NORMALS,
    PASS,
    REJECT,
    REVIEW,
    Judgement,
    Reference,
    ScoreTable,
    changes,
    check_budgets,
    judge,
    percentile_among,
    usual_spacing,
)

__all__ = [
    "BUDGET",
    "CALIBRATIONS",
    "FEW_NORMALS",
    "FORMS",
    "PASS",
    "REJECT",
    "REVIEW",
    "Bank",
    "Cleaning",
    "Forecast",
    "Found",
    "Judgement",
    "Limit",
    "Reference",
    "ScoreTable",
    "changes",
    "check_budget",
    "check_budgets",
    "clean",
    "conformal_limit",
    "flagged_of",
    "forecast",
    "form_of",
    "form_scores",
    "good_share",
    "judge",
    "knn_scores",
    "leave_one_out",
    "limit_for",
    "near_duplicates",
    "normals_needed",
    "p_values",
    "percentile_among",
    "rescored",
    "scores_for_every_k",
    "usual_spacing",
]
