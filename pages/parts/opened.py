"""The picture that is open, in the address, so that a link or a reload brings it back."""

import streamlit as st

LAST = "dn2_last_image"
PARAMS = ("image", "against", "saw", "difference", "trial")  # what belongs to an opened picture


def wanted_image() -> int | None:
    """The item id in the address (?image=), or None."""
    word = st.query_params.get("image", "")
    return int(word) if word.isascii() and word.isdecimal() and len(word) <= 18 else None


def show_image(item_id: int) -> None:
    """Open a picture: the page runs anew with it in the address."""
    turn_to(item_id)
    st.rerun()


def turn_to(item_id: int) -> None:
    """Put another picture in the address, from a callback."""
    for name in ("against", "trial"):
        st.query_params.pop(name, None)
    st.query_params["image"] = str(item_id)


def close() -> None:
    """Back to what the page shows otherwise."""
    for name in PARAMS:
        st.query_params.pop(name, None)


def remember(project, item_id: int) -> None:
    """Note the picture as the one that was open last."""
    st.session_state[LAST] = (project.id, item_id)


def last_image(project) -> int | None:
    """The picture of the project that was open last in this session, to which a gallery returns."""
    project_id, item_id = st.session_state.get(LAST, (None, None))
    return item_id if project_id == project.id else None
