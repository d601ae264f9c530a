"""What a limit costs: prices, the curve, and the cheapest limit as a budget on trial."""

import math

import numpy as np
import streamlit as st

from dn2core.detect import conformal_limit, forecast
from dn2core.detect.costs import Prices
from dn2core.errors import DN2Error
from dn2core.project.settings import Settings
from pages.parts import limit_draft
from pages.parts.costs import (
    ASSUMED_DEFECTS,
    MANY,
    assumption,
    at_limit,
    budget_of,
    cost_figure,
    cost_view,
    cost_words,
    good_flagged,
    labelled_share,
    share_words,
    whole_budget,
)
from pages.parts.header import problem
from pages.parts.limits import OF
from pages.parts.look import plot_config, raw
from pages.parts.text import t
from pages.parts.widgets import put


def cost_panel(shown, before, after, saved: Settings, known: np.ndarray) -> None:
    """An escape against a false reject: which limit is cheapest."""
    st.markdown(f"##### {t('What a limit costs')}")
    counted = ~shown.same_as_normal
    if not counted.any():
        st.caption(t("Score images first: what an escape costs depends on the parts that come."))
        return
    told = labelled_share(known, counted)
    share = float(ASSUMED_DEFECTS) if told is None else float(f"{OF * told[0] / told[1]:.3g}")
    params = st.query_params
    defaults = {"escape": 100.0, "false_reject": 1.0, "defects": share}
    words = {
        "escape": (t("An escape costs"), t("A defect that passes, in any currency.")),
        "false_reject": (t("A false reject costs"), t("A good part that is flagged, in the same currency.")),
        "defects": (
            t("Defects in 1,000 parts"),
            t("Of the parts to come. At first the share among labelled images, or an assumption without them."),
        ),
    }
    values = {name: _amount(params, name, default) for name, default in defaults.items()}
    put(**{f"dn2_{name}": value for name, value in values.items()})
    with st.container(horizontal=True, gap="small", key="dn2_prices"):
        for name, (label, help_text) in words.items():
            st.number_input(
                label,
                step=1.0,
                format="%.6g",
                key=f"dn2_{name}",
                width=200,
                help=help_text,
                on_change=_priced,
                args=(name, defaults[name]),
            )
    if values["defects"] == share:
        st.caption(share_words(told))
    try:
        prices = Prices(values["escape"], values["false_reject"])
        view = cost_view(after, known, counted, prices, values["defects"] / 1000)
    except DN2Error as error:
        problem(error)
        return
    if view is None:
        st.caption(t("All scored images are labelled good, so nothing tells how defects score."))
        return
    left, right = st.columns([3, 2], gap="large")
    with left:
        st.plotly_chart(
            cost_figure(view.costs, prices, before.limit),
            theme=None,
            config=plot_config(),
            key="dn2_cost_chart",
            alt=t("Cost per 1,000 parts over the limit, with the limit in use and the cheapest one"),
        )
    with right:
        st.markdown("\n".join(f"- {line}" for line in cost_words(view.costs, before.limit)))
        st.caption(assumption(view))
        if at_limit(view.costs, before.limit) != view.costs.best:
            _use(saved, after, view.costs.best_limit)


def _use(saved: Settings, after, limit: float) -> None:
    """The cheapest limit as a budget on trial."""
    budget = budget_of(after, limit)
    if budget is None:
        st.caption(t("No budget flags every part: that is to look at each one by hand."))
        return
    budget = whole_budget(after, budget)
    limit = conformal_limit(after.reference_scores, budget)
    share = good_flagged(after, limit)
    if forecast(after.reference_scores, limit).expected > MANY:
        st.warning(t("The cheapest limit would flag {share} of good parts.", share=share), icon=":material/warning:")
    st.button(
        t("Try {limit}: flags {share} of good parts", limit=raw(limit), share=share),
        key="dn2_use_cheapest",
        icon=":material/arrow_upward:",
        on_click=limit_draft.try_out,
        args=(saved,),
        kwargs={"one_in": limit_draft.one_in_word(budget)},
        help=t("Puts the budget on trial that gives this limit, which is always a score of a good part."),
    )


def _amount(params, name: str, default: float) -> float:
    try:
        value = float(params.get(name, ""))
    except ValueError:
        return default
    return value if math.isfinite(value) else default


def _priced(name: str, default: float) -> None:
    value = st.session_state[f"dn2_{name}"]
    if value is None or value == default:
        st.query_params.pop(name, None)
    else:
        st.query_params[name] = f"{value:.12g}"
