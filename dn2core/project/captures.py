"""How the pictures of a project were taken: measured when they come in, asked for against the normals."""

import json
import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np

from dn2core.detect import capture_cells
from dn2core.detect.capture import MEASURES, Finding, Taken, Usual, capture_findings, not_judged, usual_of
from dn2core.ingest.capture import CELLS, DECODED, RECIPE, Capture, measure
from dn2core.project.catalogue import dump
from dn2core.project.stored import chunks, prepared

if TYPE_CHECKING:
    import sqlite3

    from dn2core.project.progress import Progress
    from dn2core.project.project import Project
    from dn2core.project.snapshot import Items, Snapshot

CHUNK = 64
_UNKNOWN = dict.fromkeys(capture_cells.NAMES, [math.nan] * CELLS**2)
_OF_NOW = f"json_extract(measures, '$.recipe') = {RECIPE}"
_COLOURLESS = ("1", "L", "LA", "La", "I", "F")  # of Pillow's modes, those that begin with I;16 besides


@dataclass(frozen=True)
class Captures:
    """What is unusual about how pictures were taken, the gravest first; see `capture_findings`.

    Attributes:
        scored: for each image of `view.scored`, in its order.
        normals: for each of the normals, `view.normals` and then `view.apart`, against all of them.
        scored_unmeasured, normals_unmeasured: how many of these images nothing is known of.
        saved: (q,) the kind of file of those scored images that are of one that no normal is and most images of their
            delivery are, "" for the others: that is how a delivery was saved, so it is no finding about each of them.
        usual: how the normals were taken; None where they are too few to tell.
        not_judged: kinds of findings that nothing can have beside these normals, by the reason; see `not_judged`.
    """

    scored: list[tuple[Finding, ...]]
    normals: list[tuple[Finding, ...]]
    scored_unmeasured: int
    normals_unmeasured: int
    saved: np.ndarray
    usual: Usual | None
    not_judged: dict[str, tuple[str, ...]]

    def scored_with_findings(self) -> np.ndarray:
        """(q,) bool."""
        return np.fromiter(map(bool, self.scored), bool, len(self.scored))

    def files(self, positions: list[int] | slice = slice(None)) -> dict[str, int]:
        """How many of the scored images are of each kind of file that most of their delivery are, the most first."""
        return dict(Counter(kind for kind in self.saved[positions].tolist() if kind).most_common())


def captures(project: "Project", view: "Snapshot") -> Captures:
    """How the images of a snapshot were taken, against all its normals."""
    known = _known(project)
    normals, scored = (_taken(items, known) for items in (view.normals.and_then(view.apart), view.scored))
    unmeasured = [int(np.isnan(some.values).any(axis=1).sum()) for some in (scored, normals)]
    findings, saved = _files_of_deliveries(capture_findings(normals, scored), scored.kinds, view.scored.batches)
    return Captures(findings, capture_findings(normals), *unmeasured, saved, usual_of(normals), not_judged(normals))


def _files_of_deliveries(
    findings: list[tuple[Finding, ...]], kinds: np.ndarray, batches: np.ndarray
) -> tuple[list[tuple[Finding, ...]], np.ndarray]:
    """Findings without the kind of file that most of a delivery have, two or more; and (q,) that kind, "" without."""
    strange = np.array([any(one.kind == "kind" for one in some) for some in findings], bool)
    shared = np.zeros(len(strange), bool)
    for batch in np.unique(batches[strange]):
        here = batches == batch
        kind, count = Counter(kinds[here & strange].tolist()).most_common(1)[0]
        if count > 1 and 2 * count > here.sum():
            shared |= here & strange & (kinds == kind)
    kept = [
        tuple(one for one in some if one.kind != "kind") if saved else some
        for some, saved in zip(findings, shared.tolist(), strict=True)
    ]
    return kept, np.where(shared, kinds, "")


def record(db: "sqlite3.Connection", measured: Iterable[tuple[int, Capture]]) -> None:
    """Enter measures, by image id."""
    rows = [(image_id, dump({"recipe": RECIPE, **asdict(capture)})) for image_id, capture in measured]
    db.executemany("INSERT OR REPLACE INTO captures(image_id, measures) VALUES (?, ?)", rows)


def measured(project: "Project") -> int:
    """How many images are measured: another number whenever `captures` may find more."""
    with project.db.read() as db:
        return db.execute(f"SELECT count(*) FROM captures WHERE {_OF_NOW}").fetchone()[0]


def ask_to_measure(project: "Project") -> int | None:
    """Queue the measuring of images that came before this was done; returns the job, None where there are none.

    It is one more job of a delivery that is finished, which does nothing but this.
    """
    with project.db.read() as db:
        batch = db.execute("SELECT max(id) FROM batches WHERE finished IS NOT NULL").fetchone()[0]
        if batch is None or not _missing(db):
            return None
    return project.jobs.submit(project.id, "intake", batch=batch)


def measure_missing(project: "Project", progress: "Progress") -> None:
    """Measure stored images of which nothing is known, in chunks that are saved whole.

    One whose original is damaged or gone stays unmeasured, and is tried again the next time.
    """
    with project.db.read() as db:
        missing = _missing(db)
    if not missing:
        return
    progress.stage("measuring pictures", total=len(missing))
    for chunk in chunks(prepared(project, missing, measure, at_least=DECODED), CHUNK):
        with project.db.write() as db:
            record(db, [(image_id, found) for image_id, found in chunk if found is not None])
        progress.advance(len(chunk))
        progress.check()


def _missing(db: "sqlite3.Connection") -> list:
    return db.execute(
        "SELECT id, sha256, format, bytes FROM images"
        f" WHERE id NOT IN (SELECT image_id FROM captures WHERE {_OF_NOW}) ORDER BY id"
    ).fetchall()


def _known(project: "Project") -> dict[int, tuple[list[float], list, str]]:
    """Measures, cells and kind of file of each image by its id."""
    with project.db.read() as db:
        rows = db.execute(
            "SELECT id, format, mode, width, height, measures FROM images"
            f" LEFT JOIN captures ON image_id = id AND {_OF_NOW}"
        ).fetchall()
    return {row["id"]: (*_measures(row), _kind(row["format"], row["mode"])) for row in rows}


def _measures(row) -> tuple[list[float], list]:
    found = json.loads(row["measures"]) if row["measures"] else {"cells": _UNKNOWN}
    found |= {"size": math.sqrt(row["width"] * row["height"]), "aspect": row["width"] / row["height"]}
    values = [found.get(name, math.nan) for name in MEASURES]
    return values, [found["cells"][name] for name in capture_cells.NAMES]


def _kind(format: str, mode: str) -> str:
    colour = "grey" if mode in _COLOURLESS or mode.startswith("I;16") else "colour"
    return f"{format}, {colour}"


def _taken(items: "Items", known: dict[int, tuple[list[float], list, str]]) -> Taken:
    found = [known[image_id] for image_id in items.image_ids.tolist()]
    return Taken(
        values=np.array([values for values, _, _ in found], np.float64).reshape(-1, len(MEASURES)),
        cells=np.array([cells for _, cells, _ in found], np.float64).reshape(-1, len(capture_cells.NAMES), CELLS**2),
        kinds=np.array([kind for _, _, kind in found], str),
    )
