"""Which normals would be dropped: the share and copies on trial, and what a person said of single images.

What is on trial lives in the session, by project, and outlasts the page; the share and the cut-off are in the
address, too. Images are known by their content, so that a decision outlasts an undo, which makes new items.
"""

import hashlib
from dataclasses import dataclass, replace

import numpy as np
import streamlit as st

from dn2core.detect.cleaning import Cleaning
from dn2core.project.cleaning import APART, AUTOMATIC, HALF, OWN

KEY = "dn2_clean_drafts"
MOST = 90  # percent of the normals that can be dropped by a share of one's own
CUT_MOST = 2.0  # multiples of the usual spacing up to which normals can be called copies


@dataclass(frozen=True)
class Draft:
    """What is on trial; the sets hold image ids."""

    how: str = APART  # not the automatic share: its fringe costs good parts, which only labels can weigh
    percent: int = 5  # of the normals, where the share is one's own
    kept: frozenset[int] = frozenset()  # good parts, by a person's word
    dropped: frozenset[int] = frozenset()  # no good parts, by a person's word
    vouched: str = ""  # `whose` of the strangers of which somebody said that none is a good part
    copies: bool = False  # drop near-duplicates
    cut: float | None = None  # up to this multiple of the usual spacing they are near-duplicates; None: automatic


@dataclass(frozen=True)
class Plan:
    """What a draft comes to for n normals, as (n,) bool; strangers and copies share no image."""

    proposed: np.ndarray  # strangers by their distance
    strangers: np.ndarray
    seen: np.ndarray  # strangers that a person looked at
    copies: np.ndarray
    whose: str  # tells these strangers from others, by their images
    vouched: bool  # a person said of just these strangers that none is a good part

    @property
    def leaves(self) -> np.ndarray:
        return self.strangers | self.copies


def plan(draft: Draft, cleaning: Cleaning | None, image_ids: np.ndarray, pairs: np.ndarray) -> Plan:
    """What would leave the normals.

    Args:
        cleaning: with an estimated share; None where the normals are too few for one.
        image_ids: (n,) of the normals.
        pairs: (p, 2) rows of near-duplicates, the closest first.
    """
    n = len(image_ids)
    proposed = np.zeros(n, bool) if cleaning is None else proposal(cleaning, draft.how, draft.percent)
    kept, dropped = (np.isin(image_ids, list(ids)) for ids in (draft.kept, draft.dropped))
    strangers = (proposed & ~kept) | dropped
    copies = second_ones(pairs, strangers, kept) if draft.copies else np.zeros(n, bool)
    whose = digest(np.sort(image_ids[strangers]))
    vouched = draft.vouched == whose
    return Plan(proposed, strangers, strangers if vouched else dropped, copies, whose, vouched)


def proposal(cleaning: Cleaning, how: str, percent: int) -> np.ndarray:
    """(n,) bool, the normals to drop by their distance; the order of suspicion is the same for every share."""
    drop = np.zeros(len(cleaning.order), bool)
    drop[cleaning.order[: proposed_count(cleaning, how, percent)]] = True
    return drop


def proposed_count(cleaning: Cleaning, how: str, percent: int) -> int:
    """How many normals there are to drop by their distance."""
    n, estimate = len(cleaning.order), cleaning.estimate
    counts = {AUTOMATIC: estimate.clump + estimate.fringe, APART: estimate.clump, HALF: round(n / 2)}
    return counts.get(how, round(percent * n / 100))


def second_ones(pairs: np.ndarray, gone: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """(n,) bool, the second of each pair of which both would stay otherwise; never one that a person keeps.

    Each pair is looked at with those before it decided, so that of a row of copies one stays.

    Args:
        pairs: (p, 2) rows, the closest pair first.
        gone: (n,) bool, what leaves anyway.
        kept: (n,) bool, what stays by a person's word.
    """
    copies = bytearray(len(gone))  # numpy's single elements would take ten times as long
    both_stay = pairs[~(gone[pairs].any(axis=1) | kept[pairs[:, 1]])]
    for first, second in zip(*both_stay.T.tolist(), strict=True):  # a list for each pair would take longest
        if not (copies[first] or copies[second]):
            copies[second] = True
    return np.frombuffer(copies, bool)


def digest(array: np.ndarray) -> str:
    """Another one for every other content."""
    return hashlib.sha256(array.tobytes()).hexdigest()


def draft_of(project) -> Draft:
    """What is on trial, after the address where that says something; and the address says it from now on."""
    draft = st.session_state.setdefault(KEY, {}).get(project.id, Draft())
    draft = replace(draft, **_share(st.query_params.get("share")), **_cut(st.query_params.get("cut")))
    _keep(project, draft)
    return draft


def change(project, **fields) -> None:
    """Put something on trial, from a callback."""
    _keep(project, replace(draft_of(project), **fields))


def decide(project, image_ids: list[int], drop: bool | None) -> None:
    """Note that these images are no good parts (True), good parts (False), or as proposed (None)."""
    draft, ids = draft_of(project), frozenset(image_ids)
    kept, dropped = draft.kept - ids, draft.dropped - ids
    if drop is not None:
        kept, dropped = (kept, dropped | ids) if drop else (kept | ids, dropped)
    change(project, kept=kept, dropped=dropped)


def forget(project, *, kept: frozenset[int] = frozenset()) -> None:
    """Nothing is on trial any more; `kept` stay good parts by a person's word."""
    _keep(project, Draft(kept=kept))


def _keep(project, draft: Draft) -> None:
    st.session_state[KEY][project.id] = draft
    words = {APART: None, AUTOMATIC: AUTOMATIC, HALF: HALF, OWN: str(draft.percent)}
    for name, word in (("share", words[draft.how]), ("cut", None if draft.cut is None else f"{draft.cut:.2f}")):
        if word is None:
            st.query_params.pop(name, None)
        elif st.query_params.get(name) != word:
            st.query_params[name] = word


def _share(word: str | None) -> dict:
    if word in (AUTOMATIC, HALF):
        return {"how": word}
    if word and word.isascii() and word.isdecimal() and len(word) < 3 and int(word) <= MOST:
        return {"how": OWN, "percent": int(word)}
    return {}


def _cut(word: str | None) -> dict:
    try:
        value = float(word or "nan")
    except ValueError:
        return {}
    return {"cut": value} if 0 <= value <= CUT_MOST else {}
