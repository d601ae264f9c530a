"""What the catalogue tells of a project, as plain records."""

import sqlite3
from dataclasses import dataclass
from typing import Literal

from dn2core.errors import sentence

Role = Literal["normal", "scored"]


@dataclass(frozen=True)
class State:
    """A version of the normals: which images, seen by which encoder. Versions count from 1."""

    version: int
    created: float
    reason: str
    n: int  # images that new ones are compared with
    backbone: str
    preset: str
    fingerprint: str


def newest_state(db: sqlite3.Connection) -> State | None:
    row = db.execute("SELECT * FROM states ORDER BY version DESC LIMIT 1").fetchone()
    return State(**dict(row)) if row else None


def state_of(db: sqlite3.Connection, version: int | None) -> State | None:
    row = db.execute("SELECT * FROM states WHERE version = ?", (version,)).fetchone()
    return State(**dict(row)) if row else None


@dataclass(frozen=True)
class Batch:
    """Files given together. `judged` tells by which state scored images were judged when they came in."""

    id: int
    role: Role
    source: str
    created: float
    finished: float | None
    job_id: int | None
    given: int
    accepted: int
    duplicate: int
    rejected: int
    judged: dict | None
    held: bool  # normals that are held out to check the limit
    author: str


@dataclass(frozen=True)
class Outcome:
    """What became of one file: accepted, duplicate (of item `item_id`) or rejected."""

    key: str
    name: str
    status: Literal["accepted", "duplicate", "rejected"]
    code: str | None
    params: dict
    item_id: int | None

    @property
    def sentence(self) -> str:
        return sentence(self.code, self.params) if self.code else ""


@dataclass(frozen=True)
class Item:
    """An image in a role. Width and height are the original's, in pixels, upright."""

    id: int
    role: Role
    name: str
    sha256: str
    format: str
    mode: str
    width: int
    height: int
    bytes: int
    notes: list
    batch: int
    added: float
