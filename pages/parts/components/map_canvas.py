"""A map of very many points on a canvas: 100,000 stay fluid where plotly does not."""

from pages.parts.components.assets import done, pack, register
from pages.parts.text import t

_map_canvas = register("map_canvas")


def map_canvas(
    *, key: str, x: bytes, y: bytes, colour: bytes, palette: list[str], height: int, texts: dict
) -> dict | None:
    """Draw points; drag draws around some of them, a click chooses one.

    Args:
        x, y: (n,) uint16 each, as `areas.to_grid` gives them, y upwards.
        colour: (n,) uint8 into the palette of "#RRGGBB".
        texts: {"legend": names of the palette's colours} or {"ticks": [(place from 0 to 1, words)]} of a scale.

    Returns:
        in the run after a choice {"polygon": [[x, y], ...]} in the units of x and y or {"clicked": position of a
        point}; else None.
    """
    own = {
        "label": t("Map of the images. Arrow keys move, + and - zoom, 0 shows all."),
        "around": t("Draw around"),
        "move": t("Move"),
        "all": t("Show all"),
    }
    result = _map_canvas(
        key=key,
        data=pack({"palette": palette, "height": height, "texts": {**own, **texts}}, x, y, colour),
        on_polygon_change=lambda: None,
        on_clicked_change=lambda: None,
    )
    if (polygon := done(result, "polygon")) is not None:
        return {"polygon": polygon}
    if (clicked := done(result, "clicked")) is not None:
        return {"clicked": int(clicked)}
    return None
