"""What a project's user has chosen, and the presets offered."""

import json
import sqlite3
from dataclasses import dataclass, replace

from dn2core.errors import Refused

K_MAX = 50


@dataclass(frozen=True)
class Settings:
    """How images become verdicts. `percentile` of the normals' leave-one-out scores is the limit."""

    backbone: str = "efficientnet_lite0"
    preset: str = "whole"
    normalise: bool = True
    k: int = 2
    percentile: float = 99.0

    def __post_init__(self):
        if not 1 <= self.k <= K_MAX:
            raise Refused("K_OUT_OF_RANGE", k=self.k, k_max=K_MAX)
        if not 0 < self.percentile <= 100:
            raise Refused("PERCENTILE_OUT_OF_RANGE", percentile=self.percentile)


def settings_in(db: sqlite3.Connection) -> Settings:
    """What a project's catalogue says."""
    return Settings(**json.loads(db.execute("SELECT value FROM meta WHERE key = 'settings'").fetchone()[0]))


PRESETS = {
    "recommended": Settings(),
    "paper": replace(Settings(), preset="paper", normalise=False),
}
