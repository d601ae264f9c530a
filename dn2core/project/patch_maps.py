"""Maps of patch features on disk: one file an image and fingerprint, in half precision, under the image's hash.

They can be made again from the stored pictures: what is missing or damaged is.
"""

import hashlib
import io
import shutil
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dn2core.errors import Refused, StorageError
from dn2core.project import fsio
from dn2core.project.paths import below, by_hash
from dn2core.project.progress import Progress
from dn2core.project.stored import chunks, views

if TYPE_CHECKING:
    from dn2core.features.patches import PatchEncoder
    from dn2core.project.encoders import PatchReader
    from dn2core.project.project import Project

FOLDER = "patches"
CHUNK = 16  # images
RESERVE_BYTES = 1_000_000_000  # what stays free on the disk


def encode_missing(project: "Project", encoder: "PatchEncoder", image_ids: Iterable[int], progress: Progress) -> None:
    """Maps for those of these images that have none by this encoder. Images that cannot be read get none.

    Raises:
        Refused: NO_SPACE_FOR_PATCHES.
        StorageError: when the disk fails.
    """
    wanted = sorted(set(map(int, image_ids)))
    missing = _missing(project, encoder.fingerprint, wanted)
    if not missing:
        return
    _check_room(project, encoder, len(missing))
    progress.stage("looking at patches", done=len(wanted) - len(missing), total=len(wanted))
    for some in chunks(views(project, missing, encoder), CHUNK):
        readable = {image_id: view for image_id, view in some if view is not None}
        maps = encoder.encode_views(readable.values())
        save_maps(project, encoder, dict(zip(readable, maps, strict=True)))
        progress.advance(len(some))
        progress.check()


def save_maps(project: "Project", encoder: "PatchEncoder", maps: dict[int, np.ndarray]) -> None:
    """Write (layout.size,) float16 maps of images and enter them in the catalogue."""
    with project.db.read() as db:
        hashes = dict(db.execute(f"SELECT id, sha256 FROM images WHERE id IN ({_marks(maps)})", list(maps)).fetchall())
    rows = []
    for image_id, packed in maps.items():
        buffer = io.BytesIO()
        np.save(buffer, packed.astype(np.float16), allow_pickle=False)
        data = buffer.getvalue()
        path = by_hash(_root(project, encoder.fingerprint), hashes[image_id], ".npy")
        with fsio.storage_errors(path):
            path.parents[2].mkdir(exist_ok=True)
            path.parents[1].mkdir(exist_ok=True)
        fsio.write_derived(path, data)
        rows.append((image_id, encoder.fingerprint, path.name, hashlib.sha256(data).hexdigest()))
    with project.db.write() as db:
        db.executemany(
            "INSERT OR REPLACE INTO patch_maps(image_id, fingerprint, file, sha256) VALUES (?, ?, ?, ?)", rows
        )


def load_patches(project: "Project", reader: "PatchReader", image_id: int) -> list[np.ndarray]:
    """The float32 patches of an image, (rows, columns, channels) a stage.

    Raises:
        StorageError: PATCHES_DAMAGED when its maps are missing or not what was written; they are forgotten then.
            STORAGE_FAILED when they are there and cannot be read now.
    """
    with project.db.read() as db:
        row = db.execute(
            "SELECT p.file, p.sha256, i.sha256 AS image FROM patch_maps p JOIN images i ON i.id = p.image_id"
            " WHERE p.image_id = ? AND p.fingerprint = ?",
            (int(image_id), reader.fingerprint),
        ).fetchone()
    data = None
    if row is not None:
        data = whole_bytes(by_hash(_root(project, reader.fingerprint), row["image"], ".npy"), row["sha256"])
    if data is None:
        with project.db.write() as db:
            db.execute(
                "DELETE FROM patch_maps WHERE image_id = ? AND fingerprint = ?", (int(image_id), reader.fingerprint)
            )
        raise StorageError("PATCHES_DAMAGED")
    return reader.layout.unpack(np.load(io.BytesIO(data), allow_pickle=False))


def load_or_make(project: "Project", encoder: "PatchEncoder", image_id: int) -> list[np.ndarray]:
    """As `load_patches`, but damaged maps are made anew.

    Raises:
        StorageError: PATCHES_DAMAGED where the stored picture cannot be read either; STORAGE_FAILED.
    """
    try:
        return load_patches(project, encoder, image_id)
    except StorageError as error:
        if error.code != "PATCHES_DAMAGED":
            raise
        with project.db.read() as db:
            image = db.execute("SELECT id, sha256, format, bytes FROM images WHERE id = ?", (int(image_id),)).fetchall()
        for _, view in views(project, image, encoder):
            if view is not None:
                save_maps(project, encoder, {int(image_id): next(encoder.encode_views([view]))})
        return load_patches(project, encoder, image_id)


def whole_bytes(path: Path, sha256: str) -> bytes | None:
    """What was written; None where the file is gone or holds something else.

    Raises:
        StorageError: STORAGE_FAILED when it is there and cannot be read now: that may pass, and says nothing of it.
    """
    with fsio.storage_errors(path):
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return None
    return data if hashlib.sha256(data).hexdigest() == sha256 else None


def with_maps(db: sqlite3.Connection, fingerprint: str, image_ids: Iterable[int]) -> set[int]:
    """Those of these images that have maps."""
    known = {row[0] for row in db.execute("SELECT image_id FROM patch_maps WHERE fingerprint = ?", (fingerprint,))}
    return known & set(map(int, image_ids))


def drop_others(project: "Project", fingerprint: str) -> None:
    """Forget the maps of every other encoder, once they are of no use any more.

    Every other folder goes, whether the catalogue named it or not: what a kill or an error leaves goes the next time.
    """
    with project.db.write() as db:
        db.execute("DELETE FROM patch_maps WHERE fingerprint <> ?", (fingerprint,))
    for folder in (project.folder / FOLDER).glob("*"):
        if folder.name != fingerprint:
            shutil.rmtree(folder, ignore_errors=True)


def _root(project: "Project", fingerprint: str):
    return below(project.folder / FOLDER, fingerprint)


def _missing(project: "Project", fingerprint: str, image_ids: list[int]) -> list[sqlite3.Row]:
    with project.db.read() as db:
        known = with_maps(db, fingerprint, image_ids)
        wanted = set(image_ids) - known
        rows = db.execute("SELECT id, sha256, format, bytes FROM images ORDER BY id").fetchall()
    return [row for row in rows if row["id"] in wanted]


def _check_room(project: "Project", encoder: "PatchEncoder", count: int) -> None:
    needed, free = count * 2 * encoder.layout.size, shutil.disk_usage(project.folder).free
    if free < needed + RESERVE_BYTES:
        raise Refused("NO_SPACE_FOR_PATCHES", count=count, needed=(needed + RESERVE_BYTES) / 1e9, free=free / 1e9)


def _marks(values) -> str:
    return ",".join("?" * len(values))
