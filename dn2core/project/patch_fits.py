"""What patches are compared with, and what came of it: made by a worker, kept on disk, found by what it rests on.

A fit holds the thinned bank of the normals' patches and the scores of good parts that the limit rests on. Its key
covers all that decides them, so that a version of the normals that was in force before finds its fit again.
"""

import hashlib
import io
import json
import math
import sqlite3
import time
import zipfile
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from dn2core.detect.calibration import normals_needed
from dn2core.detect.distance_maps import balanced, patch_score, together
from dn2core.detect.mask import looked_at, some_left
from dn2core.detect.patches import (
    CALIBRATED,
    NEAREST_NORMALS,
    Load,
    PatchBank,
    StageBank,
    bank_of,
    calibrating,
    even_weights,
    thinned_bank,
)
from dn2core.errors import NotFound, StorageError
from dn2core.project import fsio
from dn2core.project.encoders import patch_encoder_for, patch_reader_for
from dn2core.project.jobs import Job
from dn2core.project.patch_cost import Pace, note_pace
from dn2core.project.patch_maps import drop_others, encode_missing, load_or_make, whole_bytes, with_maps
from dn2core.project.paths import below
from dn2core.project.progress import Progress
from dn2core.project.stored import chunks

if TYPE_CHECKING:
    from dn2core.features.patches import PatchEncoder
    from dn2core.project.encoders import PatchReader
    from dn2core.project.project import Project
    from dn2core.project.settings import Settings
    from dn2core.project.snapshot import Items, Snapshot

FOLDER = "patch_fits"
RULES = 4  # another number whenever the same patches would give other scores
KEPT_FITS = 3
CHUNK = 32  # images compared between two saves
LOOK_SECONDS = 2  # between two looks whether the work is still asked for
KEPT_BYTES = 200_000_000  # of patches that stay in memory while neighbours are compared
NO_SCORE = -1.0  # of an image that cannot be compared: it cannot be read, or there is nothing to compare it with


