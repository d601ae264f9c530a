"""Feature vectors on disk: `.npy` chunks, found through the catalogue by (image, fingerprint)."""

import hashlib
import io
import sqlite3
import uuid
from pathlib import Path

import numpy as np

from dn2core.errors import StorageError
from dn2core.project import fsio
from dn2core.project.catalogue import Database
from dn2core.project.paths import below


def save_chunk(folder: Path, features: np.ndarray) -> tuple[str, str]:
    """Write (n, d) float32 features durably; returns (file name, SHA-256) for the catalogue."""
    buffer = io.BytesIO()
    np.save(buffer, np.ascontiguousarray(features, dtype=np.float32), allow_pickle=False)
    data = buffer.getvalue()
    name = f"{uuid.uuid4().hex}.npy"
    fsio.write_atomic(below(folder, name), data)
    return name, hashlib.sha256(data).hexdigest()


def load_chunk(folder: Path, name: str, sha256: str) -> np.ndarray:
    """Read one chunk, (n, d) float32.

    Raises:
        StorageError: VECTORS_DAMAGED when it is missing or not what was written.
    """
    try:
        data = below(folder, name).read_bytes()
    except OSError as error:
        raise StorageError("VECTORS_DAMAGED", file=name) from error
    if hashlib.sha256(data).hexdigest() != sha256:
        raise StorageError("VECTORS_DAMAGED", file=name)
    return np.load(io.BytesIO(data), allow_pickle=False)


def read_array(folder: Path, name: str) -> np.ndarray:
    """Read an array that is checked by its format alone.

    Raises:
        StorageError: VECTORS_DAMAGED when it is missing or no array.
    """
    try:
        return np.load(io.BytesIO(below(folder, name).read_bytes()), allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise StorageError("VECTORS_DAMAGED", file=name) from error


def record(db: sqlite3.Connection, fingerprint: str, chunk: tuple[str, str], image_ids: list[int]) -> None:
    """Enter a saved chunk, whose rows belong to `image_ids`, in the catalogue."""
    chunk_id = db.execute(
        "INSERT INTO chunks(fingerprint, file, sha256) VALUES (?, ?, ?)", (fingerprint, *chunk)
    ).lastrowid
    db.executemany(
        "INSERT OR IGNORE INTO vectors(image_id, fingerprint, chunk_id, row) VALUES (?, ?, ?, ?)",
        [(image_id, fingerprint, chunk_id, row) for row, image_id in enumerate(image_ids)],
    )


def gather(folder: Path, rows: list[tuple[str, str, int]]) -> np.ndarray:
    """Vectors at (file, sha256, row), in that order: (len(rows), d) float32; (0, 0) when empty."""
    if not rows:
        return np.empty((0, 0), np.float32)
    wanted: dict[tuple[str, str], list[tuple[int, int]]] = {}
    for position, (name, sha256, row) in enumerate(rows):
        wanted.setdefault((name, sha256), []).append((position, row))
    features = None
    for (name, sha256), places in wanted.items():
        chunk = load_chunk(folder, name, sha256)
        if features is None:
            features = np.empty((len(rows), chunk.shape[1]), np.float32)
        positions, chunk_rows = zip(*places, strict=True)
        features[list(positions)] = chunk[list(chunk_rows)]
    return features


def drop_damaged(folder: Path, database: Database, fingerprint: str) -> int:
    """Forget the chunks that cannot be read, so that their images are encoded anew; returns how many."""
    with database.read() as db:
        chunks = db.execute("SELECT id, file, sha256 FROM chunks WHERE fingerprint = ?", (fingerprint,)).fetchall()
    damaged = [(row["id"], row["file"]) for row in chunks if not _is_whole(folder, row)]
    with database.write() as db:
        for chunk in damaged:
            db.execute("DELETE FROM vectors WHERE chunk_id = (SELECT id FROM chunks WHERE id = ? AND file = ?)", chunk)
            db.execute("DELETE FROM chunks WHERE id = ? AND file = ?", chunk)
    return len(damaged)


def _is_whole(folder: Path, chunk: sqlite3.Row) -> bool:
    try:
        load_chunk(folder, chunk["file"], chunk["sha256"])
    except StorageError:
        return False
    return True
