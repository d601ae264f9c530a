"""What the patches say of scored images, beside what the whole images say; made by `patch_fits`, read here."""

import hashlib
import io
import json
import math
import threading
from collections import OrderedDict
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dn2core.detect.calibration import Limit, limit_for
from dn2core.detect.patches import NEIGHBOURS, Load
from dn2core.detect.verdicts import PASS, percentile_among
from dn2core.errors import DN2Error, StorageError
from dn2core.features.patches import patch_layout, smallest_seen, view_side
from dn2core.project.catalogue import write_meta
from dn2core.project.jobs import KEPT
from dn2core.project.patch_fits import (
    FOLDER,
    Fit,
    bank_for,
    distance_map,
    everything,
    fit_key,
    fit_of,
    reader_of,
    scores_of,
    submit_patches,
)
from dn2core.project.patch_maps import load_patches, whole_bytes
from dn2core.project.paths import below
from dn2core.project.snapshot import snapshot

if TYPE_CHECKING:
    from dn2core.detect import Judgement
    from dn2core.project.encoders import PatchReader
    from dn2core.project.project import Project
    from dn2core.project.snapshot import Snapshot

KEPT_VIEWS = 4
AROUND = 1.5  # cells from the middle of a patch that a match shows

_lock = threading.Lock()
_views: OrderedDict[tuple, "PatchView"] = OrderedDict()


@dataclass(frozen=True, eq=False)
class PatchView:
    """Scores and verdicts of the patches, row by row those of `Snapshot.scored`.

    scores: (q,) float64, higher = more anomalous; NaN where patches are not compared.
    limit: scores above it are flagged; NaN below two normals.
    calibration: how the limit came about, by the project's false-alarm budget; None below two normals.
    normal_scores: (c,) float64 of the good parts that it rests on.
    percentiles: (q,) percent of those strictly below; NaN where unknown.
    flagged: (q,) bool.
    pending: images that are to be compared yet.
    lost: images that cannot be compared: their stored pictures cannot be read, or there is nothing to compare with.
    """

    scores: np.ndarray
    limit: float
    calibration: Limit | None
    normal_scores: np.ndarray
    percentiles: np.ndarray
    flagged: np.ndarray
    pending: int
    lost: int
    key: tuple  # another one whenever something here changed

    @property
    def multiples(self) -> np.ndarray:
        """(q,) scores in units of the limit."""
        return self.scores / self.limit if self.limit > 0 else np.full(len(self.scores), math.nan)


@dataclass(frozen=True)
class Match:
    """A part of a normal that a place should have looked like: its box in shares of width and height, its distance
    in the units of a distance map."""

    item_id: int
    name: str
    left: float
    top: float
    right: float
    bottom: float
    distance: float


@dataclass(frozen=True)
class Plan:
    """What looking at patches takes, at some number of tiles.

    side: pixels of the square that a picture is brought to.
    smallest: about how wide a defect must be to show, in pixels of a usual normal.
    width, height: of a usual normal.
    bytes: on disk, for all images.
    """

    tiles: int
    side: int
    smallest: float
    width: int
    height: int
    bytes: int


def by_a_place_alone(judged: "Judgement", patches: PatchView | None) -> np.ndarray:
    """(q,) bool: the scored images that pass as a whole and of which a place does not; none without `patches`."""
    return np.zeros(len(judged.flagged), bool) if patches is None else patches.flagged & (judged.verdicts == PASS)


def patch_view(project: "Project", view: "Snapshot") -> PatchView | None:
    """What the patches say in this state; None where they are not looked at, or nothing is ready for it yet."""
    fit = _fit(project, view)
    return None if fit is None else _view_by(project, view, fit)


def _view_by(project: "Project", view: "Snapshot", fit: Fit) -> PatchView:
    """Kept in memory until a result comes or goes."""
    with project.db.read() as db:
        results = "SELECT count(*), total(score) FROM patch_results WHERE fit_id = ?"
        key = (view.generation, fit.id, *db.execute(results, (fit.id,)).fetchone())
    with _lock:
        if key in _views:
            _views.move_to_end(key)
            return _views[key]
    with project.db.read() as db:
        made = _judged(view, fit, scores_of(db, fit), key)
    with _lock:
        _views[key] = made
        while len(_views) > KEPT_VIEWS:
            _views.popitem(last=False)
    return made


