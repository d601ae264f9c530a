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
from dn2core.detect.group_scores import score_groups
from dn2core.detect.group_verdicts import ENOUGH_LOTS, GroupVerdict, Since, first_bad_lot, judge_groups
from dn2core.detect.groups import POOLINGS, Pooled, Pooling, pool_groups
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
    "ENOUGH_LOTS",
    "FEW_NORMALS",
    "FORMS",
    "PASS",
    "POOLINGS",
    "REJECT",
    "REVIEW",
    "Bank",
    "Cleaning",
    "Forecast",
    "Found",
    "GroupVerdict",
    "Judgement",
    "Limit",
    "Pooled",
    "Pooling",
    "Reference",
    "ScoreTable",
    "Since",
    "changes",
    "check_budget",
    "check_budgets",
    "clean",
    "conformal_limit",
    "first_bad_lot",
    "flagged_of",
    "forecast",
    "form_of",
    "form_scores",
    "good_share",
    "judge",
    "judge_groups",
    "knn_scores",
    "leave_one_out",
    "limit_for",
    "near_duplicates",
    "normals_needed",
    "p_values",
    "percentile_among",
    "pool_groups",
    "rescored",
    "score_groups",
    "scores_for_every_k",
    "usual_spacing",
]
