"""All scored images judged by the normals in force, and what is noted of it."""

import sqlite3
import time
from typing import TYPE_CHECKING

import numpy as np

from dn2core.detect import Judgement
from dn2core.errors import NotFound, StorageError
from dn2core.project import events, maps, patches
from dn2core.project.catalogue import dump, write_meta
from dn2core.project.snapshot import Snapshot, generation_in, snapshot

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
    while True:
        view = _view(project)
        verdicts = view.judge() if view else None
        with project.db.write() as db:
            if view and generation_in(db, project.id) != view.generation:
                continue  # somebody changed it meanwhile, and what is noted must be what is in force
            if finishing is not None:
                db.execute("UPDATE batches SET finished = ? WHERE id = ?", (time.time(), finishing))
            if view:
                _note_deliveries(db, view, verdicts)
            flagged = _flagged(verdicts) if view and len(view.scored) else None
            write_meta(db, changed=time.time(), flagged=flagged)
        break
    if view and len(view.scored) and not maps.has_map(project, view):
        project.submit_map()
    if view:
        patches.ask_for_patches(project, view)


def judge_if_whole(project: "Project") -> None:
    """As `judge`, after a change that holds in any case: damaged vectors are told by the next snapshot."""
    try:
        judge(project)
    except StorageError as error:
        if error.code != "VECTORS_DAMAGED":
            raise


def _view(project: "Project") -> Snapshot | None:
    try:
        return snapshot(project)
    except NotFound as error:
        if error.code != "NO_NORMALS":
            raise
        return None


def _note_deliveries(db: sqlite3.Connection, view: Snapshot, verdicts: Judgement) -> None:
    rows = db.execute(
        "SELECT id, author FROM batches WHERE role = 'scored' AND finished IS NOT NULL AND judged IS NULL"
    ).fetchall()
    for row in rows:
        result = _judged(view, verdicts, row["id"]) | _not_taken(db, row["id"])
        result["event"] = events.record(db, "delivery", row["author"], batch=row["id"], **result)
        db.execute("UPDATE batches SET judged = ? WHERE id = ?", (dump(result), row["id"]))


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


def _not_taken(db: sqlite3.Connection, batch: int) -> dict:
    """How many files of a batch are no new images: known ones and refused ones."""
    found = db.execute("SELECT status, count(*) FROM outcomes WHERE batch_id = ? GROUP BY status", (batch,))
    counts = dict(map(tuple, found))
    return {"known": counts.get("duplicate", 0), "rejected": counts.get("rejected", 0)}


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _flagged(verdicts: Judgement, which=slice(None)) -> int | None:
    """How many are flagged; None without a limit, when nothing was judged."""
    return None if np.isnan(verdicts.limit) else int(verdicts.flagged[which].sum())
