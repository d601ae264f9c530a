"""What a limit costs: the estimate that the labels allow, as a chart and in words."""

import math
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go

from dn2core.detect import conformal_limit, forecast, good_share, p_values
from dn2core.detect.costs import Costs, Prices, costs_of_labelled, costs_of_unlabelled
from pages.parts.charts import second_line
from pages.parts.limits import OF
from pages.parts.look import NORMAL, PASS, PLAIN, REVIEW, limit_line, one_in, raw, template
from pages.parts.text import number, t, tn

ENOUGH_DEFECTS = 10  # labelled ones, from which their own scores tell more than an estimate without labels
DRAWN = 600  # points of a curve


@dataclass(frozen=True)
class CostView:
    """Costs over the limit, and where the defects in them come from."""

    costs: Costs
    defects: int  # labelled ones that were counted; 0: estimated without labels


def cost_view(judged, labels: np.ndarray, counted: np.ndarray, prices: Prices, defect_share: float) -> CostView | None:
    """Costs for every limit; None where no image is scored.

    Good parts are taken to score like those that the limit rests on, whatever is labelled: people label what
    was flagged, and false alarms alone would make all good parts look unusual.

    Args:
        labels: (q,) as `labels_of` gives them.
        counted: (q,) bool; images that lie among the normals are not.
        defect_share: 0 to 1, of the parts to come.
    """
    defects = judged.scores[(labels == "defect") & counted]
    if len(defects) >= ENOUGH_DEFECTS:
        return CostView(costs_of_labelled(prices, judged.reference_scores, defects, defect_share), len(defects))
    costs = costs_of_unlabelled(prices, judged.reference_scores, judged.scores[counted], 1 - defect_share)
    return None if costs is None else CostView(costs, 0)


def estimated_share(judged, labels: np.ndarray, counted: np.ndarray) -> float:
    """How many of the scored images are defects, 0 to 1: as estimated from the scores, at least as many as known."""
    scores = judged.scores[counted]
    if not len(scores) or not len(judged.reference_scores):
        return 0.0
    known = float(np.mean(labels[counted] == "defect"))
    return max(known, 1 - good_share(p_values(judged.reference_scores, scores)))


def budget_of(judged, limit: float) -> float | None:
    """The false-alarm budget that a limit corresponds to; None where it flags every part."""
    budget = forecast(judged.reference_scores, limit, None).expected
    return budget if budget < 1 else None


def at_limit(costs: Costs, limit: float) -> int:
    """The position of the candidate that gives the same verdicts as a limit."""
    return max(0, int(np.searchsorted(costs.limits, limit, side="right")) - 1)


def cost_figure(costs: Costs, prices: Prices, limit: float) -> go.Figure:
    """Cost per 1,000 parts over the limit, split in false rejects and escapes, with both limits as labelled lines."""
    best = costs.best_limit
    at = _drawn(costs, limit)
    figure = go.Figure()
    x = costs.limits[at].astype(np.float32)
    for values, price, colour, name in (
        (costs.false_rejects, prices.false_reject, NORMAL, t("by false rejects")),
        (costs.escapes, prices.escape, REVIEW, t("by escapes")),
    ):
        figure.add_scatter(
            x=x,
            y=(values[at] * price).astype(np.float32),
            mode="lines",
            line={"color": colour, "width": 1.5, "shape": "hv", "dash": "dot"},
            name=name,
            hovertemplate="%{y:.4g} " + name + "<extra></extra>",
        )
    figure.add_scatter(
        x=x,
        y=costs.cost[at].astype(np.float32),
        mode="lines",
        line={"color": PLAIN, "width": 2.5, "shape": "hv"},
        name=t("cost in all"),
        hovertemplate="%{x:.3g}: %{y:.4g}<extra></extra>",
    )
    figure.update_layout(
        template=template(),
        height=300,
        showlegend=True,
        legend={"orientation": "h", "y": 1.14, "yanchor": "bottom", "x": 0, "itemclick": False},
        margin={"t": 70},
        hovermode="x",
    )
    figure.update_xaxes(title=t("limit (how unusual)"))
    figure.update_yaxes(title=t("cost per {of} parts", of=number(OF)), rangemode="tozero")
    limit_line(figure, limit)
    return second_line(figure, best, t("cheapest {value}", value=raw(best)), PASS, left=best < limit)


def cost_words(costs: Costs, limit: float) -> list[str]:
    """What the limit in use costs, and what the cheapest one would."""
    now, best = at_limit(costs, limit), costs.best
    lines = [
        t(
            "At the limit in use ({limit}) {of} parts cost about {cost}: {rejects} false rejects, {escapes} escapes.",
            limit=raw(limit),
            of=number(OF),
            cost=_few(costs.cost[now]),
            rejects=_few(costs.false_rejects[now]),
            escapes=_few(costs.escapes[now]),
        )
    ]
    if best == now:
        return [*lines, t("No other limit is cheaper.")]
    values = {
        "limit": raw(costs.best_limit),
        "cost": _few(costs.cost[best]),
        "rejects": _few(costs.false_rejects[best]),
        "escapes": _few(costs.escapes[best]),
    }
    if best == 0:
        words = t("It is cheapest to flag every part ({cost}): an escape costs that much more.", **values)
    elif best == len(costs.limits) - 1:
        words = t("It is cheapest to flag none of these parts ({cost}): a false reject costs that much more.", **values)
    else:
        words = t("At {limit} they cost about {cost}: {rejects} false rejects, {escapes} escapes.", **values)
    return [*lines, words]


def assumption(view: CostView) -> str:
    """What the estimate takes for granted."""
    share = one_in(view.costs.defect_share) if view.costs.defect_share > 0 else t("none")
    if view.defects:
        return tn(
            "Good parts are taken to score like the normals, and defects like the {n} that is labelled; "
            "{share} of the parts to come is taken to be a defect.",
            "Good parts are taken to score like the normals, and defects like the {n} that are labelled; "
            "{share} of the parts to come is taken to be a defect.",
            view.defects,
            share=share,
        )
    return t(
        "An estimate without labels: good parts are taken to score like the normals, parts to come like the scored "
        "images, and {share} of them is taken to be a defect; so what is flagged beyond the expected false alarms "
        "counts as a defect found. Where good parts of another lot look unusual, the cheapest limit comes out too low. "
        "With {n} known defects their own scores are used.",
        share=share,
        n=number(ENOUGH_DEFECTS),
    )


def becomes(judged, budget: float) -> str:
    """The limit that a suggested budget gives: one of the scores it rests on."""
    return raw(conformal_limit(judged.reference_scores, budget))


def _drawn(costs: Costs, limit: float) -> np.ndarray:
    """Positions to draw: from the least score to a good way beyond both limits, thinned where there are very many."""
    inside = [value for value in (limit, costs.best_limit) if math.isfinite(value)]
    usual = float(np.quantile(costs.limits, 0.9))
    last = int(np.searchsorted(costs.limits, max(*inside, usual) * 1.15, side="right"))
    at = np.arange(max(last, min(3, len(costs.limits))))
    if len(at) <= DRAWN:
        return at
    thin = np.linspace(0, len(at) - 1, DRAWN).astype(int)
    return np.unique(np.concatenate([thin, [costs.best, at_limit(costs, limit)]]))


def _few(value: float) -> str:
    return number(value, 0 if value >= 10 or value == round(value) else 1)
