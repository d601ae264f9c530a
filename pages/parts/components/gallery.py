"""A gallery of any number of pictures: only what is in sight is in the page, thumbnails come in batches."""

from collections.abc import Callable

import numpy as np
import streamlit as st

from pages.parts.components.assets import done, lines, pack, register
from pages.parts.routes import url
from pages.parts.text import t

_gallery = register("gallery")
_TONES = ("plain", "normal", "pass", "place", "review", "reject")


def gallery(
    *,
    key: str,
    project_id: str,
    ids: list[int],
    captions: list[str],
    tones: list[str],
    details: list[str],
    marks: list[str] | None = None,
    selected: int | None = None,
    height: int = 400,
    cell: int = 148,
    group: int = 1,
    keys: str = "",
    pressed: Callable[[list[tuple[str, int]]], None] | None = None,
) -> int | None:
    """Draw pictures in the order given; the id of the one that was opened by click or Enter, once, else None.

    Args:
        ids: items of the project.
        captions: a line under each; plain text.
        tones: "pass", "place", "review", "reject", "normal" or "plain": colour and sign of the caption; of "place"
            the mark, too.
        details: what the tooltip and a screen reader add; plain text, usually the file's name.
        marks: a word on each picture's corner, "" for none; plain text.
        selected: marked and scrolled into sight when the gallery appears.
        height: of the box at most, in pixels; it scrolls.
        cell: least width of a picture, in pixels.
        group: so many pictures that follow each other stand side by side, apart from the others.
        keys: capital letters that `pressed` is called for, with (letter, id) of each picture they were pressed on,
            in their order; the next picture is marked then.
    """
    head = {
        "url": url("thumbs", project_id),
        "tones": _TONES,
        "selected": selected,
        "height": height,
        "cell": cell,
        "group": group,
        "keys": keys,
        "texts": {
            "label": t("Pictures. Arrow keys move, Enter opens."),
            "missing": t("no picture"),
            "retry": t("Some pictures did not arrive. Try again"),
        },
    }
    codes = {tone: code for code, tone in enumerate(_TONES)}
    result = _gallery(
        key=key,
        data=pack(
            head,
            np.asarray(ids, np.float64).tobytes(),
            bytes(codes[tone] for tone in tones),
            lines(captions),
            lines(details),
            lines(marks or [""] * len(ids)),
        ),
        on_open_change=lambda: None,
        on_pressed_change=lambda: None,
    )
    new = _unanswered(key, done(result, "pressed"))
    if new and pressed:
        pressed(new)
    opened = done(result, "open")
    return None if opened is None else int(opened)


def _unanswered(key: str, presses: list | None) -> list[tuple[str, int]]:
    """The keys that were pressed since the last ones that were answered; each report repeats what came before it."""
    answered = st.session_state.get(f"{key}_answered", 0)
    new = [one for one in presses or [] if one[0] > answered]
    if new:
        st.session_state[f"{key}_answered"] = new[-1][0]
    return [(letter, int(item)) for _, letter, item in new]
