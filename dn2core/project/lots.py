"""Which lot an image belongs to: by its folder, a pattern on its name, a table, or by hand."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from dn2core.detect.lots import lots_by_folder, lots_by_pattern
from dn2core.errors import Refused
from dn2core.project import events

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
    rows = [(_checked(lot), int(item_id)) for item_id, lot in lots.items()]
    with project.db.write() as db:
        db.executemany(f"UPDATE items SET lot = ? WHERE id = ? AND {_IN_USE}", rows)
        names = {lot for lot, _ in rows if lot}
        events.record(db, "lots", author, how=how, images=len(rows), lots=len(names))
        return db.execute(f"SELECT count(*) FROM items WHERE lot IS NOT NULL AND {_IN_USE}").fetchone()[0]


def lots_from_folders(project: "Project", *, author: str = "") -> int:
    """Each folder is a lot; images without a folder belong to none."""
    items = _names(project)
    return set_lots(
        project, dict(zip(items, lots_by_folder(list(items.values())), strict=True)), how="folder", author=author
    )


def lots_from_pattern(project: "Project", pattern: str, *, author: str = "") -> int:
    """What a pattern finds in the name is the lot: see `lots_by_pattern`.

    Raises:
        Refused: LOT_PATTERN_BAD or LOT_PATTERN_MATCHES_NOTHING; nothing is changed then.
    """
    items = _names(project)
    lots = lots_by_pattern(list(items.values()), pattern)
    return set_lots(project, dict(zip(items, lots, strict=True)), how=f"pattern {pattern}", author=author)


def clear_lots(project: "Project", *, author: str = "") -> None:
    """No image belongs to a lot any more."""
    set_lots(project, dict.fromkeys(_names(project)), how="none", author=author)


def _names(project: "Project") -> dict[int, str]:
    with project.db.read() as db:
        return {row["id"]: row["name"] for row in db.execute(f"SELECT id, name FROM items WHERE {_IN_USE} ORDER BY id")}


def _checked(lot: str | None) -> str | None:
    lot = " ".join(lot.split()) if lot else ""
    if len(lot) > LOT_LENGTH:
        raise Refused("TEXT_TOO_LONG", what="a lot's name", limit=LOT_LENGTH, got=len(lot))
    return lot or None
