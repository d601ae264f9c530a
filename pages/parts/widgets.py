"""Widgets whose values come from the address."""

import streamlit as st


def put(**state) -> None:
    """Give widgets the values of the address before they are drawn."""
    for key, value in state.items():
        if key not in st.session_state or st.session_state[key] != value:  # None is a value, too
            st.session_state[key] = value
