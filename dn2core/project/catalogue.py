"""SQLite as we open it, and the tables of a project."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from dn2core.errors import NotFound, StorageError

APPLICATION_ID = 0x444E3201


@dataclass(frozen=True)
class Tables:
    """What a catalogue holds: statements for a new file, and those that bring an older one to the next format.

    Indexes stand among the former only: a file that lacks one is given it when it is opened.
    """

    new: str
    steps: tuple[str, ...] = ()

    @property
    def format(self) -> int:
        return 1 + len(self.steps)


# Format 2: decisions of people, lots, good parts held out, and every state by which was judged.
_DECISIONS = """
CREATE TABLE labels(
    image_id INTEGER PRIMARY KEY REFERENCES images(id), label TEXT NOT NULL, note TEXT NOT NULL,
    author TEXT NOT NULL, at REAL NOT NULL, event_id INTEGER NOT NULL REFERENCES events(id));
CREATE TABLE events(
    id INTEGER PRIMARY KEY, at REAL NOT NULL, author TEXT NOT NULL, kind TEXT NOT NULL, version INTEGER,
    settings TEXT NOT NULL, image_id INTEGER REFERENCES images(id), details TEXT NOT NULL);
CREATE TABLE lot_changes(
    event_id INTEGER NOT NULL REFERENCES events(id), item_id INTEGER NOT NULL REFERENCES items(id), before TEXT,
    PRIMARY KEY (event_id, item_id)) WITHOUT ROWID;
CREATE TABLE claims(
    image_id INTEGER PRIMARY KEY REFERENCES images(id), holder TEXT NOT NULL, author TEXT NOT NULL, at REAL NOT NULL);
"""

# Format 3: normals that a cleaning dropped, banks of fewer vectors, comparisons with other detectors.
_PAPER = """
CREATE TABLE reductions(
    id INTEGER PRIMARY KEY, created REAL NOT NULL, version INTEGER NOT NULL, fingerprint TEXT NOT NULL,
    normalise INTEGER NOT NULL, method TEXT NOT NULL, share REAL NOT NULL, file TEXT NOT NULL);
CREATE TABLE comparisons(
    id INTEGER PRIMARY KEY, created REAL NOT NULL, finished REAL, version INTEGER NOT NULL, fingerprint TEXT NOT NULL,
    job_id INTEGER, file TEXT NOT NULL);
"""

# Format 4: where the defect is (features of patches, what they were compared with, what came of it), and how pictures
# were taken.
_PLACES = """
CREATE TABLE patch_maps(
    image_id INTEGER NOT NULL REFERENCES images(id), fingerprint TEXT NOT NULL, file TEXT NOT NULL,
    sha256 TEXT NOT NULL, PRIMARY KEY (image_id, fingerprint)) WITHOUT ROWID;
CREATE TABLE patch_fits(
    id INTEGER PRIMARY KEY, created REAL NOT NULL, key TEXT NOT NULL UNIQUE, version INTEGER NOT NULL,
    fingerprint TEXT NOT NULL, file TEXT NOT NULL, sha256 TEXT NOT NULL);
CREATE TABLE patch_results(
    fit_id INTEGER NOT NULL REFERENCES patch_fits(id), image_id INTEGER NOT NULL REFERENCES images(id),
    score REAL NOT NULL, file TEXT NOT NULL, row INTEGER NOT NULL, PRIMARY KEY (fit_id, image_id)) WITHOUT ROWID;
CREATE TABLE captures(image_id INTEGER PRIMARY KEY REFERENCES images(id), measures TEXT NOT NULL);
CREATE TABLE jiggles(
    id INTEGER PRIMARY KEY, created REAL NOT NULL, version INTEGER NOT NULL, result TEXT NOT NULL);
"""

PROJECT_TABLES = Tables(
    new="""
CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE images(
    id INTEGER PRIMARY KEY, sha256 TEXT NOT NULL UNIQUE, format TEXT NOT NULL, mode TEXT NOT NULL,
    width INTEGER NOT NULL, height INTEGER NOT NULL, bytes INTEGER NOT NULL, notes TEXT NOT NULL);
