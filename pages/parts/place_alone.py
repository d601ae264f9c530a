"""Pictures that pass as a whole and of which one place does not, as every page tells them."""

import numpy as np
import streamlit as st

from dn2core.project.patches import PatchView, by_a_place_alone, patch_view
from pages.parts.look import BADGES, ICONS, verdict
from pages.parts.text import tn


def flagged_by_place(project, shown, judged) -> np.ndarray:
    """(q,) bool: those of the scored images, by what is compared already; nothing is computed here."""
    return by_a_place_alone(judged, patch_view(project, shown))


def place_badge() -> str:
    """The sign that such pictures carry, as Markdown."""
    return f":{BADGES['place']}-badge[{ICONS['place']} {verdict('place').word}]"


def places_missing(shown, places: PatchView | None) -> int:
    """Where places are looked at: of how many images it is not known yet."""
    if shown.settings.patches is None:
        return 0
    return len(shown.scored) if places is None else places.pending


def not_compared_yet(shown, places: PatchView | None) -> None:
    """Say of how many images it is not known yet."""
    if missing := places_missing(shown, places):
        st.caption(
            tn(
                "The places of {n} image are not compared yet: what one place alone gives away may be missing here.",
                "The places of {n} images are not compared yet: what one place alone gives away may be missing here.",
                missing,
            )
        )
