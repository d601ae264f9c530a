"""How much hangs on k: the recommendation in words, and the sweep over k in one picture."""

import numpy as np
import streamlit as st

from dn2core.explore.stability import (
    FEW_FLIPS,
    LABELS_PREFER,
    NOT_DEFINED,
    SAME_FLAGS,
    Recommendation,
    Stability,
    recommendation,
    stability,
)
from dn2core.project.settings import K_MAX
from pages.parts.evaluation_charts import Panel, panels_figure
from pages.parts.look import plot_config
from pages.parts.text import number, t, tn

DRAWN = 1_000_000  # labelled images in all bootstrap draws together: more take seconds and tell no more


def stability_of(shown, trial, marks: np.ndarray, key: str) -> Stability:
    """Every k of a trial against the k in use.

    Computed once for a key, which names snapshot, trial and labels: it holds while the thumb moves.
    """
    with st.spinner(t("Comparing every k")):
        return _stability(shown, trial, marks, key)


@st.cache_resource(max_entries=4, show_spinner=False)
def _stability(_shown, _trial, _marks, key: str) -> Stability:
    table, known = _trial.table, int(np.isin(_marks, ("good", "defect")).sum())
    return stability(
        table.scores[:K_MAX],
        table.limits(_shown.settings.budget)[:K_MAX],
        _shown.settings.k,
        _marks if known else None,
        _shown.same_as_normal,
        draws=int(np.clip(DRAWN / max(1, known), 200, 1000)),
    )


def advise(found: Stability, try_k) -> None:
    """The recommendation, with a button where it is another k than the one in use; `try_k` puts it on trial."""
    advice = recommendation(found)
    if advice.kind == NOT_DEFINED:
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="dn2_k_advice"):
        st.markdown(f":material/lightbulb: {recommendation_words(advice, found.k_now)}", width="content")
        if advice.k_recommended != found.k_now:
            st.button(
                t("Try k = {k}", k=number(advice.k_recommended)),
                key="dn2_try_k",
                type="tertiary",
                icon=":material/arrow_forward:",
                on_click=try_k,
                args=(advice.k_recommended,),
            )


def recommendation_words(advice: Recommendation, k_now: int) -> str:
    """Which k to take and why, in a sentence; "" where nothing can be said."""
    fields = {
        "low": number(advice.k_from),
        "high": number(advice.k_to),
        "now": number(k_now),
        "k": number(advice.k_recommended),
    }
    if advice.kind == SAME_FLAGS:
        if not advice.flags:
            return t("Any k from {low} to {high} flags nothing; {k} is fine.", **fields)
        return tn(
            "Any k from {low} to {high} gives the same {n} flag; {k} is fine.",
            "Any k from {low} to {high} gives the same {n} flags; {k} is fine.",
            advice.flags,
            **fields,
        )
    if advice.kind == FEW_FLIPS:
        return tn(
            "From k = {low} to {high} no more than {n} image is flagged otherwise than at k = {now}, which is fine.",
            "From k = {low} to {high} no more than {n} images are flagged otherwise than at k = {now}, which is fine.",
            advice.flips,
            **fields,
        )
    if advice.kind == LABELS_PREFER:
        return t(
            "Any k from {low} to {high} tells the labelled images apart better than {now}, by more than chance: "
            "at k = {k}, ROC AUC is {gain} points higher ({gain_low} to {gain_high}).",
            gain=number(100 * advice.gain.value, 1),
            gain_low=number(100 * advice.gain.low, 1),
            gain_high=number(100 * advice.gain.high, 1),
            **fields,
        )
    if advice.kind == NOT_DEFINED:
        return ""
    if advice.k_from == advice.k_to:
        return t("Flags change from each k to the next: no k is steadier than another.")
    return t(
        "Around k = {now} flags change with k; from {low} to {high} they stay the same, so {k} is steadier.", **fields
    )


def sweep_picture(found: Stability) -> None:
    """The sweep over k in one picture, the k in use marked."""
    k_now = number(found.k_now)
    st.markdown(
        f"##### {t('How much hangs on k')}",
        help=t(
            "Flips: the share of verdicts that change from one k to the next. Rank correlation: whether images "
            "stand in the same order of how unusual they are as at the k in use, 1 being the very same order. "
            "With labels: how well every k tells good parts from defects; bands are 95 % bootstrap intervals."
        ),
    )
    panels = stability_panels(found)
    st.plotly_chart(
        panels_figure(
            panels,
            t("k"),
            columns=3 if len(panels) > 2 else 2,
            mark=(found.k_now, t("k = {k} in use", k=k_now)),
            ends=(0.5, len(found.k) + 0.5),
            height=180,
        ),
        theme=None,
        config=plot_config(),
        key="dn2_k_sweep",
        alt=t("For every k: share of verdicts that flip, rank correlation and what the labels say"),
    )
    if found.labelled is not None:
        words = [_labelled_words(found.labelled)]
        if found.labelled.excluded:
            words.append(
                tn(
                    "{n} labelled image also lies among the normals and is left out.",
                    "{n} labelled images also lie among the normals and are left out.",
                    found.labelled.excluded,
                )
            )
        st.caption(" ".join(words))


def stability_panels(found: Stability) -> list[Panel]:
    """The charts of a `Stability`, those that need labels last."""
    panels = [
        Panel(t("Verdicts that flip to the next k"), found.k[:-1], 100 * found.flips, bars=True, unit=" %"),
        Panel(t("Rank correlation with k = {k}", k=number(found.k_now)), found.k, found.correlation, top=1.0),
    ]
    labelled = found.labelled
    if labelled is None:
        return panels
    for title, band, more in (
        (t("ROC AUC"), labelled.roc_auc, {"top": 1.0}),
        (t("Average precision"), labelled.average_precision, {"top": 1.0}),
        (t("Missed defects at the budget"), labelled.misses, {"whole": True}),
    ):
        if band is not None:
            panels.append(Panel(title, found.k, band.value, band.low, band.high, **more))
    return panels


def _labelled_words(labelled) -> str:
    goods = tn("{n} good part", "{n} good parts", labelled.good)
    defects = tn("{n} defect", "{n} defects", labelled.defects)
    words = t("By {goods} and {defects} with a label.", goods=goods, defects=defects)
    if labelled.roc_auc is None:
        words = f"{words} {t('ROC AUC and average precision need both.')}"
    elif min(labelled.good, labelled.defects) < 10:
        words = f"{words} {t('They are few: the bands are narrower than they should be.')}"
    return words
