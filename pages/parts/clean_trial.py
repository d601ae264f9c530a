"""What a cleaning finds and would change, kept for as long as it holds."""

import hashlib

import numpy as np
import streamlit as st

from dn2core.detect import Bank
from dn2core.detect.cleaning import Cleaning, check_kept, clean
from dn2core.detect.near_duplicates import automatic_cutoff, near_duplicates
from dn2core.errors import DN2Error, Refused
from dn2core.project.impact import Impact, impact
from dn2core.project.labels import labels
from pages.parts.clean_draft import Draft, Plan
from pages.parts.text import t

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
    return near_duplicates(shown.bank, cutoff, shown.loo)


def foreseen(project, shown, planned: Plan) -> tuple[Impact | None, DN2Error | None]:
    """What the plan would do to the normals and the scored images; or why it cannot be carried out."""
    try:
        check_kept(planned.leaves, shown.settings.k)
    except Refused as error:
        return None, error
    known = labels(project)
    newest = max((label.event_id for label in known.values()), default=0)
    key = repr((shown.generation, newest, _digest(planned.leaves)))
    return _foreseen(project, shown, known, planned.leaves, key), None


def _normals_key(shown) -> str:
    return repr((_digest(shown.normals.image_ids), shown.project_id, shown.state.fingerprint, shown.bank.normalise))


def _digest(array: np.ndarray) -> str:
    return hashlib.sha256(array.tobytes()).hexdigest()


@st.cache_resource(max_entries=3, show_spinner=False)
def _cleaned(_bank: Bank, key: str) -> Cleaning:
    return clean(_bank)


@st.cache_resource(max_entries=3, show_spinner=False)
def _automatic(_bank: Bank, key: str) -> float:
    return automatic_cutoff(_bank)


@st.cache_resource(max_entries=6, show_spinner=False)
def _foreseen(_project, _shown, _known, _leaves: np.ndarray, key: str) -> Impact:
    return impact(_project, _shown, _known, leave=_shown.normals.ids[_leaves].tolist())
