"""Where a detector and DN2 disagree most: two galleries, and what the detector is."""

from dataclasses import replace

import numpy as np
import streamlit as st

from dn2core.detect.baselines import DN2
from dn2core.explore.comparison import disagreements
from pages.parts.browse import browse
from pages.parts.compare_words import entry_words
from pages.parts.place_alone import flagged_by_place
from pages.parts.results import cells, with_places
from pages.parts.text import distinct, md, number, show, t

BESIDE = "beside"  # in the address: the detector that DN2 is shown beside
EACH = 24  # pictures in a gallery, at most


def disagreement(project, shown, kept, standing) -> None:
    """Choose a detector; the images that it ranks higher than DN2 does, and the other way round."""
    st.markdown(
        f"##### {t('Where they disagree')}",
        help=t(
            "Under each picture: its rank among all that were compared, 1 being the most unusual, by the detector and "
            "by DN2. The verdicts are the project's."
        ),
    )
    others = [name for name in standing.standings if name != DN2]
    key = f"dn2_beside_{project.id}"
    st.session_state[key] = _beside(kept, standing)
    titles = distinct({name: show(kept.entries[name].title) for name in others})
    st.selectbox(t("Detector"), others, format_func=titles.get, key=key, on_change=_chosen, args=(key,))
    entry = kept.entries[_beside(kept, standing)]
    st.caption(" ".join(filter(None, (md(entry.detector.about), md(entry_words(entry))))))
    pairs = _pairs(kept, standing)
    if not len(pairs):
        st.caption(t("Both put all images in the same order."))
        return
    judged = shown.judge()
    alone = flagged_by_place(project, shown, judged)
    for column, side, title in zip(
        st.columns(2, gap="medium"),
        (0, 1),
        (t("{name} finds these more unusual", name=md(entry.title)), t("DN2 finds these more unusual")),
        strict=True,
    ):
        with column:
            st.markdown(f"**{title}**")
            positions = _positions(shown, kept, pairs[:, side])
            pictures = replace(cells(shown, judged, positions), captions=_captions(kept, standing, pairs[:, side]))
            pictures = with_places(pictures, alone[positions])
            browse(project, pictures, key=f"dn2_disagree_{side}", height=380 if len(pairs) > 4 else 210)


def disagreement_order(shown, kept, standing) -> list[int]:
    """Item ids along both galleries, for previous and next."""
    if len(standing.standings) < 2 or DN2 not in standing.standings:
        return []
    pairs = _pairs(kept, standing)
    return [int(kept.ids[at]) for side in (0, 1) for at in pairs[:, side]] if len(pairs) else []


def _pairs(kept, standing):
    return disagreements(kept.scores[_beside(kept, standing)], kept.scores[DN2], standing.positions, EACH)


def _captions(kept, standing, rows) -> list[str]:
    """Both ranks of each image, 1 being the most unusual of all that were compared."""
    ranks = {}
    for name in (_beside(kept, standing), DN2):
        scores = kept.scores[name]
        among = np.sort(scores[standing.positions])
        ranks[name] = len(among) - np.searchsorted(among, scores[rows], side="right") + 1
    return [
        t("rank {own} · DN2 {other}", own=number(int(own)), other=number(int(other)))
        for own, other in zip(*ranks.values(), strict=True)
    ]


def _positions(shown, kept, rows):
    """Positions in the snapshot; `Compared` leaves out images that are no longer there."""
    at = {int(item): position for position, item in enumerate(shown.scored.ids)}
    return np.array([at[int(kept.ids[row])] for row in rows], np.int64)


def _beside(kept, standing) -> str:
    """The detector in the address, else the one that agrees least with DN2."""
    wanted = st.query_params.get(BESIDE, "")
    others = {name: one for name, one in standing.standings.items() if name != DN2}
    if wanted in others:
        return wanted
    return min(others, key=lambda name: (others[name].correlation is None, others[name].correlation or 0.0))


def _chosen(key: str) -> None:
    st.query_params[BESIDE] = st.session_state[key]
