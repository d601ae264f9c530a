"""Vectors to scores and verdicts."""

from dn2core.detect.bank import Bank, Found
from dn2core.detect.scores import knn_scores, leave_one_out, scores_for_every_k
from dn2core.detect.verdicts import (
    FEW_NORMALS,
    PASS,
    REJECT,
    REVIEW,
    Judgement,
    ScoreTable,
    changes,
    judge,
    limit_of,
    percentile_among,
    usual_spacing,
)

__all__ = [
    "FEW_NORMALS",
    "PASS",
    "REJECT",
    "REVIEW",
    "Bank",
    "Found",
    "Judgement",
    "ScoreTable",
    "changes",
    "judge",
    "knn_scores",
    "leave_one_out",
    "limit_of",
    "percentile_among",
    "scores_for_every_k",
    "usual_spacing",
]
