"""What all sessions of this process share: the store with its workers, and the opened snapshots."""

import os

import streamlit as st

from dn2core.errors import NotFound
from dn2core.project.paths import data_dir
from dn2core.project.snapshot import snapshot as current_snapshot
from dn2core.project.supervisor import open_service
from pages.parts.text import t


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

    Shared by all sessions and never changed; kept in memory by generation.
    """
    try:
        with st.spinner(t("Comparing with the normals")):
            return current_snapshot(project)
    except NotFound as error:
        if error.code == "NO_NORMALS":
            return None
        raise


def past() -> bool:
    """Whether the address names a state of the past, which is only looked at."""
    return "state" in st.query_params
