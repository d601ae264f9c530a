"""Who sits here: a name that this browser remembers, so that decisions carry it."""

import streamlit as st

from dn2core.project.events import AUTHOR_LENGTH
from pages.parts.components.assets import register
from pages.parts.text import t

_who = register("who")
KEY = "dn2_who"


def who() -> None:
    """Draw the field for the name; `author` tells what it holds."""
    _who(
        key=KEY,
        data={
            "limit": AUTHOR_LENGTH,
            "texts": {"label": t("Your name"), "hint": t("stands beside your decisions")},
        },
        on_name_change=lambda: None,
    )


def author() -> str:
    """The name given in this browser; that of the login where there is one; "" if neither."""
    try:
        if st.user.is_logged_in:
            return str(st.user.get("name") or st.user.get("email") or "")[:AUTHOR_LENGTH]
    except (AttributeError, KeyError):
        pass
    held = st.session_state.get(KEY)
    return str(getattr(held, "name", None) or "")[:AUTHOR_LENGTH] if held is not None else ""
