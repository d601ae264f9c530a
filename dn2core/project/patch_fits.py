"""What patches are compared with, and what came of it: made by a worker, kept on disk, found by what it rests on.

A fit holds the thinned bank of the normals' patches and the scores of good parts that the limit rests on. Its key
covers all that decides them, so that a version of the normals that was in force before finds its fit again.
"""

import hashlib
import io
import json
import sqlite3
import time
import uuid
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from dn2core.detect.mask import looked_at, some_left
from dn2core.detect.patches import NEAREST_NORMALS, PatchBank, bank_of, calibrating, patch_score, thinned_bank
from dn2core.errors import NotFound, StorageError
from dn2core.project import fsio
from dn2core.project.encoders import patch_encoder_for
from dn2core.project.jobs import Job
from dn2core.project.patch_maps import chunks, drop_others, encode_missing, load_patches, with_maps
from dn2core.project.paths import below
from dn2core.project.progress import Progress

if TYPE_CHECKING:
    from dn2core.features.patches import PatchEncoder
    from dn2core.project.project import Project
    from dn2core.project.settings import Settings
    from dn2core.project.snapshot import Items, Snapshot

FOLDER = "patch_fits"
RULES = 1  # another number whenever the same patches would give other scores
KEPT_FITS = 3
CHUNK = 32  # images compared between two saves
KEPT_PATCHES = 24  # images whose patches stay in memory while neighbours are compared


@dataclass(frozen=True)
class Fit:
    """What the patches of new images are compared with.

    bank: the thinned bank, its owners positions in `normals`; None for "nearest".
    normals: (n,) int64 image ids that the bank was made of, ascending.
    scores: (c,) float64 of good parts that the limit rests on, `reference` their image ids, `lots` their codes or None.
    kind: what these are, as `Reference.kind`.
    """

    id: int
    key: str
    method: str
    bank: PatchBank | None
    normals: np.ndarray
    reference: np.ndarray
    scores: np.ndarray
    lots: np.ndarray | None
    kind: str


def submit_patches(project: "Project") -> int:
    """Queue the looking at patches by the settings in force; returns the job's id."""
    return project.jobs.submit(project.id, "patches")


def run(project: "Project", job: Job, progress: Progress) -> None:
    """Make what is missing for the settings in force: maps, the fit, and the comparison of each scored image.

    It is done again where the normals or settings changed meanwhile. Without patches in the settings there is nothing
    to do.
    """
    from dn2core.project.snapshot import snapshot

    done = None
    while True:
        view = snapshot(project)
        if view.settings.patches is None:
            return
        encoder = encoder_of(project, view.settings)
        if (state := (fit_key(view, encoder), view.generation)) == done:
            break
        images = np.concatenate([items.image_ids for items in (everything(view), view.held, view.scored)])
        encode_missing(project, encoder, images, progress)
        fit = fit_of(project, view, encoder) or _make_fit(project, view, encoder, progress)
        _compare(project, view, encoder, fit, progress)
        done = state
    progress.stage("finishing")
    _tidy(project, encoder)


def encoder_of(project: "Project", settings: "Settings") -> "PatchEncoder":
    """The patch encoder that the settings ask for.

    Raises:
        Refused: NO_PATCHES.
    """
    return patch_encoder_for(settings.backbone, settings.tiles, project.weights_dir)


def everything(view: "Snapshot") -> "Items":
    """All normals: a reduction of whole images has no say here, for the patches are thinned themselves."""
    return view.normals.and_then(view.apart)


def fit_key(view: "Snapshot", encoder: "PatchEncoder") -> str:
    """Another one for all that would change what patches are compared with."""
    settings, normals = view.settings, everything(view)
    kind = _kind(view)
    by = {"lots": normals, "held_out": view.held}.get(kind)
    told = {
        "rules": RULES,
        "fingerprint": encoder.fingerprint,
        "method": settings.patches,
        "mask": settings.mask,
        "kind": kind,
        "normals": sorted(normals.image_ids.tolist()),
        "by": sorted(zip(by.image_ids.tolist(), [lot or "" for lot in by.lots], strict=True)) if by else None,
        # SPADE's nearest normals are those of the whole-image comparison.
        "whole": [view.state.fingerprint, settings.normalise, settings.reduction]
        if settings.patches == "nearest"
        else None,
    }
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def fit_of(project: "Project", view: "Snapshot", encoder: "PatchEncoder") -> Fit | None:
    """The fit for this view; None before it was made, or where its file is missing or damaged."""
    with project.db.read() as db:
        row = db.execute("SELECT * FROM patch_fits WHERE key = ?", (fit_key(view, encoder),)).fetchone()
    return _load_fit(project.folder, row["id"], row["key"], row["file"], row["sha256"]) if row else None


def cells_looked_at(encoder: "PatchEncoder", settings: "Settings") -> np.ndarray:
    """(rows, columns) bool: the patches that the mask leaves.

    Raises:
        Refused: MASK_HIDES_ALL.
    """
    return some_left(looked_at(settings.mask, encoder.layout.grid, encoder.layout.grid))


