"""What a project's user has chosen, and the presets offered."""

import json
import sqlite3
from dataclasses import dataclass, replace
from functools import lru_cache

from dn2core.detect import BUDGET, CALIBRATIONS, check_budgets, form_of
from dn2core.detect.mask import Mask, as_shapes, check_leaves_some
from dn2core.errors import Refused
from dn2core.features.patches import TILES

K_MAX = 50
PATCHES = ("bank", "nearest")  # PatchCore's thinned bank of all normals, SPADE's patches of the nearest normals


@dataclass(frozen=True)
class Settings:
    """How images become verdicts.

    budget: the share of good parts that may be flagged; the limit follows from it.
    reject_budget: the share of good parts that may be rejected outright; what lies between is for review.
        None: whatever is flagged is rejected.
    calibration: which scores of good parts the limits rest on, where they are there: see `Reference`.
    reduction: the choice of fewer normals to compare with (see `reductions`); None: all of them.
    patches: what the patches of an image are compared with: "bank" (those of all normals, thinned), "nearest" (those of
        its nearest normals), or None: the whole image alone is looked at.
    tiles: tiles along each side that a picture is cut into for its patches.
    mask: which part of every picture the patches are looked at in (see `dn2core.detect.mask`); (): all of it.
    """

    backbone: str = "efficientnet_lite0"
    preset: str = "whole"
    normalise: bool = True
    k: int = 2
    form: str = "mean"
    budget: float = BUDGET
    reject_budget: float | None = None
    calibration: str = "leave_one_out"
    reduction: int | None = None
    patches: str | None = None
    tiles: int = 1
    mask: Mask = ()

    def __post_init__(self):
        if not 1 <= self.k <= K_MAX:
            raise Refused("K_OUT_OF_RANGE", k=self.k, k_max=K_MAX)
        form_of(self.form)
        check_budgets(self.budget, self.reject_budget)
        if self.calibration not in CALIBRATIONS:
            raise Refused("UNKNOWN_CALIBRATION", name=self.calibration, known=", ".join(CALIBRATIONS))
        if self.patches not in (None, *PATCHES):
            raise Refused("UNKNOWN_PATCHES", name=self.patches, known=", ".join(PATCHES))
        if self.tiles not in TILES:
            raise Refused("TILES_OUT_OF_RANGE", most=TILES[-1], got=self.tiles)
        object.__setattr__(self, "mask", as_shapes(self.mask))  # from JSON it comes as lists
        check_leaves_some(self.mask)


def settings_in(db: sqlite3.Connection) -> Settings:
    """What a project's catalogue says."""
    return settings_of(db.execute("SELECT value FROM meta WHERE key = 'settings'").fetchone()[0])


@lru_cache(maxsize=32)  # each entry of the history carries them, and a mask takes a while to check
def settings_of(text: str) -> Settings:
    """Settings from JSON as catalogues keep it, also of the time when the limit was a percentile of the normals."""
    values = json.loads(text)
    if "percentile" in values:
        values["budget"] = round(1 - values.pop("percentile") / 100, 9) or 0.001
    return Settings(**values)


PRESETS = {
    "recommended": Settings(backbone="efficientnet_lite0_two_stages", k=10, form="density"),
    "paper": replace(Settings(), preset="paper", normalise=False),
}
