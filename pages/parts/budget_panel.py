"""How many good parts may be flagged, and how many rejected outright: typed or picked, on trial until it is applied."""

import streamlit as st

from dn2core.project.settings import Settings
from pages.parts import limit_draft
from pages.parts.text import md, number, t
from pages.parts.widgets import put

QUICK = (20, 50, 100, 200, 1_000)


def budget_panel(saved: Settings, draft: limit_draft.Draft) -> None:
    """Draw the budget, the usual ones, and a second one for rejects; a change is a draft in the address."""
    params = st.query_params
    one_in_n = limit_draft.typed(params, "one_in", saved.budget)
    reject_n = limit_draft.typed(params, "reject", saved.reject_budget)
    second = params.get("reject", "") != limit_draft.OFF and reject_n is not None
    put(
        dn2_one_in=one_in_n,
        dn2_quick=int(one_in_n) if one_in_n in QUICK else None,
        dn2_second=second,
        **({"dn2_reject": reject_n} if second else {}),
    )
    st.number_input(
        t("Flag at most 1 good part in"),
        step=1.0,
        format="%.6g",
        key="dn2_one_in",
        on_change=_typed,
        args=(saved, "dn2_one_in", "one_in"),
        help=t("The false-alarm budget. The limit follows from it; images are never scored anew."),
    )
    st.pills(
        t("Usual budgets"),
        QUICK,
        format_func=lambda n: t("1 in {n}", n=number(n)),
        key="dn2_quick",
        label_visibility="collapsed",
        on_change=_picked,
        args=(saved,),
    )
    st.toggle(
        t("Reject above a second limit"),
        key="dn2_second",
        on_change=_second,
        args=(saved, draft.settings.budget),
        help=t("What lies between the limits is for review. Without it, whatever is flagged is rejected."),
    )
    if second:
        st.number_input(
            t("Reject at most 1 good part in"),
            step=1.0,
            format="%.6g",
            key="dn2_reject",
            on_change=_typed,
            args=(saved, "dn2_reject", "reject"),
        )
    if draft.problem:
        st.error(md(draft.problem), icon=":material/error:")


def _typed(saved: Settings, key: str, name: str) -> None:
    value = st.session_state[key]
    if value is not None:
        limit_draft.try_out(saved, **{name: f"{value:.12g}"})


def _picked(saved: Settings) -> None:
    if st.session_state["dn2_quick"] is not None:
        limit_draft.try_out(saved, one_in=str(st.session_state["dn2_quick"]))


def _second(saved: Settings, budget: float) -> None:
    if not st.session_state["dn2_second"]:
        limit_draft.try_out(saved, reject=limit_draft.OFF)
    elif saved.reject_budget is not None:
        limit_draft.try_out(saved, reject=None)
    else:
        limit_draft.try_out(saved, reject=limit_draft.one_in_word(budget / 10))
