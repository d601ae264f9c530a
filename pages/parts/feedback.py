"""What people say of a scored image: a false alarm, a defect, or unsure; by button or by key, with a note."""

import streamlit as st

from dn2core.errors import DN2Error
from dn2core.project.labels import Label, set_label
from pages.parts import actions
from pages.parts.components.who import author
from pages.parts.header import moment, problem
from pages.parts.text import md, show, t

FAILED = "dn2_say_failed"
ICONS = {"good": ":material/thumb_up:", "defect": ":material/report:", "unsure": ":material/question_mark:"}
COLOURS = {"good": "green", "defect": "red", "unsure": "orange"}
KEYS = {"good": "F", "defect": "D", "unsure": "U"}


def label_word(label: str) -> str:
    """A label as people read it."""
    return {"good": t("good part"), "defect": t("defect"), "unsure": t("unsure")}.get(label, t("not looked at"))


def marks(labels) -> list[str]:
    """What galleries write on pictures, for labels (n,)."""
    words = {name: label_word(name) for name in ICONS}
    return [words.get(label, "") for label in labels]


def feedback(project, item_id: int, label: Label | None, *, flagged: bool, then=None) -> None:
    """Draw what was said so far and the ways to say something.

    Args:
        label: the one in force.
        flagged: whether a good part was so called by mistake.
        then: called with (item id, label) once it is said.
    """
    seen = label.event_id if label else 0
    with st.container(border=True, gap="small", key="dn2_feedback"):
        if label:
            _said(label)
        else:
            st.markdown(f"**{t('What is it really?')}**")
        note_key = f"dn2_note_{item_id}_{seen}"
        if note_key not in st.session_state:
            st.session_state[note_key] = label.note if label else ""
        with st.container(horizontal=True, gap="small", key="dn2_say"):
            words = {
                "good": t("False alarm: it is normal") if flagged else t("Good part"),
                "defect": t("Confirmed defect") if flagged else t("Missed defect"),
                "unsure": t("Unsure"),
            }
            for name, word in words.items():
                st.button(
                    word,
                    key=f"dn2_say_{name}",
                    icon=ICONS[name],
                    shortcut=KEYS[name],
                    type="primary" if label and label.label == name else "secondary",
                    on_click=_say,
                    args=(project, item_id, name, seen, note_key, then),
                )
            st.button(
                t("Undo"),
                key="dn2_say_undo",
                icon=":material/undo:",
                shortcut="Z",
                type="tertiary",
                disabled=actions.last(project) is None,
                help=t("Takes back what you did last: a decision, or normals that changed."),
                on_click=_undo,
                args=(project,),
            )
        st.text_input(
            t("Note"),
            key=note_key,
            max_chars=2000,
            placeholder=t("a note, kept with the decision"),
            label_visibility="collapsed",
        )
        failed = st.session_state.pop(FAILED, None)
        if failed is not None:
            problem(failed)


def _said(label: Label) -> None:
    words = t(
        "{who}, {moment}",
        who=md(show(label.author)) if label.author else t("no name given"),
        moment=md(moment(label.at)),
    )
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.badge(label_word(label.label), icon=ICONS[label.label], color=COLOURS[label.label])
        st.caption(words, width="content")


def _say(project, item_id: int, name: str, seen: int, note_key: str, then) -> None:
    note = st.session_state.get(note_key, "")
    try:
        event_id = set_label(project, item_id, name, note=note, author=author(), seen=seen)
    except DN2Error as error:
        st.session_state[FAILED] = error
        return
    actions.said(project, event_id, item_id)
    if then:
        then(item_id, name)


def _undo(project) -> None:
    try:
        st.query_params["image"] = str(actions.take_back(project, actions.last(project)))
    except DN2Error as error:
        st.session_state[FAILED] = error
    st.query_params.pop("trial", None)