CREATE TABLE batches(
    id INTEGER PRIMARY KEY, role TEXT NOT NULL CHECK (role IN ('normal', 'scored')), source TEXT NOT NULL,
    created REAL NOT NULL, finished REAL, job_id INTEGER, judged TEXT, held INTEGER NOT NULL DEFAULT 0,
    author TEXT NOT NULL DEFAULT '');
CREATE TABLE staged(
    batch_id INTEGER NOT NULL REFERENCES batches(id), position INTEGER NOT NULL, name TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('file', 'folder')), location TEXT NOT NULL,
    PRIMARY KEY (batch_id, position)) WITHOUT ROWID;
CREATE TABLE items(
    id INTEGER PRIMARY KEY, role TEXT NOT NULL, image_id INTEGER NOT NULL REFERENCES images(id),
    name TEXT NOT NULL, batch_id INTEGER NOT NULL REFERENCES batches(id), added REAL NOT NULL,
    since INTEGER, until INTEGER, held INTEGER NOT NULL DEFAULT 0, lot TEXT, cleaned INTEGER NOT NULL DEFAULT 0);
CREATE INDEX IF NOT EXISTS items_by_image ON items(image_id, role);
CREATE INDEX IF NOT EXISTS items_in_use ON items(role, until);
CREATE TABLE outcomes(
    batch_id INTEGER NOT NULL REFERENCES batches(id), key TEXT NOT NULL, name TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('accepted', 'duplicate', 'rejected')),
    code TEXT, params TEXT NOT NULL, item_id INTEGER, PRIMARY KEY (batch_id, key)) WITHOUT ROWID;
CREATE TABLE states(
    version INTEGER PRIMARY KEY, created REAL NOT NULL, reason TEXT NOT NULL, n INTEGER NOT NULL,
    backbone TEXT NOT NULL, preset TEXT NOT NULL, fingerprint TEXT NOT NULL);
CREATE TABLE chunks(
    id INTEGER PRIMARY KEY, fingerprint TEXT NOT NULL, file TEXT NOT NULL, sha256 TEXT NOT NULL);
CREATE TABLE vectors(
    image_id INTEGER NOT NULL REFERENCES images(id), fingerprint TEXT NOT NULL,
    chunk_id INTEGER NOT NULL REFERENCES chunks(id), row INTEGER NOT NULL,
    PRIMARY KEY (image_id, fingerprint)) WITHOUT ROWID;
CREATE TABLE maps(
    id INTEGER PRIMARY KEY, created REAL NOT NULL, kind TEXT NOT NULL, reason TEXT,
    fingerprint TEXT NOT NULL, normalise INTEGER NOT NULL, file TEXT NOT NULL);
"""
    + _DECISIONS
    + _PAPER
    + _PLACES
    + """
CREATE INDEX IF NOT EXISTS events_by_image ON events(image_id);
""",
    steps=(
        _DECISIONS
        + """
ALTER TABLE batches ADD COLUMN held INTEGER NOT NULL DEFAULT 0;
ALTER TABLE batches ADD COLUMN author TEXT NOT NULL DEFAULT '';
ALTER TABLE items ADD COLUMN held INTEGER NOT NULL DEFAULT 0;
ALTER TABLE items ADD COLUMN lot TEXT;
INSERT INTO events(at, author, kind, version, settings, details)
    SELECT created, '', 'normals', version, (SELECT value FROM meta WHERE key = 'settings'),
    json_object('reason', reason, 'n', n, 'fingerprint', fingerprint) FROM states ORDER BY version;
""",
        _PAPER
        + """
