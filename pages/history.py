"""History: who decided what and when, and by which state it was judged."""

from dataclasses import replace

import streamlit as st

from dn2core.errors import DN2Error
from dn2core.project.events import KINDS, history
from dn2core.project.undo import undo, undoable
from dn2core.report import history_csv
from pages.parts import history_entries
from pages.parts.components.who import author
from pages.parts.header import empty_state, moment, need_project, problem, project_header
from pages.parts.history_entries import PAGE, TEXT_LENGTH, Entry, Wanted
from pages.parts.history_words import ICONS, kind_word, who_word
from pages.parts.links import link
from pages.parts.service import current_project, past, snapshot
from pages.parts.text import distinct, language, md, number, show, t, tn
from pages.parts.widgets import put

FAILED = "dn2_undo_failed"
EVERYBODY = 0  # beside names, which are texts
OPENS = ("normals", "settings", "delivery")  # kinds that left another state


def history_page() -> None:
    project = current_project()
    need_project(project)
    shown = snapshot(project)
    left, right = st.columns([3, 2], vertical_alignment="bottom")
    left.title(t("History"), anchor=False)
    project_header(project, shown)
    newest = history(project, newest=1)
    if not newest:
        empty_state(
            t("Nothing has happened yet"),
            t("Normals, settings, labels and deliveries are noted here. Give images of good parts first."),
            t("Go to Normals"),
            "normals",
            icon=":material/history:",
        )
        return
    entries = _entries(project, project.id, newest[0].id, language())
    wanted = history_entries.read(st.query_params)
    found = history_entries.matching(entries, wanted)
    with right.container(horizontal=True, horizontal_alignment="right"):
        _download(found)
    _answer(entries)
    if FAILED in st.session_state:
        problem(st.session_state.pop(FAILED))
    _filter_row(entries, wanted)
    _list(project, entries, found, wanted)


@st.cache_resource(max_entries=4, show_spinner=False)
def _entries(_project, project_id: str, newest_id: int, language: str) -> list[Entry]:
    # Entries are never changed, so the newest one tells them all apart.
    return history_entries.told(history(_project))


def _download(found: list[Entry]) -> None:
    st.download_button(
        t("Download CSV"),
        data=lambda: history_csv([entry.event for entry in found], bom=True),
        file_name="dn2-history.csv",
        mime="text/csv",
        key="dn2_history_csv",
        icon=":material/download:",
        on_click="ignore",
        disabled=not found,
        help=t("The entries found below, with the settings in force after each."),
    )


def _answer(entries: list[Entry]) -> None:
    last = entries[0].event
    st.markdown(
        f"#### {tn('{n} entry', '{n} entries', len(entries))} · {t('the last on {moment}', moment=md(moment(last.at)))}"
    )
    st.caption(
        t(
            "Who decided what, and what deliveries were found to be, newest first. "
            "Open a state to see all images as they were judged after that entry, read-only."
        )
    )


def _filter_row(entries: list[Entry], wanted: Wanted) -> None:
    counts = {kind: sum(entry.event.kind == kind for entry in entries) for kind in KINDS}
    names = sorted({entry.event.author for entry in entries}, key=lambda name: (not name, name.casefold()))
    authors = distinct({name: show(who_word(name)) for name in names})
    put(
        dn2_h_kind=list(wanted.kinds),
        dn2_h_by=wanted.author if wanted.author in authors else EVERYBODY,
        dn2_h_text=wanted.text,
    )
    columns = st.columns([7, 3, 3], vertical_alignment="bottom", gap="medium")
    columns[0].pills(
        t("Kind"),
        [kind for kind in KINDS if counts[kind] or kind in wanted.kinds],
        selection_mode="multi",
        format_func=lambda kind: f"{ICONS[kind]} {kind_word(kind)} {number(counts[kind])}",
        key="dn2_h_kind",
        on_change=_filtered,
    )
    columns[1].selectbox(
        t("Who"),
        [EVERYBODY, *authors],
        format_func=lambda name: t("Everybody") if name == EVERYBODY else authors.get(name, ""),
        key="dn2_h_by",
        on_change=_filtered,
    )
    columns[2].text_input(
        t("Text contains"),
        key="dn2_h_text",
        type="search",
        max_chars=TEXT_LENGTH,
        placeholder="",
        on_change=_filtered,
    )


def _filtered() -> None:
    state = st.session_state
    history_entries.write(
        Wanted(
            kinds=tuple(kind for kind in KINDS if kind in (state["dn2_h_kind"] or ())),
            author=None if state["dn2_h_by"] == EVERYBODY else state["dn2_h_by"],
            text=(state["dn2_h_text"] or "").strip(),
        )
    )


def _list(project, entries: list[Entry], found: list[Entry], wanted: Wanted) -> None:
    if not found:
        with st.container(horizontal=True, vertical_alignment="center", key="dn2_h_nothing"):
            st.markdown(t("No entry passes these filters."), width="content")
            st.button(t("Show all"), key="dn2_h_all", on_click=history_entries.write, args=(Wanted(),))
        return
    last = history_entries.pages(len(found))
    page = min(wanted.page, last)
    _pager(wanted, page, last, len(found))
    takes_back = set() if past() else undoable([entry.event for entry in entries], project.settings())
    with st.container(gap="small", key="dn2_h_list"):
        for entry in found[(page - 1) * PAGE : page * PAGE]:
            _row(project, entry, entry.event.id in takes_back)


def _pager(wanted: Wanted, page: int, last: int, count: int) -> None:
    if last == 1:
        if wanted.any:
            st.caption(tn("{n} entry found", "{n} entries found", count))
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="dn2_h_pager"):
        st.caption(
            md(
                t(
                    "{first} to {last} of {n}",
                    first=number((page - 1) * PAGE + 1),
                    last=number(min(page * PAGE, count)),
                    n=number(count),
                )
            ),
            width="content",
        )
        for key, label, icon, to in (
            ("dn2_h_first", t("Newest"), ":material/first_page:", 1),
            ("dn2_h_newer", t("Newer"), ":material/chevron_left:", page - 1),
            ("dn2_h_older", t("Older"), ":material/chevron_right:", page + 1),
            ("dn2_h_last", t("Oldest"), ":material/last_page:", last),
        ):
            st.button(
                label,
                key=key,
                icon=icon,
                type="tertiary",
                disabled=not 1 <= to <= last or to == page,
                on_click=history_entries.write,
                args=(replace(wanted, page=to),),
            )


def _row(project, entry: Entry, takes_back: bool) -> None:
    event = entry.event
    when, who, what, ways = st.columns([7, 5, 22, 13], vertical_alignment="center", gap="small")
    when.caption(md(moment(event.at)))
    who.markdown(md(show(entry.who)))
    what.markdown(f"{ICONS[event.kind]} {md(entry.what)}")
    with ways.container(horizontal=True, vertical_alignment="center", gap="small"):
        if event.kind in OPENS and event.version is not None:
            link("score", t("Open this state"), icon=":material/history:", state=event.id)
        if takes_back:
            st.button(
                t("Undo"),
                key=f"dn2_undo_{event.id}",
                icon=":material/undo:",
                type="tertiary",
                help=t("Brings back what was in force before, as a new entry."),
                on_click=_undo,
                args=(project, event.id),
            )


def _undo(project, event_id: int) -> None:
    try:
        undo(project, event_id, author=author())
    except DN2Error as error:
        st.session_state[FAILED] = error


history_page()
