"""A person's word on single normals, by button or key: no good part, or a good one."""

import numpy as np
import streamlit as st

from pages.parts.clean_draft import Draft, Plan, decide
from pages.parts.opened import turn_to
from pages.parts.service import past
from pages.parts.text import md, t


def fates(shown, draft: Draft, planned: Plan, rows: np.ndarray) -> list[str]:
    """What becomes of the normals in these rows, as a word on their pictures; "" for those that stay."""
    words = []
    for row, image_id in zip(rows.tolist(), shown.normals.image_ids[rows].tolist(), strict=True):
        if image_id in draft.dropped:
            words.append(t("dropped by you"))
        elif image_id in draft.kept:
            words.append(t("kept by you"))
        elif planned.strangers[row]:
            words.append(t("drop"))
        else:
            words.append(t("copy: drop") if planned.copies[row] else "")
    return words


def decision_keys(project, shown) -> dict:
    """What makes a gallery of normals take D and K; nothing in a state of the past."""
    return {} if past() else {"keys": "DK", "pressed": lambda presses: _pressed(project, shown, presses)}


def decide_bar(project, shown, draft: Draft, planned: Plan, position: int, order: list[int]) -> None:
    """Over an opened normal: what would become of it, and the ways to decide; then the next one comes."""
    image_id = int(shown.normals.image_ids[position])
    with st.container(border=True, horizontal=True, vertical_alignment="center", gap="small", key="dn2_decide"):
        st.markdown(md(_fate(draft, planned, position, image_id)), width="stretch")
        if past():
            return
        following = _after(int(shown.normals.ids[position]), order)
        for key, word, icon, drop, shortcut in (
            ("drop", t("No good part: drop it"), ":material/playlist_remove:", True, "D"),
            ("keep", t("Good part: keep it"), ":material/thumb_up:", False, "K"),
        ):
            st.button(
                word,
                key=f"dn2_decide_{key}",
                icon=icon,
                shortcut=shortcut,
                type="primary" if image_id in (draft.dropped if drop else draft.kept) else "secondary",
                on_click=_decided,
                args=(project, image_id, drop, following),
            )
        if image_id in draft.kept | draft.dropped:
            st.button(
                t("As proposed"),
                key="dn2_decide_none",
                icon=":material/undo:",
                type="tertiary",
                on_click=decide,
                args=(project, [image_id], None),
            )


def _fate(draft: Draft, planned: Plan, position: int, image_id: int) -> str:
    if image_id in draft.dropped:
        return t("By your word it is no good part and would be dropped.")
    if image_id in draft.kept:
        return t("By your word it is a good part and stays.")
    if planned.strangers[position]:
        return t("It lies far from the others and would be dropped.")
    if planned.copies[position]:
        return t("It would be dropped as a near-duplicate.")
    return t("It would stay.")


def _after(item_id: int, order: list[int]) -> int | None:
    at = order.index(item_id) + 1 if item_id in order else len(order)
    return order[at] if at < len(order) else None


def _decided(project, image_id: int, drop: bool, following: int | None) -> None:
    decide(project, [image_id], drop)
    if following is not None:
        turn_to(following)


def _pressed(project, shown, presses: list[tuple[str, int]]) -> None:
    for letter, item_id in presses:
        position = shown.normals.position(item_id)
        if position is not None:
            decide(project, [int(shown.normals.image_ids[position])], letter == "D")
    st.rerun()
