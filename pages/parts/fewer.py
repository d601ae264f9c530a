"""Fewer vectors: what smaller banks cost and save, and the choice of one. A section of the Tune page."""

import math

import pandas as pd
import streamlit as st

from dn2core.errors import DN2Error
from dn2core.explore.fewer import SHARES, Advice, Kept, advice
from dn2core.project.fewer import Measurement, measurement, submit_measurement
from dn2core.project.reductions import keep_all, reduction_of, submit_reduction
from pages.parts.components.who import author
from pages.parts.header import moment, problem, recall_words
from pages.parts.jobs import job_panel, last_failure
from pages.parts.look import megabytes, percent
from pages.parts.service import past
from pages.parts.text import md, number, t, tn

FAILED = "dn2_fewer_failed"


def fewer_section(project, shown) -> None:
    """What is in use, what was measured, and Apply; measuring and choosing are work of the background."""
    asked = shown.settings.reduction is not None
    with st.expander(t("Fewer vectors"), icon=":material/compress:", key="dn2_fewer", expanded=asked):
        failed = st.session_state.pop(FAILED, None)
        if failed is not None:
            problem(failed)
        _in_use(project, shown)
        if past():
            return
        busy = job_panel(project, ("fewer", "reduce"))
        if not busy:
            last_failure(project, "reduce")
            last_failure(project, "fewer")
        found = measurement(project, shown)
        if found is not None:
            _measured(project, shown, found, busy)
        elif everyone(shown) * max(SHARES) <= shown.settings.k:
            st.markdown(t("So few normals are searched in no time: there is nothing to leave out."))
            return
        else:
            st.caption(
                t(
                    "A search takes longer the more normals there are. Measured on your own images: what it saves and "
                    "costs to compare with fewer, chosen by K-means or as a coreset."
                )
            )
        _measure_row(project, shown, found, busy)


def everyone(shown) -> int:
    """How many normals there are, in the bank or not."""
    return len(shown.normals) + len(shown.checks) + len(shown.left_out)


def _in_use(project, shown) -> None:
    words = in_use_words(shown, reduction_of(project, shown.settings.reduction))
    if words:
        with st.container(horizontal=True, vertical_alignment="center", gap="small", key="dn2_fewer_in_use"):
            st.markdown(words, width="content")
            if not past():
                st.button(
                    t("Back to all normals"),
                    key="dn2_keep_all",
                    icon=":material/undo:",
                    type="tertiary",
                    on_click=_do,
                    args=(keep_all, project),
                )
    recall = shown.bank.recall
    if recall is not None:
        st.caption(recall_words(recall))


def in_use_words(shown, reduction) -> str:
    """What images are compared with where that is not simply all normals, as markdown; "" where it is."""
    if shown.settings.reduction is None:
        return ""
    if not shown.reduced:
        return t(
            "Fewer normals were chosen, but that choice no longer serves: its file is gone, or too few of its normals "
            "are left. Images are compared with all."
        )
    share = {
        "n": number(len(shown.normals)),
        "all": number(everyone(shown)),
        "method": method_word(reduction.method) if reduction else "",
    }
    words = t("Images are compared with **{n} of {all} normals** ({method}).", **share)
    if len(shown.checks):
        checks = tn(
            "{n} normal is set aside and checks the limit.",
            "{n} normals are set aside and check the limit.",
            len(shown.checks),
        )
        words = f"{words} {checks}"
    if reduction is not None and reduction.fingerprint != shown.state.fingerprint:
        words = f"{words} {t('They were chosen by the features of another network: choose anew.')}"
    return words


def method_word(method: str) -> str:
    """A way to choose normals."""
    words = {"all": t("all"), "kmeans": t("K-means"), "coreset": t("coreset")}
    return words.get(method, method)


