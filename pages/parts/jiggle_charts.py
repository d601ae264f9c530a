"""The figures of the jiggle test: the spread of one score, and the share of the normals that each change flags."""

import numpy as np
import plotly.graph_objects as go

from dn2core.explore.jiggle import FAMILIES, KINDS, Handling, Spread
from pages.parts.charts import second_line
from pages.parts.evaluation_charts import line_colour
from pages.parts.jiggle_words import family_word, kind_word
from pages.parts.look import NORMAL, PASS, REJECT, dark, limit_line, one_in, raw, template
from pages.parts.text import number, t


def spread_figure(spread: Spread) -> go.Figure:
    """A row for each family of changes: the scores and their span, with the limit and the score as taken."""
    figure = go.Figure()
    families = list(dict.fromkeys(FAMILIES))
    rows = {family: at for at, family in enumerate(reversed(families))}
    for family in families:
        scores = [spread.scores[kind] for kind, of in zip(KINDS, FAMILIES, strict=True) if of == family]
        figure.add_scatter(
            x=[min(spread.score, *scores), max(spread.score, *scores)],
            y=[rows[family]] * 2,
            mode="lines",
            line={"color": NORMAL, "width": 6},
            opacity=0.35,
            hoverinfo="skip",
        )
    scores = np.array([spread.scores[kind] for kind in KINDS])
    beyond = scores > spread.limit
    figure.add_scatter(
        x=scores,
        y=[rows[family] for family in FAMILIES],
        mode="markers",
        marker={
            "size": 9,
            "color": np.where(beyond, REJECT, PASS),
            "symbol": np.where(beyond, "diamond", "circle"),
            "line": {"width": 0},
        },
        text=[f"{kind_word(kind)}: {raw(score)}" for kind, score in zip(KINDS, scores, strict=True)],
        hovertemplate="%{text}<extra></extra>",
    )
    figure.update_layout(template=template(), height=210, margin={"t": 24})
    figure.update_xaxes(title=t("how unusual (score)"), nticks=6)
    figure.update_yaxes(
        tickvals=list(rows.values()),
        ticktext=[family_word(family) for family in rows],
        range=[-0.6, len(rows) + 0.1],
        showgrid=False,
        zeroline=False,
    )
    limit_line(figure, spread.limit)
    ink = "#E6E8EB" if dark() else "#1F2630"
    words = t("this image {value}", value=raw(spread.score))
    return second_line(figure, spread.score, words, ink, left=spread.score < spread.limit)


def handling_figure(found: Handling, budget: float) -> go.Figure:
    """The share of the normals that is flagged, in percent: as taken, then under each change."""
    rows = [(t("as taken"), found.as_taken, NORMAL)]
    rows += [(kind_word(kind), share, line_colour()) for kind, share in found.by_kind.items()]
    rows.reverse()
    names, colours = [name for name, _, _ in rows], [colour for _, _, colour in rows]
    value, low, high = (
        100 * np.array([getattr(share, part) for _, share, _ in rows]) for part in ("value", "low", "high")
    )
    figure = go.Figure()
    for row, colour in enumerate(colours):
        figure.add_scatter(
            x=[low[row], high[row]],
            y=[names[row]] * 2,
            mode="lines",
            line={"color": colour, "width": 6},
            opacity=0.3,
            hoverinfo="skip",
        )
    figure.add_scatter(
        x=value,
        y=names,
        mode="markers",
        marker={"color": colours, "size": 10, "line": {"width": 0}},
        hovertemplate="%{y}: %{x:.1f} %<extra></extra>",
        cliponaxis=False,
    )
    figure.add_scatter(
        x=high,
        y=names,
        mode="text",
        text=[f"  {number(share.count)}" for _, share, _ in rows],
        textposition="middle right",
        cliponaxis=False,
        hoverinfo="skip",
    )
    figure.update_layout(template=template(), height=60 + 24 * len(rows), margin={"t": 28, "r": 28})
    figure.update_xaxes(title=t("normals flagged, %"), range=[-0.015 * high.max(), 1.06 * high.max()])
    figure.update_yaxes(showgrid=False)
    label = {"text": t("budget {budget}", budget=one_in(budget)), "font": {"color": REJECT, "size": 12}}
    figure.add_vline(
        x=100 * budget,
        line={"color": REJECT, "width": 1.5, "dash": "dash"},
        annotation={**label, "yanchor": "bottom", "y": 1},
    )
    return figure
