"""What people say about scored images: a good part, a defect, or unsure. Nothing is judged by it.

A label belongs to the content: the same image given again carries it again.
"""

import json
import sqlite3
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np

from dn2core.errors import NotFound, Refused
from dn2core.project import events
from dn2core.project.snapshot import Items

if TYPE_CHECKING:
    from dn2core.project.project import Project

GOOD, DEFECT, UNSURE = "good", "defect", "unsure"
LABELS = (GOOD, DEFECT, UNSURE)


@dataclass(frozen=True)
class Label:
    """The label in force of an image."""

    image_id: int
    label: str
    note: str
    author: str
    at: float
    event_id: int


@dataclass(frozen=True)
class Decision:
    """What is to be said of a scored image; `seen` as in `set_label`."""

    item_id: int
    label: str
    note: str = ""
    seen: int | None = None


@dataclass(frozen=True)
class Written:
    """What became of many decisions: item ids, in their order."""

    written: tuple[int, ...]
    changed: tuple[int, ...]  # left as they are: somebody decided meanwhile
    gone: tuple[int, ...]  # not (or no longer) among the scored images


def labels(project: "Project") -> dict[int, Label]:
    """The labels in force, by image id."""
    with project.db.read() as db:
        rows = db.execute("SELECT image_id, label, note, author, at, event_id FROM labels").fetchall()
    return {row["image_id"]: Label(**dict(row)) for row in rows}


def labels_of(items: Items, known: dict[int, Label]) -> np.ndarray:
    """(n,) of "good", "defect", "unsure" or "" for images in the order of `items`."""
    found = np.full(len(items), "", dtype="<U6")
    if known:
        for at in np.flatnonzero(np.isin(items.image_ids, list(known))):
            found[at] = known[int(items.image_ids[at])].label
    return found


def set_label(
    project: "Project",
    item_id: int,
    label: str,
    *,
    note: str = "",
    author: str = "",
    seen: int | None = None,
) -> int:
    """Say what a scored image is; returns the event's id.

    Args:
        label: "good", "defect", "unsure", or "" to take a label back.
        seen: event id of the label that the person saw, 0 for none; None decides whatever others said meanwhile.

    Raises:
        Refused: UNKNOWN_LABEL, TEXT_TOO_LONG, or LABEL_CHANGED when somebody else decided meanwhile.
        NotFound: when the image is not (or no longer) among the scored ones.
    """
    label, note = _checked(label), events.checked_note(note)
    with project.db.write() as db:
        row = _scored(db, item_id)
        if row is None:
            raise NotFound("NOT_FOUND", what="The image")
        before = _label(db, row["image_id"])
        if not _still(before, seen):
            raise _changed(before)
        return _write(db, row["image_id"], before, label, note, author, name=row["name"])


def set_labels(project: "Project", decisions: Iterable[Decision], *, author: str = "", source: str = "") -> Written:
    """Say what many scored images are, all at once or none; each is an event of its own.

    Args:
        source: where they come from, for the history, such as the name of a file.

    Raises:
        Refused: UNKNOWN_LABEL or TEXT_TOO_LONG; nothing is written then.
    """
    checked = [(one, _checked(one.label), events.checked_note(one.note)) for one in decisions]
    written, changed, gone = [], [], []
    with project.db.write() as db:
        for one, label, note in checked:
            row = _scored(db, one.item_id)
            before = _label(db, row["image_id"]) if row else None
            if row is None:
                gone.append(one.item_id)
            elif not _still(before, one.seen):
                changed.append(one.item_id)
            else:
                _write(db, row["image_id"], before, label, note, author, name=row["name"], source=source)
                written.append(one.item_id)
    return Written(tuple(written), tuple(changed), tuple(gone))


def undo_label(project: "Project", event_id: int, *, author: str = "") -> int:
    """Bring back what was said before that event; returns the new event's id.

    Raises:
        Refused: LABEL_CHANGED when it is not the last word on its image.
        NotFound: when there is no such event.
    """
    with project.db.write() as db:
        row = db.execute("SELECT image_id, details FROM events WHERE id = ? AND kind = 'label'", (event_id,)).fetchone()
        if row is None:
            raise NotFound("NOT_FOUND", what="The decision")
        last = db.execute(
            "SELECT max(id) FROM events WHERE image_id = ? AND kind = 'label'", (row["image_id"],)
        ).fetchone()[0]
        current = _label(db, row["image_id"])
        if last != event_id:
            raise _changed(current)
        details = json.loads(row["details"])
        before = details["before"] or {"label": "", "note": ""}
        return _write(
            db, row["image_id"], current, before["label"], before["note"], author, name=details["name"], undone=event_id
        )


def _label(db: sqlite3.Connection, image_id: int) -> Label | None:
    row = db.execute(
        "SELECT image_id, label, note, author, at, event_id FROM labels WHERE image_id = ?", (image_id,)
    ).fetchone()
    return Label(**dict(row)) if row else None


def _scored(db: sqlite3.Connection, item_id: int) -> sqlite3.Row | None:
    return db.execute(
        "SELECT image_id, name FROM items WHERE id = ? AND role = 'scored' AND until IS NULL", (item_id,)
    ).fetchone()


def _checked(label: str) -> str:
    if label not in (*LABELS, ""):
        raise Refused("UNKNOWN_LABEL", label=label, known=", ".join(LABELS))
    return label


def _still(before: Label | None, seen: int | None) -> bool:
    """Whether the label in force is the one that was seen."""
    return seen is None or seen == (before.event_id if before else 0)


def _changed(current: Label | None) -> Refused:
    if current is None:
        return Refused("LABEL_TAKEN_BACK")
    return Refused("LABEL_CHANGED", author=current.author or "somebody", label=current.label)


def _write(db, image_id: int, before: Label | None, label: str, note: str, author: str, **details) -> int:
    kept = asdict(before) if before else None
    event_id = events.record(db, "label", author, image_id=image_id, label=label, note=note, before=kept, **details)
    if label:
        db.execute(
            "INSERT OR REPLACE INTO labels(image_id, label, note, author, at, event_id) VALUES (?, ?, ?, ?, ?, ?)",
            (image_id, label, note, events.checked_author(author), time.time(), event_id),
        )
    else:
        db.execute("DELETE FROM labels WHERE image_id = ?", (image_id,))
    return event_id
