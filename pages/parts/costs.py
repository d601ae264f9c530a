"""What a limit costs: the estimate that the labels allow, as a chart and in words."""

import math
from dataclasses import dataclass, replace

import numpy as np
import plotly.graph_objects as go

from dn2core.detect import conformal_limit, forecast, good_share, p_values
from dn2core.detect.costs import Costs, Prices, costs_of_labelled, costs_of_unlabelled
from dn2core.errors import Refused
from pages.parts.charts import second_line
from pages.parts.limits import OF, whole
from pages.parts.look import NORMAL, PASS, PLAIN, REVIEW, limit_line, percent, raw, template
from pages.parts.text import number, t, tn

ENOUGH_DEFECTS = 10  # labelled ones, from which their own scores tell more than an estimate without labels
ENOUGH_LABELLED = 10  # images labelled good or defect, from which their share of defects is taken
ASSUMED_DEFECTS = 10  # in 1,000 parts, where labels do not tell
MANY = 0.2  # share of good parts; a limit that flags more is seldom what is wanted
DRAWN = 600  # points of a curve


@dataclass(frozen=True)
class CostView:
    """Costs over the limit, and where the defects in them come from."""

    costs: Costs
    defects: int  # labelled ones that were counted; 0: estimated without labels
    seen: float  # share of defects among the scored images, as estimated; NaN with labels


def cost_view(judged, labels: np.ndarray, counted: np.ndarray, prices: Prices, defect_share: float) -> CostView | None:
    """Costs for every limit; None where no scored image may be a defect.

    Good parts are taken to score like those that the limit rests on, whatever is labelled: people label what
    was flagged, and false alarms alone would make all good parts look unusual. Above a limit as many are expected
    as `forecast` says, so that false rejects agree with it.

    Args:
        labels: (q,) as `labels_of` gives them.
        counted: (q,) bool; images that lie among the normals are not.
        defect_share: 0 to 1, of the parts to come.

    Raises:
        Refused: SHARE_OUT_OF_RANGE.
    """
    defects = judged.scores[(labels == "defect") & counted]
    if len(defects) >= ENOUGH_DEFECTS:
        costs = costs_of_labelled(prices, judged.reference_scores, defects, defect_share)
        return CostView(_as_forecast(costs, prices, judged.reference_scores), len(defects), math.nan)
    # Those that are known to be good are no defects, however unusual they look.
    return _unlabelled(judged.reference_scores, judged.scores[counted & (labels != "good")], prices, defect_share)


def _unlabelled(reference: np.ndarray, scores: np.ndarray, prices: Prices, defect_share: float) -> CostView | None:
    """Costs where the scored images tell how defects score, but not how rare they will be.

    The estimate knows one share of defects, that of the scored images; escapes are in proportion to it.
    """
    if not 0 <= defect_share <= 1:
        raise Refused("SHARE_OUT_OF_RANGE", what="the share of defects", share=defect_share)
    if not len(scores) or not len(reference):
        return None
    good = max(good_share(p_values(reference, scores)), 1 / (len(scores) + 1))
    more_defects = defect_share / (1 - good) if good < 1 else 0.0
    costs = costs_of_unlabelled(prices, reference, scores, good)
    costs = replace(costs, escapes=costs.escapes * more_defects, defect_share=defect_share)
    return CostView(_as_forecast(costs, prices, reference), 0, 1 - good)


def _as_forecast(costs: Costs, prices: Prices, reference: np.ndarray) -> Costs:
    """The same with false rejects as `forecast` expects them: (x + 1) / (n + 1) of good parts for x of n above."""
    above = len(reference) - np.searchsorted(np.sort(reference), costs.limits, side="right")
    false_rejects = OF * (1 - costs.defect_share) * np.minimum(1.0, (above + 1) / (len(reference) + 1))
    cost = prices.escape * costs.escapes + prices.false_reject * false_rejects
    # Equal costs differ by their rounding; of several cheapest limits, the highest.
    cheapest = np.flatnonzero(cost <= cost.min() + 1e-9 * max(prices.escape, prices.false_reject))
    return replace(costs, cost=cost, false_rejects=false_rejects, best=int(cheapest[-1]))


def labelled_share(labels: np.ndarray, counted: np.ndarray) -> tuple[int, int] | None:
    """(defects, labelled images) where labels tell a share of defects; None where they are few or all alike."""
    defects, good = (int(np.sum((labels == word) & counted)) for word in ("defect", "good"))
    return (defects, defects + good) if defects and good and defects + good >= ENOUGH_LABELLED else None


def share_words(told: tuple[int, int] | None) -> str:
    """Where the share of defects comes from until one is given."""
    if told is None:
        return t(
            "{n} defects in {of} parts is an assumption: replace it by what you know of your parts. From {enough} "
            "labelled images on, with good ones and defects among them, their share is taken.",
            n=number(ASSUMED_DEFECTS),
            of=number(OF),
            enough=number(ENOUGH_LABELLED),
        )
    return t(
        "{defects} of {n} labelled images are defects. Where images were picked for labelling, defects are rarer "
        "among the parts to come: replace it by what you know of them.",
        defects=number(told[0]),
        n=number(told[1]),
    )


def budget_of(judged, limit: float) -> float | None:
    """The false-alarm budget that a limit corresponds to; None where it flags every part."""
    budget = forecast(judged.reference_scores, limit, None).expected
    return budget if budget < 1 else None


def whole_budget(judged, budget: float) -> float:
    """The budget as 1 in a whole number where that gives the same limit."""
    typed = 1 / whole(budget) if whole(budget) > 1 else budget
    scores = judged.reference_scores
    return typed if conformal_limit(scores, typed) == conformal_limit(scores, budget) else budget


def good_flagged(judged, limit: float) -> str:
    """The share of good parts that a limit is expected to flag, in percent."""
    share = forecast(judged.reference_scores, limit).expected
    return percent(100 * share, 0 if share >= 0.1 else 1)


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
    if at_limit(costs, limit) == costs.best:
        return figure  # the same verdicts: one line is enough
    return second_line(figure, best, t("cheapest {value}", value=raw(best)), PASS, left=best < limit)


def cost_words(costs: Costs, limit: float) -> list[str]:
    """What the limit in use costs, and what the cheapest one would."""
    now, best = at_limit(costs, limit), costs.best
    lines = [
        t(
            "At the limit in use ({limit}) {of} parts cost about {cost}: {rejects} false rejects among {good} good "
            "parts, {escapes} escapes among {defects} defects.",
            limit=raw(limit),
            of=number(OF),
            good=_few(OF * (1 - costs.defect_share)),
            defects=_few(OF * costs.defect_share),
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
    values = {"share": _few(OF * view.costs.defect_share), "of": number(OF)}
    if view.defects:
        return tn(
            "Good parts are taken to score like the normals, and defects like the {n} that is labelled; "
            "{share} of {of} parts to come are taken to be defects.",
            "Good parts are taken to score like the normals, and defects like the {n} that are labelled; "
            "{share} of {of} parts to come are taken to be defects.",
            view.defects,
            **values,
        )
    return t(
        "An estimate without labels: good parts are taken to score like the normals, so what is flagged among the "
        "scored images that are not labelled good, beyond the expected false alarms, counts as defects ({seen} of "
        "them in all). Where good parts "
        "of another lot look unusual, the cheapest limit comes out too low. {share} of {of} parts to come are taken "
        "to be defects. With {n} known defects their own scores are used.",
        seen=percent(100 * view.seen),
        n=number(ENOUGH_DEFECTS),
        **values,
    )


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