@dataclass(frozen=True)
class Fit:
    """What the patches of new images are compared with.

    weights: of the stages, as good parts balance them.
    bank: the thinned bank, its owners positions in `normals`; None for "nearest".
    normals: (n,) int64 image ids that the bank was made of, ascending.
    scores: (c,) float64 of good parts that the limit rests on, NaN for one that is alone; `reference` their image ids,
        `lots` their codes or None.
    kind: what these are, as `Reference.kind`.
    """

    id: int
    key: str
    method: str
    weights: tuple[float, ...]
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

    It is done again where the normals or settings changed meanwhile, and begun again at once where they changed so that
    nobody asks for it any more. Without patches in the settings there is nothing to do.
    """
    from dn2core.project.snapshot import snapshot

    done = None
    while True:
        view = snapshot(project)
        if view.settings.patches is None:
            return
        encoder = encoder_of(project, view.settings)
        if (state := (fit_key(view, encoder.fingerprint), view.generation)) == done:
            break
        watched = _Watched(progress, project, view)
        with suppress(_Outdated):
            _bring_up(project, view, encoder, watched)
            done = state
        note_pace(project, view.settings, watched.pace)


def _bring_up(project: "Project", view: "Snapshot", encoder: "PatchEncoder", progress: Progress) -> None:
    images = np.concatenate([items.image_ids for items in (everything(view), view.held, view.scored)])
    encode_missing(project, encoder, images, progress)
    fit = fit_of(project, view, encoder) or _make_fit(project, view, encoder, progress)
    _compare(project, view, encoder, fit, progress)
    progress.stage("finishing")
    _tidy(project, encoder)


class _Outdated(Exception):
    """The normals or settings are others now."""


class _Watched:
    """Progress that measures the pace, and looks now and then whether what is being made is still asked for."""

    def __init__(self, progress: Progress, project: "Project", view: "Snapshot"):
        self._progress, self._project, self._view = progress, project, view
        self._looked = time.monotonic()
        self.pace = Pace()

    def stage(self, name: str, **counted: int) -> None:
        self.pace.begin(name)
        self._progress.stage(name, **counted)

    def advance(self, count: int = 1) -> None:
        self.pace.advance(count)
        self._progress.advance(count)

    def __getattr__(self, name: str):
        return getattr(self._progress, name)

    def check(self, *, midway: bool = False) -> None:
        self._progress.check(midway=midway)
        if time.monotonic() - self._looked < LOOK_SECONDS:
            return
        self._looked = time.monotonic()
        state, settings = self._project.state(), self._project.settings()
        if state is None or (state.version, settings) != (self._view.state.version, self._view.settings):
            raise _Outdated


def encoder_of(project: "Project", settings: "Settings") -> "PatchEncoder":
    """The patch encoder that the settings ask for.

    Raises:
        Refused: NO_PATCHES. WeightsUnavailable, StorageError: as `load_patch_encoder`.
    """
    return patch_encoder_for(settings.backbone, settings.tiles, project.weights_dir)


def reader_of(project: "Project", settings: "Settings") -> "PatchReader":
    """What reads what that encoder made: known at once, for nobody who looks shall wait for a download.

    Raises:
        Refused: NO_PATCHES. WeightsUnavailable: as `patch_reader_for`.
    """
    return patch_reader_for(settings.backbone, settings.tiles, project.weights_dir)


def everything(view: "Snapshot") -> "Items":
    """All normals: a reduction of whole images has no say here, for the patches are thinned themselves."""
    return view.normals.and_then(view.apart)


def fit_key(view: "Snapshot", fingerprint: str) -> str:
    """Another one for all that would change what patches are compared with, by the encoder of this fingerprint."""
    settings, normals = view.settings, everything(view)
    kind = _kind(view)
    by = {"lots": normals, "held_out": view.held}.get(kind)
    told = {
        "rules": RULES,
        "fingerprint": fingerprint,
        "method": settings.patches,
        "mask": settings.mask,
        "kind": kind,
        "calibrated": _calibrated(view),
        "normals": _digest(normals),
        "by": _digest(by, by.lots) if by else None,
        # SPADE's nearest normals are those of the whole-image comparison.
        "whole": [view.state.fingerprint, settings.normalise, settings.reduction]
        if settings.patches == "nearest"
        else None,
    }
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def _digest(items: "Items", lots: tuple[str | None, ...] = ()) -> str:
    """Of the images, whatever their order, and their lots."""
    order = np.argsort(items.image_ids)
    told = hashlib.sha256(items.image_ids[order].astype("<i8").tobytes())
    if lots:
        told.update(json.dumps([lots[at] or "" for at in order.tolist()]).encode())
    return told.hexdigest()


def fit_of(project: "Project", view: "Snapshot", reader: "PatchReader") -> Fit | None:
    """The fit for this view; None before it was made, or where its file is missing or damaged.

    Raises:
        StorageError: STORAGE_FAILED where the file is there and cannot be read now.
    """
    with project.db.read() as db:
        row = db.execute("SELECT * FROM patch_fits WHERE key = ?", (fit_key(view, reader.fingerprint),)).fetchone()
    return _read_fit(project, row["id"], row["key"], row["file"], row["sha256"]) if row else None


def cells_looked_at(reader: "PatchReader", settings: "Settings") -> np.ndarray:
    """(rows, columns) bool: the patches that the mask leaves.

    Raises:
        Refused: MASK_HIDES_ALL.
    """
    return some_left(looked_at(settings.mask, reader.layout.grid, reader.layout.grid))


def distance_map(
    view: "Snapshot", reader: "PatchReader", fit: Fit, image_id: int, load: Load, *, apart: Iterable[int] = ()
) -> np.ndarray:
    """The distance map of any image of the project; of a normal against the others. NaN where the mask hides.

    Args:
        load: image id -> its patches.
        apart: image ids of further normals that it is not compared with.

    Raises:
        StorageError: PATCHES_DAMAGED.
    """
    return together(_stage_maps(view, reader, fit, image_id, load, apart=apart), fit.weights)


def _stage_maps(
    view: "Snapshot", reader: "PatchReader", fit: Fit, image_id: int, load: Load, *, apart: Iterable[int] = ()
) -> np.ndarray:
    """The distances of each stage, (stages, rows, columns) float32; as `distance_map`."""
    cells, patches = cells_looked_at(reader, view.settings), load(image_id)
    bank, _, without = bank_for(view, reader, fit, image_id, load, apart=apart)
    if bank is None:
        return np.full((len(fit.weights), *cells.shape), np.nan, np.float32)
    return bank.stage_maps(patches, looked_at=cells, without=without)


def bank_for(
    view: "Snapshot", reader: "PatchReader", fit: Fit, image_id: int, load: Load, *, apart: Iterable[int] = ()
) -> tuple[PatchBank | None, np.ndarray, np.ndarray]:
    """The bank that an image is compared with, the image ids of its owners, and the owners that do not count.

    No bank where there is no other normal.
    """
    apart = [image_id, *apart]
    if fit.bank is not None:
        return fit.bank, fit.normals, np.flatnonzero(np.isin(fit.normals, apart))
    near, maps = [], []
    for one in _nearest_normals(view, image_id):
        if one in apart:
            continue
        try:
            maps.append(load(one))
        except StorageError as error:  # a normal that is lost: the next one takes its place
            if error.code != "PATCHES_DAMAGED":
                raise
            continue
        near.append(one)
        if len(near) == NEAREST_NORMALS:
            break
    bank = bank_of(maps, range(len(near)), cells_looked_at(reader, view.settings), fit.weights) if near else None
    return bank, np.array(near, np.int64), np.empty(0, np.int64)


def _nearest_normals(view: "Snapshot", image_id: int) -> list[int]:
    """Image ids of the normals that are nearest to an image as a whole, nearest first."""
    for items, found in ((view.normals, view.loo), (view.scored, view.found), (view.checking, view.held_found)):
        at = np.flatnonzero(items.image_ids == image_id)
        if len(at) and found is not None:
            return view.normals.image_ids[found.indices[at[0]]].tolist()
    return []


def _calibrated(view: "Snapshot") -> int:
    """How many good parts set the limit at most: as many as promise the budget, where there are so many."""
    return max(CALIBRATED, normals_needed(view.settings.budget))


def _kind(view: "Snapshot") -> str:
    """What the limit rests on: as the settings ask, where it is there.

    By lots only with a bank: the neighbours that are kept of a normal may all be of its own lot.
    """
    wanted = view.settings.calibration
    if wanted == "held_out" and len(view.held) > 1:
        return "held_out"
    if wanted == "lots" and view.settings.patches == "bank" and len(set(everything(view).lots)) > 1:
        return "lots"
    return "leave_one_out"


def limit_images(view: "Snapshot") -> int:
    """How many good parts set the limit."""
    good = view.held if _kind(view) == "held_out" else _compared_with(view)
    return min(len(good), _calibrated(view))


def _compared_with(view: "Snapshot") -> "Items":
    """The normals of a fit: SPADE's nearest ones are those that whole images are compared with."""
    return everything(view) if view.settings.patches == "bank" else view.normals


