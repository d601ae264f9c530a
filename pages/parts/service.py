"""What all sessions of this process share: the store with its workers, and the opened snapshots."""

import os
from dataclasses import dataclass

import streamlit as st

from dn2core.errors import DN2Error, NotFound
from dn2core.project.events import Event, event
from dn2core.project.paths import data_dir
from dn2core.project.snapshot import past_snapshot
from dn2core.project.snapshot import snapshot as current_snapshot
from dn2core.project.supervisor import open_service
from pages.parts.text import t

STATE = "state"  # in the address: the entry of the history whose state is shown
_ASKED = "dn2_asked_state"


@dataclass(frozen=True)
class AskedState:
    """What became of the state that the address asks for: the entry of the history, or why it is not shown."""

    project_id: str
    word: str
    entry: Event | None
    error: DN2Error | None


def service():
    """The process-wide service of the data folder; the first caller opens it and starts its workers."""
    return open_service(data_dir(), workers=os.environ.get("DN2_WORKERS") != "0")


def store():
    """The store of all projects."""
    return service().store


def current_project():
    """The project that the address names, or None; one that is gone counts as none."""
    project_id = st.query_params.get("project")
    if not project_id:
        return None
    try:
        return store().open(project_id)
    except NotFound:
        return None


def snapshot(project):
    """The project's vectors and distances as they stand, or None before the first normals are in.

    With a state in the address it is the project as that entry of the history left it; where that cannot be
    opened, as it stands, and `asked_state` tells why. Shared by all sessions and never changed; kept in memory
    by generation.
    """
    reopened = _reopened(project)
    if reopened is not None:
        return reopened
    try:
        with st.spinner(t("Comparing with the normals")):
            return current_snapshot(project)
    except NotFound as error:
        if error.code == "NO_NORMALS":
            return None
        raise


def past() -> bool:
    """Whether the page shows a state of the past, in which nothing may be changed. Before `snapshot` was asked, yes."""
    if not st.query_params.get(STATE):
        return False
    asked = asked_state()
    return asked is None or asked.error is None


def asked_state() -> AskedState | None:
    """What became of the state in the address; None where it names none, or nobody asked for the snapshot yet."""
    asked = st.session_state.get(_ASKED)
    here = (st.query_params.get("project"), st.query_params.get(STATE))
    return asked if asked is not None and (asked.project_id, asked.word) == here else None


def back_to_now() -> None:
    """Leave the state of the past; the page and what it shows stay."""
    st.query_params.pop(STATE, None)


def _reopened(project):
    word = st.query_params.get(STATE)
    if not word:
        return None
    entry = shown = trouble = None
    try:
        entry = event(project, _entry_id(word))
        with st.spinner(t("Opening the state of that time")):
            shown = _past_snapshot(project, project.id, entry.id)
    except DN2Error as error:
        trouble = error
    st.session_state[_ASKED] = AskedState(project.id, word, entry, trouble)
    return shown


@st.cache_resource(max_entries=2, show_spinner=False)
def _past_snapshot(_project, project_id: str, event_id: int):
    return past_snapshot(_project, event_id)


def _entry_id(word: str) -> int:
    if not (word.isascii() and word.isdecimal() and len(word) <= 18):
        raise NotFound("NOT_FOUND", what=t("The entry of the history"))
    return int(word)
