"""Lots as CSV: one row each, safe to open in a spreadsheet."""

import csv
import io
import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from dn2core.errors import sentence
from dn2core.report.csv import text_cell

if TYPE_CHECKING:
    from dn2core.project.lot_verdicts import Lot, LotVerdicts
    from dn2core.project.snapshot import Snapshot

_BOM = "\ufeff"
_COLUMNS = (
    "lot",
    "images",
    "verdict",
    "percentile",
    "p_value",
    "distance_times_limit",
    "score",
    "limit",
    "flagged_images",
    "worst_image",
    "strongest_driver",
    "normals_in_lot",
    "first_image_came",
    "false_alarm_budget",
    "pooling",
    "calibrated_on",
    "calibration_groups",
    "calibration_size",
    "k",
    "reason",
    "fingerprint",
    "normals_version",
)


def lots_csv(snapshot: "Snapshot", found: "LotVerdicts", *, bom: bool = False) -> bytes:
    """Lots in their order with their verdicts, as UTF-8 CSV (comma, CRLF).

    Columns: lot, images, verdict ("flagged", "pass" or "not judged"), percentile (percent of the good groups strictly
    below), p_value, distance_times_limit (root of
    score over limit, for scores are squared distances), score (higher = more unusual; of the pooling named),
    limit (lots that score above it are flagged), flagged_images (by themselves), worst_image (the most unusual by
    itself), strongest_driver (brings the most to the score), normals_in_lot (of the same name), first_image_came
    (UTC, ISO 8601), false_alarm_budget (share of good lots), pooling, calibrated_on ("lots" of normals or groups
    "drawn" from them), calibration_groups, calibration_size (images in each), k, reason (why not judged), fingerprint
    (of the encoder), normals_version. Empty where there is none.

    Args:
        bom: begin with the mark by which Excel knows UTF-8.
    """
    out = io.StringIO(_BOM if bom else "", newline="")
    out.seek(0, io.SEEK_END)
    writer = csv.writer(out)
    writer.writerow(_COLUMNS)
    for lot in found.lots:
        row = _row(snapshot, lot)
        rule = (found.budget, found.method)
        rests = (lot.calibrated_on, len(lot.calibration_scores) or "", lot.calibration_size or "", snapshot.settings.k)
        why_not = "" if lot.refused is None else text_cell(sentence(lot.refused.code, lot.refused.params))
        state = (text_cell(snapshot.state.fingerprint), snapshot.state.version)
        writer.writerow((*row, *rule, *rests, why_not, *state))
    # A name from a foreign file system may hold halves of characters that UTF-8 has no bytes for.
    return out.getvalue().encode("utf-8", errors="backslashreplace")


def _row(snapshot: "Snapshot", lot: "Lot") -> tuple:
    names = snapshot.scored.names
    verdict = "flagged" if lot.flagged else "pass" if lot.judged else "not judged"
    numbers = map(
        _number, (lot.percentile, lot.p_value if lot.judged else math.nan, lot.times_limit, lot.score, lot.limit)
    )
    came = datetime.fromtimestamp(lot.arrived, UTC).isoformat(timespec="seconds")
    worst, driver = text_cell(names[lot.worst]), text_cell(names[lot.drivers[0]])
    counts = (lot.flagged_images, worst, driver, lot.namesakes, came)
    return (text_cell(lot.name), lot.size, verdict, *numbers, *counts)


def _number(value: float) -> str:
    return f"{value:.6g}" if math.isfinite(value) else ""
