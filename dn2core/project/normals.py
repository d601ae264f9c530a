"""Which images are the normals: every change is a version of its own, and the versions before stay as they were."""

import sqlite3
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from dn2core.errors import NotFound, Refused
from dn2core.project import events
from dn2core.project.judging import judge_if_whole
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
_CLEAN = f"UPDATE items SET until = :version, cleaned = 1 WHERE id = :id AND {_IN_FORCE}"


@dataclass(frozen=True)
class Changed(State):
    """The normals after a change that was asked for. Others may have changed them since the caller looked."""

    before: int  # the version that was changed; where nothing did, it is in force still
    count: int  # images that joined, left, or moved


def add_normals(project: "Project", item_ids: Iterable[int], *, author: str = "") -> Changed:
    """Have scored images join the normals, without encoding them again; they stay among the scored ones, too.

    What is among the normals already, held out or not, is left alone.

    Raises:
        NotFound: NO_NORMALS when there never were any; NOT_FOUND when none of the images is there.
    """
    statement = _ADD.format(held=0, which="role = 'scored' AND until IS NULL")

    def change(db, version: int) -> tuple[int, str]:
        there = "SELECT 1 FROM items WHERE id = ? AND role = 'scored' AND until IS NULL"
        if not any(db.execute(there, (i,)).fetchone() for i in ids):
            raise NotFound("NOT_FOUND", what="The image")
        count = _run(db, statement, ids, version)
        return count, _counted(count, "joined the normals")

    ids = _distinct(item_ids)
    return change_normals(project, change, author)


def remove_normals(project: "Project", item_ids: Iterable[int], *, author: str = "") -> Changed:
    """Take images out of the normals. Without one that is a normal now there is no new version.

    Raises:
        NotFound: NO_NORMALS when there never were any.
        Refused: LAST_NORMAL when none would be left.
    """
    return _each(project, [_END], item_ids, "taken out of the normals", author)


def return_normals(project: "Project", item_ids: Iterable[int], *, author: str = "") -> Changed:
    """Put images back that were taken out, as new items. What is among the normals is left alone.

    Raises:
        NotFound: NO_NORMALS when there never were any.
    """
    statement = _ADD.format(held="held", which="role = 'normal' AND until IS NOT NULL")
    return _each(project, [statement], item_ids, "put back among the normals", author)


def hold_out(project: "Project", item_ids: Iterable[int], *, author: str = "") -> Changed:
    """Keep normals for checking the limit: nothing is compared with them any more, they are compared instead.

    Raises:
        NotFound: NO_NORMALS when there never were any.
        Refused: LAST_NORMAL when none would be left to compare with; HOLD_OUT_WHILE_REDUCED where fewer normals are
            compared with, for all of them had a say in which.
    """
    if project.settings().reduction is not None:
        raise Refused("HOLD_OUT_WHILE_REDUCED")
    return _each(project, _moved(held=1), item_ids, "held out to check the limit", author)


def take_in(project: "Project", item_ids: Iterable[int], *, author: str = "") -> Changed:
    """The way back from `hold_out`: images are compared with them again."""
    return _each(project, _moved(held=0), item_ids, "no longer held out", author)


def restore_normals(project: "Project", version: int, *, author: str = "", newest: int | None = None) -> Changed:
    """The normals as they were in an earlier version, as a new one; the network in force stays.

    What a cleaning had dropped by its distance alone by then counts as dropped so again.

    Args:
        newest: the version that the caller takes for the newest; None restores whatever came meanwhile.

    Raises:
        NotFound: when there is no such version.
        Refused: UNDO_SUPERSEDED when there is a newer one than `newest`; LAST_NORMAL when none would be left.
    """
    statement = _ADD.format(held="held", which="role = 'normal'")

    def change(db, following: int) -> tuple[int, str]:
        if newest is not None and following != newest + 1:
            raise Refused("UNDO_SUPERSEDED")
        if not db.execute("SELECT 1 FROM states WHERE version = ?", (version,)).fetchone():
            raise NotFound("NOT_FOUND", what=f"Version {version} of the normals")
        then = _in_force_at(db, "role = 'normal' AND since <= :v AND (until IS NULL OR until > :v)", version)
        now = _in_force_at(db, _IN_FORCE, version)
        gone, cleaned = now.keys() - then.keys(), _cleaned_at(db, version)
        ended = sum(
            end_normals(db, [now[key] for key in gone if (key[0] in cleaned) == one], following, cleaned=one)
            for one in (False, True)
        )
        back = _run(db, statement, sorted(then[key] for key in then.keys() - now.keys()), following)
        return ended + back, f"as in version {version}"

    return change_normals(project, change, author)


