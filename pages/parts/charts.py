"""Figures from arrays: scores with the limit, and the map."""

from dataclasses import dataclass, replace

import numpy as np
import plotly.graph_objects as go

from pages.parts.look import NORMAL, REJECT, SELECTED, TONES, dark, limit_line, raw, template, verdict
from pages.parts.text import number, plain, t

PLOTLY_POINTS = 10_000  # beyond, plotly grows sluggish and the canvas takes over
# Okabe-Ito, without black and the yellow that white paper swallows.
SOURCES = ("#56B4E9", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#0072B2", "#8A8F98")
BY_PLACE = "#CC79A7"  # Okabe-Ito; the tone of a place is that of those for review, which lie on the same map
# Diverging, told apart by colour-blind readers; the middle is the limit.
LIMIT_SCALE = ("#0072B2", "#7FB2D6", "#C9CDD2", "#EBA26F", "#D55E00")


@dataclass(frozen=True)
class Colours:
    """One colour a point: `codes` (n,) from 0 to len(palette) - 1.

    A scale has its `ticks` as (position from 0 to 1, words); separate colours have `names`, and `signs` where they are
    not all circles.
    """

    codes: np.ndarray
    palette: tuple[str, ...]
    names: tuple[str, ...] = ()
    ticks: tuple[tuple[float, str], ...] = ()
    signs: tuple[str, ...] = ()


def score_histogram(
    normal_scores: np.ndarray,
    limit: float,
    k: int,
    *,
    scored: np.ndarray | None = None,
    mark: float | None = None,
    reject_limit: float | None = None,
    height: int = 220,
) -> go.Figure:
    """Shares of normals (n,) and scored images (q,) by score, the limit, and one image's score as a mark.

    A `reject_limit` that differs from the limit is a second line. Both groups are drawn in percent of their own
    number: 500 images must not bury 40 normals.
    """
    groups = [(np.asarray(normal_scores, np.float64), NORMAL, t("normals"))]
    if scored is not None and len(scored):
        groups.append((np.asarray(scored, np.float64), REJECT, t("scored images")))
    edges = _edges([values for values, _, _ in groups], limit)
    figure = go.Figure()
    for values, colour, name in groups:
        counts = np.histogram(values, bins=edges)[0]
        figure.add_bar(
            x=((edges[:-1] + edges[1:]) / 2).astype(np.float32),
            y=(counts * (100 / max(1, len(values)))).astype(np.float32),
            width=float(edges[1] - edges[0]),
            marker={"color": colour, "opacity": 1 if len(groups) == 1 else 0.6, "line": {"width": 0}},
            name=name,
            hovertemplate="%{x:.3g}: %{y:.1f} %<extra></extra>",
        )
    figure.update_layout(
        template=template(),
        height=height,
        barmode="overlay",
        bargap=0,
        showlegend=len(groups) > 1,
        legend={"orientation": "h", "y": 1.12, "yanchor": "bottom", "x": 0, "itemclick": False},
        margin={"t": 64 if len(groups) > 1 else 44},
    )
    figure.update_xaxes(title=t("how unusual (score at k = {k})", k=number(k)), rangemode="tozero")
    figure.update_yaxes(title=t("share, %"))
    limit_line(figure, limit)
    if reject_limit is not None and reject_limit > limit:
        second_line(figure, reject_limit, t("reject above {value}", value=raw(reject_limit)), REJECT)
    if mark is not None and mark == mark:
        _mark(figure, mark, limit)
    return figure


def second_line(figure: go.Figure, x: float, words: str, colour: str, *, left: bool = False) -> go.Figure:
    """A labelled line beside the limit's; its label inside the plot, where the limit's is above it."""
    figure.add_vline(
        x=x,
        line={"color": colour, "width": 1.5, "dash": "dot"},
        annotation={
            "text": words,
            "font": {"color": colour, "size": 12},
            "y": 1,
            "yanchor": "top",
            "xanchor": "right" if left else "left",
            "xshift": -3 if left else 3,
        },
    )
    return figure


def _edges(groups: list[np.ndarray], limit: float) -> np.ndarray:
    """Bins fine enough for the first group, the normals, whatever outliers stretch the axis; the limit is an edge."""
    groups = [values[np.isfinite(values)] for values in groups]
    values = np.concatenate(groups)
    if not len(values):
        return np.linspace(0, 1, 11)
    low, high = float(values.min()), float(values.max())
    span = high - low if high > low else max(abs(low), 1e-6)
    inner = float(np.ptp(groups[0])) if len(groups[0]) else 0.0
    width = max(span / 120, (inner or span) / 20)
    if limit != limit:
        return low + width * np.arange(int(np.ceil(span / width)) + 1)
    # The last normal lies on the limit and belongs below it, so the edge is a hair above.
    start = limit - width * (np.floor((limit - low) / width) + 1)
    bins = max(1, int(np.ceil((low + span - start) / width + 1e-9)))
    return start + width * np.arange(bins + 1) + 1e-6 * width


def _mark(figure: go.Figure, mark: float, limit: float) -> None:
    """A line for one image; its label on the side away from the limit's, a line lower."""
    right = not (limit == limit and mark < limit)
    figure.add_vline(
        x=mark,
        line={"color": _marked(), "width": 2.5},
        annotation={
            "text": t("this image {value}", value=raw(mark)),
            "font": {"color": _marked(), "size": 12},
            "y": 0.98,
            "yanchor": "top",
            "xanchor": "left" if right else "right",
            "xshift": 3 if right else -3,
        },
    )


def _marked() -> str:
    return "#6DB6E8" if dark() else SELECTED


def by_verdict(verdicts: np.ndarray, normals: int) -> Colours:
    """Normals first, then scored images by verdict; "place" is that of one that passes but for a place."""
    order = ("normal", "pass", "place", "review", "reject")
    codes = np.zeros(normals + len(verdicts), np.uint8)
    for code, name in enumerate(order):
        codes[normals:][verdicts == name] = code
    present = [i for i in range(len(order)) if np.any(codes == i)]
    palette = [BY_PLACE if name == "place" else TONES[name] for name in order]
    made = _compact(codes, present, palette, [verdict(name).word for name in order])
    if order.index("place") not in present:
        return made
    return replace(made, signs=tuple("triangle-up" if order[i] == "place" else "circle" for i in present))


def by_source(labels: list[str], codes: np.ndarray) -> Colours:
    """(n,) codes into labels; beyond the colours there are, the rest shares the last one."""
    codes = np.asarray(codes)
    labels = [plain(label) for label in labels]
    if len(labels) > len(SOURCES):
        codes = np.minimum(codes, len(SOURCES) - 1)
        labels = [*labels[: len(SOURCES) - 1], t("others")]
    return Colours(codes.astype(np.uint8), SOURCES[: len(labels)], names=tuple(labels))


def by_score(scores: np.ndarray, limit: float) -> Colours:
    """(n,) scores on a scale whose middle is the limit; by rank where there is no limit. NaN is the middle."""
    scores = np.asarray(scores, np.float64)
    if limit > 0:
        share = np.sqrt(np.maximum(scores, 0) / limit) / 2
        ticks = ((0.0, "0"), (0.5, t("limit")), (1.0, t("2 x the limit's distance or more")))
    else:
        share = np.argsort(np.argsort(scores)) / max(1, len(scores) - 1)
        ticks = ((0.0, t("least unusual")), (1.0, t("most unusual")))
    codes = np.round(255 * np.clip(np.nan_to_num(share, nan=0.5), 0, 1)).astype(np.uint8)
    return Colours(codes, _ramp(LIMIT_SCALE, 256), ticks=ticks)


def map_figure(xy: np.ndarray, colours: Colours, *, height: int = 560) -> go.Figure:
    """The map (n, 2) as one WebGL trace, without hover: names of images would be read as HTML."""
    top = max(1, len(colours.palette) - 1)
    size = 9 if len(xy) < 500 else 7 if len(xy) < 3000 else 5
    signs = colours.signs or ("circle",) * len(colours.names)
    figure = go.Figure(
        go.Scattergl(
            x=np.ascontiguousarray(xy[:, 0], np.float32),
            y=np.ascontiguousarray(xy[:, 1], np.float32),
            mode="markers",
            hoverinfo="none",
            showlegend=False,
            marker={
                "size": size,
                "opacity": 0.85,
                "color": colours.codes,
                "cmin": 0,
                "cmax": top,
                "colorscale": _steps(colours),
                "line": {"width": 0},
                **(_with_signs(colours, size) if colours.signs else {}),
                **({"showscale": True, "colorbar": _bar(colours, top)} if colours.ticks else {}),
            },
            unselected={"marker": {"opacity": 0.18}},
        )
    )
    for name, colour, sign in zip(colours.names, colours.palette, signs, strict=False):
        # Empty traces, so that the points stay one trace and the colours have names.
        figure.add_scatter(
            x=[None],
            y=[None],
            mode="markers",
            marker={"size": 10, "color": colour, "symbol": sign},
            name=name,
            hoverinfo="none",
        )
    figure.update_layout(
        template=template(),
        height=height,
        dragmode="pan",  # while a lasso is in hand Streamlit takes no clicks
        showlegend=bool(colours.names),
        legend={
            "orientation": "h",
            "y": 1.01,
            "yanchor": "bottom",
            "x": 0,
            "itemclick": False,
            "itemdoubleclick": False,
        },
        margin={"l": 4, "r": 4, "t": 40, "b": 4},
        newselection={"line": {"color": SELECTED, "width": 2, "dash": "solid"}},
        activeselection={"fillcolor": SELECTED, "opacity": 0.08},
    )
    # Distances on a map mean something only as near and far, so the axes carry no numbers.
    figure.update_xaxes(visible=False)
    figure.update_yaxes(visible=False, scaleanchor="x")
    return figure


def map_config() -> dict:
    """Options for the map: the wheel zooms, and the toolbar holds what a map needs."""
    return {
        "scrollZoom": True,
        "displaylogo": False,
        "displayModeBar": True,
        "modeBarButtons": [["lasso2d", "select2d", "pan2d", "resetScale2d"]],
    }


def _compact(codes: np.ndarray, present: list[int], palette: list[str], names: list[str]) -> Colours:
    lookup = np.zeros(len(palette), np.uint8)
    lookup[present] = np.arange(len(present))
    return Colours(lookup[codes], tuple(palette[i] for i in present), names=tuple(plain(names[i]) for i in present))


def _with_signs(colours: Colours, size: int) -> dict:
    """Signs that are not circles stand out by their size, too."""
    signs = np.array(colours.signs)[colours.codes]
    return {"symbol": signs.tolist(), "size": np.where(signs == "circle", size, 1.4 * size).tolist()}


def _steps(colours: Colours) -> list:
    """A plotly scale: flat steps for separate colours, a ramp for a scale."""
    n = len(colours.palette)
    if colours.ticks:
        return [[i / (len(LIMIT_SCALE) - 1), colour] for i, colour in enumerate(LIMIT_SCALE)]
    if n == 1:
        return [[0, colours.palette[0]], [1, colours.palette[0]]]
    # Codes 0..n-1 lie at i / (n - 1); each colour reaches half-way to the next.
    cuts = [0.0, *((i + 0.5) / (n - 1) for i in range(n - 1)), 1.0]
    return [[cuts[i + end], colour] for i, colour in enumerate(colours.palette) for end in (0, 1)]


def _bar(colours: Colours, top: int) -> dict:
    return {
        "orientation": "h",
        "y": 1.01,
        "yanchor": "bottom",
        "x": 0,
        "xanchor": "left",
        "len": 0.5,
        "thickness": 10,
        "outlinewidth": 0,
        "tickvals": [at * top for at, _ in colours.ticks],
        "ticktext": [plain(words) for _, words in colours.ticks],
        "tickfont": {"size": 12},
    }


def _ramp(stops: tuple[str, ...], n: int) -> tuple[str, ...]:
    rgb = np.array([[int(stop[i : i + 2], 16) for i in (1, 3, 5)] for stop in stops], np.float64)
    at = np.linspace(0, len(stops) - 1, n)
    mixed = np.stack([np.interp(at, np.arange(len(stops)), rgb[:, c]) for c in range(3)], axis=1)
    return tuple("#{:02X}{:02X}{:02X}".format(*row) for row in np.round(mixed).astype(int))
