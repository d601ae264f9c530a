"""One project: the images that were given, the normals' versions, and the long work asked for."""

import hashlib
import json
import sqlite3
import time
import uuid
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from dn2core.errors import DN2Error, NotFound, Refused, StorageError
from dn2core.features.backbones import backbone_of
from dn2core.features.preprocess import prepare, preset_of, seen_part
from dn2core.ingest import Limits, decode, safe_copy, thumbnail
from dn2core.project import events, fsio, maps, vectors
from dn2core.project.catalogue import PROJECT_TABLES, Database, dump, write_meta
from dn2core.project.jobs import JobQueue
from dn2core.project.judging import judge_if_whole
from dn2core.project.paths import below, by_hash, folder_roots
from dn2core.project.records import Batch, Item, Outcome, Role, State, newest_state
from dn2core.project.settings import Settings, settings_in
from dn2core.project.snapshot import Snapshot, generation_in, snapshot

SUFFIXES = {"JPEG": ".jpg", "PNG": ".png", "BMP": ".bmp", "TIFF": ".tif", "WEBP": ".webp"}
THUMBNAIL_SIDE = 256
JPEG_END = b"\xff\xd9"


class Project:
    """An opened project folder."""

    def __init__(self, folder: Path, jobs: JobQueue, weights_dir: Path, limits: Limits | None = None):
        self.folder = folder
        self.jobs = jobs
        self.weights_dir = weights_dir
        self.limits = limits or Limits()
        self.db = Database(folder / "project.sqlite", PROJECT_TABLES)
        self.id = folder.name

    # what the project is

    @property
    def name(self) -> str:
        return self._meta("name")

    def settings(self) -> Settings:
        with self.db.read() as db:
            return settings_in(db)

    def save_settings(self, settings: Settings, *, author: str = "") -> None:
        """Write how images are judged; a new backbone or preset goes by `change_backbone`."""
        self.change_settings(author=author, **asdict(settings))

    def change_settings(self, *, author: str = "", **changes) -> None:
        """Write some settings; what others changed meanwhile in the rest stays.

        Raises:
            Refused: a value out of its range, or BACKBONE_NEEDS_ENCODING.
        """
        with self.db.write() as db:
            current = settings_in(db)
            settings = replace(current, **changes)
            if (settings.backbone, settings.preset) != (current.backbone, current.preset):
                raise Refused("BACKBONE_NEEDS_ENCODING")
            write_meta(db, settings=asdict(settings), changed=time.time())
            if settings != current:
                events.record(db, "settings", author, before=asdict(current))
        judge_if_whole(self)

    def state(self) -> State | None:
        """The newest version of the normals; None before the first normals are in."""
        with self.db.read() as db:
            return newest_state(db)

    def generation(self) -> tuple:
        """Changes whenever `snapshot()` would."""
        with self.db.read() as db:
            return generation_in(db, self.id)

    # images come in

    def new_batch(self, role: Role, source: str, *, held: bool = False, author: str = "") -> int:
        """Open a batch to stage files in; returns its id.

        Args:
            source: where they came from.
            held: normals that are held out to check the limit.
            author: who gives them.
        """
        with self.db.write() as db:
            return db.execute(
                "INSERT INTO batches(role, source, created, held, author) VALUES (?, ?, ?, ?, ?)",
                (role, source, time.time(), held, events.checked_author(author)),
            ).lastrowid

    def takes_files(self, batch: int) -> bool:
        """Whether a batch is here and still open: not submitted yet."""
        with self.db.read() as db:
            return bool(db.execute("SELECT 1 FROM batches WHERE id = ? AND job_id IS NULL", (batch,)).fetchone())

    def stage(self, batch: int, name: str, content) -> None:
        """Keep one file (bytes, or an object with `read(size)`) for the batch's job."""
        self.stage_many(batch, [(name, content)])

    def stage_many(self, batch: int, files: list[tuple[str, object]]) -> None:
        """Keep several files, durably; either all are kept or none is.

        Raises:
            NotFound: when the batch is unknown or was submitted already.
            StorageError: when the disk is full or fails.
        """
        self._require_open(batch)
        folder = self._incoming(batch)
        with fsio.storage_errors(folder):
            folder.parent.mkdir(exist_ok=True)
            folder.mkdir(exist_ok=True)
        written: list[tuple[str, Path]] = []
        try:
            for name, content in files:
                written.append((name, _write_part(folder, content)))
            with fsio.storage_errors(folder):
                fsio.sync_files(path for _, path in written)
                fsio.sync_folders([folder.parent, folder])
            with self.db.write() as db:
                _require_open(db, batch)
                position = db.execute(
                    "SELECT coalesce(max(position), 0) FROM staged WHERE batch_id = ?", (batch,)
                ).fetchone()[0]
                db.executemany(
                    "INSERT INTO staged(batch_id, position, name, kind, location) VALUES (?, ?, ?, 'file', ?)",
                    [
                        (batch, position + offset, name, path.name)
                        for offset, (name, path) in enumerate(written, start=1)
                    ],
                )
        except BaseException:
            for _, path in written:
                path.unlink(missing_ok=True)
            raise

    def stage_folder(self, batch: int, folder: str | Path) -> None:
        """Have the batch's job read a folder of the server.

        Raises:
            NotFound: when it does not exist, is given by a relative path, or is not below a root that the
                settings allow.
        """
        path = _allowed(folder)
        if path is None:
            raise NotFound("NOT_FOUND", what="The folder")
        with self.db.write() as db:
            _require_open(db, batch)
            position = db.execute(
                "SELECT coalesce(max(position), 0) + 1 FROM staged WHERE batch_id = ?", (batch,)
            ).fetchone()[0]
            db.execute(
                "INSERT INTO staged(batch_id, position, name, kind, location) VALUES (?, ?, ?, 'folder', ?)",
                (batch, position, path.name, str(path)),
            )

    def submit(self, batch: int) -> int:
        """Queue the batch's job; returns the job's id.

        A batch whose job failed may be submitted again, and goes on where that one stood; for one that
        is finished nothing is queued.

        Raises:
            Refused: NOTHING_TO_IMPORT for a batch without a file.
        """
        with self.db.read() as db:
            if not db.execute("SELECT 1 FROM staged WHERE batch_id = ?", (batch,)).fetchone():
                raise Refused("NOTHING_TO_IMPORT")
            row = db.execute("SELECT job_id, finished FROM batches WHERE id = ?", (batch,)).fetchone()
        if row["finished"] is not None:
            return row["job_id"]
        job_id = self.jobs.submit(self.id, "intake", batch=batch)
        with self.db.write() as db:
            db.execute("UPDATE batches SET job_id = ? WHERE id = ?", (job_id, batch))
        return job_id

    def resume(self) -> None:
        """Submit again every batch that was submitted and came to no end, other than by the user's word."""
        for batch in self.unfinished():
            self.submit(batch)

    def unfinished(self) -> list[int]:
        """Submitted batches that still have files to be looked at."""
        with self.db.read() as db:
            rows = db.execute(
                "SELECT id, job_id FROM batches WHERE job_id IS NOT NULL AND finished IS NULL ORDER BY id"
            ).fetchall()
        return [row["id"] for row in rows if not self.jobs.was_cancelled(row["job_id"])]

    def batches(self, role: Role | None = None) -> list[Batch]:
        """Submitted batches, newest first."""
        with self.db.read() as db:
            rows = db.execute(
                "SELECT b.*, count(o.key) AS given, coalesce(sum(o.status = 'accepted'), 0) AS accepted,"
                " coalesce(sum(o.status = 'duplicate'), 0) AS duplicate,"
                " coalesce(sum(o.status = 'rejected'), 0) AS rejected"
                " FROM batches b LEFT JOIN outcomes o ON o.batch_id = b.id"
                " WHERE b.job_id IS NOT NULL AND (? IS NULL OR b.role = ?) GROUP BY b.id ORDER BY b.id DESC",
                (role, role),
            ).fetchall()
        return [Batch(**{**dict(row), "judged": json.loads(row["judged"]) if row["judged"] else None}) for row in rows]

    def outcomes(self, batch: int, status: str | None = None) -> list[Outcome]:
        """What became of each file of a batch, in the order of their names."""
        with self.db.read() as db:
            rows = db.execute(
                "SELECT key, name, status, code, params, item_id FROM outcomes"
                " WHERE batch_id = ? AND (? IS NULL OR status = ?) ORDER BY name, key",
                (batch, status, status),
            ).fetchall()
        return [Outcome(**{**dict(row), "params": json.loads(row["params"])}) for row in rows]

    # images are looked at

    def item(self, item_id: int) -> Item:
        """Raises NotFound for an id that is not in this project."""
        with self.db.read() as db:
            row = db.execute(
                "SELECT i.id, i.role, i.name, m.sha256, m.format, m.mode, m.width, m.height, m.bytes, m.notes,"
                " i.batch_id AS batch, i.added FROM items i JOIN images m ON m.id = i.image_id WHERE i.id = ?",
                (item_id,),
            ).fetchone()
        if row is None:
            raise NotFound("NOT_FOUND", what="The image")
        return Item(**{**dict(row), "notes": json.loads(row["notes"])})

    def thumbnails(self, item_ids: list[int]) -> list[bytes]:
        """JPEG bytes, one for each id in that order; empty bytes for an unknown id or a lost original."""
        ids = [int(i) for i in item_ids]
        with self.db.read() as db:
            rows = db.execute(
                "SELECT i.id, m.sha256, m.format FROM items i JOIN images m ON m.id = i.image_id"
                f" WHERE i.id IN ({','.join('?' * len(ids))})",
                ids,
            ).fetchall()
        found = {row["id"]: row for row in rows}
        return [self._thumbnail(found[i]["sha256"], found[i]["format"]) if i in found else b"" for i in ids]

    def picture(self, item_id: int) -> tuple[bytes, str]:
        """The whole picture re-encoded without metadata: (bytes, mime type)."""
        item = self.item(item_id)
        return safe_copy(self.original(item.sha256, item.format))

    def what_network_saw(self, item_id: int) -> np.ndarray:
        """The very pixels that went into the network: (side, side, 3) uint8."""
        item, (preset, side) = self.item(item_id), self._seen_as()
        data = self.original(item.sha256, item.format)
        image = decode(data, limits=self.limits, at_least=preset_of(preset).short_side(side)).image
        return prepare(image, preset, side)

    def seen_part(self, item_id: int) -> tuple[float, float, float, float]:
        """Left, top, right and bottom of what the network saw, in shares of the picture's width and height."""
        item = self.item(item_id)
        return seen_part(item.width, item.height, *self._seen_as())

    # images are judged

    def snapshot(self) -> Snapshot:
        """The project as it is now; kept in memory, so asking again costs little.

        Raises:
            NotFound: NO_NORMALS before the first normals are in.
        """
        return snapshot(self)

    def map(self, shown: Snapshot | None = None) -> maps.MapTable:
        """Where the images of `shown`, by default `snapshot()`, lie on the kept map; a PCA until one was drawn."""
        return maps.project_map(self, shown or self.snapshot())

    # networks change

    def change_backbone(self, backbone: str, preset: str) -> int:
        """Encode all images by another network in the background; the old one serves until all are done."""
        return self.jobs.submit(self.id, "reencode", backbone=backbone, preset=preset)

    def submit_map(self) -> int:
        """Queue the drawing of a UMAP of all images; returns the job's id."""
        return self.jobs.submit(self.id, "map")

    # the worker's side

    def staged(self, batch: int) -> list[dict]:
        """The files and folders of a batch: position, name, kind, location; ordered by name."""
        with self.db.read() as db:
            rows = db.execute(
                "SELECT position, name, kind, location FROM staged WHERE batch_id = ? ORDER BY name, position", (batch,)
            ).fetchall()
        return [dict(row) for row in rows]

    def staged_path(self, batch: int, location: str) -> Path:
        return below(self._incoming(batch), location)

    def store_original(self, sha256: str, format: str, data: bytes) -> None:
        """Keep the file's bytes under their hash, durable after `sync_originals`; content that is there stays."""
        path = self._place("originals", sha256, SUFFIXES[format])
        try:
            whole = path.stat().st_size == len(data)
        except OSError:
            whole = False
        if not whole:
            fsio.write_content(path, data)

    def sync_originals(self, hashes: Iterable[str]) -> None:
        """Make the names of stored originals durable."""
        originals = self.folder / "originals"
        with fsio.storage_errors(originals):
            fsio.sync_folders([originals, *(originals / sha256[:2] for sha256 in hashes)])

    def store_thumbnail(self, sha256: str, data: bytes) -> None:
        fsio.write_derived(self._place("thumbs", sha256, ".jpg"), data)

    def original(self, sha256: str, format: str) -> bytes:
        """The bytes as they were given.

        Raises:
            NotFound: when the file is gone.
            StorageError: when it cannot be read or is no longer what was given.
        """
        path = by_hash(self.folder / "originals", sha256, SUFFIXES[format])
        try:
            data = path.read_bytes()
        except FileNotFoundError as error:
            raise NotFound("NOT_FOUND", what="The stored image") from error
        except OSError as error:
            raise StorageError("STORAGE_FAILED", what=path.name, reason=error.strerror) from error
        if hashlib.sha256(data).hexdigest() != sha256:
            raise StorageError("STORAGE_FAILED", what=path.name, reason="its content is not what was stored")
        return data

    @property
    def vectors_dir(self) -> Path:
        return self.folder / "vectors"

    def features(self, image_ids: list[int], fingerprint: str) -> np.ndarray:
        """Vectors of images under a fingerprint, (n, d) float32, in the order given.

        Raises:
            StorageError: VECTORS_DAMAGED when one is missing or not what was written.
        """
        with self.db.read() as db:
            rows = {
                row["image_id"]: (row["file"], row["sha256"], row["row"])
                for row in db.execute(
                    "SELECT v.image_id, c.file, c.sha256, v.row FROM vectors v JOIN chunks c ON c.id = v.chunk_id"
                    " WHERE v.fingerprint = ? AND v.image_id IN (SELECT value FROM json_each(?))",
                    (fingerprint, dump(image_ids)),
                )
            }
        if not rows.keys() >= set(image_ids):
            raise StorageError("VECTORS_DAMAGED", file=self.db.path.name)
        return vectors.gather(self.vectors_dir, [rows[i] for i in image_ids])

    def _seen_as(self) -> tuple[str, int]:
        """Preset and input side of the features in use; neither needs the network itself."""
        chosen = self.state() or self.settings()
        return chosen.preset, backbone_of(chosen.backbone).input_side

    def _incoming(self, batch: int) -> Path:
        return below(self.folder / "incoming", str(int(batch)))

    def _thumbnail(self, sha256: str, format: str) -> bytes:
        path = by_hash(self.folder / "thumbs", sha256, ".jpg")
        with suppress(OSError):
            data = path.read_bytes()
            if data.endswith(JPEG_END):  # it was written without a sync: a power cut may have emptied it
                return data
        try:
            image = decode(self.original(sha256, format), limits=self.limits, at_least=THUMBNAIL_SIDE).image
            data = thumbnail(image, THUMBNAIL_SIDE)
            with suppress(StorageError):  # a full disk is no reason not to show it
                self.store_thumbnail(sha256, data)
            return data
        except DN2Error:  # one lost original must not empty a whole gallery
            return b""

    def _place(self, kind: str, sha256: str, suffix: str) -> Path:
        """Where content lies, with the folders above it made; that of the project must be there."""
        path = by_hash(self.folder / kind, sha256, suffix)
        with fsio.storage_errors(path):
            path.parents[1].mkdir(exist_ok=True)
        return path

    def _require_open(self, batch: int) -> None:
        with self.db.read() as db:
            _require_open(db, batch)

    def _meta(self, key: str) -> str:
        with self.db.read() as db:
            return db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()["value"]


def _require_open(db: sqlite3.Connection, batch: int) -> None:
    """Refuse a file for a batch whose job may have listed its files already: nobody would look at it."""
    if not db.execute("SELECT 1 FROM batches WHERE id = ? AND job_id IS NULL", (batch,)).fetchone():
        raise NotFound("NOT_FOUND", what="The open batch")


def _allowed(folder: str | Path) -> Path | None:
    """The folder with all links followed, where the settings allow to read it."""
    try:
        path = Path(folder).expanduser()
        if not path.is_absolute() or not path.is_dir():
            return None
        path = path.resolve()
    except (RuntimeError, ValueError, OSError):  # no such user, a NUL, links in a circle
        return None
    return path if any(path.is_relative_to(root) for root in folder_roots()) else None


def _write_part(folder: Path, content) -> Path:
    """Stream bytes or a readable object into a new file of our own naming."""
    path = folder / uuid.uuid4().hex
    with fsio.storage_errors(path):
        try:
            with open(path, "wb") as file:
                if isinstance(content, (bytes, bytearray, memoryview)):
                    file.write(content)
                else:
                    while piece := content.read(1 << 20):
                        file.write(piece)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
    return path
