"""Which images are the normals: every change is a version of its own, and the versions before stay as they were."""

import sqlite3
import time
from collections.abc import Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING

from dn2core.errors import NotFound
from dn2core.project import events
from dn2core.project.judging import judge
from dn2core.project.records import State, newest_state

if TYPE_CHECKING:
    from dn2core.project.project import Project

_IN_FORCE = "role = 'normal' AND since IS NOT NULL AND until IS NULL"
_ADD = (
    "INSERT INTO items(role, image_id, name, batch_id, added, since, held, lot)"
    " SELECT 'normal', image_id, name, batch_id, :now, :version, {held}, lot FROM items given"
    " WHERE id = :id AND {which}"
    f" AND NOT EXISTS (SELECT 1 FROM items WHERE image_id = given.image_id AND {_IN_FORCE})"
)
_END = f"UPDATE items SET until = :version WHERE id = :id AND {_IN_FORCE}"


def add_normals(project: "Project", item_ids: Iterable[int], *, author: str = "", reason: str | None = None) -> State:
    """Have scored images join the normals, without encoding them again; they stay among the scored ones, too.

    What is among the normals already is left alone.

    Raises:
        NotFound: NO_NORMALS when there never were any; NOT_FOUND when none of the images is there.
    """
    ids = _distinct(item_ids)
    with project.db.read() as db:
        there = [i for i in ids if db.execute("SELECT 1 FROM items WHERE id = ? AND until IS NULL", (i,)).fetchone()]
    if not there:
        raise NotFound("NOT_FOUND", what="The image")
    statement = _ADD.format(held=0, which="role = 'scored' AND until IS NULL")
    return _change(project, [(statement, there)], reason or _counted(len(there), "joined the normals"), author)


def remove_normals(
    project: "Project", item_ids: Iterable[int], *, author: str = "", reason: str | None = None
) -> State:
    """Take images out of the normals. Without one that is a normal now there is no new version.

    Raises:
        NotFound: NO_NORMALS when there never were any.
    """
    ids = _distinct(item_ids)
    return _change(project, [(_END, ids)], reason or _counted(len(ids), "taken out of the normals"), author)


def return_normals(
    project: "Project", item_ids: Iterable[int], *, author: str = "", reason: str | None = None
) -> State:
    """Put images back that were taken out, as new items. What is among the normals is left alone.

    Raises:
        NotFound: NO_NORMALS when there never were any.
    """
    ids = _distinct(item_ids)
    statement = _ADD.format(held="held", which="role = 'normal' AND until IS NOT NULL")
    return _change(project, [(statement, ids)], reason or _counted(len(ids), "put back among the normals"), author)


def hold_out(project: "Project", item_ids: Iterable[int], *, author: str = "") -> State:
    """Keep normals for checking the limit: nothing is compared with them any more, they are compared instead."""
    ids = _distinct(item_ids)
    return _change(project, _moved(ids, held=1), _counted(len(ids), "held out to check the limit"), author)


def take_in(project: "Project", item_ids: Iterable[int], *, author: str = "") -> State:
    """The way back from `hold_out`: images are compared with them again."""
    ids = _distinct(item_ids)
    return _change(project, _moved(ids, held=0), _counted(len(ids), "no longer held out"), author)


def restore_normals(project: "Project", version: int, *, author: str = "") -> State:
    """The normals as they were in an earlier version, as a new one; the network in force stays.

    Raises:
        NotFound: when there is no such version.
    """
    with project.db.read() as db:
        if not db.execute("SELECT 1 FROM states WHERE version = ?", (version,)).fetchone():
            raise NotFound("NOT_FOUND", what=f"Version {version} of the normals")
        then = {
            (row["image_id"], row["held"]): row["id"]
            for row in db.execute(
                "SELECT id, image_id, held FROM items WHERE role = 'normal' AND since <= :v"
                " AND (until IS NULL OR until > :v)",
                {"v": version},
            )
        }
        now = {
            (row["image_id"], row["held"]): row["id"]
            for row in db.execute(f"SELECT id, image_id, held FROM items WHERE {_IN_FORCE}")
        }
    end = [now[key] for key in now.keys() - then.keys()]
    back = sorted(then[key] for key in then.keys() - now.keys())
    statement = _ADD.format(held="held", which="role = 'normal'")
    return _change(project, [(_END, end), (statement, back)], f"as in version {version}", author)


def next_version(db: sqlite3.Connection) -> int:
    """The number that the next version of the normals will have."""
    return db.execute("SELECT coalesce(max(version), 0) + 1 FROM states").fetchone()[0]


def publish(db: sqlite3.Connection, reason: str, encoder=None, *, author: str = "") -> State:
    """Enter the next version of the normals, made of what `items` say; inside a write transaction."""
    version, last = next_version(db), newest_state(db)
    held, n = (
        db.execute(
            f"SELECT count(*) FROM items WHERE {_IN_FORCE} AND since <= ? AND held = ?", (version, one)
        ).fetchone()[0]
        for one in (1, 0)
    )
    state = State(
        version=version,
        created=time.time(),
        reason=reason,
        n=n,
        backbone=encoder.name if encoder else last.backbone,
        preset=encoder.preset if encoder else last.preset,
        fingerprint=encoder.fingerprint if encoder else last.fingerprint,
    )
    db.execute(
        "INSERT INTO states(version, created, reason, n, backbone, preset, fingerprint)"
        " VALUES (:version, :created, :reason, :n, :backbone, :preset, :fingerprint)",
        asdict(state),
    )
    events.record(db, "normals", author, reason=reason, n=n, held=held)
    return state


def _change(project: "Project", steps: list[tuple[str, list[int]]], reason: str, author: str) -> State:
    """Run each statement for its items (:id, :version, :now) and publish what changed as the next version."""
    with project.db.write() as db:
        before = newest_state(db)
        if before is None:
            raise NotFound("NO_NORMALS")
        shared = {"version": next_version(db), "now": time.time()}
        changed = 0
        for statement, ids in steps:
            changed += max(0, db.executemany(statement, [{**shared, "id": i} for i in ids]).rowcount)
        state = publish(db, reason, author=author) if changed else before
    judge(project)
    return state


def _moved(ids: list[int], held: int) -> list[tuple[str, list[int]]]:
    end = f"{_END} AND held <> {held}"
    return [(end, ids), (_ADD.format(held=held, which="role = 'normal' AND until = :version"), ids)]


def _distinct(item_ids: Iterable[int]) -> list[int]:
    return list(dict.fromkeys(int(i) for i in item_ids))


def _counted(n: int, what: str) -> str:
    return f"{n} image {what}" if n == 1 else f"{n} images {what}"
