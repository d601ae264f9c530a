"""Compare: would another detector do better?"""

import streamlit as st

from pages.parts.header import need_project, project_header
from pages.parts.service import current_project, snapshot
from pages.parts.text import t


def compare() -> None:
    project = current_project()
    need_project(project)
    shown = snapshot(project)
    st.title(t("Compare"), anchor=False)
    project_header(project, shown)


compare()
