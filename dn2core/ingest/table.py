"""Tables that people bring as CSV: from bytes to rows of text, and the files they name to images."""

import csv
import io
import unicodedata
from bisect import bisect_left
from collections.abc import Sequence

from dn2core.errors import Refused
from dn2core.ingest.names import show

MOST_BYTES = 64_000_000
MOST_LINES = 1_000_000
_SEPARATORS = (",", ";", "\t")
_MARKS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
_OTHERS = ((b"PK\x03\x04", "a workbook or ZIP archive"), (b"\xd0\xcf\x11\xe0", "an old workbook"), (b"%PDF", "a PDF"))
_FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠")


def read_table(data: bytes, required: Sequence[str], optional: Sequence[str] = ()) -> list[dict[str, str]]:
    """The rows of a CSV file: for each a dict with every required and optional column, "" where there is none.

    Comma, semicolon or tab separate, whichever makes a header with the required columns, which stand in any order
    and in any case; further columns are passed over. The text is UTF-8 or UTF-16 as its mark says, without one
    UTF-8 and else Windows-1252. Spaces around a cell go, and so does the apostrophe that keeps a spreadsheet from
    taking the cell for a formula. Empty lines do not count.

    Args:
        required, optional: names of columns in lower case.

    Raises:
        Refused: CSV_NOT_TEXT, CSV_TOO_BIG, CSV_HEADER, CSV_EMPTY, CSV_BROKEN, CSV_CELLS or CSV_CELL_EMPTY.
    """
    lines = io.StringIO(_text(data), newline="").readlines()
    if len(lines) > MOST_LINES:
        raise Refused("CSV_TOO_BIG", limit=MOST_LINES, unit="lines")
    header, separator, above = _header(lines, required, optional)
    rows = []
    reader = csv.reader(lines[above:], delimiter=separator, strict=True)
    while True:
        line = above + reader.line_num + 1
        try:
            cells = next(reader, None)
        except csv.Error as error:
            raise Refused("CSV_BROKEN", line=line, reason=str(error)) from None
        if cells is None:
            break
        cells = [_cell(cell) for cell in cells]
        if any(cells):
            row = _row(header, cells, line)
            rows.append({name: row.get(name, "") for name in (*required, *optional)})
            for name in required:
                if not row[name]:
                    raise Refused("CSV_CELL_EMPTY", column=name, line=line)
    if not rows:
        raise Refused("CSV_EMPTY", expected=", ".join(required))
    return rows


def match_names(wanted: Sequence[str], names: Sequence[str]) -> tuple[list[int], list[str]]:
    """Which of the names each wanted one means: the one with the same path, else the only one that can be it.

    A path can be another where one of both is the end of the other, so a base name alone finds its file in any
    folder and C:\\data\\lot1\\7.png finds lot1/7.png, but lot1/7.png never finds lot2/7.png.

    Returns:
        The position in `names` of each wanted one, -1 where there is none or more than one; and the wanted ones
        that have more than one, in their order.
    """
    places: dict[tuple[str, ...], list[int]] = {}
    for at, name in enumerate(names):
        places.setdefault(_path(name), []).append(at)
    places.pop((), None)
    ranked = sorted(places)
    positions, ambiguous = [], []
    for name in wanted:
        path = _path(name)
        if path in places:
            same = [path]
        else:
            first = bisect_left(ranked, path)
            same = [longer for longer in ranked[first : first + 2] if path and longer[: len(path)] == path]
            same += [path[:n] for n in range(1, len(path)) if path[:n] in places]
        at = [position for found in same for position in places[found]]
        positions.append(at[0] if len(at) == 1 else -1)
        if len(at) > 1:
            ambiguous.append(name)
    return positions, ambiguous


def _text(data: bytes) -> str:
    if len(data) > MOST_BYTES:
        raise Refused("CSV_TOO_BIG", limit=MOST_BYTES, unit="bytes")
    for start, found in _OTHERS:
        if data.startswith(start):
            raise Refused("CSV_NOT_TEXT", found=found)
    marked = [encoding for mark, encoding in _MARKS if data.startswith(mark)]
    for encoding in marked or ["utf-8", "cp1252"]:
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" in text:
            break
        return text
    raise Refused("CSV_NOT_TEXT", found="something with bytes that stand for no letters")


def _header(lines: list[str], required: Sequence[str], optional: Sequence[str]) -> tuple[list[str], str, int]:
    """Names of the columns in lower case, their separator, and how many lines are above the rows."""
    at = next((at for at, line in enumerate(lines) if line.strip()), None)
    if at is None:
        raise Refused("CSV_EMPTY", expected=", ".join(required))
    if lines[at].lower().startswith("sep=") and at + 1 < len(lines):  # a hint for Excel
        at += 1
    for separator in _SEPARATORS:
        try:
            header = [cell.strip().lower() for cell in next(csv.reader([lines[at]], delimiter=separator, strict=True))]
        except csv.Error:
            continue
        once = all(header.count(name) == 1 for name in required)
        if once and all(header.count(name) <= 1 for name in optional):
            return header, separator, at + 1
    raise Refused("CSV_HEADER", expected=", ".join(required), got=show(lines[at].strip()))


def _row(header: list[str], cells: list[str], line: int) -> dict[str, str]:
    if any(cells[len(header) :]):
        raise Refused("CSV_CELLS", line=line, got=len(cells), expected=len(header))
    cells += [""] * (len(header) - len(cells))
    return dict(zip(header, cells, strict=False))


def _cell(text: str) -> str:
    text = text.strip()
    return text[1:] if text.startswith("'") and text[1:].startswith(_FORMULA) else text


def _path(name: str) -> tuple[str, ...]:
    """The parts of a path from its end, in NFC: systems differ in how they write an accent."""
    parts = unicodedata.normalize("NFC", name).replace("\\", "/").split("/")
    return tuple(part for part in reversed(parts) if part not in ("", "."))
