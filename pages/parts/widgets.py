"""Widgets whose values come from the address."""

from collections.abc import Iterable

import streamlit as st


def put(**state) -> None:
    """Give widgets the values of the address before they are drawn."""
    for key, value in state.items():
        if key not in st.session_state or st.session_state[key] != value:  # None is a value, too
            st.session_state[key] = value


def word_in_address(name: str, words: Iterable[str]) -> str:
    """The word that the address has under a name, or the first where it has none of these."""
    first, *others = words
    asked = st.query_params.get(name)
    return asked if asked in others else first


def switch_in_address(label: str, titles: dict[str, str], *, name: str, key: str) -> None:
    """A choice among words, by their titles, which stands in the address under a name; the first is left out there."""
    put(**{key: word_in_address(name, titles)})
    st.segmented_control(
        label,
        list(titles),
        format_func=titles.get,
        key=key,
        required=True,
        label_visibility="collapsed",
        on_change=_to_address,
        args=(name, key, next(iter(titles))),
    )


def _to_address(name: str, key: str, first: str) -> None:
    word = st.session_state[key]
    if word in (None, first):
        st.query_params.pop(name, None)
    else:
        st.query_params[name] = word
