"""Figures of lots: how far each lies in their order, and one among the good groups that its limit rests on."""

import numpy as np
import plotly.graph_objects as go

from dn2core.project.lot_verdicts import Lot, LotVerdicts
from pages.parts.charts import second_line
from pages.parts.look import NORMAL, PASS, REJECT, SELECTED, dark, limit_line, template
from pages.parts.lot_words import short
from pages.parts.text import number, plain, t

_NAMED = 24  # lots whose names stand under the axis; of more, some are left out
_TOP = 4.0  # times the limit; farther lots stand at the top with their number, or those near it would be squashed


def lots_in_order(found: LotVerdicts, order_title: str, *, height: int = 300) -> go.Figure:
    """Lots (g,) in their order by how far they lie, 1 being the limit of each; those that cannot be told are left out.

    Each point's `customdata` is the lot's position in `found.lots`.
    """
    far = np.array([lot.times_limit for lot in found.lots])
    flagged = np.array([lot.flagged for lot in found.lots])
    drawn, at, known = np.minimum(far, _TOP), np.arange(len(far)), np.isfinite(far)
    figure = go.Figure()
    figure.add_scatter(
        x=at[known], y=drawn[known], mode="lines", line={"color": _quiet(), "width": 1}, hoverinfo="skip"
    )
    for here, colour, sign, word in (
        (known & ~flagged, PASS, "circle", t("pass")),
        (known & flagged, REJECT, "triangle-up", t("flagged")),
    ):
        figure.add_scatter(
            x=at[here],
            y=drawn[here],
            mode="markers+text",
            name=word,
            text=[_beyond(far[one]) for one in at[here]],
            textposition="middle right",
            textfont={"color": colour},
            marker={"color": colour, "symbol": sign, "size": 11},
            customdata=at[here],
            hovertext=[
                f"{plain(short(found.lots[one].name))}: {word}, {t('{value} x', value=number(far[one], 2))}"
                for one in at[here]
            ],
            hoverinfo="text",
        )
    shown = at[:: max(1, -(-len(at) // _NAMED))]
    figure.update_layout(
        template=template(),
        height=height,
        clickmode="event+select",
        showlegend=True,
        legend={"orientation": "h", "y": 1.08, "yanchor": "bottom", "x": 0, "itemclick": False},
        margin={"t": 52},
    )
    figure.data[0].showlegend = False
    figure.update_xaxes(
        title=t("lots in the order of: {order}", order=order_title.casefold()),
        tickvals=shown,
        ticktext=[plain(short(found.lots[one].name, 18)) for one in shown],
        range=[-0.5, len(at) - 0.5],
        showgrid=False,
        zeroline=False,
    )
    low, high = float(drawn[known].min(initial=1.0)), float(drawn[known].max(initial=1.0))
    margin = 0.12 * max(high - low, 0.2)
    figure.update_yaxes(title=t("how far, 1 = the limit"), range=[max(0.0, low - margin), high + 2 * margin])
    _line_at_limit(figure)
    if found.since is not None and not found.since.over and len(found.judged) > 1:
        name = plain(short(found.lots[found.since.lot].name, 24))
        right = found.since.lot > len(at) / 2
        second_line(figure, found.since.lot - 0.5, t("since {lot}", lot=name), REJECT, left=right)
    return figure


def lot_among_groups(lot: Lot, *, height: int = 230) -> go.Figure:
    """The good groups that a lot's limit rests on by how far they lie, the limit and the lot itself."""
    groups = np.sqrt(np.maximum(lot.calibration_scores, 0) / lot.limit)
    width = max(float(np.ptp(groups)) / 24, 1e-3)
    # The limit is one of the groups and belongs below it, so the edge is a hair above.
    below = int(np.floor((1 - groups.min()) / width)) + 1
    above = max(1, int(np.ceil((groups.max() - 1) / width + 1e-9)))
    edges = 1 + 1e-6 * width + width * np.arange(-below, above + 1)
    counts = np.histogram(groups, bins=edges)[0]
    figure = go.Figure(
        go.Bar(
            x=((edges[:-1] + edges[1:]) / 2).astype(np.float32),
            y=(counts * (100 / len(groups))).astype(np.float32),
            width=width,
            marker={"color": NORMAL, "line": {"width": 0}},
            hovertemplate="%{x:.2f} x: %{y:.1f} %<extra></extra>",
        )
    )
    figure.update_layout(template=template(), height=height, bargap=0, margin={"t": 44})
    low, high = min(edges[0], lot.times_limit), max(edges[-1], lot.times_limit)
    # Both labels stand on the right of their lines, and need room there.
    high = max(high, low + 1.3 * (max(1.0, lot.times_limit) - low))
    figure.update_xaxes(title=t("how far, 1 = the limit"), range=[low - 0.04 * (high - low), high])
    figure.update_yaxes(title=t("share of {n} good groups, %", n=number(len(groups))))
    limit_line(figure, 1.0)
    colour = "#6DB6E8" if dark() else SELECTED
    right = lot.times_limit >= 1
    figure.add_vline(
        x=lot.times_limit,
        line={"color": colour, "width": 2.5},
        annotation={
            "text": t("this lot"),
            "font": {"color": colour, "size": 12},
            "y": 0.98,
            "yanchor": "top",
            "xanchor": "left" if right else "right",
            "xshift": 3 if right else -3,
        },
    )
    return figure


def _line_at_limit(figure: go.Figure) -> None:
    figure.add_hline(
        y=1,
        line={"color": REJECT, "width": 1.5, "dash": "dash"},
        annotation={
            "text": t("limit of each lot"),
            "font": {"color": REJECT, "size": 12},
            "xanchor": "left",
            "x": 0,
            "yanchor": "bottom",
        },
    )


def _beyond(far: float) -> str:
    """The number beside a lot that stands at the top of the chart; "" for the others."""
    return f"↑ {t('{value} x', value=number(far, 0 if far >= 10 else 1))}" if far > _TOP else ""


def _quiet() -> str:
    return "#5A626E" if dark() else "#B9C0C9"
