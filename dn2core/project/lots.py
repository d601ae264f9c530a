"""Which lot an image belongs to: by its folder, its delivery, a pattern on its name, a table, or by hand."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from dn2core.detect.lots import LotsRead, lots_by_folder, lots_by_pattern, lots_from_csv
from dn2core.errors import Refused
from dn2core.ingest.names import show
from dn2core.project import events
from dn2core.project.judging import judge_if_whole

if TYPE_CHECKING:
    from dn2core.project.project import Project

LOT_LENGTH = 120
_IN_USE = "until IS NULL AND (role = 'scored' OR since IS NOT NULL)"


def set_lots(project: "Project", lots: Mapping[int, str | None], *, how: str, author: str = "") -> int:
    """Say of items which lot they belong to, None for none; returns how many are known by a lot now.

    Args:
        how: what the history says of it.

    Raises:
        Refused: TEXT_TOO_LONG for a lot's name.
    """
    wanted = {int(item_id): _checked(lot) for item_id, lot in lots.items()}
    with project.db.write() as db:
        now = {row["id"]: row["lot"] for row in db.execute(f"SELECT id, lot FROM items WHERE {_IN_USE}")}
        changed = [item for item, lot in wanted.items() if item in now and now[item] != lot]
        names = {lot for lot in wanted.values() if lot}
        event_id = events.record(db, "lots", author, how=how, images=len(wanted), lots=len(names))
        # What was before, so that a past state keeps the lots that it was judged by.
        db.executemany(
            "INSERT INTO lot_changes(event_id, item_id, before) VALUES (?, ?, ?)",
            [(event_id, item, now[item]) for item in changed],
        )
        db.executemany("UPDATE items SET lot = ? WHERE id = ?", [(wanted[item], item) for item in changed])
        known = db.execute(f"SELECT count(*) FROM items WHERE lot IS NOT NULL AND {_IN_USE}").fetchone()[0]
    judge_if_whole(project)  # a limit may rest on lots
    return known


def lots_from_folders(project: "Project", *, author: str = "") -> int:
    """Each folder is a lot; images without a folder belong to none."""
    items = _items(project)
    lots = lots_by_folder([name for _, _, name in items])
    return set_lots(project, _given(items, lots), how="folder", author=author)


def lots_from_pattern(project: "Project", pattern: str, *, author: str = "") -> int:
    """What a pattern finds in the name is the lot: see `lots_by_pattern`.

    Raises:
        Refused: LOT_PATTERN_BAD or LOT_PATTERN_MATCHES_NOTHING; nothing is changed then.
    """
    items = _items(project)
    lots = lots_by_pattern([name for _, _, name in items], pattern)
    return set_lots(project, _given(items, lots), how=f"pattern {pattern}", author=author)


def lots_from_table(project: "Project", data: bytes, *, author: str = "") -> LotsRead:
    """Lots by a CSV table with the columns file and lot; images of which it says nothing keep what they have.

    Returns:
        what was read: the lot that the table names for each image in use (in the order of their ids), and its
        files that are unknown here or several.

    Raises:
        Refused: what `lots_from_csv` refuses, TEXT_TOO_LONG for a lot's name, LOTS_NONE_KNOWN when no file of the
            table is an image here; nothing is changed then.
    """
    items = _items(project)
    read = read_lots(data, items)
    told = {item_id: lot for (item_id, _, _), lot in zip(items, read.lots, strict=True) if lot}
    if not told:
        first = (read.unknown + read.ambiguous)[0]
        raise Refused("LOTS_NONE_KNOWN", count=len(read.unknown) + len(read.ambiguous), example=show(first))
    set_lots(project, told, how="table", author=author)
    return read


def read_lots(data: bytes, items: Sequence[tuple[int, int, str]]) -> LotsRead:
    """What a table says of items, each given as (id, image id, name); nothing is written.

    An image that is among the normals and the scored ones under one name is one file, not an ambiguous one.
    """
    files = list(dict.fromkeys((name, image_id) for _, image_id, name in items))
    read = lots_from_csv(data, [name for name, _ in files])
    lot_of = dict(zip(files, read.lots, strict=True))
    return replace(read, lots=[lot_of[name, image_id] for _, image_id, name in items])


def lots_from_deliveries(project: "Project", *, author: str = "") -> int:
    """Each delivery is a lot, called as `delivery_lots` calls it."""
    with project.db.read() as db:
        rows = db.execute(f"SELECT id, batch_id FROM items WHERE {_IN_USE} ORDER BY id").fetchall()
    names = delivery_lots(project, {row["batch_id"] for row in rows})
    return set_lots(project, {row["id"]: names[row["batch_id"]] for row in rows}, how="delivery", author=author)


def delivery_lots(project: "Project", batches: Iterable[int]) -> dict[int, str]:
    """What the lot of each delivery is called: its day in UTC and its number, in the order in which they came."""
    wanted = {int(batch) for batch in batches}
    with project.db.read() as db:
        came = {row["id"]: row["created"] for row in db.execute("SELECT id, created FROM batches")}
    return {batch: f"{datetime.fromtimestamp(came[batch], UTC):%Y-%m-%d} delivery {batch}" for batch in sorted(wanted)}


def put_in_lot(project: "Project", item_ids: Sequence[int], lot: str | None, *, author: str = "") -> int:
    """Images chosen by hand belong to this lot, with None or no name to none; the others keep theirs.

    Raises:
        Refused: TEXT_TOO_LONG for the name, LOT_WITHOUT_IMAGES where no image is chosen; nothing is changed then.
    """
    if not len(item_ids):
        raise Refused("LOT_WITHOUT_IMAGES")
    return set_lots(project, dict.fromkeys(map(int, item_ids), lot), how="hand", author=author)


def clear_lots(project: "Project", *, author: str = "") -> None:
    """No image belongs to a lot any more."""
    set_lots(project, {item_id: None for item_id, _, _ in _items(project)}, how="none", author=author)


def _items(project: "Project") -> list[tuple[int, int, str]]:
    """Images in use as (id, image id, name)."""
    with project.db.read() as db:
        rows = db.execute(f"SELECT id, image_id, name FROM items WHERE {_IN_USE} ORDER BY id").fetchall()
    return [(row["id"], row["image_id"], row["name"]) for row in rows]


def _given(items: Sequence[tuple[int, int, str]], lots: Sequence[str | None]) -> dict[int, str | None]:
    return {item_id: lot for (item_id, _, _), lot in zip(items, lots, strict=True)}


def _checked(lot: str | None) -> str | None:
    lot = " ".join(lot.split()) if lot else ""
    if len(lot) > LOT_LENGTH:
        raise Refused("TEXT_TOO_LONG", what="a lot's name", limit=LOT_LENGTH, got=len(lot))
    return lot or None