def next_version(db: sqlite3.Connection) -> int:
    """The number that the next version of the normals will have."""
    return db.execute("SELECT coalesce(max(version), 0) + 1 FROM states").fetchone()[0]


def publish(db: sqlite3.Connection, reason: str, encoder=None, *, author: str = "", **details) -> State:
    """Enter the next version of the normals, made of what `items` say; inside a write transaction.

    `details` go into the history.
    """
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
    events.record(db, "normals", author, reason=reason, n=n, held=held, fingerprint=state.fingerprint, **details)
    return state


def _each(project: "Project", statements: list[str], item_ids: Iterable[int], what: str, author: str) -> Changed:
    """Run each statement for the items; the last one counts."""
    ids = _distinct(item_ids)

    def change(db, version: int) -> tuple[int, str]:
        count = [_run(db, statement, ids, version) for statement in statements][-1]
        return count, _counted(count, what)

    return change_normals(project, change, author)


def end_normals(db: sqlite3.Connection, item_ids: list[int], version: int, *, cleaned: bool = False) -> int:
    """Have normals leave in that version; how many did. `cleaned` marks them as dropped by their distance alone."""
    return _run(db, _CLEAN if cleaned else _END, item_ids, version)


def normals_in_force(db: sqlite3.Connection, held: int = 0) -> int:
    """How many images are normals now; those held out are counted by themselves."""
    return db.execute(f"SELECT count(*) FROM items WHERE {_IN_FORCE} AND held = ?", (held,)).fetchone()[0]


def change_normals(project: "Project", change: Callable[..., tuple], author: str) -> Changed:
    """Make a change in one transaction and publish it, if any item changed, as the next version.

    Args:
        change: (db, the version's number) -> how many items changed, the reason to note, and where there is more
            for the history to tell, a dict of it.

    Raises:
        NotFound: NO_NORMALS when there never were any.
        Refused: LAST_NORMAL when none would be left.
    """
    with project.db.write() as db:
        before = newest_state(db)
        if before is None:
            raise NotFound("NO_NORMALS")
        count, reason, *more = change(db, next_version(db))
        state = publish(db, reason, author=author, **dict(*more)) if count else before
        if count and state.n == 0:
            raise Refused("LAST_NORMAL")
    judge_if_whole(project)
    return Changed(**asdict(state), before=before.version, count=count)


def _run(db: sqlite3.Connection, statement: str, ids: list[int], version: int) -> int:
    """Run a statement for items (:id, :version, :now); how many rows it changed."""
    shared = {"version": version, "now": time.time()}
    return max(0, db.executemany(statement, [{**shared, "id": i} for i in ids]).rowcount)


def _moved(held: int) -> list[str]:
    which = "role = 'normal' AND until = :version"
    return [f"{_END} AND held <> {held}", _ADD.format(held=held, which=which)]


def _in_force_at(db: sqlite3.Connection, condition: str, version: int) -> dict[tuple[int, int], int]:
    """(image, held) -> item."""
    rows = db.execute(f"SELECT id, image_id, held FROM items WHERE {condition}", {"v": version})
    return {(row["image_id"], row["held"]): row["id"] for row in rows}


def _cleaned_at(db: sqlite3.Connection, version: int) -> set[int]:
    """Images that a cleaning had dropped by that version, and nobody had put back."""
    rows = db.execute(
        "SELECT image_id FROM items dropped WHERE role = 'normal' AND cleaned = 1 AND until <= :version"
        " AND NOT EXISTS (SELECT 1 FROM items WHERE image_id = dropped.image_id AND role = 'normal'"
        " AND since >= dropped.until AND since <= :version)",
        {"version": version},
    )
    return {row["image_id"] for row in rows}


def _distinct(item_ids: Iterable[int]) -> list[int]:
    return list(dict.fromkeys(int(i) for i in item_ids))


def _counted(n: int, what: str) -> str:
    return f"{n} image {what}" if n == 1 else f"{n} images {what}"
