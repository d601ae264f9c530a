"""Results as CSV: one row an image, safe to open in a spreadsheet."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from dn2core.detect import Judgement
    from dn2core.detect.capture import Finding
    from dn2core.project.events import Event
    from dn2core.project.labels import Label
    from dn2core.project.patches import PatchView
    from dn2core.project.snapshot import Snapshot

# A spreadsheet takes a cell that begins like this for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\0", "＝", "＋", "－", "＠")
_BOM = "\ufeff"
PLACE_COLUMNS = ("place_score", "place_limit", "place_flagged")


def results_csv(
    snapshot: "Snapshot",
    judgement: "Judgement",
    *,
    positions: Sequence[int] | np.ndarray | None = None,
    names: Sequence[str] | None = None,
    labels: "Mapping[int, Label] | None" = None,
    findings: "Sequence[tuple[Finding, ...]] | None" = None,
    patches: "PatchView | None" = None,
    bom: bool = False,
) -> bytes:
    """Scored images with their verdicts and the normals behind them, as UTF-8 CSV (comma, CRLF).

    Columns: file, lot, score (of the form named, higher = more unusual), percentile (percent of the good parts that
    the limit rests on strictly below), spacing_multiple (root of the mean squared distance over the usual distance
    between normals), verdict, label, note, labelled_by (what people said of the image), k (neighbours used),
    score_form, threshold (scores above it are flagged; empty below two normals), reject_threshold (scores above
    it are rejected), false_alarm_budget, neighbour_1, distance_1 (L2, not squared) and so on to k, fingerprint
    (of the encoder), normals_version; with `findings` last capture (kinds of what is unusual about how the picture
    was taken, gravest first, with spaces between); with `patches` place_score (of the most unusual place, higher = more
    unusual; empty where it is not compared yet), place_limit, place_flagged (1 or 0).

    Args:
        positions: rows of `snapshot.scored` in the order wanted; all as they came by default.
        names: what the files of these rows are called; as in the project by default.
        labels: what people said, by image id.
        findings: about the capture of each of `snapshot.scored`.
        patches: what their patches say; None where they are not looked at.
        bom: begin with the mark by which Excel knows UTF-8.
    """
    positions = np.arange(len(snapshot.scored)) if positions is None else np.asarray(positions, np.int64)
    files = [snapshot.scored.names[at] for at in positions] if names is None else names
    k = judgement.k
    normals = [text_cell(name) for name in snapshot.normals.names]
    scores = _numbers(judgement.scores[positions])
    percentiles = _numbers(np.round(judgement.percentiles[positions], 4))
    multiples = _numbers(np.round(judgement.multiples[positions], 4))
    distances = np.sqrt(snapshot.found.distances[positions, :k].astype(np.float64)).astype(np.float32)
    distances = _numbers(distances.reshape(-1, 1)).reshape(distances.shape)
    limits = _numbers(np.array([judgement.limit, judgement.reject_limit], np.float32))
    rule = (k, judgement.form, *limits, judgement.budget)
    state = (text_cell(snapshot.state.fingerprint), snapshot.state.version)

    out = io.StringIO(_BOM if bom else "", newline="")
    out.seek(0, io.SEEK_END)
    writer = csv.writer(out)
    places = _places(patches, positions)
    more = [*(["capture"] if findings is not None else []), *(PLACE_COLUMNS if patches is not None else [])]
    writer.writerow([*_columns(k), *more])
    for row, at in enumerate(positions):
        near = [
            cell
            for index, distance in zip(snapshot.found.indices[at, :k], distances[row], strict=True)
            for cell in (normals[index], distance)
        ]
        file, lot = text_cell(files[row]), text_cell(snapshot.scored.lots[at] or "")
        said = _said(labels, int(snapshot.scored.image_ids[at]))
        judged = (scores[row], percentiles[row], multiples[row], judgement.verdicts[at])
        odd = [" ".join(finding.kind for finding in findings[at])] if findings is not None else []
        writer.writerow((file, lot, *judged, *said, *rule, *near, *state, *odd, *places[row]))
    # A name from a foreign file system may hold halves of characters that UTF-8 has no bytes for.
    return out.getvalue().encode("utf-8", errors="backslashreplace")


def history_csv(events: Sequence["Event"], *, bom: bool = False) -> bytes:
    """Decisions, newest first, one row each, as UTF-8 CSV.

    Columns: id, time (UTC, ISO 8601), author, kind, normals_version, settings (JSON in force from then on),
    image_id, details (JSON).
    """
    out = io.StringIO(_BOM if bom else "", newline="")
    out.seek(0, io.SEEK_END)
    writer = csv.writer(out)
    writer.writerow(["id", "time", "author", "kind", "normals_version", "settings", "image_id", "details"])
    for event in events:
        moment = datetime.fromtimestamp(event.at, UTC).isoformat(timespec="seconds")
        settings, details = (json.dumps(one, ensure_ascii=False) for one in (asdict(event.settings), event.details))
        version = "" if event.version is None else event.version
        image = "" if event.image_id is None else event.image_id
        writer.writerow((event.id, moment, text_cell(event.author), event.kind, version, settings, image, details))
    return out.getvalue().encode("utf-8", errors="backslashreplace")


def text_cell(text: str) -> str:
    """Text that no spreadsheet takes for a formula: an apostrophe goes before what begins like one."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def _said(labels: "Mapping[int, Label] | None", image_id: int) -> tuple[str, str, str]:
    label = labels.get(image_id) if labels else None
    return (label.label, text_cell(label.note), text_cell(label.author)) if label else ("", "", "")


def _places(patches: "PatchView | None", positions: np.ndarray) -> list[tuple]:
    if patches is None:
        return [()] * len(positions)
    scores, limit = _numbers(patches.scores[positions]), _numbers(np.array([patches.limit]))[0]
    unknown = (scores == "") | (limit == "")
    flagged = np.where(unknown, "", patches.flagged[positions].astype(int).astype(str))
    return [(score, limit, word) for score, word in zip(scores, flagged, strict=True)]


def _columns(k: int) -> list[str]:
    near = [name for i in range(1, k + 1) for name in (f"neighbour_{i}", f"distance_{i}")]
    said = ("label", "note", "labelled_by")
    rule = ("k", "score_form", "threshold", "reject_threshold", "false_alarm_budget")
    judged = ("score", "percentile", "spacing_multiple", "verdict")
    return ["file", "lot", *judged, *said, *rule, *near, "fingerprint", "normals_version"]


def _numbers(values: np.ndarray) -> np.ndarray:
    """Each number in the fewest digits that give it back; nothing where there is none."""
    return np.where(np.isfinite(values), values.astype(str), "")
