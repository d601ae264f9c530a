"""What was decided, when and by whom. Each event names the state in force from then on, which can be gone back to."""

import json
import sqlite3
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dn2core.errors import NotFound, Refused
from dn2core.project.catalogue import dump
from dn2core.project.settings import Settings, settings_of

if TYPE_CHECKING:
    from dn2core.project.project import Project

KINDS = ("normals", "settings", "label", "delivery", "lots")
AUTHOR_LENGTH = 80
NOTE_LENGTH = 2000


@dataclass(frozen=True)
class Event:
    """One entry of the history. `version` and `settings` are those in force after it; version None: no normals yet."""

    id: int
    at: float
    author: str
    kind: str  # one of KINDS
    version: int | None
    settings: Settings
    image_id: int | None
    details: dict


def record(db: sqlite3.Connection, kind: str, author: str = "", *, image_id: int | None = None, **details) -> int:
    """Enter an event, inside the transaction that makes it true; returns its id."""
    version = db.execute("SELECT max(version) FROM states").fetchone()[0]
    settings = db.execute("SELECT value FROM meta WHERE key = 'settings'").fetchone()[0]
    return db.execute(
        "INSERT INTO events(at, author, kind, version, settings, image_id, details) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (time.time(), checked_author(author), kind, version, settings, image_id, dump(details)),
    ).lastrowid


def history(project: "Project", *, kinds: tuple[str, ...] = KINDS, newest: int | None = None) -> list[Event]:
    """Events, newest first; `newest` of them at most."""
    with project.db.read() as db:
        rows = db.execute(
            "SELECT * FROM events WHERE kind IN (SELECT value FROM json_each(?)) ORDER BY id DESC LIMIT ?",
            (dump(kinds), -1 if newest is None else newest),
        ).fetchall()
    return [_event(row) for row in rows]


def event(project: "Project", event_id: int) -> Event:
    """Raises NotFound for an id that is not in this project."""
    with project.db.read() as db:
        row = db.execute("SELECT * FROM events WHERE id = ?", (event_id,)).fetchone()
    if row is None:
        raise NotFound("NOT_FOUND", what="The entry of the history")
    return _event(row)


def checked_author(author: str) -> str:
    """A name on one line.

    Raises:
        Refused: TEXT_TOO_LONG.
    """
    author = " ".join(author.split())
    if len(author) > AUTHOR_LENGTH:
        raise Refused("TEXT_TOO_LONG", what="a name", limit=AUTHOR_LENGTH, got=len(author))
    return author


def checked_note(note: str) -> str:
    """Raises Refused: TEXT_TOO_LONG."""
    note = note.strip()
    if len(note) > NOTE_LENGTH:
        raise Refused("TEXT_TOO_LONG", what="a note", limit=NOTE_LENGTH, got=len(note))
    return note


def _event(row: sqlite3.Row) -> Event:
    return Event(**{**dict(row), "settings": settings_of(row["settings"]), "details": json.loads(row["details"])})
