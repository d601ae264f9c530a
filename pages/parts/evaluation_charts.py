"""Figures that rest on labels, and values that run along k or the number of normals."""

from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from pages.parts.look import PLAIN, REJECT, REVIEW, SELECTED, dark, raw, template
from pages.parts.text import number, t

_STEPS = 2_000  # points of a curve that a screen can tell apart


@dataclass(frozen=True)
class Panel:
    """One of several small charts over the same x: a value, and a band around it if there is one."""

    title: str
    x: np.ndarray  # (n,)
    value: np.ndarray  # (n,)
    low: np.ndarray | None = None
    high: np.ndarray | None = None
    bars: bool = False
    unit: str = ""  # behind the numbers on the axis, such as " %"
    aim: tuple[float, str] | None = None  # a dashed line with its words
    top: float | None = None  # the axis ends here at the most
    whole: bool = False  # counts: no fractions on the axis


def roc_figure(roc, points: list[tuple[float, float, str]], *, height: int = 300) -> go.Figure:
    """A `RocCurve` in percent, with (false alarms, hits, words) of the limits in use, shares from 0 to 1."""
    figure = _curve(roc.false_alarms, roc.hits, "hv")
    figure.add_scatter(
        x=[0, 100], y=[0, 100], mode="lines", line={"color": PLAIN, "width": 1, "dash": "dot"}, hoverinfo="skip"
    )
    return _finished(figure, points, t("good parts flagged, %"), t("defects flagged, %"), height)


def precision_recall_figure(curve, points: list[tuple[float, float, str]], *, height: int = 300) -> go.Figure:
    """A `PrecisionRecallCurve` in percent, with (recall, precision, words) of the limits in use."""
    figure = _curve(curve.recall, curve.precision, "vh")
    return _finished(
        figure, points, t("defects flagged (recall), %"), t("flagged that are defects (precision), %"), height
    )


