"""What looking at places by other settings would take: how many images, and how long by what was measured last."""

import json
import math
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from dn2core.detect.mask import share_looked_at
from dn2core.features.patches import view_side
from dn2core.project.catalogue import write_meta
from dn2core.project.patch_maps import with_maps

if TYPE_CHECKING:
    from dn2core.project.project import Project
    from dn2core.project.settings import Settings
    from dn2core.project.snapshot import Snapshot

STEPS = ("looking at patches", "choosing patches", "setting the limit", "comparing patches")  # of a job, in order
LEAST = 8  # counted at a step for its speed to be worth noting
LEAST_SECONDS = 0.5  # likewise


@dataclass(frozen=True)
class Cost:
    """What is to be done before other settings hold.

    encoded: images whose features are made.
    normals: normals that the bank is chosen from, or that set the limit; 0 where that is there already.
    compared: scored images that are compared.
    seconds: how long all that takes, by the speed of the last work in this project; None where it is not known.
    """

    encoded: int
    normals: int
    compared: int
    seconds: float | None

    @property
    def nothing(self) -> bool:
        return not (self.encoded or self.normals or self.compared)


class Pace:
    """How long the steps of a job took: told which step begins, and what was done of it."""

    def __init__(self, clock=time.monotonic):
        self._clock = clock
        self._step, self._began, self._done = "", clock(), 0
        self.spent: dict[str, tuple[float, int]] = {}  # step -> (seconds, counted)

    def begin(self, step: str) -> None:
        """A step begins, and so the one before it has ended."""
        now = self._clock()
        if self._step in STEPS and self._done >= LEAST and now - self._began >= LEAST_SECONDS:
            self.spent[self._step] = (now - self._began, self._done)
        self._step, self._began, self._done = step, now, 0

    def advance(self, count: int) -> None:
        self._done += count


def note_pace(project: "Project", settings: "Settings", pace: Pace) -> None:
    """Keep what was measured, for `cost` to tell from; what was measured before stays where nothing is new."""
    new = {
        _name(step, settings): seconds / (counted * _work(step, settings))
        for step, (seconds, counted) in pace.spent.items()
    }
    if not new:
        return
    known = _known(project)
    with project.db.write() as db:
        write_meta(db, patches_pace=known | new)


def cost(project: "Project", view: "Snapshot", settings: "Settings") -> Cost:
    """What a job would have to do if these settings were in force.

    Raises:
        Refused: NO_PATCHES. WeightsUnavailable: as `reader_of`.
    """
    from dn2core.project.patch_fits import everything, fit_key, limit_images, reader_of

    view = replace(view, settings=settings)
    reader = reader_of(project, settings)
    normals, scored = everything(view), set(view.scored.image_ids.tolist())
    images = set(np.concatenate([normals.image_ids, view.held.image_ids]).tolist()) | scored
    key = fit_key(view, reader.fingerprint)
    results = "SELECT r.image_id FROM patch_results r JOIN patch_fits f ON f.id = r.fit_id WHERE f.key = ?"
    with project.db.read() as db:
        encoded = len(images) - len(with_maps(db, reader.fingerprint, images))
        there = db.execute("SELECT 1 FROM patch_fits WHERE key = ?", (key,)).fetchone() is not None
        compared = len(scored - {row["image_id"] for row in db.execute(results, (key,))})
    chosen = 2 * len(normals) if settings.patches == "bank" and not there else 0
    counts = zip(STEPS, (encoded, chosen, 0 if there else limit_images(view), compared), strict=True)
    known = _known(project)
    times = [n * known.get(_name(step, settings), math.nan) * _work(step, settings) for step, n in counts if n]
    seconds = math.fsum(times)
    return Cost(encoded, 0 if there else len(normals), compared, None if math.isnan(seconds) else seconds)


def _name(step: str, settings: "Settings") -> str:
    """What the pace of a step is kept by: the network, for each has maps of its own size, and the comparison."""
    by = settings.backbone if step == STEPS[0] else f"{settings.backbone}, {settings.patches}"
    return f"{step}, {by}"


def _work(step: str, settings: "Settings") -> float:
    """Of one image at this step, in units that are alike whatever the tiles and the mask."""
    if step == STEPS[0]:
        return settings.tiles**2
    return (view_side(settings.tiles) / view_side(1)) ** 2 * share_looked_at(settings.mask)


def _known(project: "Project") -> dict[str, float]:
    """Seconds per unit of work at each step."""
    with project.db.read() as db:
        row = db.execute("SELECT value FROM meta WHERE key = 'patches_pace'").fetchone()
    return json.loads(row["value"]) if row else {}
