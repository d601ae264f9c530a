"""What fewer normals would cost and save: measured by a worker, kept until it is measured anew."""

import hashlib
import json
import time
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

from dn2core.explore.bootstrap import Estimate
from dn2core.explore.fewer import Kept, fewer
from dn2core.project.catalogue import write_meta
from dn2core.project.jobs import Job
from dn2core.project.labels import labels, labels_of
from dn2core.project.progress import Progress
from dn2core.project.reductions import rows_to_check
from dn2core.project.snapshot import Snapshot, lot_codes, with_all_normals

if TYPE_CHECKING:
    from dn2core.project.project import Project


@dataclass(frozen=True)
class Measurement:
    """All normals first, then each smaller bank. `fits` tells whether nothing changed since that would change it."""

    at: float
    found: list[Kept]
    fits: bool


def submit_measurement(project: "Project") -> int:
    """Queue the measurement; returns the job's id."""
    return project.jobs.submit(project.id, "fewer")


def run(project: "Project", job: Job, progress: Progress) -> None:
    """Measure and keep.

    Raises:
        NotFound: NO_NORMALS. Refused: LOTS_TOO_FEW_TO_REDUCE.
    """
    progress.stage("measuring smaller banks")
    view, known = with_all_normals(project), labels(project)
    key, rows = _key(view, known), rows_to_check(view)

    def tell(done: int, total: int) -> None:
        progress.stage("measuring smaller banks", done=done, total=total)
        beat()

    def beat() -> None:
        progress.check(midway=True)

    found = fewer(
        view.bank,
        view.scored_features,
        view.judge(),
        rows,
        view.held_features,
        labels_of(view.scored, known),
        view.same_as_normal,
        lots=lot_codes((*view.held.lots, *view.normals.some(rows).lots)),
        tell=tell,
        beat=beat,
    )
    progress.check()
    with project.db.write() as db:
        write_meta(db, fewer={"at": time.time(), "key": key, "found": [asdict(one) for one in found]})


def measurement(project: "Project", view: Snapshot) -> Measurement | None:
    """What was measured last; None before it was measured."""
    with project.db.read() as db:
        row = db.execute("SELECT value FROM meta WHERE key = 'fewer'").fetchone()
    if row is None:
        return None
    kept = json.loads(row["value"])
    found = [Kept(**{**one, "roc_auc": one["roc_auc"] and Estimate(*one["roc_auc"])}) for one in kept["found"]]
    return Measurement(kept["at"], found, kept["key"] == _key(view, labels(project)))


def _key(view: Snapshot, known: dict) -> list:
    """Another one for other normals, scored images, lots, labels or settings; whether fewer are in force or not.

    The view is one of the present: one of the past has no generation that tells of its lots.
    """
    settings = asdict(replace(view.settings, reduction=None))
    for name in ("mask", "patches", "tiles"):  # whole images are scored without them
        del settings[name]
    said = sorted(label.event_id for label in known.values())  # taking one back makes no newer one
    lots = view.generation[2][-1]
    digest = hashlib.sha256(json.dumps(said).encode()).hexdigest()
    return [view.state.version, len(view.scored), int(view.scored.ids.max(initial=0)), lots, digest, settings]
