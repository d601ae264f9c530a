"""Held-out normals: good parts that check the limit because nothing is compared with them."""

import numpy as np
import streamlit as st

from dn2core.errors import DN2Error
from dn2core.project.normals import hold_out, take_in
from pages.parts.components.who import author
from pages.parts.header import problem
from pages.parts.impact import note_change
from pages.parts.intake import intake_ways
from pages.parts.text import md, number, t, tn

FAILED = "dn2_held_failed"
KEPT = 2  # normals that stay at least: below, there is no limit


def at_random(ids: np.ndarray, count: int, seed: int) -> np.ndarray:
    """`count` of the ids, each as likely, in the order in which they came; the same for the same seed."""
    chosen = np.random.default_rng(seed).choice(len(ids), count, replace=False)
    return np.asarray(ids)[np.sort(chosen)]


def held_panel(project, shown) -> None:
    """How many are held out, and the ways to hold out, to give more and to take back."""
    failed = st.session_state.pop(FAILED, None)
    if failed is not None:
        problem(failed)
    held = len(shown.held)
    if held:
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.markdown(
                tn("{n} normal is held out to check the limit.", "{n} normals are held out to check the limit.", held),
                width="content",
            )
            st.button(
                t("Take them back"),
                key="dn2_take_in",
                icon=":material/undo:",
                type="tertiary",
                on_click=_change,
                args=(project, shown, take_in, shown.held.ids),
            )
        if held == 1:
            st.caption(t("One is too few for a limit: hold out at least two."))
        had_a_say = held - (len(shown.checking) - len(shown.checks))
        if had_a_say:
            st.caption(
                tn(
                    "{n} of them had a say in which normals are compared with, so it does not check the limit now.",
                    "{n} of them had a say in which normals are compared with, so they do not check the limit now.",
                    had_a_say,
                )
            )
    else:
        st.caption(
            t(
                "Good parts that nothing is compared with score as new parts will, so they show best what a limit "
                "promises. They cost normals: where these are few, leave them all in."
            )
        )
    _hold_out(project, shown)
    st.markdown(f"**{t('Or give further good parts to be held out')}**")
    intake_ways(project, "normal", key="dn2_held", held=True)


def _hold_out(project, shown) -> None:
    if shown.settings.reduction is not None:
        st.markdown(
            t(
                "Images are compared with fewer normals, and all the others had a say in which: held out now, they "
                "would not show how new parts score. Go back to all normals first, on the Tune page."
            )
        )
        return
    most = len(shown.normals) - KEPT
    if most < 1:
        st.markdown(t("Too few normals to hold some out: two at least stay to be compared with."))
        return
    with (
        st.form("dn2_hold_out", border=False, enter_to_submit=False),  # Enter and then the button would act twice
        st.container(horizontal=True, vertical_alignment="bottom", gap="small"),
    ):
        amount = st.number_input(t("Hold out"), value=20, min_value=1, key="dn2_hold_amount", width=140)
        unit = st.selectbox(
            t("of {n} normals", n=number(len(shown.normals))),
            ["percent", "images"],
            format_func={"percent": t("percent"), "images": t("images")}.get,
            key="dn2_hold_unit",
            width=180,
        )
        seed = st.number_input(
            t("Seed"),
            min_value=0,
            max_value=2**31 - 1,
            value=0,
            key="dn2_hold_seed",
            width=120,
            help=t("They are drawn at random; the same seed draws the same ones of the same normals."),
        )
        wanted = st.form_submit_button(t("Hold out at random"), icon=":material/shuffle:", key="dn2_hold_go")
    if not wanted:
        return
    count = round(len(shown.normals) * amount / 100) if unit == "percent" else int(amount)
    if not 1 <= count <= most:
        st.error(
            t(
                "Expected 1 to {most} normals to be held out, so that two stay, got {got}.",
                most=number(most),
                got=number(count),
            ),
            icon=":material/error:",
        )
        return
    _change(project, shown, hold_out, at_random(shown.normals.ids, count, int(seed)), seed=int(seed))
    st.rerun()


def _change(project, shown, how, ids, seed: int | None = None) -> None:
    version = shown.state.version
    try:
        state = how(project, ids, author=author())
    except DN2Error as error:
        st.session_state[FAILED] = error
        return
    words = (
        tn("{n} normal is held out (seed {seed})", "{n} normals are held out (seed {seed})", len(ids), seed=str(seed))
        if how is hold_out
        else tn("{n} normal is taken back", "{n} normals are taken back", len(ids))
    )
    done = md(t("{done}: version {version}.", done=words, version=number(state.version)))
    note_change(project, version, state.version, int(ids[0]), done)
