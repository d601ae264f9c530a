"""Figures and tables of the normals at a glance, from plain data."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from pages.parts.look import NORMAL, limit_line, template
from pages.parts.text import number, t


def normals_histogram(scores: np.ndarray, limit: float, k: int) -> go.Figure:
    """Histogram of leave-one-out scores, (n,), with the limit as a labelled line."""
    scores = np.asarray(scores, dtype=np.float64)
    scores = scores[np.isfinite(scores)]
    bins = int(np.clip(np.sqrt(len(scores)) * 2, 8, 60))
    counts, edges = np.histogram(scores, bins=bins)
    centres = (edges[:-1] + edges[1:]) / 2
    figure = go.Figure(
        go.Bar(
            x=centres.astype(np.float32),
            y=counts,
            width=float(edges[1] - edges[0]),
            marker={"color": NORMAL, "line": {"width": 0}},
            hovertemplate="%{x:.3g}: %{y}<extra></extra>",
        )
    )
    figure.update_layout(template=template(), height=260)
    figure.update_xaxes(title=t("how unusual (score at k = {k}, squared distance)", k=number(k)), rangemode="tozero")
    figure.update_yaxes(title=t("normals"))
    return limit_line(figure, limit)


def size_table(sizes: list) -> pd.DataFrame:
    """One row for each size and format, most frequent first."""
    return pd.DataFrame(
        {
            t("Pixels"): [f"{number(size.width)} × {number(size.height)}" for size in sizes],
            t("Format"): [size.format for size in sizes],
            t("Images"): [size.count for size in sizes],
        }
    )
