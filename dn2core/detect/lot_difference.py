"""Whether good parts of another lot lie above a limit more often than chance explains."""

from dataclasses import dataclass

import numpy as np

from dn2core.detect.bank import Bank
from dn2core.detect.calibration import Forecast, Limit, forecast
from dn2core.detect.lots import leave_one_lot_out
from dn2core.detect.verdicts import Reference


@dataclass(frozen=True)
class LotDifference:
    """A limit that does not rest on lots, looked at from other lots."""

    images: Forecast  # what the limit's own scores expect above it
    lots: Forecast  # what the scores by lots find above it
    chance: Forecast  # the same with lots of the same sizes drawn at random
    limit: float

    @property
    def matters(self) -> bool:
        """More lies above it than its own forecast leaves room for, and than fewer normals to compare with explain."""
        return self.lots.expected > max(self.images.high, self.chance.high)


def lot_difference(limit: Limit, by_lots: np.ndarray, lots: np.ndarray, by_drawn: np.ndarray) -> LotDifference:
    """What lies above a limit when the normals are compared with other lots only.

    All scores are of the same form and at the same k, those that the limit rests on as well: a score at a smaller k
    is smaller.

    Args:
        limit: by scores that know nothing of lots.
        by_lots: (n,) the normals' scores against other lots.
        lots: (n,) codes.
        by_drawn: (n,) the same with lots drawn at random, see `drawn_lots`.

    Raises:
        Refused: when a score is not finite.
    """
    return LotDifference(
        images=limit.forecast,
        lots=forecast(by_lots, limit.value, lots),
        chance=forecast(by_drawn, limit.value),
        limit=limit.value,
    )


def drawn_lots(bank: Bank, lots: np.ndarray, k: int) -> Reference:
    """As the reference by lots, but with lots of the same sizes drawn at random.

    A normal that is compared with other lots only has fewer to compare with, and scores higher for it even where
    all lots are alike: with two lots of 150, a limit of 1 in 20 flags 1 in 10. This tells how much that is.

    Args:
        lots: (n,) codes of the bank's vectors, of two lots at least.
        k: neighbours to look for.

    Raises:
        Refused: what `leave_one_lot_out` refuses.
    """
    drawn = np.random.default_rng(0).permutation(lots)
    return Reference("lots", leave_one_lot_out(bank, drawn, k), drawn)