def due(project: "Project", view: "Snapshot") -> bool:
    """Whether patches are asked for and something is missing."""
    if view.settings.patches is None:
        return False
    found = patch_view(project, view)
    return found is None or found.pending > 0 or not _any_maps(project, view)


def ask_for_patches(project: "Project", view: "Snapshot") -> None:
    """Have a worker make what is missing; nothing where patches are not looked at.

    What was stopped or failed is not begun again by this, unless something else is to be done now, or nothing was in
    between: what is then asked for once more is a new wish.
    """
    with project.db.read() as db:
        asked = db.execute("SELECT value FROM meta WHERE key = 'patches_asked'").fetchone()
    if not due(project, view):
        if asked:
            with project.db.write() as db:
                db.execute("DELETE FROM meta WHERE key = 'patches_asked'")
        return
    wanted = _to_be_done(view)
    if asked and json.loads(asked["value"]) == wanted and _ended(project) in ("cancelled", "failed"):
        return
    with project.db.write() as db:
        write_meta(db, patches_asked=wanted)
    submit_patches(project)


def stopped(project: "Project") -> bool:
    """Whether a person stopped the looking at patches, and nobody asked for it again since."""
    return _ended(project) == "cancelled"


def _ended(project: "Project") -> str | None:
    """How the last job ended; one that is being stopped counts as ended. None while there is another one, and before
    the first."""
    active = [job for job in project.jobs.active(project.id) if job.kind == "patches"]
    if active:
        return "cancelled" if all(job.cancelling for job in active) else None
    return next((job.state for job in project.jobs.recent(project.id, KEPT) if job.kind == "patches"), None)


def _to_be_done(view: "Snapshot") -> str:
    """Another one where the fit or the images to compare are others; known without any weights."""
    settings = view.settings
    images = hashlib.sha256(np.sort(view.scored.image_ids).astype("<i8").tobytes()).hexdigest()
    return f"{fit_key(view, f'{settings.backbone}, {settings.tiles}')} {images}"


def patch_heat(project: "Project", item_id: int) -> tuple[np.ndarray, float] | None:
    """The distance map of an image, (rows, columns) float32, and the limit; None before its patches were compared.

    A normal is compared with the others, at once.
    """
    view = snapshot(project)
    fit = _fit(project, view)
    if fit is None:
        return None
    found = _view_by(project, view, fit)
    at = view.scored.position(item_id)
    if at is not None:
        distances = _stored_map(project, fit, int(view.scored.image_ids[at]))
        return None if distances is None else (distances, found.limit)
    at = everything(view).position(item_id)
    if at is None:
        return None
    reader = reader_of(project, view.settings)
    try:
        made = distance_map(view, reader, fit, int(everything(view).image_ids[at]), _stored(project, reader))
        return made, found.limit
    except StorageError:
        return None


def patch_matches(project: "Project", item_id: int) -> list[Match]:
    """Parts of normals that the most unusual place of an image should have looked like, nearest first.

    Of each normal its nearest part; none where nothing was compared.
    """
    view = snapshot(project)
    heat, fit = patch_heat(project, item_id), _fit(project, view)
    if heat is None or np.isnan(heat[0]).all():
        return []
    reader, normals = reader_of(project, view.settings), everything(view)
    items = view.scored if view.scored.position(item_id) is not None else normals
    image_id = int(items.image_ids[items.position(item_id)])
    load = _stored(project, reader)
    try:
        patches = load(image_id)
        bank, owners, without = bank_for(view, reader, fit, image_id, load)
    except StorageError:
        return []
    if bank is None:
        return []
    row, column = np.unravel_index(np.nanargmax(heat[0]), heat[0].shape)
    names = dict(zip(normals.image_ids.tolist(), zip(normals.ids.tolist(), normals.names, strict=True), strict=True))
    matches, seen = [], set()
    for part in bank.should_be(patches, row, column, 8 * NEIGHBOURS, without):
        owner = int(owners[part.owner])
        if owner in names and owner not in seen:
            seen.add(owner)
            matches.append(Match(*names[owner], *_box(part.row, part.column, part.side), part.distance))
    return matches