def _make_fit(project: "Project", view: "Snapshot", encoder: "PatchEncoder", progress: Progress) -> Fit:
    items = _compared_with(view)
    cells = cells_looked_at(encoder, view.settings)
    with project.db.read() as db:
        there = with_maps(db, encoder.fingerprint, items.image_ids)
        held = with_maps(db, encoder.fingerprint, view.held.image_ids)
        hashes = dict(db.execute("SELECT id, sha256 FROM images").fetchall())
    normals = np.array(sorted(there), np.int64)
    if not len(normals):
        raise NotFound("NO_NORMALS")
    load = _loader(project, encoder)
    bank, weights = None, encoder.layout.weights
    if view.settings.patches == "nearest":
        weights = even_weights(weights)
    else:
        progress.stage("choosing patches", total=2 * len(normals))
        bank = thinned_bank(
            lambda at: load_or_make(project, encoder, normals[at]),
            [int(hashes[one][:15], 16) for one in normals.tolist()],
            cells,
            weights,
            tell=_teller(progress, 2 * len(normals)),
        )
    key = fit_key(view, encoder.fingerprint)
    fit = Fit(0, key, view.settings.patches, weights, bank, normals, normals[:0], np.empty(0), None, _kind(view))
    reference, lots = _reference(view, fit, held)
    progress.stage("setting the limit", total=len(reference))

    def maps_of(image_id: int) -> np.ndarray:
        apart = _own_lot(view, image_id) if fit.kind == "lots" else ()
        maps = _stage_maps(view, encoder, fit, image_id, load, apart=apart)
        progress.advance()
        progress.check(midway=True)
        return maps

    # What weighs the colours is kept in memory, and a small budget may ask for very many good parts.
    kept = {one: maps_of(one) for one in reference[calibrating(len(reference))].tolist()}
    weights = balanced(kept.values(), weights)
    maps = (kept[one] if one in kept else maps_of(one) for one in reference.tolist())
    scores = np.array([patch_score(together(one, weights)) for one in maps], np.float64)
    return _save_fit(project, view, replace(fit, weights=weights, reference=reference, scores=scores, lots=lots))


