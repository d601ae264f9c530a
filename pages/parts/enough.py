"""Are the normals enough: what fewer of them would have done, stop or collect, and more of what."""

import numpy as np
import streamlit as st

from dn2core.explore.collecting import STOP, advice
from dn2core.project.evaluate import learned, lonely
from pages.parts.browse import browse
from pages.parts.evaluation_charts import Panel, panels_figure
from pages.parts.look import one_in, percent, plot_config, times
from pages.parts.results import Cells
from pages.parts.text import number, show, t, tn

AT_ONCE = 400  # normals up to which the curve is drawn unasked: it takes less than a second
ASKED = "enough"  # in the address: the curve was asked for


def enough(project, shown, marks: np.ndarray, key: str) -> None:
    """Advice, the curves behind it, and the normals that lie most alone.

    Args:
        marks: (q,) labels of the scored images.
        key: another one for other normals, scored images or labels.
    """
    n = len(shown.normals)
    st.markdown(f"#### {t('Are the normals enough?')}")
    if n < 3:
        st.markdown(t("With fewer than three normals there is nothing to compare yet. Collect more of them."))
    elif n <= AT_ONCE or st.query_params.get(ASKED) == "1":
        with st.spinner(t("Comparing with fewer normals")):
            _curve(shown, _learned(shown, marks, key))
    else:
        st.button(
            t("Compare with fewer normals"),
            key="dn2_enough",
            icon=":material/show_chart:",
            on_click=_ask,
            help=t("Takes a few seconds: subsets of the normals judge the others."),
        )
    _collect(project, shown)


def lonely_ids(shown) -> list[int]:
    """Item ids of the normals that lie most alone, as `enough` lists them."""
    found = lonely(shown)
    return [] if found is None else shown.normals.ids[found.positions].tolist()


def advice_words(said) -> str:
    """Stop or collect, and why."""
    sizes = {"low": number(said.size_from), "high": number(said.size_to)}
    if said.reason == "budget":
        return tn(
            "**Collect more.** {n} more normal at least is needed to promise the false-alarm budget at all.",
            "**Collect more.** {n} more normals at least are needed to promise the false-alarm budget at all.",
            said.more_needed,
        )
    if said.reason == "few":
        return t("**Collect more.** There are too few to tell what half of them would have done.")
    if said.reason == "separation":
        return t(
            "**Collect more.** From {low} to {high} normals good parts and defects were told apart better: "
            "ROC AUC rose by {gain} points with each doubling.",
            gain=number(100 * said.auc_gained, 1),
            **sizes,
        )
    if said.reason == "distance":
        return t(
            "**Collect more.** From {low} to {high} normals, unseen good parts came nearer by {share} with each "
            "doubling: they still find likeness that fewer normals lacked.",
            share=percent(100 * said.distance_fell),
            **sizes,
        )
    if said.auc_gained is not None:
        return t(
            "**Enough.** From {low} to {high} normals hardly anything changed: "
            "{gain} points of ROC AUC with each doubling.",
            gain=f"{'+' if said.auc_gained >= 0 else '−'}{number(abs(100 * said.auc_gained), 1)}",
            **sizes,
        )
    return t(
        "**Enough.** From {low} to {high} normals, unseen good parts came nearer by no more than {share} "
        "with each doubling.",
        share=percent(max(0.0, 100 * said.distance_fell)),
        **sizes,
    )


@st.cache_resource(max_entries=4, show_spinner=False)
def _learned(_shown, _marks, key: str):
    return learned(_shown, _marks)


def _ask() -> None:
    st.query_params[ASKED] = "1"


def _curve(shown, curve) -> None:
    said = advice(curve)
    icon = ":material/check_circle:" if said.kind == STOP else ":material/add_circle:"
    st.markdown(f"{icon} {advice_words(said)}")
    rests = [
        tn(
            "Random subsets of {n} normal judge those that they do not hold; bands: one standard deviation.",
            "Random subsets of {n} normals judge those that they do not hold; bands: one standard deviation.",
            curve.used,
        )
    ]
    if shown.settings.form != "mean":
        rests.append(t("By the mean of the squared distances, whatever the score in use."))
    st.caption(" ".join(rests))
    panels = learning_panels(curve)
    st.plotly_chart(
        panels_figure(panels, t("normals"), columns=3, log=True, height=210),
        theme=None,
        config=plot_config(),
        key="dn2_learning",
        alt=t("False alarms, usual distance and ROC AUC against the number of normals"),
    )


def learning_panels(curve) -> list[Panel]:
    """The curves of a `LearningCurve`."""
    x = curve.sizes
    panels = [
        _panel(
            t("False alarms"),
            x,
            100 * curve.false_alarms.draws,
            unit=" %",
            aim=(100 * curve.budget, t("budget {budget}", budget=one_in(curve.budget))),
        ),
        _panel(t("Distance of unseen good parts"), x, curve.usual_distance.draws, unit=" x"),
    ]
    if curve.roc_auc is not None:
        panels.append(_panel(t("ROC AUC"), x, curve.roc_auc.draws, top=1.0))
    return panels


def _panel(title: str, x: np.ndarray, draws: np.ndarray, **more) -> Panel:
    mean, spread = draws.mean(axis=1), draws.std(axis=1)
    return Panel(
        title, x, mean, np.maximum(mean - spread, 0), np.minimum(mean + spread, more.get("top", np.inf)), **more
    )


def _collect(project, shown) -> None:
    found = lonely(shown)
    if found is None:
        return
    st.markdown(
        f"##### {t('Collect more like these')}",
        help=t(
            "The normals that lie farthest from the other normals. Under each: its distance to them as a multiple of "
            "the median normal's, and how many scored images have it as their nearest normal. "
            "One that nothing comes near to may be no good part at all."
        ),
    )
    visited = int((found.visitors > 0).sum())
    if len(shown.scored):
        st.caption(
            tn(
                "{n} normal lies most alone; {visited} of them is the nearest one of scored images, so such parts "
                "do occur.",
                "{n} normals lie most alone; {visited} of them are the nearest ones of scored images, so such parts "
                "do occur.",
                len(found.positions),
                visited=number(visited),
            )
            if visited
            else t("No scored image has one of these as its nearest normal: look whether they are good parts at all.")
        )
    rows = found.positions.tolist()
    pictures = Cells(
        ids=shown.normals.ids[rows].tolist(),
        captions=[
            f"{times(multiple)} · {tn('{n} image near', '{n} images near', visitors)}"
            if len(shown.scored)
            else times(multiple)
            for multiple, visitors in zip(found.multiples.tolist(), found.visitors.tolist(), strict=True)
        ],
        tones=["normal"] * len(rows),
        details=[show(shown.normals.names[row]) for row in rows],
    )
    browse(project, pictures, key="dn2_lonely_gallery", height=360 if len(rows) > 6 else 200)
