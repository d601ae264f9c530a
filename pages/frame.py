"""The frame around every page: navigation, the open project and its running work."""

import streamlit as st

from pages.parts.components.who import who
from pages.parts.header import sentences
from pages.parts.jobs import repairing, sidebar_jobs
from pages.parts.links import carried, link
from pages.parts.look import favicon
from pages.parts.service import current_project, store
from pages.parts.text import distinct, md, number, show, t, tn

st.set_page_config(
    page_title="DN2",
    page_icon=favicon(),
    layout="wide",
    initial_sidebar_state="expanded",
)

PAGES = {
    "home": (t("Home"), ":material/home:"),
    "normals": (t("Normals"), ":material/grid_view:"),
    "clean": (t("Clean"), ":material/cleaning_services:"),
    "score": (t("Score"), ":material/fact_check:"),
    "where": (t("Where"), ":material/center_focus_weak:"),
    "review": (t("Review"), ":material/rule:"),
    "capture": (t("Capture"), ":material/photo_camera:"),
    "lots": (t("Lots"), ":material/inventory_2:"),
    "map": (t("Map"), ":material/scatter_plot:"),
    "limits": (t("Limits"), ":material/balance:"),
    "tune": (t("Tune"), ":material/tune:"),
    "evaluate": (t("Evaluate"), ":material/query_stats:"),
    "compare": (t("Compare"), ":material/compare_arrows:"),
    "history": (t("History"), ":material/history:"),
}


def sidebar() -> None:
    """Which project, where to go, what state it is in, what is running."""
    st.markdown(f"### :material/center_focus_strong: {t('Visual inspection')}")
    cards = {card.id: card for card in store().projects()}
    if cards:
        _picker(cards)
    for name, (title, icon) in PAGES.items():
        link(name, title, icon=icon)
    # Last, because it may be damaged, and the way to the others must be there all the same.
    project = current_project()
    if project is not None and project.id in cards:
        st.divider()
        st.caption(" · ".join(md(part) for part in _state_words(cards[project.id])))
        sidebar_jobs(project)
        who()


def _picker(cards: dict) -> None:
    key = "dn2_project"
    wanted = st.query_params.get("project")
    st.session_state[key] = wanted if wanted in cards else None
    # In the order in which they were made, so that the number of a repeated name stays.
    names = distinct({card.id: show(card.name) for card in sorted(cards.values(), key=lambda card: card.created)})
    st.selectbox(
        t("Project"),
        list(cards),
        format_func=names.get,
        key=key,
        placeholder=t("Choose a project"),
        on_change=_picked,
        label_visibility="collapsed",
    )


def _picked() -> None:
    st.query_params.from_dict(carried(project=st.session_state["dn2_project"]))


def _state_words(card) -> list[str]:
    if card.version is None:
        return [t("no normals yet")]
    words = [
        tn("{n} normal", "{n} normals", card.normals),
        t("version {version}", version=number(card.version)),
    ]
    if card.scored and card.flagged is not None:
        words.append(t("{flagged} of {scored} flagged", flagged=number(card.flagged), scored=number(card.scored)))
    return words


page = st.navigation(
    [
        st.Page(f"{name}.py", title=title, icon=icon, url_path=name, default=name == "home")
        for name, (title, icon) in PAGES.items()
    ],
    position="hidden",
)
with sentences():
    with st.sidebar:
        sidebar()
with sentences(), repairing():
    page.run()
