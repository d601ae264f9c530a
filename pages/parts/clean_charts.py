"""The normals' scores before and after a cleaning, on one scale."""

import numpy as np
import plotly.graph_objects as go

from pages.parts.charts import second_line
from pages.parts.look import NORMAL, PLAIN, limit_line, raw, template
from pages.parts.text import number, t


def before_after(before: np.ndarray, after: np.ndarray, limits: tuple[float, float], k: int) -> go.Figure:
    """Counts of normals by score: all of them as an outline, and those that stay, scored anew, as bars.

    Args:
        before: (n,) scores of all normals, each against the others.
        after: (m,) scores of those that stay, each against the others that stay.
        limits: before and after.
        k: neighbours in the scores after.
    """
    edges = bins(np.asarray(before, np.float64), np.asarray(after, np.float64))
    centres = ((edges[:-1] + edges[1:]) / 2).astype(np.float32)
    figure = go.Figure()
    figure.add_bar(
        x=centres,
        y=np.histogram(after, bins=edges)[0],
        width=float(edges[1] - edges[0]),
        marker={"color": NORMAL, "line": {"width": 0}},
        name=t("after: those that stay"),
        hovertemplate="%{x:.3g}: %{y}<extra></extra>",
    )
    figure.add_scatter(
        x=np.append(edges[:-1], edges[-1]),
        y=np.append(np.histogram(before, bins=edges)[0], 0),
        mode="lines",
        line={"shape": "hv", "color": PLAIN, "width": 1.5},
        name=t("before: all"),
        hoverinfo="skip",
    )
    figure.update_layout(
        template=template(),
        height=290,
        bargap=0,
        showlegend=True,
        legend={"orientation": "h", "y": 1.12, "yanchor": "bottom", "x": 0, "itemclick": False},
        margin={"t": 64},
    )
    figure.update_xaxes(title=t("how unusual (score at k = {k})", k=number(k)), rangemode="tozero")
    figure.update_yaxes(title=t("normals"))
    limit_line(figure, limits[1])
    if raw(limits[0]) != raw(limits[1]):
        second_line(figure, limits[0], t("limit before {value}", value=raw(limits[0])), PLAIN)
    return figure


def bins(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Edges over both, fine enough for most of those that stay, however far the others stretch the axis."""
    values = np.concatenate([before, after])
    low, high = float(values.min()), float(values.max())
    span = high - low if high > low else max(abs(low), 1e-6)
    inner = float(np.ptp(np.quantile(after, [0, 0.9]))) if len(after) else 0.0
    width = max(span / 120, (inner or span) / 18)
    count = int(np.ceil(span / width + 1e-9))
    edges = low + width * np.arange(count + 1)
    edges[-1] = max(edges[-1], high)
    return edges
