"""A picture to look into, alone or beside another one at the same zoom."""

from collections.abc import Sequence

from pages.parts.components.assets import register
from pages.parts.text import t

_compare_zoom = register("compare_zoom")


def compare_zoom(
    *,
    key: str,
    left_url: str,
    right_url: str | None,
    alt: str,
    height: int = 520,
    outline: tuple[float, float, float, float] | None = None,
    overlay_url: str | None = None,
    overlay_name: str = "",
    legend: Sequence[tuple[float, str, str]] = (),
    contours: Sequence[Sequence[Sequence[float]]] = (),
) -> None:
    """Draw one or two pictures that zoom and move together: wheel, drag, double click, keys + - 0.

    Args:
        left_url, right_url: addresses of `routes.url`.
        alt: what a screen reader says.
        outline: left, top, right, bottom of what the network saw, in shares of the left picture.
        overlay_url: a picture to lie over the left one and move with it; its reader shows and hides it (key H) and
            sets its strength, which the browser remembers for the next one.
        overlay_name: what it is called beside its switch.
        legend: its scale, as (place from 0 to 1, CSS colour, word or "").
        contours: lines over the left picture, each of [x, y] in shares of it; they come and go with the overlay.
    """
    overlay = {"url": overlay_url, "name": overlay_name, "legend": list(legend), "contours": list(contours)}
    _compare_zoom(
        key=key,
        data={
            "urls": [left_url] if right_url is None else [left_url, right_url],
            "alt": alt,
            "height": height,
            "outline": outline,
            "overlay": overlay if overlay_url else None,
            "texts": {
                "hint": t("Wheel or + and - zoom, drag moves, double click or 0 fits"),
                "missing": t("The picture could not be loaded. Reload the page."),
                "missingHeat": t("The heat could not be loaded. Reload the page."),
                "opacity": t("Opacity"),
            },
        },
    )
