"""Home: the projects, a new one, and the demo."""

import streamlit as st

from dn2core.errors import DN2Error
from dn2core.project.overview import covers
from dn2core.project.settings import PRESETS
from pages.parts.header import moment, problem
from pages.parts.links import go
from pages.parts.service import store
from pages.parts.text import md, number, show, t, tn


def home() -> None:
    cards = store().projects()
    left, right = st.columns([3, 2], vertical_alignment="bottom")
    left.title(t("Projects"), anchor=False)
    if cards:
        with right.container(horizontal=True, horizontal_alignment="right"):
            _demo_button("secondary")
            with st.popover(t("New project"), type="primary", icon=":material/add:", key="dn2_new"):
                _create("dn2_create")
    _undo()
    if cards:
        with st.grid(min_column_width=280, gap="medium", key="dn2_cards"):
            for card in cards:
                _card(card)
    else:
        _first_steps()
    _damaged()
    _trash()


def _first_steps() -> None:
    with st.container(border=True, gap="medium", key="dn2_empty"):
        st.markdown(f"#### {t('See it work, or start with your own images')}")
        st.markdown(
            t(
                "Give a set of images of good parts. Every new image is compared with them, "
                "and those that differ are flagged, each beside the good parts that it resembles most."
            )
        )
        _demo_button("primary")
        st.caption(t("Real photographs with known defects, ready in about half a minute; nothing is downloaded."))
    with st.container(border=True, gap="small", key="dn2_first"):
        st.markdown(f"#### {t('New project')}")
        _create("dn2_create")


def _demo_button(kind: str) -> None:
    if st.button(t("Open the demo"), type=kind, icon=":material/play_circle:", key="dn2_demo"):
        from dn2core.project.demo import open_demo

        try:
            with st.spinner(t("Laying out the demo images")):
                ids = open_demo(store())
        except DN2Error as error:
            problem(error)
        else:
            go("score", project=ids[0])


def _create(key: str) -> None:
    with st.form(key, border=False, enter_to_submit=True):
        name = st.text_input(
            t("Name"), key=f"{key}_name", placeholder=t("for instance: Bracket 4711, line 2"), max_chars=120
        )
        wanted = st.form_submit_button(t("Create"), icon=":material/add:", key=f"{key}_go")
    if wanted:
        try:
            project = store().create(name, PRESETS["recommended"])
        except DN2Error as error:
            problem(error)
        else:
            go("normals", project=project.id)


def _card(card) -> None:
    with st.container(border=True, height="stretch", gap="xsmall", key=f"dn2_card_{card.id}"):
        pictures = _covers(str(store().root), card.id, card.last_activity)
        if pictures:
            with st.container(horizontal=True, gap="xsmall", wrap=False):
                for picture in pictures:
                    st.image(picture, width=78, alt=t("Image of the project"))
        else:
            st.caption(f":material/photo_library: {t('No images yet')}")
        st.markdown(f"**{md(card.name)}**")
        st.markdown(" · ".join(md(words) for words in _numbers(card)))
        st.caption(md(t("Last activity {moment}", moment=moment(card.last_activity))))
        with st.container(horizontal=True):
            if st.button(t("Open"), key=f"dn2_open_{card.id}", icon=":material/arrow_forward:"):
                go("score" if card.normals else "normals", project=card.id)
            with st.popover(t("Manage"), type="tertiary", icon=":material/more_horiz:", key=f"dn2_manage_{card.id}"):
                _manage(card)


def _numbers(card) -> list[str]:
    words = [tn("{n} normal", "{n} normals", card.normals), t("{n} scored", n=number(card.scored))]
    if card.flagged is not None:
        words.append(t("{n} flagged", n=number(card.flagged)))
    return words


def _manage(card) -> None:
    with st.form(f"dn2_rename_{card.id}", border=False):
        name = st.text_input(t("Name"), value=card.name, max_chars=120, key=f"dn2_name_{card.id}")
        renamed = st.form_submit_button(t("Rename"), icon=":material/edit:", key=f"dn2_rename_go_{card.id}")
    if renamed:
        try:
            store().rename(card.id, name)
        except DN2Error as error:
            problem(error)
        else:
            st.rerun()
    if st.button(
        t("Delete"),
        icon=":material/delete:",
        key=f"dn2_delete_{card.id}",
        help=t("Moves the project to the trash, from where it can be restored. Running work is stopped."),
    ):
        try:
            store().delete(card.id)
        except DN2Error as error:
            problem(error)
        else:
            st.session_state["dn2_deleted"] = (card.id, card.name)
            if st.query_params.get("project") == card.id:
                del st.query_params["project"]
            st.rerun()


def _damaged() -> None:
    """Projects whose folder cannot be read: why, so that nobody thinks they are lost without a word."""
    for project_id, reason in store().damaged().items():
        with st.container(border=True, key=f"dn2_damaged_{project_id}"):
            st.markdown(f":material/error: {t('A project cannot be opened.')} {md(reason)}")
            st.caption(md(t("Its folder is {folder}.", folder=project_id)))


def _undo() -> None:
    """Right after a delete: what happened, and the way back."""
    if "dn2_deleted" not in st.session_state:
        return
    project_id, name = st.session_state["dn2_deleted"]
    with st.container(border=True, horizontal=True, vertical_alignment="center", key="dn2_undo_bar"):
        st.markdown(f":material/delete: {t('{name} is in the trash.', name=f'**{md(name)}**')}", width="stretch")
        if st.button(t("Undo"), icon=":material/undo:", key="dn2_undo"):
            del st.session_state["dn2_deleted"]
            _restore(project_id)


def _trash() -> None:
    trashed = store().trashed()
    if not trashed:
        return
    with st.expander(t("Trash ({n})", n=number(len(trashed))), icon=":material/delete:", key="dn2_trash"):
        for card in trashed:
            with st.container(horizontal=True, vertical_alignment="center", key=f"dn2_trashed_{card.id}"):
                st.markdown(f"{md(show(card.name))} · {md(', '.join(_numbers(card)))}", width="stretch")
                if st.button(t("Restore"), type="tertiary", icon=":material/undo:", key=f"dn2_restore_{card.id}"):
                    st.session_state.pop("dn2_deleted", None)
                    _restore(card.id)


def _restore(project_id: str) -> None:
    try:
        store().restore(project_id)
    except DN2Error as error:
        problem(error)
    else:
        st.rerun()


@st.cache_data(max_entries=200, show_spinner=False)
def _covers(root: str, project_id: str, last_activity: float) -> list[bytes]:
    try:
        project = store().open(project_id)
        return [picture for picture in project.thumbnails(covers(project, 4)) if picture]
    except DN2Error:  # a picture less is no reason to hide the card
        return []


home()
