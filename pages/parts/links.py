"""Ways from page to page that keep the project, the language and what else the address carries."""

import streamlit as st

PAGES = (
    *("home", "normals", "clean", "score", "where", "review", "capture", "lots"),
    *("map", "limits", "tune", "evaluate", "compare", "history"),
)
KEPT = ("project", "lang")


def carried(**changes) -> dict[str, str]:
    """The query parameters of a link: project and language as they are, plus changes (None drops one)."""
    params = {name: st.query_params[name] for name in KEPT if name in st.query_params}
    params.update({name: value for name, value in changes.items() if value is not None})
    for name, value in changes.items():
        if value is None:
            params.pop(name, None)
    return {name: str(value) for name, value in params.items()}


def go(page: str, **changes):
    """Leave for a page by its name, with the same project and language unless changed."""
    st.switch_page(f"{page}.py", query_params=carried(**changes))


def link(page: str, label: str, *, icon: str | None = None, **changes) -> None:
    """Draw a link to a page by its name."""
    st.page_link(f"{page}.py", label=label, icon=icon, query_params=carried(**changes))
