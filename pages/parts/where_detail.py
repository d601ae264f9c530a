"""Of an opened picture: where it is unusual, which mode found it, and what it should have looked like there."""

import math
from dataclasses import dataclass, field

import numpy as np
import streamlit as st

from dn2core.errors import DN2Error
from dn2core.explore.heatmap import difference_legend, legend, outlines, worst_region
from dn2core.project.close_ups import close_ups
from dn2core.project.patches import patch_heat, patch_matches, patch_view
from pages.parts.look import percent, times
from pages.parts.routes import url
from pages.parts.service import past
from pages.parts.text import md, number, show, t

CLOSE_UP = 128  # px a close-up is wide
_DIFFERENCE = "difference"  # in the address: the difference from a normal is shown in place of the heat


@dataclass(frozen=True, eq=False)
class Places:
    """What the patches of one image say; numbers are NaN until they were compared, or where there is no limit."""

    item_id: int
    score: float  # the mean of the largest distances; higher = more unusual
    percentile: float
    limit: float
    flagged: bool
    distances: np.ndarray | None = field(default=None)  # (rows, columns), as `heat` takes it

    @property
    def multiple(self) -> float:
        """The score in units of the limit."""
        return self.score / self.limit if self.limit > 0 else math.nan


def places(project, shown, one) -> Places | None:
    """What the patches say of a scored image; None for a normal, and where the project does not look at patches."""
    view = patch_view(project, shown) if one.role == "scored" else None
    if view is None:
        return None
    at = shown.scored.position(one.item_id)
    score = float(view.scores[at])
    # Maps are those of the present, on its limit.
    found = None if math.isnan(score) or past() else patch_heat(project, one.item_id)
    return Places(
        item_id=one.item_id,
        score=score,
        percentile=float(view.percentiles[at]),
        limit=float(view.limit),
        flagged=bool(view.flagged[at]),
        distances=None if found is None else found[0],
    )


def by_place_alone(there: Places | None, one) -> bool:
    """Whether a place flags an image that passes as a whole."""
    return there is not None and there.flagged and not one.beyond


def where_overlay(project, there: Places | None, item_id: int, against: int | None) -> dict:
    """What `compare_zoom` lays over the picture: the difference from a normal if that is switched on, else the heat.

    Args:
        against: the normal, by its item id; None where there is none.
    """
    lines = _lines(there)
    if against is not None and st.session_state.get("dn2_difference"):
        return {
            "overlay_url": url("difference", project.id, item_id, against),
            "overlay_name": t("Difference"),
            "legend": _words(difference_legend()),
            "contours": lines,
        }
    if there is None or there.distances is None or not there.limit >= 0:
        return {}
    return {
        # The address changes with the limit, so that another one shows at once.
        "overlay_url": f"{url('heat', project.id, item_id)}?v={there.limit:.6g}-{there.score:.6g}",
        "overlay_name": t("Heat"),
        "legend": _words(legend()),
        "contours": lines,
    }


def difference_switch(there: bool) -> None:
    """The switch between heat and difference, which stands in the address."""
    if "dn2_difference" not in st.session_state:
        st.session_state["dn2_difference"] = st.query_params.get(_DIFFERENCE) == "1"
    st.toggle(
        t("Difference"),
        key="dn2_difference",
        disabled=not there,
        on_change=_switched,
        help=t(
            "From the normal beside it, or else from its nearest normal: pixel by pixel, with differences of light "
            "evened out. It helps where parts lie alike in each picture."
        ),
    )


def _switched() -> None:
    if st.session_state["dn2_difference"]:
        st.query_params[_DIFFERENCE] = "1"
    else:
        st.query_params.pop(_DIFFERENCE, None)


