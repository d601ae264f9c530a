"""Widgets whose values come from the address."""

import streamlit as st


def put(**state) -> None:
    """Give widgets the values of the address before they are drawn."""
    for key, value in state.items():
        if st.session_state.get(key) != value:
            st.session_state[key] = value
