"""Capture: is it the part, or was the picture taken differently?"""

import streamlit as st

from pages.parts.header import need_project, project_header
from pages.parts.service import current_project, snapshot
from pages.parts.text import t


def capture() -> None:
    project = current_project()
    need_project(project)
    shown = snapshot(project)
    st.title(t("Capture"), anchor=False)
    project_header(project, shown)


capture()
