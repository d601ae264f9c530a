"""Lots: the nearest normals of other lots, and which lot a name belongs to."""

import re
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np

from dn2core.detect.bank import Bank, Found
from dn2core.errors import Refused
from dn2core.ingest.names import show
from dn2core.ingest.table import match_names, read_table

_LONGEST_PATTERN = 200


def leave_one_lot_out(bank: Bank, lots: Sequence[Hashable] | np.ndarray, k: int) -> Found:
    """The k nearest vectors of other lots for each vector in the bank, as if its whole lot were not there.

    Args:
        lots: (n,) the lot of each vector, integers or strings. None is a lot like the others: those whose lot
            is not known are left out together.

    Returns:
        Found with (n, k) arrays, indices being rows of the bank; k is reduced to the smallest number of others
        that a vector has.

    Raises:
        Refused: K_TOO_SMALL; LOTS_TOO_FEW for fewer than two lots.
    """
    if k < 1:
        raise Refused("K_TOO_SMALL", k=k)
    lots = lots.tolist() if isinstance(lots, np.ndarray) else list(lots)
    if len(lots) != bank.n:
        raise ValueError(f"expected a lot for each of {bank.n} vectors, got {len(lots)}")
    numbers = {lot: number for number, lot in enumerate(dict.fromkeys(lots))}
    if len(numbers) < 2:
        raise Refused("LOTS_TOO_FEW", count=len(numbers))
    lot_of = np.array([numbers[lot] for lot in lots])
    sizes = np.bincount(lot_of)
    used = min(int(k), bank.n - int(sizes.max()))
    distances = np.empty((bank.n, used), np.float32)
    indices = np.empty((bank.n, used), np.int64)

    # A small lot hides few neighbours, so all small ones are searched for together in the whole bank, as much
    # wider as the largest of them. For a large one (measured: above 200 of 6,000) a bank without it is less work.
    small = sizes**2 <= 9 * bank.n
    rows = np.flatnonzero(small[lot_of])
    if len(rows):
        wide = bank.search_prepared(bank.features[rows], used + int(sizes[small].max()))
        other = lot_of[wide.indices] != lot_of[rows, None]
        first = other & (other.cumsum(axis=1) <= used)
        distances[rows] = wide.distances[first].reshape(-1, used)
        indices[rows] = wide.indices[first].reshape(-1, used)
    for lot in np.flatnonzero(~small):
        others = np.flatnonzero(lot_of != lot)
        rows = np.flatnonzero(lot_of == lot)
        found = bank.changed(lot_of != lot).search_prepared(bank.features[rows], used)
        distances[rows], indices[rows] = found.distances, others[found.indices]
    return Found(distances, indices, used, int(k))


def lots_by_folder(names: Sequence[str]) -> list[str | None]:
    """The folder of each name, with the folders above it; None for a name without one."""
    folders = [str(PurePosixPath(name.replace("\\", "/")).parent) for name in names]
    return [None if folder in (".", "/") else folder for folder in folders]


def lots_by_pattern(names: Sequence[str], pattern: str) -> list[str | None]:
    """What a pattern finds between its parentheses in each name; None where it does not match.

    `*` stands for any characters, as few as can be, and `?` for one; a backslash before one of *?()\\ makes it
    an ordinary character. With a slash in it the pattern is for the whole path, else for the name without folders.

    >>> lots_by_pattern(["L7_01.png", "L8_01.png", "notes.png"], "(L?)_*")
    ['L7', 'L8', None]

    Raises:
        Refused: LOT_PATTERN_BAD without exactly one pair of parentheses, LOT_PATTERN_MATCHES_NOTHING.
    """
    matcher = _matcher(pattern)
    whole = "/" in pattern
    lots = [_lot(matcher, name.replace("\\", "/"), whole) for name in names]
    if not any(lots):
        example = show(names[0]) if names else "-"
        raise Refused("LOT_PATTERN_MATCHES_NOTHING", pattern=show(pattern), count=len(names), example=example)
    return lots


@dataclass(frozen=True)
class LotsRead:
    """What a table says of lots. `unknown`: files in it that are no image here; `ambiguous`: that are several."""

    lots: list[str | None]  # of each name; None where the table is silent
    unknown: list[str]
    ambiguous: list[str]


def lots_from_csv(data: str | bytes, names: Sequence[str]) -> LotsRead:
    """The lot of each name after a table with the columns file and lot: see `read_table` and `match_names`.

    Raises:
        Refused: what `read_table` refuses; CSV_CONFLICT for a file in two lots.
    """
    rows = read_table(data.encode() if isinstance(data, str) else data, ("file", "lot"))
    positions, ambiguous = match_names([row["file"] for row in rows], names)
    several, unknown = set(ambiguous), []
    lots: list[str | None] = [None] * len(names)
    for row, at in zip(rows, positions, strict=True):
        if at >= 0:
            if lots[at] not in (None, row["lot"]):
                raise Refused("CSV_CONFLICT", file=show(row["file"]), first=show(lots[at]), second=show(row["lot"]))
            lots[at] = row["lot"]
        elif row["file"] not in several:
            unknown.append(row["file"])
    return LotsRead(lots, unknown, ambiguous)


def _matcher(pattern: str) -> re.Pattern:
    """The pattern as a regular expression that takes time in proportion to the name.

    Taking each piece of text behind a * at its first place can never spoil a match further on, so no piece has
    to be tried a second time: the groups are atomic. Empty groups mark where the lot begins and ends.
    """
    pieces, marks = [""], []
    for token in re.findall(r"\\[*?()\\]|.", pattern, re.DOTALL):
        if token == "*":
            pieces.append("")
        elif token in "()":
            marks.append(token)
            pieces[-1] += "()"
        else:
            pieces[-1] += "." if token == "?" else re.escape(token[-1])
    if marks != ["(", ")"] or len(pattern) > _LONGEST_PATTERN:
        raise Refused("LOT_PATTERN_BAD", pattern=show(pattern))
    first, *middle = pieces
    last = f".*{middle.pop()}" if middle else ""
    return re.compile(first + "".join(f"(?>.*?{piece})" for piece in middle) + last + r"\Z", re.DOTALL)


def _lot(matcher: re.Pattern, name: str, whole: bool) -> str | None:
    match = matcher.match(name if whole else name.rpartition("/")[2])
    return match.string[match.end(1) : match.end(2)].strip() or None if match else None
