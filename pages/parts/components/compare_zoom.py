"""A picture to look into, alone or beside another one at the same zoom."""

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
) -> None:
    """Draw one or two pictures that zoom and move together: wheel, drag, double click, keys + - 0.

    Args:
        left_url, right_url: addresses of `routes.url`.
        alt: what a screen reader says.
        outline: left, top, right, bottom of what the network saw, in shares of the left picture.
    """
    _compare_zoom(
        key=key,
        data={
            "urls": [left_url] if right_url is None else [left_url, right_url],
            "alt": alt,
            "height": height,
            "outline": outline,
            "texts": {
                "hint": t("Wheel or + and - zoom, drag moves, double click or 0 fits"),
                "missing": t("The picture could not be loaded. Reload the page."),
            },
        },
    )