ALTER TABLE items ADD COLUMN cleaned INTEGER NOT NULL DEFAULT 0;
""",
        _PLACES,
    ),
)


class Database:
    """A SQLite file with our settings. A connection lives as long as one transaction."""

    def __init__(self, path: Path, tables: Tables):
        self.path = path
        self._tables = tables

    def create(self) -> None:
        """Lay out the tables in a new file; a file that has them already is left alone."""
        with self.write() as db:
            if db.execute("PRAGMA user_version").fetchone()[0]:
                return
            for statement in _statements(self._tables.new):
                db.execute(statement)
            db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            db.execute(f"PRAGMA user_version = {self._tables.format}")

    def check(self) -> None:
        """Refuse a file that is damaged, no catalogue, or written by a newer version.

        One of an older format is brought to ours, and indexes that it was made without are added.

        Raises:
            StorageError: NEWER_FORMAT or CATALOGUE_DAMAGED.
        """
        with self.read() as db:
            found = db.execute("PRAGMA user_version").fetchone()[0]
            if found > self._tables.format:
                raise StorageError("NEWER_FORMAT", found=found, known=self._tables.format)
            if found == 0 or db.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
                raise StorageError("CATALOGUE_DAMAGED", file=self.path.name)
            names = [row["name"] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'index'")]
        indexes = [statement for statement in _statements(self._tables.new) if statement.startswith("CREATE INDEX")]
        missing = [statement for statement in indexes if not any(f" {name} ON " in statement for name in names)]
        if missing or found < self._tables.format:
            with self.write() as db:
                # Asked again: another process may have brought it to our format meanwhile.
                for step in self._tables.steps[db.execute("PRAGMA user_version").fetchone()[0] - 1 :]:
                    for statement in _statements(step):
                        db.execute(statement)
                for statement in missing:
                    db.execute(statement)
                db.execute(f"PRAGMA user_version = {self._tables.format}")

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """One consistent view, however many questions are asked; writers wait for its end."""
        with self._connection() as db:
            db.execute("BEGIN")
            yield db

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """One transaction, taken at once so that writers queue instead of failing half-way."""
        with self._connection() as db:
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
            except BaseException:
                if db.in_transaction:  # a full disk ends it on its own
                    db.execute("ROLLBACK")
                raise
            db.execute("COMMIT")

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        if not self.path.parent.is_dir():
            raise NotFound("NOT_FOUND", what="The project")
        try:
            db = sqlite3.connect(self.path, timeout=15, isolation_level=None)
            try:
                db.row_factory = sqlite3.Row
                db.execute(f"PRAGMA journal_mode = {journal_mode()}")
                db.execute("PRAGMA synchronous = FULL")
                db.execute("PRAGMA foreign_keys = ON")
                db.execute("PRAGMA trusted_schema = OFF")
                yield db
            finally:
                db.close()
        except sqlite3.OperationalError as error:
            if "full" in str(error):
                raise StorageError("DISK_FULL") from error
            raise StorageError("STORAGE_FAILED", what=self.path.name, reason=str(error)) from error
        except sqlite3.DatabaseError as error:
            if type(error) is not sqlite3.DatabaseError:  # a broken rule of ours, not a broken file
                raise
            raise StorageError("CATALOGUE_DAMAGED", file=self.path.name) from error
        except OverflowError as error:  # an id from an address can be any number
            raise NotFound("NOT_FOUND", what="The entry") from error


def _statements(text: str) -> list[str]:
    return [statement for part in text.split(";") if (statement := part.strip())]


def journal_mode(version: tuple[int, ...] = sqlite3.sqlite_version_info) -> str:
    """WAL only where SQLite is free of the WAL-reset corruption bug (fixed in 3.51.3, 3.50.7, 3.44.6)."""
    fixed = version >= (3, 51, 3) or (3, 50, 7) <= version < (3, 51) or (3, 44, 6) <= version < (3, 45)
    return "WAL" if fixed else "TRUNCATE"


def write_meta(db: sqlite3.Connection, **values) -> None:
    """Note values about the project, as JSON."""
    rows = [(key, dump(value)) for key, value in values.items()]
    db.executemany("INSERT OR REPLACE INTO meta(key, value) VALUES (?, ?)", rows)


def dump(value) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
