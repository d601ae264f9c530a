"""In what order lots came: by arrival, by name as people count, or by the date or number in the name."""

import re
from collections.abc import Sequence
from datetime import date

import numpy as np

from dn2core.errors import Refused

# Year first, with marks or without; day first with dots, as 7.11.2024. What follows may be no digit, too.
_DATES = (
    re.compile(r"(?<!\d)(?P<y>\d{4})[-_./](?P<m>\d{1,2})[-_./](?P<d>\d{1,2})(?!\d)", re.ASCII),
    re.compile(r"(?<!\d)(?P<d>\d{1,2})\.(?P<m>\d{1,2})\.(?P<y>\d{4})(?!\d)", re.ASCII),
    re.compile(r"(?<!\d)(?P<y>(?:19|20)\d{2})(?P<m>\d{2})(?P<d>\d{2})(?!\d)", re.ASCII),
)
_NUMBER = re.compile(r"\d+(?:\.\d+)?", re.ASCII)


def natural_key(name: str) -> tuple:
    """Sorts names as people do, runs of digits as numbers: lot 9 before lot 10."""
    parts = re.split(r"([0-9]+)", name.casefold())
    return (*((int(part), "") if at % 2 else (-1, part) for at, part in enumerate(parts)), (-1, name))


def moment_key(name: str) -> tuple:
    """Sorts by the first date in the name; without a date by its first number, and without one last."""
    for pattern in _DATES:
        for found in pattern.finditer(name):
            try:
                day = date(int(found["y"]), int(found["m"]), int(found["d"]))
            except ValueError:  # such as month 13: digits, but no date
                continue
            return (0, day.toordinal(), natural_key(name))
    number = _NUMBER.search(name)
    return (1, float(number[0]), natural_key(name)) if number else (2, 0, natural_key(name))


ORDERS = ("arrival", "name", "number")


def lot_order(names: Sequence[str], arrived: Sequence[float], by: str) -> np.ndarray:
    """Positions of lots, the first one first; where the order leaves two alike, their names decide.

    Args:
        arrived: when each came, seconds since 1970.
        by: one of ORDERS.

    Raises:
        Refused: UNKNOWN_LOT_ORDER.
    """
    keys = {
        "arrival": lambda at: (arrived[at], natural_key(names[at])),
        "name": lambda at: natural_key(names[at]),
        "number": lambda at: moment_key(names[at]),
    }
    if by not in keys:
        raise Refused("UNKNOWN_LOT_ORDER", name=by, known=", ".join(ORDERS))
    return np.array(sorted(range(len(names)), key=keys[by]), np.int64)