def _reference(view: "Snapshot", fit: Fit, held: set[int]) -> tuple[np.ndarray, np.ndarray | None]:
    """Image ids of the good parts that the limit rests on, and their lots where these count."""
    from dn2core.project.snapshot import lot_codes

    if fit.kind == "held_out":
        items = view.held.some(np.isin(view.held.image_ids, list(held)))
        items = items.some(calibrating(len(items), _calibrated(view)))
        return items.image_ids, lot_codes(items.lots)
    reference = fit.normals[calibrating(len(fit.normals), _calibrated(view))]
    if fit.kind != "lots":
        return reference, None
    items = everything(view)
    of = dict(zip(items.image_ids.tolist(), items.lots, strict=True))
    return reference, lot_codes(tuple(of[one] for one in reference.tolist()))


def _own_lot(view: "Snapshot", image_id: int) -> list[int]:
    """Image ids of the normals that came in the lot of this one; those of none count as one lot."""
    items = everything(view)
    ids, lots = items.image_ids.tolist(), items.lots
    own = lots[ids.index(image_id)]
    return [one for one, lot in zip(ids, lots, strict=True) if (lot or "") == (own or "")]


def _compare(project: "Project", view: "Snapshot", encoder: "PatchEncoder", fit: Fit, progress: Progress) -> None:
    """The distance maps of scored images that have none by this fit yet."""
    with project.db.read() as db:
        found = db.execute("SELECT image_id FROM patch_results WHERE fit_id = ? AND score >= 0", (fit.id,))
        done = {row[0] for row in found}
        there = with_maps(db, encoder.fingerprint, view.scored.image_ids)
    _note_without_score(project, fit, set(view.scored.image_ids.tolist()) - there)
    left = there - done
    waiting = [one for one in dict.fromkeys(view.scored.image_ids.tolist()) if one in left]
    if not waiting:
        return
    progress.stage("comparing patches", done=len(there) - len(waiting), total=len(there))
    load = _loader(project, encoder)
    for some in chunks(waiting, CHUNK):
        maps = {}
        for image_id in some:
            maps[image_id] = distance_map(view, encoder, fit, image_id, load)
            progress.advance()
            progress.check(midway=True)
        alone = {image_id for image_id, made in maps.items() if np.isnan(made).all()}
        _note_without_score(project, fit, alone)
        _save_results(project, fit, {image_id: made for image_id, made in maps.items() if image_id not in alone})
        progress.check()


def _save_results(project: "Project", fit: Fit, maps: dict[int, np.ndarray]) -> None:
    if not maps:
        return
    buffer = io.BytesIO()
    np.save(buffer, np.stack(list(maps.values())).astype(np.float16), allow_pickle=False)
    name, _ = _write(project, buffer.getvalue(), ".npy")
    rows = [(fit.id, one, patch_score(made), name, row) for row, (one, made) in enumerate(maps.items())]
    with project.db.write() as db:
        db.executemany(
            "INSERT OR REPLACE INTO patch_results(fit_id, image_id, score, file, row) VALUES (?, ?, ?, ?, ?)", rows
        )


def _note_without_score(project: "Project", fit: Fit, image_ids: set[int]) -> None:
    """So that nobody waits for them."""
    if not image_ids:
        return
    with project.db.write() as db:
        db.executemany(
            "INSERT OR IGNORE INTO patch_results(fit_id, image_id, score, file, row) VALUES (?, ?, ?, '', -1)",
            [(fit.id, one, NO_SCORE) for one in image_ids],
        )


def scores_of(db: sqlite3.Connection, fit: Fit) -> dict[int, float]:
    """Image id -> score of all images that need not be waited for; NaN for those that cannot be compared."""
    rows = db.execute("SELECT image_id, score FROM patch_results WHERE fit_id = ?", (fit.id,))
    return {image_id: math.nan if score == NO_SCORE else score for image_id, score in rows}


