"""The map of a project: drawn by a worker, kept on disk, extended without moving a point."""

import io
import time
import uuid
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dn2core.detect import Bank, leave_one_out
from dn2core.errors import NotFound
from dn2core.explore import pca_map, place, umap_map
from dn2core.project import fsio
from dn2core.project.jobs import Job
from dn2core.project.paths import below
from dn2core.project.progress import Progress
from dn2core.project.snapshot import Snapshot, snapshot

if TYPE_CHECKING:
    from dn2core.project.project import Project

NEIGHBOURS = 15


@dataclass(frozen=True)
class MapTable:
    """Where each image of a snapshot lies, normals first, then scored images.

    `placed` marks those that came after the map was drawn: they lie between their nearest mapped images.
    """

    id: int  # of the kept map, another one for each that is drawn; 0 for a PCA of the moment
    ids: np.ndarray  # (n,) int64
    xy: np.ndarray  # (n, 2) float32
    kind: str  # "umap" or "pca"
    placed: np.ndarray  # (n,) bool
    reason: str | None  # why it is not a UMAP
    made_at: float | None


def run(project: "Project", job: Job, progress: Progress) -> None:
    """Draw the map of all images and keep it. Runs in the projection worker only: numba may abort it."""
    _draw(project, progress)
    while not has_map(project, snapshot(project)):  # many images came in meanwhile
        _draw(project, progress)


def _draw(project: "Project", progress: Progress) -> None:
    progress.stage("drawing the map")
    view = snapshot(project)
    ids, features = _all(view)
    bank = Bank(features, normalise=view.settings.normalise)
    if bank.n < 2:
        raise NotFound("NO_NORMALS")
    drawn = umap_map(bank.features, leave_one_out(bank, NEIGHBOURS))
    progress.check()
    buffer = io.BytesIO()
    np.savez(buffer, ids=ids, xy=drawn.xy.astype(np.float32))
    name = f"{uuid.uuid4().hex}.npz"
    fsio.write_atomic(below(project.folder / "maps", name), buffer.getvalue())
    kind = (view.state.fingerprint, int(view.settings.normalise))
    with project.db.write() as db:  # the older files are swept when a worker starts: somebody may be reading one
        newest = db.execute(
            "INSERT INTO maps(created, kind, reason, fingerprint, normalise, file) VALUES (?, ?, ?, ?, ?, ?)",
            (time.time(), drawn.kind, drawn.reason, *kind, name),
        ).lastrowid
        db.execute("DELETE FROM maps WHERE fingerprint = ? AND normalise = ? AND id < ?", (*kind, newest))


def has_map(project: "Project", view: Snapshot) -> bool:
    """Whether a kept map shows these images well: at least half were there when it was drawn.

    One that was no UMAP shows only the images that it was drawn from. A single image needs no map.
    """
    ids = np.concatenate([view.normals.ids, view.scored.ids])
    if len(ids) < 2:
        return True
    kept = _newest(project, view.state.fingerprint, view.settings.normalise)
    if kept is None:
        return False
    row, map_ids, _ = kept
    mapped = np.isin(ids, map_ids).mean()
    return bool(mapped >= 0.5 if row["kind"] == "umap" else mapped == 1)


def project_map(project: "Project", view: Snapshot) -> MapTable:
    """The map for a snapshot: the kept one with newer images placed on it, else a PCA of all images."""
    ids, features = _all(view)
    kept = _newest(project, view.state.fingerprint, view.settings.normalise)
    mapped = np.isin(ids, kept[1]) if kept else np.zeros(len(ids), bool)
    if not mapped.any():
        bank = Bank(features, normalise=view.settings.normalise)
        return MapTable(0, ids, pca_map(bank.features), "pca", mapped, None, None)
    row, map_ids, map_xy = kept
    order = np.argsort(map_ids)
    at = order[np.searchsorted(map_ids, ids, sorter=order).clip(max=len(order) - 1)]
    xy = np.where(mapped[:, None], map_xy[at], np.float32(0))
    if not mapped.all():
        bank = Bank(features[mapped], normalise=view.settings.normalise)
        near = bank.search(features[~mapped], min(NEIGHBOURS, bank.n))
        xy[~mapped] = place(xy[mapped], near.distances, near.indices)
    return MapTable(row["id"], ids, xy, row["kind"], ~mapped, row["reason"], row["created"])


def _all(view: Snapshot) -> tuple[np.ndarray, np.ndarray]:
    ids = np.concatenate([view.normals.ids, view.scored.ids])
    return ids, np.concatenate([view.bank.features, view.scored_features])


def _newest(project: "Project", fingerprint: str, normalise: bool):
    with project.db.read() as db:
        rows = db.execute(
            "SELECT * FROM maps WHERE fingerprint = ? AND normalise = ? ORDER BY id DESC", (fingerprint, int(normalise))
        ).fetchall()
    for row in rows:
        try:
            data = below(project.folder / "maps", row["file"]).read_bytes()
            with np.load(io.BytesIO(data), allow_pickle=False) as file:
                return row, file["ids"], file["xy"]
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            continue
    return None
