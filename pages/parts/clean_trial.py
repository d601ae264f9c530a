"""What a cleaning finds and would change, kept for as long as it holds."""

import numpy as np
import streamlit as st

from dn2core.detect import Bank, Found
from dn2core.detect.cleaning import Cleaning, check_kept, clean
from dn2core.detect.near_duplicates import NEAREST, automatic_cutoff, near_duplicates
from dn2core.errors import DN2Error, Refused
from dn2core.project.impact import Impact, impact
from dn2core.project.labels import labels
from pages.parts.clean_draft import Draft, Plan, digest
from pages.parts.impact import labels_key
from pages.parts.text import show, t

ASKED = "dn2_clean_asked"  # the trial that somebody asked for, where normals are many
LARGE = 20_000  # normals above which a trial takes seconds, and is made only when asked for
CLOSEST = 20  # pairs that are worth a look, however far they lie
HANDFUL = 5  # normals below which nothing tells strangers from others


def cleaned(shown) -> Cleaning | None:
    """The first stage with an estimated share; None with less than a handful of normals."""
    if len(shown.normals) < HANDFUL:
        return None
    with st.spinner(t("Comparing each normal with the others")):
        return _cleaned(shown.bank, _normals_key(shown))


def cutoff_of(shown, draft: Draft) -> float:
    """The L2 distance up to which normals are near-duplicates."""
    if draft.cut is None or not shown.spacing > 0:
        return _automatic(shown.bank, _normals_key(shown))
    return draft.cut * shown.spacing


def pairs_of(shown, cutoff: float) -> tuple[np.ndarray, np.ndarray]:
    """Near-duplicates: (p, 2) rows, the closest pair first, and (p,) L2 distances."""
    with st.spinner(t("Looking for near-duplicates")):
        return _pairs(shown.bank, shown.loo, cutoff, _normals_key(shown))


def closest_pairs(shown) -> tuple[np.ndarray, np.ndarray]:
    """The 20 closest pairs as `pairs_of` gives them, near-duplicates or not; fewer where there are fewer."""
    return _closest(shown.bank, shown.loo, _normals_key(shown))


def names_of(shown) -> list[str]:
    """Names of the normals as they can be shown; making these anew takes long where normals are many."""
    return _names(shown.normals.names, repr((shown.project_id, digest(shown.normals.ids))))


def foreseen(project, shown, planned: Plan) -> tuple[Impact | None, DN2Error | None]:
    """What the plan would do to the normals and the scored images; or why it cannot be carried out.

    Neither, where normals are many and nobody asked for it: see `ask`.
    """
    try:
        check_kept(planned.leaves, shown.settings.k)
    except Refused as error:
        return None, error
    key = _plan_key(shown, planned)
    if len(planned.leaves) > LARGE and st.session_state.get(ASKED) != key:
        return None, None
    known = labels(project)
    with st.spinner(t("Working out what would change")):
        return _foreseen(project, shown, known, planned.leaves, repr((key, labels_key(known)))), None


def ask(shown, planned: Plan) -> None:
    """Have `foreseen` make the trial of this plan, from a callback."""
    st.session_state[ASKED] = _plan_key(shown, planned)


def _plan_key(shown, planned: Plan) -> str:
    return repr((shown.generation, digest(planned.leaves)))


def _normals_key(shown) -> str:
    return repr((digest(shown.normals.image_ids), shown.project_id, shown.state.fingerprint, shown.bank.normalise))


@st.cache_resource(max_entries=3, show_spinner=False)
def _cleaned(_bank: Bank, key: str) -> Cleaning:
    return clean(_bank)


@st.cache_resource(max_entries=3, show_spinner=False)
def _automatic(_bank: Bank, key: str) -> float:
    return automatic_cutoff(_bank)


@st.cache_resource(max_entries=4, show_spinner=False)
def _pairs(_bank: Bank, _loo: Found, cutoff: float, key: str) -> tuple[np.ndarray, np.ndarray]:
    return near_duplicates(_bank, cutoff, _loo)


@st.cache_resource(max_entries=3, show_spinner=False)
def _closest(_bank: Bank, _loo: Found, key: str) -> tuple[np.ndarray, np.ndarray]:
    # Of a pair each can be among the other's nearest, so twice as many neighbours are pairs enough.
    near = np.sqrt(_loo.distances[:, :NEAREST]).ravel()
    last = min(2 * CLOSEST, len(near)) - 1
    pairs, distances = near_duplicates(_bank, float(np.partition(near, last)[last]), _loo)
    return pairs[:CLOSEST], distances[:CLOSEST]


@st.cache_resource(max_entries=3, show_spinner=False)
def _names(_all: tuple[str, ...], key: str) -> list[str]:
    return [show(name) for name in _all]


@st.cache_resource(max_entries=6, show_spinner=False)
def _foreseen(_project, _shown, _known, _leaves: np.ndarray, key: str) -> Impact:
    return impact(_project, _shown, _known, leave=_shown.normals.ids[_leaves].tolist())
