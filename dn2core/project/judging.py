"""All scored images judged by the normals in force, and what is noted of it."""

import time
from typing import TYPE_CHECKING

import numpy as np

from dn2core.detect import Judgement
from dn2core.errors import NotFound
from dn2core.project import events, maps
from dn2core.project.catalogue import dump
from dn2core.project.snapshot import Snapshot, snapshot

if TYPE_CHECKING:
    from dn2core.project.project import Project


def judge(project: "Project", finishing: int | None = None) -> None:
    """Note what is flagged now on the project's card, and in the batches that nobody judged before.

    A batch that came before any normals is so judged by the first ones. The batch `finishing` is marked
    as finished in the same transaction. A map is asked for where there is none that fits, once there are
    scored images: on a map of normals alone, what is unlike them would be placed among them.

    Raises:
        StorageError: VECTORS_DAMAGED; nothing is noted then.
    """
    try:
        view = snapshot(project)
    except NotFound as error:
        if error.code != "NO_NORMALS":
            raise
        view = None
    verdicts = view.judge() if view else None
    with project.db.write() as db:
        if finishing is not None:
            db.execute("UPDATE batches SET finished = ? WHERE id = ?", (time.time(), finishing))
        if view:
            rows = db.execute(
                "SELECT id, author FROM batches WHERE role = 'scored' AND finished IS NOT NULL AND judged IS NULL"
            ).fetchall()
            for row in rows:
                result = _judged(view, verdicts, row["id"])
                result["event"] = events.record(db, "delivery", row["author"], batch=row["id"], **result)
                db.execute("UPDATE batches SET judged = ? WHERE id = ?", (dump(result), row["id"]))
    project.touch(flagged=_flagged(verdicts) if view and len(view.scored) else None)
    if view and len(view.scored) and not maps.has_map(project, view):
        project.submit_map()


def _judged(view: Snapshot, verdicts: Judgement, batch: int) -> dict:
    mine = view.scored.batches == batch
    return {
        "version": view.state.version,
        "normals": view.state.n,
        "fingerprint": view.state.fingerprint,
        "k": verdicts.k,
        "form": verdicts.form,
        "budget": verdicts.budget,
        "limit": _number(verdicts.limit),
        "reject_limit": _number(verdicts.reject_limit),
        "scored": int(mine.sum()),
        "flagged": _flagged(verdicts, mine),
    }


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _flagged(verdicts: Judgement, which=slice(None)) -> int | None:
    """How many are flagged; None without a limit, when nothing was judged."""
    return None if np.isnan(verdicts.limit) else int(verdicts.flagged[which].sum())