def distance_map(
    project: "Project", view: "Snapshot", encoder: "PatchEncoder", fit: Fit, image_id: int, *, load=None
) -> np.ndarray:
    """The distance map of any image of the project; of a normal against the others. NaN where the mask hides."""
    load = load or (lambda one: load_patches(project, encoder, one))
    cells, patches = cells_looked_at(encoder, view.settings), load(int(image_id))
    if fit.bank is not None:
        return fit.bank.distance_map(patches, looked_at=cells, without=np.flatnonzero(fit.normals == image_id))
    near = nearest_normals(view, int(image_id))
    if not len(near):
        return np.full(cells.shape, np.nan, np.float32)
    bank = bank_of([load(one) for one in near], range(len(near)), cells)
    return bank.distance_map(patches, looked_at=cells)


def nearest_normals(view: "Snapshot", image_id: int) -> list[int]:
    """Image ids of the nearest other normals of an image as a whole, nearest first."""
    for items, found in ((view.normals, view.loo), (view.scored, view.found), (view.checking, view.held_found)):
        at = np.flatnonzero(items.image_ids == image_id)
        if len(at) and found is not None:
            near = view.normals.image_ids[found.indices[at[0]]].tolist()
            return [one for one in near if one != image_id][:NEAREST_NORMALS]
    return []


def _kind(view: "Snapshot") -> str:
    """What the limit rests on: as the settings ask, where it is there."""
    wanted = view.settings.calibration
    if wanted == "held_out" and len(view.held) > 1:
        return "held_out"
    if wanted == "lots" and len(set(everything(view).lots)) > 1:
        return "lots"
    return "leave_one_out"


def _make_fit(project: "Project", view: "Snapshot", encoder: "PatchEncoder", progress: Progress) -> Fit:
    items, cells = everything(view), cells_looked_at(encoder, view.settings)
    with project.db.read() as db:
        whole = with_maps(db, encoder.fingerprint, items.image_ids)
        hashes = dict(db.execute("SELECT id, sha256 FROM images").fetchall())
    normals = np.array(sorted(whole), np.int64)
    if not len(normals):
        raise NotFound("NO_NORMALS")
    load = _remembered(lambda one: load_patches(project, encoder, one))
    bank = None
    if view.settings.patches == "bank":
        progress.stage("choosing patches", total=2 * len(normals))
        bank = thinned_bank(
            lambda at: load_patches(project, encoder, normals[at]),
            [int(hashes[one][:15], 16) for one in normals.tolist()],
            cells,
            tell=_teller(progress, 2 * len(normals)),
        )
    fit = Fit(
        0, fit_key(view, encoder), view.settings.patches, bank, normals, normals[:0], np.empty(0), None, _kind(view)
    )
    reference, lots = _reference(view, fit)
    progress.stage("setting the limit", total=len(reference))
    scores = []
    for image_id, together in zip(reference.tolist(), _lots_of(lots, reference), strict=True):
        scores.append(_reference_score(project, view, encoder, fit, image_id, together, load))
        progress.advance()
        progress.check(midway=True)
    return _save_fit(project, view, fit, reference, np.array(scores, np.float64), lots)


def _reference(view: "Snapshot", fit: Fit) -> tuple[np.ndarray, np.ndarray | None]:
    """Image ids of the good parts that the limit rests on, and their lots where these count."""
    from dn2core.project.snapshot import lot_codes

    if fit.kind == "held_out":
        chosen = calibrating(len(view.held))
        return view.held.image_ids[chosen], lot_codes(view.held.some(chosen).lots)
    if len(fit.normals) < 2:
        return fit.normals[:0], None
    reference = fit.normals[calibrating(len(fit.normals))]
    if fit.kind != "lots":
        return reference, None
    of = _lot_names(view)
    return reference, lot_codes(tuple(of[one] for one in reference.tolist()))


def _lot_names(view: "Snapshot") -> dict[int, str | None]:
    items = everything(view)
    return dict(zip(items.image_ids.tolist(), items.lots, strict=True))


def _lots_of(lots: np.ndarray | None, reference: np.ndarray) -> Iterator[int | None]:
    return iter([None] * len(reference) if lots is None else lots.tolist())


def _reference_score(project, view, encoder, fit: Fit, image_id: int, lot: int | None, load: Callable) -> float:
    """A good part compared as a new one would be: without itself, and without its whole lot where lots count."""
    if fit.kind == "lots" and fit.bank is not None and lot is not None:
        of = _lot_names(view)
        own = [at for at, one in enumerate(fit.normals.tolist()) if of[one] == of[image_id]]
        cells = cells_looked_at(encoder, view.settings)
        return patch_score(fit.bank.distance_map(load(image_id), looked_at=cells, without=own))
    return patch_score(distance_map(project, view, encoder, fit, image_id, load=load))


