"""What a change of the normals would do, before it is made; then made, with the way back."""

from dataclasses import replace

import numpy as np
import streamlit as st

from dn2core.errors import DN2Error
from dn2core.project.impact import impact
from dn2core.project.labels import labels
from dn2core.project.normals import add_normals, remove_normals
from pages.parts import actions
from pages.parts.browse import browse
from pages.parts.components.who import author
from pages.parts.header import problem
from pages.parts.look import raw
from pages.parts.missed import missed_warning
from pages.parts.results import cells, most_unusual_first
from pages.parts.service import past
from pages.parts.text import md, number, show, t, tn

CHANGED = "dn2_changed_normals"  # (the action, or one that did nothing, words)
FAILED = "dn2_change_failed"


def preview(
    project, shown, *, join: tuple[int, ...] = (), leave: tuple[int, ...] = (), close=None, then=None, key: str = "one"
) -> None:
    """What joining or leaving normals would do to all verdicts, and the button that does it.

    Args:
        join, leave: item ids.
        close: called when the reader wants it not; None offers no such way.
        then: called once it is done.
        key: tells two previews of a page apart; only "one" has keys of the keyboard.
    """
    known = labels(project)
    try:
        with st.spinner(t("Working out what would change")):
            told = repr((shown.generation, labels_key(known), join, leave))
            foreseen = _foreseen(project, shown, known, join, leave, told)
    except DN2Error as error:
        problem(error)
        return
    with st.container(border=True, gap="small", key=f"dn2_impact_{key}"):
        st.markdown(f"**{_question(len(join), len(leave))}**")
        st.markdown("\n".join(f"- {line}" for line in _lines(foreseen)))
        if len(foreseen.missed):
            missed_warning(shown, foreseen.missed)
        if foreseen.stands_alone:
            st.warning(
                t(
                    "The limit would be set by this image alone, for it resembles no other normal. "
                    "Give more good parts like it, or allow more false alarms on the Limits page."
                ),
                icon=":material/warning:",
            )
        with st.container(horizontal=True, gap="small"):
            st.button(
                _do(len(join)),
                key=f"dn2_impact_go_{key}",
                type="secondary" if len(foreseen.missed) else "primary",
                icon=":material/check:",
                shortcut=("J" if join else "T") if key == "one" else None,
                on_click=_apply,
                args=(project, shown, join, leave, then),
            )
            if close:
                st.button(
                    t("Not now"),
                    key=f"dn2_impact_no_{key}",
                    type="tertiary",
                    shortcut="S" if key == "one" else None,
                    on_click=close,
                )
        failed = st.session_state.pop(FAILED, None)
        if failed is not None:
            problem(failed)
        changed = np.concatenate([foreseen.cleared, foreseen.appearing])
        if len(changed):
            order = most_unusual_first(foreseen.before.scores, changed)
            pictures = replace(cells(shown, foreseen.before, order), captions=_captions(foreseen, order))
            browse(project, pictures, key=f"dn2_impact_gallery_{key}", height=230, cell=112)


def changed_normals(project) -> None:
    """Right after a change of the normals: what happened, and the way back, unless something came after it."""
    action, words = st.session_state.get(CHANGED, (None, None))
    if action is None or action[0] != project.id or past():
        return
    did = action[1] is not None
    if did and action not in st.session_state.get(actions.DONE, []):  # taken back by the key
        return
    with st.container(border=True, horizontal=True, vertical_alignment="center", key="dn2_changed_bar"):
        st.markdown(f":material/published_with_changes: {words}", width="stretch")
        if did:
            st.button(
                t("Undo"), key="dn2_changed_undo", icon=":material/undo:", on_click=_take_back, args=(project, action)
            )
        st.button(
            t("Dismiss"),
            key="dn2_changed_ok",
            type="tertiary",
            icon=":material/close:",
            on_click=lambda: st.session_state.pop(CHANGED, None),
        )
    failed = st.session_state.pop(FAILED, None)
    if failed is not None:
        problem(failed)


