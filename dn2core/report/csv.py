"""Results as CSV: one row an image, safe to open in a spreadsheet."""

import csv
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from dn2core.detect import Judgement
    from dn2core.project.snapshot import Snapshot

# A spreadsheet takes a cell that begins like this for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\0", "＝", "＋", "－", "＠")
_BOM = "\ufeff"


def results_csv(
    snapshot: "Snapshot",
    judgement: "Judgement",
    *,
    positions: Sequence[int] | np.ndarray | None = None,
    names: Sequence[str] | None = None,
    bom: bool = False,
) -> bytes:
    """Scored images with their verdicts and the normals behind them, as UTF-8 CSV (comma, CRLF).

    Columns: file, score (mean squared L2 distance to the k nearest normals, higher = more unusual),
    percentile (percent of the normals strictly below), verdict, k (neighbours used), threshold
    (scores above it are rejected; empty below two normals), neighbour_1, distance_1 (L2, not squared)
    and so on to k, fingerprint (of the encoder), normals_version.

    Args:
        positions: rows of `snapshot.scored` in the order wanted; all as they came by default.
        names: what the files of these rows are called; as in the project by default.
        bom: begin with the mark by which Excel knows UTF-8.
    """
    positions = np.arange(len(snapshot.scored)) if positions is None else np.asarray(positions, np.int64)
    files = [snapshot.scored.names[at] for at in positions] if names is None else names
    k = judgement.k
    normals = [text_cell(name) for name in snapshot.normals.names]
    scores = _numbers(judgement.scores[positions])
    percentiles = _numbers(np.round(judgement.percentiles[positions], 4))
    distances = np.sqrt(snapshot.found.distances[positions, :k].astype(np.float64)).astype(np.float32)
    distances = _numbers(distances.reshape(-1, 1)).reshape(distances.shape)
    threshold = _numbers(np.array([judgement.limit], np.float32))[0]
    shared = (text_cell(snapshot.state.fingerprint), snapshot.state.version)

    out = io.StringIO(_BOM if bom else "", newline="")
    out.seek(0, io.SEEK_END)
    writer = csv.writer(out)
    writer.writerow(_columns(k))
    for row, at in enumerate(positions):
        near = [
            cell
            for index, distance in zip(snapshot.found.indices[at, :k], distances[row], strict=True)
            for cell in (normals[index], distance)
        ]
        file = text_cell(files[row])
        writer.writerow((file, scores[row], percentiles[row], judgement.verdicts[at], k, threshold, *near, *shared))
    # A name from a foreign file system may hold halves of characters that UTF-8 has no bytes for.
    return out.getvalue().encode("utf-8", errors="backslashreplace")


def text_cell(text: str) -> str:
    """Text that no spreadsheet takes for a formula: an apostrophe goes before what begins like one."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def _columns(k: int) -> list[str]:
    near = [name for i in range(1, k + 1) for name in (f"neighbour_{i}", f"distance_{i}")]
    return [
        "file",
        "score",
        "percentile",
        "verdict",
        "k",
        "threshold",
        *near,
        "fingerprint",
        "normals_version",
    ]


def _numbers(values: np.ndarray) -> np.ndarray:
    """Each number in the fewest digits that give it back; nothing where there is none."""
    return np.where(np.isfinite(values), values.astype(str), "")
