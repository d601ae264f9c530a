"""Near-duplicates among the normals, as pairs side by side."""

from dataclasses import replace

import numpy as np
import streamlit as st

from pages.parts.browse import browse
from pages.parts.clean_apply import apply_row
from pages.parts.clean_decide import decision_keys, fates
from pages.parts.clean_draft import CUT_MOST, change
from pages.parts.clean_trial import closest_pairs, cutoff_of, foreseen, names_of, pairs_of
from pages.parts.header import problem
from pages.parts.results import Cells
from pages.parts.service import past
from pages.parts.text import md, number, t, tn
from pages.parts.widgets import put

SHOWN = 500  # pairs in the gallery, the closest ones


def duplicates_view(project, shown, draft, planned) -> None:
    """How many pairs there are, the cut-off, and whether the second of each is dropped."""
    cutoff = cutoff_of(shown, draft)
    pairs, distances = pairs_of(shown, cutoff)
    found, refused = foreseen(project, shown, planned)
    _answer(pairs, planned, found, shown)
    left, right = st.columns([3, 2], gap="large")
    with left:
        _cutoff(project, shown, draft)
    with right:
        put(dn2_clean_copies=draft.copies)
        st.toggle(
            t("Drop the second of each pair"),
            key="dn2_clean_copies",
            disabled=past(),
            on_change=lambda: change(project, copies=st.session_state["dn2_clean_copies"]),
            help=t(
                "Copies count twice as neighbours: what resembles them passes more easily than the rest. They also "
                "make the limit look surer than it is. Of each row of copies one stays."
            ),
        )
        apply_row(project, shown, draft, planned, found, refused)
    if refused is not None:
        problem(refused)
    if len(pairs) > SHOWN:
        st.caption(
            t(
                "The {n} closest pairs are shown, {more} more are not.",
                n=number(SHOWN),
                more=number(len(pairs) - SHOWN),
            )
        )
    if len(pairs):
        _gallery(project, shown, pair_cells(shown, pairs[:SHOWN], distances[:SHOWN], draft, planned), "dn2_pairs")
    pairs, distances = beyond(shown, cutoff)
    if len(pairs):
        st.markdown(
            f"##### {t('Closest beyond the cut-off')}",
            help=t(
                "Copies that were saved anew at another quality may lie here, and so may good parts that look alike. "
                "Move the cut-off to where you would call them copies."
            ),
        )
        st.caption(_from_to(distances / shown.spacing))
        pictures = pair_cells(shown, pairs, distances, draft, planned)
        pictures = replace(pictures, marks=[mark or t("closest") for mark in pictures.marks])
        _gallery(project, shown, pictures, "dn2_beyond")


def paired(shown, draft) -> list[int]:
    """Item ids of all that are shown, in the order of their pairs, each once."""
    cutoff = cutoff_of(shown, draft)
    rows = np.concatenate([pairs_of(shown, cutoff)[0][:SHOWN], beyond(shown, cutoff)[0]]).ravel()
    return list(dict.fromkeys(shown.normals.ids[rows].tolist()))


def beyond(shown, cutoff: float) -> tuple[np.ndarray, np.ndarray]:
    """Of the 20 closest pairs those that are no near-duplicates by the cut-off; none where distances mean nothing."""
    pairs, distances = closest_pairs(shown)
    farther = distances > cutoff if shown.spacing > 0 else np.zeros(len(pairs), bool)
    return pairs[farther], distances[farther]


def _gallery(project, shown, pictures: Cells, key: str) -> None:
    height = 520 if len(pictures.ids) > 6 else 240
    browse(project, pictures, key=key, height=height, group=2, **decision_keys(project, shown))


def _from_to(multiples: np.ndarray) -> str:
    low, high = _twice(float(multiples[0])), _twice(float(multiples[-1]))
    if low == high:
        return tn("{n} pair at {low}", "{n} pairs at {low}", len(multiples), low=low)
    return tn("{n} pair at {low} to {high}", "{n} pairs at {low} to {high}", len(multiples), low=low, high=high)


def _answer(pairs: np.ndarray, planned, found, shown) -> None:
    if not len(pairs):
        nearest = float(np.sqrt(shown.loo.distances[:, 0].min())) / shown.spacing if shown.spacing > 0 else 0.0
        closest = t("No pair is that close; the closest lies at {times}", times=md(_twice(nearest)))
        st.markdown(f"#### {t('Are some normals copies of others?')} {closest}")
        return
    images = tn(
        "{n} pair of {all} normals is near-identical",
        "{n} pairs of {all} normals are near-identical",
        len(pairs),
        all=number(len(shown.normals)),
    )
    parts = [images]
    copies = int(planned.copies.sum())
    if copies:
        parts.append(tn("{n} would be dropped", "{n} would be dropped", copies))
        if found is not None and len(shown.scored):
            parts.append(
                tn(
                    "with all that is on trial {n} verdict changes",
                    "with all that is on trial {n} verdicts change",
                    found.changed,
                )
            )
    st.markdown(f"#### {t('Are some normals copies of others?')} {' · '.join(parts)}")


def _cutoff(project, shown, draft) -> None:
    if not shown.spacing > 0:
        st.caption(t("Half of the normals are exact copies of another one, so only exact copies are listed."))
        return
    automatic = cutoff_of(shown, draft) / shown.spacing
    put(dn2_clean_cut=min(CUT_MOST, round(automatic, 2)))
    st.slider(
        t("Closer than this multiple of the usual spacing"),
        0.0,
        CUT_MOST,
        step=0.01,
        format="%.2f x",
        key="dn2_clean_cut",
        on_change=lambda: change(project, cut=float(st.session_state["dn2_clean_cut"])),
        help=t(
            "The usual spacing is the distance from a normal to the nearest other one, for half of them less. "
            "At 0 are exact copies only; copies that were saved anew at lower quality can lie as far apart as good "
            "parts that look alike."
        ),
    )
    st.caption(
        t("Automatic: a fifth of the usual distance to the tenth nearest normal.")
        if draft.cut is None
        else t("Your own cut-off: {cut} the usual spacing.", cut=_twice(draft.cut))
    )


def _twice(multiple: float) -> str:
    """As the slider writes it, two digits behind the point."""
    return t("{value} x", value=number(multiple, 2))


def pair_cells(shown, pairs: np.ndarray, distances: np.ndarray, draft, planned) -> Cells:
    """The two of each pair one after the other, with their distance and what becomes of each."""
    rows, names = pairs.ravel(), names_of(shown)
    spacing = shown.spacing if shown.spacing > 0 else float("nan")
    spreads = [_twice(float(one)) for one in np.repeat(distances.astype(np.float64) / spacing, 2)]
    return Cells(
        ids=shown.normals.ids[rows].tolist(),
        captions=spreads,
        tones=["review" if planned.leaves[row] else "normal" for row in rows.tolist()],
        details=[names[row] for row in rows.tolist()],
        marks=fates(shown, draft, planned, rows),
    )
