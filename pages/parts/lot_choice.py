"""What the Lots page is asked: the budget, the order, the way to pool, the lot that is open; all in the address."""

from collections.abc import MutableMapping
from dataclasses import dataclass

import streamlit as st

from dn2core.detect import POOLINGS
from dn2core.project.lot_order import ORDERS
from dn2core.project.lot_verdicts import METHOD
from pages.parts.limit_draft import one_in_word, share, typed
from pages.parts.limits import budget_words
from pages.parts.text import md, number, t
from pages.parts.widgets import put

QUICK = (10, 20, 50, 100)
LOT = "lot"  # in the address: the name of the lot that is open
_TURN = "dn2_lot_turn"  # counts what was opened: a list under a new key forgets the click that it reported


@dataclass(frozen=True)
class Choice:
    """What the address says; where its budget is impossible, the project's, and why (plain text)."""

    budget: float
    order: str = "arrival"
    worst_first: bool = False
    method: str = METHOD
    lot: str | None = None
    problem: str = ""


def read(params: MutableMapping[str, str], budget: float) -> Choice:
    """The choice in the address; what makes no sense there counts as not given.

    Args:
        budget: the project's, for images; lots keep it, too, unless told otherwise.
    """
    trouble = ""
    try:
        wanted = share(params["lots_in"]) if "lots_in" in params else budget
    except ValueError as error:
        wanted, trouble = budget, str(error)
    order, method = params.get("order"), params.get("pool")
    return Choice(
        budget=wanted,
        order=order if order in ORDERS else "arrival",
        worst_first=params.get("sort") == "score",
        method=method if method in POOLINGS else METHOD,
        lot=params.get(LOT) or None,
        problem=trouble,
    )


def order_words() -> dict[str, str]:
    """In what order lots came."""
    return {"arrival": t("Arrival"), "name": t("Name"), "number": t("Date or number in the name")}


def pooling_words() -> dict[str, tuple[str, str]]:
    """The ways to make one score of a lot's images: title and formula of each."""
    known = {
        "mean": (t("Mean"), t("mean of the images' vectors: the paper's")),
        "max": (t("Largest"), t("the largest value of each number among the images' vectors")),
        "concat": (t("One behind the other"), t("the images' vectors one behind the other; order counts")),
        "covariance": (
            t("Spread"),
            t("trace of the covariance: how much the images of a lot differ from each other; needs no normals"),
        ),
        "composition": (
            t("Composition"),
            t(
                "mean of the images' places along the axes that matter, and the share of each kind of image; "
                "by how good groups vary (squared Mahalanobis distance)"
            ),
        ),
    }
    return {name: known.get(name, (pooling.title, pooling.formula)) for name, pooling in POOLINGS.items()}


def controls(choice: Choice, budget: float) -> None:
    """Draw the budget for lots, their order, and in the expert's corner the way to pool."""
    one_in = typed(st.query_params, "lots_in", budget)
    put(
        dn2_lots_in=one_in,
        dn2_lots_quick=int(one_in) if one_in in QUICK else None,
        dn2_lots_order=choice.order,
        dn2_lots_pool=choice.method,
    )
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium", key="dn2_lots_controls"):
        st.number_input(
            t("Flag at most 1 good lot in"),
            step=1.0,
            format="%.6g",
            key="dn2_lots_in",
            width=190,
            on_change=_typed,
            args=(budget,),
            help=t(
                "The false-alarm budget for lots, by default that for images ({budget}). "
                "It is looked at here only: nothing is changed by it.",
                budget=budget_words(budget),
            ),
        )
        st.pills(
            t("Usual budgets"),
            QUICK,
            format_func=lambda n: t("1 in {n}", n=number(n)),
            key="dn2_lots_quick",
            label_visibility="collapsed",
            on_change=_picked,
            args=(budget,),
        )
        st.segmented_control(
            t("Lots in the order of"),
            ORDERS,
            format_func=order_words().get,
            key="dn2_lots_order",
            required=True,
            on_change=_keep,
            args=("order", "dn2_lots_order", "arrival"),
        )
        with st.popover(t("Expert"), icon=":material/science:", key="dn2_lots_expert"):
            words = pooling_words()
            st.radio(
                t("How the images of a lot become one score"),
                list(words),
                format_func=lambda name: words[name][0],
                captions=[md(formula) for _, formula in words.values()],
                key="dn2_lots_pool",
                on_change=_keep,
                args=("pool", "dn2_lots_pool", METHOD),
            )
    if choice.problem:
        st.error(md(choice.problem), icon=":material/error:")


def open_lot(name: str) -> None:
    """Open a lot, from a callback."""
    st.query_params[LOT] = name
    st.session_state[_TURN] = st.session_state.get(_TURN, 0) + 1


def clickable(key: str) -> str:
    """The key of an element on which a click opens a lot."""
    return f"{key}_{st.session_state.get(_TURN, 0)}"


def close_lot() -> None:
    """Back to all lots."""
    st.query_params.pop(LOT, None)


def _typed(budget: float) -> None:
    value = st.session_state["dn2_lots_in"]
    if value:  # 0 comes from a field that was not filled yet when something else was clicked
        _write("lots_in", f"{value:.12g}", one_in_word(budget))


def _picked(budget: float) -> None:
    if st.session_state["dn2_lots_quick"] is not None:
        _write("lots_in", str(st.session_state["dn2_lots_quick"]), one_in_word(budget))


def _keep(name: str, key: str, usual: str) -> None:
    _write(name, st.session_state[key], usual)


def _write(name: str, word: str | None, usual: str) -> None:
    """What is usual leaves no trace in the address."""
    if word is None or word == usual:
        st.query_params.pop(name, None)
    else:
        st.query_params[name] = word