def panels_figure(
    panels: list[Panel],
    x_title: str,
    *,
    columns: int,
    mark: tuple[float, str] | None = None,
    ends: tuple[float, float] | None = None,
    log: bool = False,
    height: int = 190,
) -> go.Figure:
    """Small charts side by side, `height` pixels a row; `mark` is one x that all of them point out, with its words.

    All have the same ends of their x, or those of their values.
    """
    columns = min(columns, len(panels))
    rows = -(-len(panels) // columns)
    figure = make_subplots(
        rows=rows,
        cols=columns,
        subplot_titles=[panel.title for panel in panels],
        horizontal_spacing=0.24 / max(1, columns),
        vertical_spacing=0.3 / max(1, rows),
    )
    figure.update_annotations(font={"size": 13}, xanchor="left")
    for i, panel in enumerate(panels):
        at = {"row": i // columns + 1, "col": i % columns + 1}
        figure.layout.annotations[i].update(x=figure.get_subplot(**at).xaxis.domain[0])
        _add_panel(figure, panel, at)
        if mark is not None:
            _add_mark(figure, mark, at, words=i == min(1, len(panels) - 1), right=mark[0] > np.mean(panel.x))
        lowest = i + columns >= len(panels)
        figure.update_xaxes(title=x_title if lowest else None, range=ends, **at)
        if log:
            ticks = _apart(panel.x)
            figure.update_xaxes(type="log", tickvals=ticks, ticktext=[number(tick) for tick in ticks], **at)
    figure.update_layout(template=template(), height=height * rows + 40, margin={"t": 30, "b": 8})
    return figure


def _add_panel(figure: go.Figure, panel: Panel, at: dict) -> None:
    colour = line_colour()
    x, value = np.asarray(panel.x, np.float32), np.asarray(panel.value, np.float32)
    if panel.low is not None:
        figure.add_scatter(
            x=np.concatenate([x, x[::-1]]),
            y=np.concatenate([panel.high, panel.low[::-1]]).astype(np.float32),
            mode="lines",
            fill="toself",
            fillcolor=colour,
            opacity=0.22,
            line={"width": 0},
            hoverinfo="skip",
            **at,
        )
    words = "%{x}: %{y:.3g}" + panel.unit + "<extra></extra>"
    if panel.bars:
        figure.add_bar(x=x, y=value, marker={"color": colour, "line": {"width": 0}}, hovertemplate=words, **at)
    else:
        mode = "lines+markers" if len(x) < 20 else "lines"
        figure.add_scatter(
            x=x, y=value, mode=mode, line={"color": colour, "width": 2}, marker={"size": 6}, hovertemplate=words, **at
        )
    if panel.aim is not None:
        aim, said = panel.aim
        figure.add_hline(
            y=aim,
            line={"color": REJECT, "width": 1.5, "dash": "dash"},
            annotation={
                "text": said,
                "font": {"color": REJECT, "size": 12},
                "x": 0,
                "xanchor": "left",
                "yanchor": "bottom",
            },
            **at,
        )
    figure.update_yaxes(ticksuffix=panel.unit, nticks=5, range=_range(panel), **at)
    if panel.whole and np.nanmax(_all(panel), initial=0) < 5:
        figure.update_yaxes(dtick=1, **at)


def _add_mark(figure: go.Figure, mark: tuple[float, str], at: dict, *, words: bool, right: bool) -> None:
    x, said = mark
    colour = "#E6E8EB" if dark() else "#1F2630"
    figure.add_vline(x=x, line={"color": colour, "width": 1, "dash": "dot"}, **at)
    if words:
        figure.add_annotation(
            x=x,
            y=0,
            yref="y domain",
            text=said,
            showarrow=False,
            xanchor="right" if right else "left",
            yanchor="bottom",
            xshift=-4 if right else 4,
            font={"size": 12, "color": colour},
            **at,
        )


def _range(panel: Panel) -> list[float]:
    """From the lowest to the highest of value and band with a little air; bars and counts from 0."""
    values = _all(panel)
    values = values[np.isfinite(values)]
    if not len(values):
        return [0, 1]
    low, high = float(values.min()), float(values.max())
    air = 0.08 * (high - low) or 0.05 * abs(high) or 0.5
    high += air
    if panel.top is not None:
        high = min(high, panel.top + 0.02 * abs(panel.top))
    low = 0 if panel.bars or panel.whole or low < air else low - air
    return [low, high]


def _all(panel: Panel) -> np.ndarray:
    parts = [panel.value, panel.low, panel.high, [panel.aim[0]] if panel.aim else None]
    return np.concatenate([np.asarray(part, np.float64) for part in parts if part is not None])


def _apart(x: np.ndarray) -> list[int]:
    """Of sizes that double, every one or every other: labels must not touch."""
    sizes = [int(size) for size in x]
    return sizes[:: -(-len(sizes) // 6)] if len(sizes) > 6 else sizes


def _curve(x: np.ndarray, y: np.ndarray, shape: str) -> go.Figure:
    keep = np.unique(np.linspace(0, len(x) - 1, min(len(x), _STEPS)).round().astype(int))
    return go.Figure(
        go.Scatter(
            x=(100 * x[keep]).astype(np.float32),
            y=(100 * y[keep]).astype(np.float32),
            mode="lines",
            line={"color": line_colour(), "width": 2.5, "shape": shape},
            hovertemplate="%{x:.1f} · %{y:.1f}<extra></extra>",
        )
    )


def _finished(figure: go.Figure, points: list[tuple[float, float, str]], x_title: str, y_title: str, height: int):
    for (x, y, said), colour in zip(points, (REJECT, REVIEW), strict=False):
        low, right = y < 0.2, x > 0.5
        figure.add_scatter(
            x=[100 * x],
            y=[100 * y],
            mode="markers+text",
            marker={"color": colour, "size": 11, "line": {"color": "white", "width": 1.5}},
            text=[said],
            textposition=f"{'top' if low else 'bottom'} {'left' if right else 'right'}",
            textfont={"color": colour, "size": 12},
            hovertemplate="%{x:.1f} · %{y:.1f}<extra></extra>",
            cliponaxis=False,
        )
    figure.update_layout(template=template(), height=height, margin={"t": 12, "b": 8, "r": 12})
    figure.update_xaxes(title=x_title, range=[-2, 102], dtick=25)
    figure.update_yaxes(title=y_title, range=[-2, 104], dtick=25)
    return figure


def line_colour() -> str:
    """The colour of a curve, bright enough on the dark theme."""
    return "#6DB6E8" if dark() else SELECTED


def limit_words(limit: float) -> str:
    """What stands beside the point of a limit."""
    return t("limit {value}", value=raw(limit))
