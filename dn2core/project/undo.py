"""What was decided, taken back: as a new entry of the history, while nothing newer stands on it."""

from typing import TYPE_CHECKING

from dn2core.errors import Refused
from dn2core.project.events import Event, event, history
from dn2core.project.history_words import changed_settings, settings_before
from dn2core.project.labels import undo_label
from dn2core.project.normals import restore_normals
from dn2core.project.settings import Settings

if TYPE_CHECKING:
    from dn2core.project.project import Project


def undoable(entries: list[Event], now: Settings) -> set[int]:
    """Ids of the entries that `undo` takes back.

    These are the last word on each image, the newest version of the normals (unless there were none before),
    and changes of settings of which nothing was changed again.

    Args:
        entries: the whole history, newest first.
        now: the settings in force.
    """
    found, labelled = set(), set()
    for entry in entries:
        if entry.kind == "label" and entry.image_id not in labelled:
            labelled.add(entry.image_id)
            found.add(entry.id)
        elif entry.kind == "settings" and _stands(entry, now):
            found.add(entry.id)
    versions = [entry for entry in entries if entry.kind == "normals"]
    if (
        len(versions) > 1
        and versions[1].details["n"]
        and len({one.details.get("fingerprint") for one in versions[:2]}) == 1
    ):
        found.add(versions[0].id)
    return found


def undo(project: "Project", event_id: int, *, author: str = "") -> None:
    """Take an entry of the history back: the label that was there before, the normals or settings before it.

    Raises:
        NotFound: when there is no such entry.
        Refused: LABEL_CHANGED or UNDO_SUPERSEDED when something newer stands on it, UNDO_IMPOSSIBLE for what
            cannot be taken back, BACKBONE_NEEDS_ENCODING where another network or preset was in force before.
    """
    entry = event(project, event_id)
    if entry.kind == "label":
        undo_label(project, event_id, author=author)
    elif entry.kind == "normals":
        _undo_normals(project, entry, author)
    elif entry.kind == "settings":
        _undo_settings(project, entry, author)
    else:
        raise Refused("UNDO_IMPOSSIBLE")


def _undo_normals(project: "Project", entry: Event, author: str) -> None:
    newest, *older = history(project, kinds=("normals",), newest=2)
    if newest.id != entry.id:
        raise Refused("UNDO_SUPERSEDED")
    if not older or not older[0].details["n"]:
        raise Refused("UNDO_IMPOSSIBLE")
    if not _one_network([newest, older[0]]):
        raise Refused("BACKBONE_NEEDS_ENCODING")
    if (
        restore_normals(project, older[0].version, author=author, newest=entry.version).version == entry.version
    ):  # the images are the same
        raise Refused("UNDO_IMPOSSIBLE")


def _one_network(versions: list[Event]) -> bool:
    return len({one.details.get("fingerprint") for one in versions}) == 1


def _undo_settings(project: "Project", entry: Event, author: str) -> None:
    now = project.settings()
    if not _stands(entry, now):
        raise Refused("UNDO_SUPERSEDED")
    before = settings_before(entry)
    project.change_settings(author=author, **{name: getattr(before, name) for name in changed_settings(entry)})


def _stands(entry: Event, now: Settings) -> bool:
    """Whether all that a change of settings wrote is still so."""
    changed = changed_settings(entry)
    return bool(changed) and all(getattr(entry.settings, name) == getattr(now, name) for name in changed)