def _save_fit(project: "Project", view: "Snapshot", fit: Fit) -> Fit:
    parts = {name: getattr(fit, name) for name in ("weights", "normals", "reference", "scores")}
    if fit.lots is not None:
        parts["lots"] = fit.lots
    if fit.bank is not None:
        for stage, bank in enumerate(fit.bank.stages):
            parts |= {
                f"patches_{stage}": bank.patches.astype(np.float16),
                f"owners_{stage}": bank.owners,
                f"cells_{stage}": bank.cells,
                f"spread_{stage}": bank.spread,
            }
    buffer = io.BytesIO()
    np.savez(buffer, about=np.array([fit.method, fit.kind]), **parts)
    name, sha256 = _write(project, buffer.getvalue(), ".npz")
    with project.db.write() as db:
        old = db.execute("SELECT id FROM patch_fits WHERE key = ?", (fit.key,)).fetchone()
        if old:  # its file was damaged
            _forget(db, old["id"])
        number = db.execute(
            "INSERT INTO patch_fits(created, key, version, fingerprint, file, sha256) VALUES (?, ?, ?, ?, ?, ?)",
            (time.time(), fit.key, view.state.version, view.state.fingerprint, name, sha256),
        ).lastrowid
    made = _read_fit(project, number, fit.key, name, sha256)
    if made is None:
        raise StorageError("STORAGE_FAILED", what=name, reason="its content is not what was stored")
    return made


def _read_fit(project: "Project", number: int, key: str, name: str, sha256: str) -> Fit | None:
    """None for a file that is missing or damaged; that is not remembered, for it may come back."""
    try:
        return _load_fit(project.folder, number, key, name, sha256)
    except (ValueError, zipfile.BadZipFile):
        return None


@lru_cache(maxsize=4)
def _load_fit(folder, number: int, key: str, name: str, sha256: str) -> Fit:
    """Half precision as on disk for whoever asks, so that the same image has the same score."""
    data = whole_bytes(below(folder / FOLDER, name), sha256)
    if data is None:
        raise ValueError("it is gone, or its content is not what was stored")
    with np.load(io.BytesIO(data), allow_pickle=False) as file:
        parts = {name: file[name] for name in file.files}
    method, kind = parts["about"].tolist()
    bank, weights = None, tuple(parts["weights"].tolist())
    if method == "bank":
        bank = PatchBank([_stage_of(parts, stage) for stage in range(len(weights))], weights)
    arrays = parts["normals"], parts["reference"], parts["scores"], parts.get("lots")
    return Fit(number, key, method, weights, bank, *arrays, kind)


def _stage_of(parts: dict[str, np.ndarray], stage: int) -> StageBank:
    patches, owners, cells, spread = (parts[f"{name}_{stage}"] for name in ("patches", "owners", "cells", "spread"))
    return StageBank(patches.astype(np.float32), owners, cells, spread=spread)


def _tidy(project: "Project", encoder: "PatchEncoder") -> None:
    """Keep the last few fits, with their results, and the maps of this encoder alone."""
    with project.db.write() as db:
        for row in db.execute("SELECT id FROM patch_fits ORDER BY id DESC LIMIT -1 OFFSET ?", (KEPT_FITS,)).fetchall():
            _forget(db, row["id"])
        files = "SELECT file FROM patch_fits UNION SELECT file FROM patch_results"
        named = {row["file"] for row in db.execute(files)}
    for path in below(project.folder, FOLDER).glob("*.np?"):
        if path.name not in named:
            path.unlink(missing_ok=True)
    drop_others(project, encoder.fingerprint)


def _forget(db: sqlite3.Connection, fit_id: int) -> None:
    """Its files go once this is in force: see `_tidy`."""
    db.execute("DELETE FROM patch_results WHERE fit_id = ?", (fit_id,))
    db.execute("DELETE FROM patch_fits WHERE id = ?", (fit_id,))


def _write(project: "Project", data: bytes, suffix: str) -> tuple[str, str]:
    """(file name, SHA-256). The name begins with the hash, so that whoever reads the file can check it."""
    sha256 = hashlib.sha256(data).hexdigest()
    name = sha256 + suffix
    fsio.write_atomic(below(project.folder / FOLDER, name), data)
    return name, sha256


def _loader(project: "Project", encoder: "PatchEncoder") -> Load:
    layout = encoder.layout
    kept = max(1, KEPT_BYTES // (4 * layout.size))
    return lru_cache(maxsize=kept)(lambda image_id: load_or_make(project, encoder, image_id))


def _teller(progress: Progress, total: int) -> Callable[[int, int], None]:
    told = 0

    def tell(done: int, _total: int) -> None:
        nonlocal told
        progress.advance(done - told)
        told = done
        progress.check(midway=True)

    return tell