def plans(project: "Project", view: "Snapshot", tiles: tuple[int, ...]) -> list[Plan]:
    """What looking at patches would take, for each of these numbers of tiles.

    Raises:
        Refused: NO_PATCHES.
    """
    with project.db.read() as db:
        sizes = db.execute(
            "SELECT m.width, m.height, count(*) AS n FROM items i JOIN images m ON m.id = i.image_id"
            " WHERE i.role = 'normal' AND i.until IS NULL GROUP BY 1, 2 ORDER BY n DESC, 1 DESC LIMIT 1"
        ).fetchone()
        images = db.execute("SELECT count(*) FROM images").fetchone()[0]
    width, height = (sizes["width"], sizes["height"]) if sizes else (view_side(1), view_side(1))
    found = []
    for count in tiles:
        layout = patch_layout(view.settings.backbone, count)
        found.append(
            Plan(count, view_side(count), smallest_seen(width, height, count), width, height, 2 * layout.size * images)
        )
    return found


def _fit(project: "Project", view: "Snapshot") -> Fit | None:
    if view.settings.patches is None:
        return None
    try:
        return fit_of(project, view, reader_of(project, view.settings))
    except DN2Error:  # the network has no maps, its weights are gone: the job that asks for them says so
        return None  # likewise where the disk fails for a moment: as if there were no fit, until it is read again


def _judged(view: "Snapshot", fit: Fit, found: dict[int, float], key: tuple) -> PatchView:
    images = view.scored.image_ids.tolist()
    scores = np.array([found.get(one, math.nan) for one in images], np.float64)
    known = np.array([one in found for one in images], bool)
    good = fit.scores[np.isfinite(fit.scores)]
    lots = None if fit.lots is None else fit.lots[np.isfinite(fit.scores)]
    calibration = None
    if len(good) > 1:
        # Of those set aside as many count as of the normals: the limit may rest on a part of them.
        aside = (
            0 if fit.kind == "held_out" else math.ceil(view.set_aside * min(1, len(good) / max(1, len(fit.normals))))
        )
        calibration = limit_for(good, view.settings.budget, lots, set_aside=aside)
    limit = calibration.value if calibration else math.nan
    percentiles = np.where(np.isnan(scores), math.nan, percentile_among(good, scores))
    return PatchView(
        scores=scores,
        limit=limit,
        calibration=calibration,
        normal_scores=good,
        percentiles=percentiles,
        flagged=scores > limit,
        pending=int((~known).sum()),
        lost=int((known & np.isnan(scores)).sum()),
        key=key,
    )


def _stored_map(project: "Project", fit: Fit, image_id: int) -> np.ndarray | None:
    with project.db.read() as db:
        row = db.execute(
            "SELECT file, row FROM patch_results WHERE fit_id = ? AND image_id = ?", (fit.id, image_id)
        ).fetchone()
    if row is None or not row["file"]:
        return None
    try:
        return _chunk(project.folder / FOLDER, row["file"])[row["row"]].astype(np.float32)
    except StorageError as error:
        if error.code == "PATCHES_DAMAGED":
            with project.db.write() as db:  # they are compared anew
                db.execute("DELETE FROM patch_results WHERE file = ?", (row["file"],))
        return None


@lru_cache(maxsize=8)
def _chunk(folder: Path, name: str) -> np.ndarray:
    """(n, rows, columns) float16 maps of one file, whose name begins with its hash."""
    data = whole_bytes(below(folder, name), name.removesuffix(".npy"))
    if data is None:
        raise StorageError("PATCHES_DAMAGED")
    return np.load(io.BytesIO(data), allow_pickle=False)


def _any_maps(project: "Project", view: "Snapshot") -> bool:
    """Whether the maps are there: with another encoder's turn all of them go, the results stay."""
    fingerprint = reader_of(project, view.settings).fingerprint
    with project.db.read() as db:
        return (
            db.execute("SELECT 1 FROM patch_maps WHERE fingerprint = ? LIMIT 1", (fingerprint,)).fetchone() is not None
        )


def _stored(project: "Project", reader: "PatchReader") -> Load:
    return lambda image_id: load_patches(project, reader, image_id)


def _box(row: int, column: int, grid: int) -> tuple[float, float, float, float]:
    left, top = (max(0.0, (at + 0.5 - AROUND) / grid) for at in (column, row))
    right, bottom = (min(1.0, (at + 0.5 + AROUND) / grid) for at in (column, row))
    return left, top, right, bottom
