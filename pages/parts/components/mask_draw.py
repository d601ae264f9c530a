"""Areas drawn on a picture, as rectangles and polygons: to be ignored, or to be looked at alone."""

import streamlit as st

from dn2core.detect.mask import MOST_POINTS, MOST_SHAPES, Mask
from pages.parts.components.assets import done, register
from pages.parts.text import number, t

_mask_draw = register("mask_draw")


def mask_draw(*, key: str, url: str, alt: str, shapes: Mask, height: int = 480, fixed: bool = False) -> list | None:
    """Draw a picture with the shapes on it, and the tools to draw more, move and delete them.

    Args:
        url: of the picture, an address of `routes.url`.
        alt: what a screen reader says; plain text.
        shapes: what is drawn; what the browser drew since then stays until a run of the page has seen it.
        height: of the picture at most, in pixels.
        fixed: the shapes are only shown.

    Returns:
        all shapes as lists, not yet checked (see `as_shapes`), in the run after one was drawn, moved or deleted;
        else None.
    """
    answered = f"{key}_answered"  # the number of the last report that a run of the page has seen
    result = _mask_draw(
        key=key,
        data={
            "url": url,
            "alt": alt,
            "shapes": shapes,
            "height": height,
            "fixed": fixed,
            "answered": st.session_state.get(answered, 0),
            "most": {"shapes": MOST_SHAPES, "points": MOST_POINTS},
            "texts": _texts(),
        },
        on_drawn_change=lambda: None,
    )
    drawn = done(result, "drawn")
    if fixed or drawn is None or drawn["n"] <= st.session_state.get(answered, 0):
        return None
    st.session_state[answered] = int(drawn["n"])
    return drawn["shapes"]


def _texts() -> dict:
    return {
        "tools": t("Tools"),
        "rectangle": t("Rectangle"),
        "polygon": t("Polygon"),
        "move": t("Select"),
        "kinds": t("What an area means"),
        "ignore": t("Ignore here"),
        "only": t("Look only here"),
        "undo": t("Undo (Ctrl+Z)"),
        "delete": t("Delete (Del)"),
        "ignored": t("ignored"),
        "looked": t("looked at only"),
        "area": t("Area {n}, {kind}"),
        "missing": t("The picture could not be loaded. Reload the page."),
        "full": t("{limit} areas are drawn, and a mask has no more. Delete one first.", limit=number(MOST_SHAPES)),
        "hints": {
            "rectangle": t("Drag a rectangle. By keyboard: Enter lays one in the middle."),
            "polygon": t(
                "Click the corners. Double click, Enter or the first corner closes the polygon, Esc drops it."
            ),
            "move": t("Click an area to select it, drag to move it."),
            "selected": t("Arrow keys move the area, with Shift they change its size. Esc lets it go."),
        },
    }
