"""What all sessions of this process share: the store with its workers, and the opened snapshots."""

import os
import threading

import streamlit as st

from dn2core.errors import NotFound

_services: dict[str, object] = {}
_lock = threading.Lock()


def service():
    """The process-wide service: the store and the workers that do its jobs; opened by the first caller."""
    folder = os.environ.get("DN2_DATA", "")
    with _lock:
        if folder not in _services:
            from dn2core.project.supervisor import open_service

            _services[folder] = open_service()
        return _services[folder]


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
    """The project's vectors and distances as they stand; shared by all sessions, never changed."""
    return _snapshot(str(store().root), project.id, project.generation(), _project=project)


@st.cache_resource(max_entries=4, show_spinner=False)
def _snapshot(root: str, project_id: str, generation, _project):
    return _project.snapshot()
