"""Which detectors to compare with, for how long each may train, and the button that begins."""

import streamlit as st

from dn2core.detect.baselines import DETECTORS, DN2
from dn2core.errors import DN2Error
from dn2core.features.backbones import BACKBONES
from dn2core.features.weights import find
from dn2core.project.comparing import MOST_NORMALS, MOST_SCORED, SIDE, submit_comparison
from pages.parts.header import problem
from pages.parts.jobs import duration
from pages.parts.service import store
from pages.parts.text import md, number, t, tn

LIMITS = (30, 60, 120, 300, 900)  # seconds for each training
FAILED = "dn2_compare_failed"


def comparison_choice(project, shown, kept, busy: bool) -> None:
    """The choice in an expander, which is open where nothing was compared yet."""
    failed = st.session_state.pop(FAILED, None)
    if failed is not None:
        problem(failed)
    first = kept is None or not kept.entries
    with st.expander(
        t("Choose detectors"), icon=":material/playlist_add_check:", key="dn2_compare_choice", expanded=first
    ):
        there = frozenset() if _outdated(kept, shown) else frozenset(kept.scores)
        chosen = _detectors(project, there, trains=False, label=t("Quick ones, on the features"))
        trained = _detectors(project, there, trains=True, label=t("With a network that is trained on your normals"))
        seconds = LIMITS[2]
        if trained:
            seconds = st.select_slider(
                t("Time limit of each training"),
                LIMITS,
                value=LIMITS[2],
                format_func=duration,
                key=f"dn2_compare_seconds_{project.id}",
                help=t(
                    "They learn from {side}-pixel copies of the normals on this machine. With hours and a graphics "
                    "card they would do better; the table tells how long each had.",
                    side=number(SIDE),
                ),
            )
        networks = st.multiselect(
            t("DN2 with other networks"),
            [name for name in BACKBONES if name != shown.state.backbone],
            format_func=lambda name: BACKBONES[name].title,
            default=[],
            key=f"dn2_compare_networks_{project.id}",
            placeholder=t("None"),
            help=t("All images are encoded by that network for this; the project's own features stay."),
        )
        missing = [name for name in networks if find(name, store().weights_dir).kind not in ("bundled", "found")]
        if missing:
            titles = ", ".join(md(BACKBONES[name].title) for name in missing)
            st.caption(t("Weights to be downloaded first: {names}.", names=titles))
        st.caption(_rests_on(shown, len(trained), seconds))
        st.button(
            t("Compare"),
            type="primary",
            icon=":material/compare_arrows:",
            key="dn2_compare_go",
            disabled=busy or not (chosen or trained or networks),
            help=t("A comparison is running.") if busy else None,
            on_click=_begin,
            # DN2 is what all are compared with.
            args=(project, [*({DN2} - there), *chosen, *trained], networks, seconds),
        )


def _outdated(kept, shown) -> bool:
    """Whether nothing is kept for the normals and images of today."""
    today = (shown.state.version, shown.state.fingerprint, len(shown.scored))
    return kept is None or (kept.version, kept.fingerprint, kept.scored) != today


def _detectors(project, there: frozenset[str], *, trains: bool, label: str) -> list[str]:
    """The ones chosen; of the quick ones those that are missing are proposed."""
    names = [name for name, one in DETECTORS.items() if one.trains == trains]
    return st.pills(
        label,
        names,
        selection_mode="multi",
        format_func=lambda name: DETECTORS[name].title,
        default=[] if trains else [name for name in names if name not in there],
        key=f"dn2_compare_{'trained' if trains else 'quick'}_{project.id}",
    )


def _rests_on(shown, trainings: int, seconds: int) -> str:
    parts = []
    if len(shown.normals) > MOST_NORMALS:
        parts.append(t("Fitted to {n} normals drawn at random, the same for all.", n=number(MOST_NORMALS)))
    if len(shown.scored) > MOST_SCORED:
        parts.append(t("Compared on {n} images, all labelled ones among them.", n=number(MOST_SCORED)))
    if trainings:
        parts.append(
            tn(
                "{n} training: {time} at most, in the background.",
                "{n} trainings: {time} at most, in the background.",
                trainings,
                time=duration(trainings * seconds),
            )
        )
    parts.append(t("What is finished is kept; results for the same normals and images are added to."))
    return " ".join(parts)


def _begin(project, detectors: list[str], networks: list[str], seconds: int) -> None:
    try:
        submit_comparison(project, detectors, backbones=networks, seconds=float(seconds))
    except DN2Error as error:
        st.session_state[FAILED] = error
