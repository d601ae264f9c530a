"""The detectors as points on one axis, DN2's value as the line that all are read against."""

import plotly.graph_objects as go

from dn2core.detect.baselines import DN2
from pages.parts.look import NORMAL, PLAIN, SELECTED, template
from pages.parts.text import number, plain, t


def standings_figure(kept, standing) -> go.Figure:
    """ROC AUC with intervals where labels tell, else the rank correlation with DN2; a row for each detector."""
    labelled = any(one.roc_auc is not None for one in standing.standings.values())
    rows = [name for name in kept.entries if name in standing.standings]
    rows = [name for name in rows if _value(standing.standings[name], labelled) is not None]
    names = [plain(kept.entries[name].title) for name in rows]
    values = [_value(standing.standings[name], labelled) for name in rows]
    figure = go.Figure()
    if labelled:
        spans = [standing.standings[name].roc_auc for name in rows]
        error = {
            "type": "data",
            "symmetric": False,
            "array": [one.high - one.value for one in spans],
            "arrayminus": [one.value - one.low for one in spans],
            "color": PLAIN,
            "thickness": 1.5,
            "width": 0,
        }
    figure.add_scatter(
        x=values,
        y=names,
        mode="markers",
        marker={"size": 10, "color": [SELECTED if name.startswith(DN2) else NORMAL for name in rows]},
        error_x=error if labelled else None,
        showlegend=False,
        hovertemplate="%{y}: %{x:.3f}<extra></extra>",
    )
    if labelled and DN2 in rows:
        own = values[rows.index(DN2)]
        figure.add_vline(
            x=own,
            line={"color": SELECTED, "width": 1.5, "dash": "dot"},
            annotation={"text": t("DN2 {value}", value=number(own, 3)), "font": {"color": SELECTED, "size": 12}},
        )
    figure.update_layout(template=template(), height=90 + 24 * len(rows), margin={"t": 34, "b": 44})
    figure.update_yaxes(autorange="reversed", showgrid=False)
    figure.update_xaxes(title=t("ROC AUC") if labelled else t("rank correlation with DN2"))
    return figure


def _value(one, labelled: bool) -> float | None:
    if labelled:
        return None if one.roc_auc is None else one.roc_auc.value
    return one.correlation
