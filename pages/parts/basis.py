"""What a limit rests on: the forecasts that there are, side by side, and whether they agree."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from dn2core.detect import Limit, ScoreTable, flagged_of, limit_for
from dn2core.detect.lot_difference import LotDifference, lot_difference
from pages.parts.limits import OF, promised, support_words
from pages.parts.look import percent, raw
from pages.parts.text import number, t


@dataclass(frozen=True)
class Basis:
    """One kind of reference, with the limit that a budget gets from it."""

    table: ScoreTable
    k: int  # used: no more than the table has
    kind: str  # one of CALIBRATIONS
    calibration: Limit
    scores: np.ndarray  # (m,) float32 of good parts
    lots: np.ndarray | None  # (m,) codes

    @property
    def lots_known(self) -> int:
        return 0 if self.lots is None else len(np.unique(self.lots))


def basis_of(table: ScoreTable, k: int, budget: float) -> Basis:
    """The limit that a budget gets at k neighbours from what this table rests on."""
    used = min(k, table.k_max)
    scores, lots = table.reference_scores[used - 1], table.reference.lots
    limit = limit_for(scores, budget, lots, set_aside=table.reference.set_aside)
    return Basis(table, used, table.reference.kind, limit, scores, lots)


def difference(image: Basis, lot: Basis, drawn: Basis) -> LotDifference:
    """Whether good parts of another lot lie above the limit by images more often than good parts must.

    All are compared at the most neighbours that each of them has.
    """
    k = min(one.k for one in (image, lot, drawn))
    image, lot, drawn = (basis_of(one.table, k, one.calibration.budget) for one in (image, lot, drawn))
    return lot_difference(image.calibration, lot.scores, lot.lots, drawn.scores)


def kind_words() -> dict[str, str]:
    """The kinds of reference as people call them."""
    return {
        "leave_one_out": t("each normal against the others"),
        "lots": t("each normal against other lots"),
        "held_out": t("held-out normals"),
    }


def basis_table(bases: list[Basis], used: str, on_trial: str) -> pd.DataFrame:
    """One row for each forecast; the one in use is marked, and the one on trial where that is another."""
    words = kind_words()
    rows = []
    for one in bases:
        ahead = one.calibration.forecast
        expected, low, high = flagged_of(ahead, OF)
        rows.append(
            {
                t("Rests on"): words[one.kind],
                t("In use"): "✓" if one.kind == used else t("on trial") if one.kind == on_trial else "",
                t("Limit"): raw(one.calibration.value),
                t("Flagged of {of} good", of=number(OF)): number(expected, 0 if expected >= 10 else 1),
                t("95 % interval"): f"{number(low)} – {number(high)}",
                t("Scores"): number(ahead.n),
                t("Lots"): number(one.lots_known) if one.lots_known else "–",
                t("Can promise"): support_words(_promised(one)),
            }
        )
    return pd.DataFrame(rows)


def _promised(one: Basis) -> int | None:
    calibration = one.calibration
    return promised(one.scores, calibration.best_budget, one.lots, calibration.forecast.set_aside)


def difference_words(found: LotDifference) -> str:
    """What the forecast by lots says of the limit by images (plain text)."""
    shares = {
        "limit": raw(found.limit),
        "lots": percent(100 * found.lots.expected),
        "images": percent(100 * found.images.expected),
        "chance": percent(100 * found.chance.expected),
    }
    if found.matters:
        return t(
            "The lots differ. At the limit by single images ({limit}) about {lots} of good parts from another lot "
            "would be flagged, not {images}: a set photographed in one session underestimates the false alarms of "
            "another day.",
            **shares,
        )
    return t(
        "The lots agree: at the limit by single images ({limit}) {lots} of the normals lie above it when each is "
        "compared with other lots only, and {chance} do with lots of the same sizes drawn at random.",
        **shares,
    )