def where_verdict(there: Places | None, one, judged) -> None:
    """Which mode found the image, and both scores side by side."""
    if there is None:
        return
    st.markdown(md(where_words(there, one)))
    if math.isnan(there.score):
        return
    whole = one.score / judged.limit if judged.limit > 0 else math.nan
    rows = [
        (t("Whole image"), one.percentile, whole, one.beyond),
        (t("Places"), there.percentile, there.multiple, there.flagged),
    ]
    lines = [f"| | {md(t('Percentile'))} | {md(t('Score / limit'))} |", "|:--|--:|--:|"]
    for name, percentile, multiple, beyond in rows:
        weight = "**" if beyond else ""
        lines.append(f"| {md(name)} | {md(percent(percentile))} | {weight}{md(_times(multiple))}{weight} |")
    st.markdown("\n".join(lines))


def where_words(there: Places, one) -> str:
    """Which mode found the image, in one sentence (plain text)."""
    if math.isnan(there.score):
        return t("Its places are not compared yet.")
    if math.isnan(there.limit):
        return t(
            "With so few normals there is no limit for a single place yet; the close-up shows the most unusual one."
        )
    told = {
        "whole": t("percentile {share}", share=percent(one.percentile)),
        "place": _of_the_limit(there.multiple),
    }
    if one.beyond and there.flagged:
        return t("Found by both: the whole image is unusual ({whole}), and so is one place ({place}).", **told)
    if by_place_alone(there, one):
        return t("Found by a place alone: the whole image is usual ({whole}), one place is not ({place}).", **told)
    if one.beyond:
        return t("Found by the whole image alone ({whole}): no single place is unusual (the worst {place}).", **told)
    return t("Found by neither: the whole image is usual ({whole}), and so is each place (the worst {place}).", **told)


def where_closely(project, there: Places | None) -> None:
    """The most unusual place beside the parts of the normals that should have looked like it."""
    if there is None or there.distances is None:
        return
    try:
        found = _close_ups(project, (project.id, there.item_id, there.limit, there.score), there)
    except DN2Error:  # the picture is lost or damaged: what is drawn of it says so
        return
    if not found:  # a mask hides all of it
        return
    image, *normals = found
    st.markdown(
        f"##### {t('The most unusual place')}",
        help=t("Beside it the parts of normals that should have looked like it, the nearest first."),
    )
    with st.container(horizontal=True, gap="small", key="dn2_close_ups"):
        _close_up(image, t("this image"), t("The most unusual place of {name}", name=show(image.name)))
        for one in normals:
            _close_up(one, _end(show(one.name)), t("A part of the normal {name}", name=show(one.name)))


def _close_up(one, caption: str, alt: str) -> None:
    with st.container(width=CLOSE_UP):
        st.image(one.pixels, caption=md(caption), alt=alt, width=CLOSE_UP)


def _end(name: str, length: int = 34) -> str:
    """The end of a path tells more than its start; two lines of it stand under a close-up."""
    return name if len(name) <= length else "…" + name[-(length - 1) :]


@st.cache_resource(max_entries=8, show_spinner=False)
def _close_ups(_project, key: tuple, _there: Places) -> list:
    region = worst_region(_there.distances, _there.limit)
    return (
        [] if region is None else close_ups(_project, _there.item_id, region, patch_matches(_project, _there.item_id))
    )


def _lines(there: Places | None) -> list[list[list[float]]]:
    """The outlines of a flagged image. In others a cell or two may lie above the limit, but no place as a whole."""
    if there is None or there.distances is None or not there.flagged:
        return []
    return [line.round(4).tolist() for line in outlines(there.distances, there.limit)]


def _words(stops) -> list[tuple[float, str, str]]:
    """A scale with its words in the reader's language."""
    known = {
        "half the limit or less": t("half the limit or less: not painted"),
        "limit": t("limit: faint below"),
        "1.5 times or more": t("1.5 times or more"),
        "alike": t("alike"),
        "very different": t("very different"),
    }
    return [(stop.at, stop.colour, known.get(stop.word, "")) for stop in stops]


def _of_the_limit(multiple: float) -> str:
    return t("{multiple} the limit", multiple=_times(multiple))


def _times(multiple: float) -> str:
    """As `times`, finer: most good parts lie just below the limit."""
    return times(multiple) if math.isnan(multiple) else t("{value} x", value=number(multiple, 2))
