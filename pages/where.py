"""Where is the defect: what the patches of an image say beside the whole image."""

import streamlit as st

from pages.parts.header import need_project, project_header
from pages.parts.service import current_project, snapshot
from pages.parts.text import t


def where() -> None:
    project = current_project()
    need_project(project)
    shown = snapshot(project)
    st.title(t("Where"), anchor=False)
    project_header(project, shown)


where()
