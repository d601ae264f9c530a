"""One look for every page: verdict colours with their icon and word, numbers, the plotly template."""

from dataclasses import dataclass
from functools import lru_cache

import plotly.graph_objects as go
import streamlit as st
from PIL import Image, ImageDraw

from pages.parts.text import number, t

PASS, REVIEW, REJECT = "#009E73", "#E69F00", "#D55E00"  # Okabe-Ito: told apart by colour-blind readers
NORMAL, SELECTED = "#56B4E9", "#0072B2"
PLAIN = "#8A8F98"
TONES = {"pass": PASS, "place": REVIEW, "review": REVIEW, "reject": REJECT, "normal": NORMAL, "plain": PLAIN}
ICONS = {
    "pass": ":material/check_circle:",
    "place": ":material/center_focus_weak:",
    "review": ":material/help:",
    "reject": ":material/warning:",
    "normal": ":material/grid_view:",
    "plain": ":material/image:",
}
BADGES = {"pass": "green", "place": "orange", "review": "orange", "reject": "red", "normal": "blue", "plain": "gray"}


@dataclass(frozen=True)
class Verdict:
    """How a verdict is shown: never by colour alone."""

    colour: str
    icon: str
    word: str


def verdict(name: str) -> Verdict:
    """The look of "pass", "review", "reject" or "normal"; "place" is that of one that passes but for a place."""
    words = {
        "pass": t("pass"),
        "place": t("flagged by a place"),
        "review": t("review"),
        "reject": t("reject"),
        "normal": t("normal"),
        "plain": t("not judged"),
    }
    return Verdict(TONES[name], ICONS[name], words[name])


def percent(value: float, places: int = 1) -> str:
    """A share that is given in percent, as "99.6 %"; never rounded up to a full 100."""
    if value is None or value != value:
        return "–"
    step = 10.0**-places
    if value < 100:
        value = min(value, 100 - step)
    return t("{value} %", value=number(value, places if value != 100 else 0))


def one_in(share: float) -> str:
    """A share (0 to 1) of parts as people say it: "1 in 200"; above a fifth in percent."""
    if share is None or share != share:
        return "–"
    if share > 0.2:
        return percent(100 * share)
    return t("1 in {n}", n=number(1 / share, 0 if 1 / share >= 20 or abs(1 / share - round(1 / share)) < 0.05 else 1))


def times(value: float) -> str:
    """A multiple of the usual spacing between normals, as "2.3 x"."""
    if value is None or value != value:
        return "–"
    return t("{value} x", value=number(value, 1 if value < 100 else 0))


def raw(value: float) -> str:
    """A score or limit with three digits that matter."""
    if value is None or value != value:
        return "–"
    size = abs(value)
    if 0 < size < 0.0005:
        return f"{value:.3g}"
    places = 0 if size >= 100 else 1 if size >= 10 else 2 if size >= 1 else 3 if size >= 0.1 else 4
    return number(value, places if value else 0)


def megabytes(size: float) -> str:
    """A size given in bytes, as "4.2 MB"; small ones as "38 kB"."""
    if size < 1e5:
        return t("{value} kB", value=number(max(size, 1) / 1e3, 0 if size >= 1e3 else 1))
    return t("{value} MB", value=number(size / 1e6, 1 if size < 1e8 else 0))


@lru_cache(maxsize=1)
def favicon() -> Image.Image:
    """The sign in the browser's tab; drawn here, because an icon by name would be fetched from the internet."""
    image = Image.new("RGBA", (64, 64), (0, 0, 0, 0))
    draw = ImageDraw.Draw(image)
    draw.rounded_rectangle((2, 2, 61, 61), 14, fill=SELECTED)
    for row in range(3):
        for column in range(3):
            x, y = 14 + 14 * column, 14 + 14 * row
            odd = (row, column) == (1, 2)
            draw.rounded_rectangle((x, y, x + 9, y + 9), 3, fill=REVIEW if odd else "white")
    return image


def dark() -> bool:
    """Whether the reader looks at the dark theme."""
    try:
        return st.context.theme.type == "dark"
    except Exception:  # outside a page
        return False


def template() -> go.layout.Template:
    """The one plotly template: transparent, quiet grid, no decoration, for light and dark."""
    ink, quiet, line = ("#E6E8EB", "#A9B0BA", "#3A414B") if dark() else ("#1F2630", "#5B6470", "#DDE1E6")
    axis = {
        "gridcolor": line,
        "linecolor": line,
        "zerolinecolor": line,
        "tickfont": {"color": quiet, "size": 12},
        "title": {"font": {"color": quiet, "size": 13}, "standoff": 8},
        "ticks": "",
        "automargin": True,
    }
    return go.layout.Template(
        layout={
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "font": {"family": "Source Sans, system-ui, sans-serif", "size": 13, "color": ink},
            "colorway": [NORMAL, REJECT, PASS, REVIEW, SELECTED],
            "margin": {"l": 8, "r": 8, "t": 28, "b": 8},
            "xaxis": axis,
            "yaxis": axis,
            "bargap": 0.04,
            "showlegend": False,
            "hoverlabel": {"font": {"size": 13}},
            "modebar": {"bgcolor": "rgba(0,0,0,0)", "color": quiet, "activecolor": ink},
            "dragmode": False,
        }
    )


def plot_config() -> dict:
    """Options for st.plotly_chart: no toolbar clutter."""
    return {"displayModeBar": False, "displaylogo": False, "scrollZoom": False}


def limit_line(figure: go.Figure, limit: float, *, at: str = "x") -> go.Figure:
    """Draw the limit as the labelled line that it is on every page; nothing where there is no limit."""
    if limit is None or limit != limit:
        return figure
    label = {"text": t("limit {value}", value=raw(limit)), "font": {"color": REJECT, "size": 12}}
    style = {"line": {"color": REJECT, "width": 1.5, "dash": "dash"}}
    if at == "x":
        figure.add_vline(x=limit, annotation={**label, "yanchor": "bottom", "y": 1}, **style)
    else:
        figure.add_hline(y=limit, annotation=label, **style)
    return figure
