"""What a limit rests on: the forecasts that there are, side by side, and whether they agree."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from dn2core.detect import Bank, Forecast, Limit, Reference, ScoreTable, flagged_of, forecast, limit_for
from dn2core.detect.lots import leave_one_lot_out
from pages.parts.limits import OF
from pages.parts.look import one_in, percent, raw
from pages.parts.text import number, t


@dataclass(frozen=True)
class Basis:
    """One kind of reference, with the limit that a budget gets from it."""

    kind: str  # one of CALIBRATIONS
    calibration: Limit
    scores: np.ndarray  # (m,) float32 of good parts
    lots: np.ndarray | None  # (m,) codes

    @property
    def lots_known(self) -> int:
        return 0 if self.lots is None else len(np.unique(self.lots))


@dataclass(frozen=True)
class Difference:
    """The limit by single images, looked at from other lots."""

    images: Forecast  # what leave-one-image-out expects above that limit
    lots: Forecast  # what leave-one-lot-out finds above it
    chance: Forecast  # the same with lots of the same sizes drawn at random
    limit: float

    @property
    def matters(self) -> bool:
        """More lies above it than single images let expect, and than fewer normals to compare with explain."""
        return self.lots.expected > max(self.images.high, self.chance.high)


def basis_of(table: ScoreTable, k: int, budget: float) -> Basis:
    """The limit that a budget gets at k neighbours from what this table rests on."""
    scores, lots = table.reference_scores[min(k, table.k_max) - 1], table.reference.lots
    return Basis(table.reference.kind, limit_for(scores, budget, lots), scores, lots)


def drawn_lots(bank: Bank, lots: np.ndarray, k: int) -> Reference:
    """As the reference by lots, but with lots of the same sizes drawn at random.

    A normal that is compared with other lots only has fewer to compare with, and scores higher for it even where
    all lots are alike: with two lots of 150, a limit of 1 in 20 flags 1 in 10. This tells how much that is.
    """
    drawn = np.random.default_rng(0).permutation(lots)
    return Reference("lots", leave_one_lot_out(bank, drawn, k), drawn)


def difference(image: Basis, lot: Basis, drawn: Basis) -> Difference:
    """Whether good parts of another lot lie above the limit by images more often than good parts must."""
    limit = image.calibration.value
    return Difference(
        images=image.calibration.forecast,
        lots=forecast(lot.scores, limit, lot.lots),
        chance=forecast(drawn.scores, limit),
        limit=limit,
    )


def kind_words() -> dict[str, str]:
    """The kinds of reference as people call them."""
    return {
        "leave_one_out": t("each normal against the others"),
        "lots": t("each normal against other lots"),
        "held_out": t("held-out normals"),
    }


def basis_table(bases: list[Basis], used: str) -> pd.DataFrame:
    """One row for each forecast; the one in use is marked."""
    words = kind_words()
    rows = []
    for one in bases:
        ahead = one.calibration.forecast
        expected, low, high = flagged_of(ahead, OF)
        rows.append(
            {
                t("Rests on"): words[one.kind],
                t("In use"): "✓" if one.kind == used else "",
                t("Limit"): raw(one.calibration.value),
                t("Flagged of {of} good", of=number(OF)): number(expected, 0 if expected >= 10 else 1),
                t("95 % interval"): f"{number(low)} – {number(high)}",
                t("Scores"): number(ahead.n),
                t("Lots"): number(one.lots_known) if one.lots_known else "–",
                t("Can promise"): one_in(one.calibration.best_budget),
            }
        )
    return pd.DataFrame(rows)


def difference_words(found: Difference) -> str:
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