def labels_key(known: dict) -> int:
    """Another one whenever a label was given, changed or taken back."""
    return hash(frozenset(label.event_id for label in known.values()))


@st.cache_resource(max_entries=4, show_spinner=False)
def _foreseen(_project, _shown, _known, join: tuple, leave: tuple, key: str):
    return impact(_project, _shown, _known, join=join, leave=leave)


def _question(join: int, leave: int) -> str:
    if join == 1:
        return t("If it joins the normals")
    if join:
        return tn("If {n} image joins the normals", "If these {n} images join the normals", join)
    return t("If it is taken out of the normals") if leave == 1 else t("If they are taken out of the normals")


def _do(join: int) -> str:
    if join == 1:
        return t("Let it join the normals")
    return t("Let them join the normals") if join else t("Take it out")


def _lines(foreseen) -> list[str]:
    lines = []
    if len(foreseen.cleared):
        lines.append(tn("{n} other flag would clear", "{n} other flags would clear", len(foreseen.cleared)))
    if len(foreseen.appearing):
        lines.append(
            tn(
                "{n} image would be flagged that is not now",
                "{n} images would be flagged that are not now",
                len(foreseen.appearing),
            )
        )
    if not lines:
        lines.append(t("no other verdict would change"))
    if len(foreseen.caught):
        lines.append(
            tn(
                "{n} known defect that passes now would be found",
                "{n} known defects that pass now would be found",
                len(foreseen.caught),
            )
        )
    before, after = raw(foreseen.before.limit), raw(foreseen.after.limit)
    lines.append(
        t("the limit stays at {limit}", limit=before)
        if before == after
        else t("the limit moves from {before} to {after}", before=before, after=after)
    )
    return lines


def _captions(foreseen, order) -> list[str]:
    words = {True: t("flagged"), False: t("pass")}
    return [f"{words[bool(foreseen.before.flagged[at])]} → {words[bool(foreseen.after.flagged[at])]}" for at in order]


def _apply(project, shown, join: tuple, leave: tuple, then) -> None:
    try:
        if join:
            made = add_normals(project, join, author=author())
        else:
            made = remove_normals(project, leave, author=author())
    except DN2Error as error:
        st.session_state[FAILED] = error
        return
    words = _done_words(shown, join, leave, made)
    if made.count:
        note_change(project, made.before, made.version, (*join, *leave)[0], words)
    else:
        note_nothing(project, words)
    if then:
        then()


def note_change(project, before: int, after: int, item_id: int, words: str) -> None:
    """Have `changed_normals` tell of a change of the normals, and the key take it back; no new version is none.

    Args:
        before, after: the versions that the change itself went from and to, whatever the page showed.
    """
    if after > before:
        actions.changed(project, before, after, item_id)
        st.session_state[CHANGED] = (actions.last(project), words)


def note_nothing(project, words: str) -> None:
    """Have `changed_normals` tell why what was asked for changed nothing; there is nothing to take back."""
    st.session_state[CHANGED] = ((project.id, None, None), words)


def _done_words(shown, join: tuple, leave: tuple, made) -> str:
    items, ids = (shown.scored, join) if join else (shown.normals.and_then(shown.apart), leave)
    if not made.count:
        return (
            t("Nothing changed: among the normals already, in version {version}.", version=number(made.version))
            if join
            else t("Nothing changed: not among the normals any more, since somebody else changed them.")
        )
    if len(ids) > 1:
        name = tn("{n} image", "{n} images", made.count)
    else:
        name = f"**{md(show(items.names[items.position(ids[0])])[-60:])}**"
    version = number(made.version)
    if join:
        return t("{name} joined the normals: version {version}.", name=name, version=version)
    return t("{name} is no longer among the normals: version {version}.", name=name, version=version)


def _take_back(project, action: tuple) -> None:
    try:
        actions.take_back(project, action)
    except DN2Error as error:
        st.session_state[FAILED] = error
    st.session_state.pop(CHANGED, None)