def _compare(project: "Project", view: "Snapshot", encoder: "PatchEncoder", fit: Fit, progress: Progress) -> None:
    """The distance maps of scored images that have none by this fit yet."""
    with project.db.read() as db:
        done = {row[0] for row in db.execute("SELECT image_id FROM patch_results WHERE fit_id = ?", (fit.id,))}
        there = with_maps(db, encoder.fingerprint, view.scored.image_ids)
    waiting = [one for one in dict.fromkeys(view.scored.image_ids.tolist()) if one in there - done]
    if not waiting:
        return
    progress.stage("comparing patches", done=len(there) - len(waiting), total=len(there))
    load = _remembered(lambda one: load_patches(project, encoder, one))
    for some in chunks(waiting, CHUNK):
        maps = []
        for image_id in some:
            maps.append(distance_map(project, view, encoder, fit, image_id, load=load))
            progress.advance()
            progress.check(midway=True)
        _save_results(project, fit, some, np.stack(maps))
        progress.check()


def _save_results(project: "Project", fit: Fit, image_ids: tuple, maps: np.ndarray) -> None:
    buffer = io.BytesIO()
    np.save(buffer, maps.astype(np.float16), allow_pickle=False)
    name = _write(project, buffer.getvalue(), ".npy")
    rows = [
        (fit.id, one, patch_score(made), name, row) for row, (one, made) in enumerate(zip(image_ids, maps, strict=True))
    ]
    with project.db.write() as db:
        db.executemany(
            "INSERT OR REPLACE INTO patch_results(fit_id, image_id, score, file, row) VALUES (?, ?, ?, ?, ?)", rows
        )


def _save_fit(project: "Project", view: "Snapshot", fit: Fit, reference, scores: np.ndarray, lots) -> Fit:
    parts = {"normals": fit.normals, "reference": reference, "scores": scores}
    if lots is not None:
        parts["lots"] = lots
    if fit.bank is not None:
        bank = fit.bank
        parts |= {
            "patches": bank.patches.astype(np.float16),
            "owners": bank.owners,
            "cells": bank.cells,
            "spread": bank.spread,
        }
    buffer = io.BytesIO()
    np.savez(buffer, about=np.array([fit.method, fit.kind]), **parts)
    data = buffer.getvalue()
    name, sha256 = _write(project, data, ".npz"), hashlib.sha256(data).hexdigest()
    with project.db.write() as db:
        old = db.execute("SELECT id FROM patch_fits WHERE key = ?", (fit.key,)).fetchone()
        if old:  # its file was damaged
            _forget(db, old["id"])
        number = db.execute(
            "INSERT INTO patch_fits(created, key, version, fingerprint, file, sha256) VALUES (?, ?, ?, ?, ?, ?)",
            (time.time(), fit.key, view.state.version, view.state.fingerprint, name, sha256),
        ).lastrowid
    made = _load_fit(project.folder, number, fit.key, name, sha256)
    if made is None:
        raise StorageError("STORAGE_FAILED", what=name, reason="its content is not what was stored")
    return made


@lru_cache(maxsize=4)
def _load_fit(folder, number: int, key: str, name: str, sha256: str) -> Fit | None:
    """Half precision as on disk for whoever asks, so that the same image has the same score."""
    try:
        data = below(folder / FOLDER, name).read_bytes()
        if hashlib.sha256(data).hexdigest() != sha256:
            return None
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            parts = {name: file[name] for name in file.files}
    except (OSError, ValueError, zipfile.BadZipFile):
        return None
    method, kind = parts["about"].tolist()
    bank = None
    if "patches" in parts:
        bank = PatchBank(parts["patches"].astype(np.float32), parts["owners"], parts["cells"], spread=parts["spread"])
    return Fit(
        number, key, method, bank, parts["normals"], parts["reference"], parts["scores"], parts.get("lots"), kind
    )


def _tidy(project: "Project", encoder: "PatchEncoder") -> None:
    """Keep the last few fits, with their results, and the maps of this encoder alone."""
    with project.db.write() as db:
        for row in db.execute("SELECT id FROM patch_fits ORDER BY id DESC LIMIT -1 OFFSET ?", (KEPT_FITS,)).fetchall():
            _forget(db, row["id"])
    drop_others(project, encoder.fingerprint)


def _forget(db: sqlite3.Connection, fit_id: int) -> None:
    """Its files go with the next sweep."""
    db.execute("DELETE FROM patch_results WHERE fit_id = ?", (fit_id,))
    db.execute("DELETE FROM patch_fits WHERE id = ?", (fit_id,))


def _write(project: "Project", data: bytes, suffix: str) -> str:
    name = f"{uuid.uuid4().hex}{suffix}"
    fsio.write_atomic(below(project.folder / FOLDER, name), data)
    return name


def _remembered(load: Callable[[int], np.ndarray]) -> Callable[[int], np.ndarray]:
    return lru_cache(maxsize=KEPT_PATCHES)(load)


def _teller(progress: Progress, total: int) -> Callable[[int, int], None]:
    told = 0

    def tell(done: int, _total: int) -> None:
        nonlocal told
        progress.advance(done - told)
        told = done
        progress.check(midway=True)

    return tell
