"""What a cleaning does to the scored images: flags that strangers were hiding, flags that vanish, known defects."""

from dataclasses import replace

import numpy as np
import streamlit as st

from pages.parts.browse import browse
from pages.parts.missed import missed_warning
from pages.parts.results import cells, many_times, most_unusual_first
from pages.parts.text import t, tn


def effect(project, shown, planned, found) -> None:
    """Galleries of the verdicts that would turn; nothing where nothing would be dropped."""
    if not planned.leaves.any():
        return
    st.markdown(f"##### {t('What it does to the scored images')}")
    if not len(shown.scored):
        st.caption(t("No images are scored yet, so there is nothing to compare."))
        return
    if len(found.missed):
        missed_warning(shown, found.missed)
    if len(found.caught):
        st.markdown(
            tn(
                "{n} known defect that passes now would be found.",
                "{n} known defects that pass now would be found.",
                len(found.caught),
            )
        )
    if not found.changed:
        st.caption(t("No verdict would change."))
    words = {
        "appearing": tn("{n} flag appears", "{n} flags appear", len(found.appearing)),
        "cleared": tn("{n} flag vanishes", "{n} flags vanish", len(found.cleared)),
    }
    for name, heading in words.items():
        if not len(getattr(found, name)):
            continue
        st.markdown(f"**{heading}**", help=t("Under each: its multiple of the usual spacing after dropping."))
        if name == "appearing":
            st.caption(
                t(
                    "Strangers may have been hiding them. A good part among them is a sign that good parts like it "
                    "would be dropped, too."
                )
            )
        order = most_unusual_first(found.after.scores, getattr(found, name))
        browse(
            project,
            replace(cells(shown, found.after, order), captions=many_times(found.after.multiples[order])),
            key=f"dn2_clean_{name}",
            height=380 if len(order) > 8 else 220,
            cell=132,
        )


def turned(shown, found) -> list[int]:
    """Item ids of the scored images whose flag would change, in the order of their galleries."""
    parts = [most_unusual_first(found.after.scores, positions) for positions in (found.appearing, found.cleared)]
    return shown.scored.ids[np.concatenate(parts)].tolist()
