"""What this session did last in a project, so that one key takes it back, whatever it was."""

import streamlit as st

from dn2core.project.labels import undo_label
from dn2core.project.normals import restore_normals
from pages.parts.components.who import author

DONE = "dn2_done"  # (project id, what, item id), the last at the end


def said(project, event_id: int, item_id: int) -> None:
    """Note a label, by the event that entered it."""
    _note(project, ("label", event_id), item_id)


def changed(project, before: int, after: int, item_id: int) -> None:
    """Note a change of the normals, by the versions before and after it."""
    _note(project, ("normals", before, after), item_id)


def last(project) -> tuple | None:
    """The last thing that was done and not taken back, if any."""
    return next((one for one in reversed(st.session_state.get(DONE, [])) if one[0] == project.id), None)


def take_back(project, action: tuple) -> int:
    """Undo an action, and return the item that it was about; it is forgotten also where that is refused.

    Raises:
        Refused: when somebody did something newer on it.
    """
    st.session_state[DONE].remove(action)
    _, what, item_id = action
    if what[0] == "label":
        undo_label(project, what[1], author=author())
    else:
        restore_normals(project, what[1], author=author(), newest=what[2])
    return item_id


def _note(project, what: tuple, item_id: int) -> None:
    st.session_state.setdefault(DONE, []).append((project.id, what, item_id))
