"""How a component is registered, and how many numbers and texts travel to it at once."""

import json
from pathlib import Path

import streamlit as st

HERE = Path(__file__).parent


def register(name: str):
    """The component whose code is `name`.js and `name`.css here, with what all of them share before it."""
    read = {suffix: (HERE / f"{name}{suffix}").read_text(encoding="utf-8") for suffix in (".js", ".css")}
    shared = {suffix: (HERE / f"shared{suffix}").read_text(encoding="utf-8") for suffix in (".js", ".css")}
    return st.components.v2.component(
        f"dn2_{name}",
        html='<div class="root"></div>',
        js=shared[".js"] + read[".js"],
        css=shared[".css"] + read[".css"],
    )


def pack(head: dict, *parts: bytes) -> bytes:
    """A head of small things and long arrays as one payload; `unpack` in shared.js takes it apart.

    Lists of 50,000 entries as JSON would be parsed and written twice on each run of the page.
    """
    head_bytes = json.dumps({**head, "lengths": [len(part) for part in parts]}).encode()
    return len(head_bytes).to_bytes(4, "little") + head_bytes + b"".join(parts)


def lines(texts: list[str]) -> bytes:
    """Texts as one: a line each."""
    return "\n".join([text.replace("\n", " ") for text in texts]).encode("utf-8", errors="backslashreplace")


def done(result, name: str):
    """What a component reported in this run, or None."""
    return getattr(result, name, None)
