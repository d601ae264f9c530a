"""Known defects that a change on trial would miss."""

import numpy as np
import streamlit as st

from pages.parts.browse import browse
from pages.parts.results import cells
from pages.parts.text import md, show, t, tn

NAMED = 5  # defects that the warning calls by name


def missed_defects(project, trial, after, missed: np.ndarray, known: int) -> None:
    """A warning with names and pictures; a quiet word where none of the known defects would be missed.

    Args:
        trial: the snapshot with the change, and `after`, its judgement.
        missed: positions of known defects that did not pass before and would now.
        known: how many known defects there are.
    """
    if not len(missed):
        if known:
            words = tn(
                "The {n} known defect would not newly be missed.",
                "None of the {n} known defects would newly be missed.",
                known,
            )
            st.caption(f":material/verified_user: {words}")
        return
    missed_warning(trial, missed)
    browse(project, cells(trial, after, missed), key="dn2_missed_gallery", height=200, cell=120)


def missed_warning(trial, missed: np.ndarray) -> None:
    """That these known defects would be missed, by name."""
    names = ", ".join(show(trial.scored.names[at]) for at in missed[:NAMED])
    if len(missed) > NAMED:
        names = t("{names} and more", names=names)
    st.warning(
        md(
            tn(
                "{n} known defect would be missed: {names}",
                "{n} known defects would be missed: {names}",
                len(missed),
                names=names,
            )
        ),
        icon=":material/report:",
    )