def _measured(project, shown, measured: Measurement, busy: bool) -> None:
    found = measured.found
    st.markdown(f":material/lightbulb: {md(advice_words(advice(found)))}")
    st.dataframe(
        table_of(found),
        hide_index=True,
        key="dn2_fewer_table",
        alt=t("Smaller banks with their search time, memory and what they change"),
    )
    if not measured.fits:
        st.caption(
            f":material/history: "
            f"{t('Measured {moment}; normals, images, labels or settings changed since.', moment=moment(measured.at))}"
        )
    smaller = [one for one in found if one.method != "all"]
    if len({one.share for one in smaller if one.method == "kmeans"}) < len({one.share for one in smaller}):
        st.caption(t("K-means of so many normals takes too long: for the larger shares a coreset alone was tried."))
    if not smaller:
        return
    take = advice(found).take
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small", key="dn2_fewer_row"):
        chosen = st.selectbox(
            t("Compare with"),
            smaller,
            index=smaller.index(take) if take in smaller else min(2, len(smaller) - 1),
            format_func=choice_words,
            key="dn2_fewer_choice",
            width=320,
            help=t(
                "K-means: the normal nearest to each of so many means; it keeps what is typical. Coreset: normals "
                "that cover all others; it keeps what is rare. A fifth of the normals is set aside before, for the "
                "limit needs good parts that had no say in the choice; none where held-out normals check it."
            ),
        )
        st.button(
            t("Apply"),
            key="dn2_fewer_apply",
            icon=":material/check:",
            disabled=busy,
            on_click=_do,
            args=(submit_reduction, project, chosen.method, chosen.share),
            help=t("An entry of the history; the way back is a click. No image is deleted."),
        )


def _measure_row(project, shown, found: Measurement | None, busy: bool) -> None:
    label = t("Measure smaller banks") if found is None else t("Measure anew")
    st.button(
        label,
        key="dn2_fewer_measure",
        icon=":material/timer:",
        type="secondary" if found is None else "tertiary",
        disabled=busy,
        on_click=submit_measurement,
        args=(project,),
    )


def _do(what, *args) -> None:
    try:
        what(*args, author=author())
    except DN2Error as error:
        st.session_state[FAILED] = error


def choice_words(one: Kept) -> str:
    """A smaller bank in few words (plain text)."""
    return t(
        "{method}, {share}: {n} normals",
        method=method_word(one.method),
        share=percent(100 * one.share, 0),
        n=number(one.n),
    )


def advice_words(found: Advice) -> str:
    """Which bank to take and why, in a sentence (plain text)."""
    everything, take = found.all, found.take
    n = tn("{n} normal is searched", "{n} normals are searched", everything.n)
    if found.kind == "quick":
        return t("{normals} in {time} an image: keep them all.", normals=n, time=milliseconds(everything.seconds))
    if found.kind == "none":
        return t(
            "{normals} in {time} an image, but no smaller bank judges as well: keep them all.",
            normals=n,
            time=milliseconds(everything.seconds),
        )
    fields = {
        "choice": choice_words(take),
        "now": milliseconds(everything.seconds),
        "then": milliseconds(take.seconds),
    }
    if take.roc_auc is not None:
        return t(
            "Take {choice}: searched in {then} an image instead of {now}, ROC AUC {area} instead of {area_now}.",
            area=percent(100 * take.roc_auc.value),
            area_now=percent(100 * everything.roc_auc.value),
            **fields,
        )
    changed = tn("{n} flag changes", "{n} flags change", take.changed)
    return t("Take {choice}: searched in {then} an image instead of {now}; {changed}.", changed=changed, **fields)


def table_of(found: list[Kept]) -> pd.DataFrame:
    """One row for each bank: how it judges beside all normals, and ROC AUC where labels are enough for it."""
    rows = []
    for one in found:
        row = {
            t("Compared with"): choice_words(one) if one.method != "all" else t("all {n} normals", n=number(one.n)),
            t("Search an image"): milliseconds(one.seconds),
            t("Memory"): megabytes(one.nbytes),
        }
        if one.roc_auc is not None:
            area = one.roc_auc
            row[t("ROC AUC, 95 % interval")] = (
                f"{percent(100 * area.value)} ({number(100 * area.low, 1)} – {number(100 * area.high, 1)})"
            )
        row[t("Same order")] = "–" if math.isnan(one.correlation) else number(one.correlation, 3)
        row[t("Flagged")] = number(one.flagged)
        row[t("Flags that change")] = number(one.changed)
        rows.append(row)
    return pd.DataFrame(rows)


def milliseconds(seconds: float) -> str:
    """A short time in milliseconds, with two digits that count."""
    value = 1000 * seconds
    places = 0 if value >= 10 else 1 if value >= 1 else 2
    return t("{value} ms", value=number(max(value, 0.01), places))
