"""Where is the defect: what the patches of an image say beside the whole image."""

import numpy as np
import streamlit as st

from dn2core.explore.modes import FOUND
from dn2core.project.patch_fits import submit_patches
from dn2core.project.patches import patch_view, stopped
from pages.parts.browse import browse
from pages.parts.detail import open_wanted
from pages.parts.header import empty_state, need_project, project_header
from pages.parts.jobs import job_panel, last_failure
from pages.parts.limits import refusal
from pages.parts.look import percent, plot_config, raw
from pages.parts.mask import masked
from pages.parts.opened import show_image
from pages.parts.service import current_project, past, snapshot
from pages.parts.text import language, md, number, t, tn
from pages.parts.where_found import both_modes, found_word, mode_cells, modes, most_unusual_place_first
from pages.parts.where_setup import begin, setup
from pages.parts.widgets import put

CHART = "dn2_where_chart"


def where() -> None:
    project = current_project()
    need_project(project)
    shown = snapshot(project)
    st.title(t("Where"), anchor=False)
    project_header(project, shown)
    busy = job_panel(project, ("intake", "reencode", "patches"))
    if not busy:
        last_failure(project, "patches")
    if shown is None:
        empty_state(
            t("No normals yet"),
            t("Each place of a new image is compared with the places of normals. Give images of good parts first."),
            t("Go to Normals"),
            "normals",
            icon=":material/center_focus_weak:",
        )
        return
    if shown.settings.patches is None:
        begin(project, shown)
        return
    found = patch_view(project, shown)
    if found is None and open_wanted(project, shown, shown.scored.ids.tolist()):
        return
    if found is None:
        _not_ready(project, shown, busy)
    elif not len(shown.scored):
        st.markdown(
            t("The limit for places is set. Score new images, and the unusual place of each is shown.")
            + masked(shown.settings.mask)
        )
    elif _found(project, shown, found, busy):
        return
    setup(project, shown)


def _not_ready(project, shown, busy: bool) -> None:
    st.markdown(t("The places of these normals are not compared yet; the whole-image verdicts hold meanwhile."))
    if past():
        st.caption(t("In a state of the past they are shown only where they are still kept."))
    elif not busy:
        _compare_button(project)


def _compare_button(project) -> None:
    words = t("Compare them now")
    if stopped(project):
        st.caption(t("Looking at places was stopped. What was finished by then is kept."))
        words = t("Go on")
    st.button(words, key="dn2_where_go_on", type="primary", on_click=submit_patches, args=(project,))


def _found(project, shown, found, busy: bool) -> bool:
    """The answer and the images; whether one of them is opened."""
    judged = shown.judge()
    by = modes(judged, found)
    chosen = _chosen()
    positions = np.flatnonzero(np.isin(by, chosen) if chosen else np.ones(len(by), bool))
    positions = most_unusual_place_first(found, positions)
    if open_wanted(project, shown, shown.scored.ids[positions].tolist()):
        return True
    _answer(judged, found, by, shown.settings.mask)
    _not_compared(project, found, busy)
    _pick(by)
    if len(positions):
        st.caption(
            t("Most unusual place first. Under each: that place in units of its limit, percentile of the whole image.")
            if found.limit > 0
            else t(
                "Most unusual place first. Under each: the raw distance of that place, percentile of the whole image."
            )
        )
        browse(
            project,
            _cells(shown, judged, found, positions, repr((shown.generation, found.key, chosen, language()))),
            key="dn2_where_gallery",
            height=560 if len(positions) > 12 else 400,
        )
    else:
        st.markdown(t("No image is of this kind."))
    _chart(shown, judged, found)
    return False


@st.cache_resource(max_entries=8, show_spinner=False)
def _cells(_shown, _judged, _found, _positions, key: str):
    return mode_cells(_shown, _judged, _found, _positions)


def _answer(judged, found, by: np.ndarray, mask) -> None:
    counts = {name: int(np.sum(by == name)) for name in FOUND}
    compared = sum(counts.values())
    words = t(
        "{patches} of {n} flagged by a place · {whole} by the whole image · {both} by both",
        patches=number(counts["both"] + counts["patches"]),
        n=number(compared),
        whole=number(counts["both"] + counts["whole"]),
        both=number(counts["both"]),
    )
    if not compared:
        words = t("No image is judged by its places yet")
    st.markdown("#### " + words + masked(mask))
    if found.calibration is None:
        st.caption(t("One normal is too few for a limit. Add more normals; the most unusual place shows already."))
    else:
        ahead = found.calibration.forecast
        st.caption(
            t(
                "About {share} of good parts like the normals are flagged by a place (between {low} and {high}; limit"
                " {limit}, set by {n} good parts). Both modes together flag at most the sum of their shares.",
                share=percent(100 * ahead.expected),
                low=percent(100 * ahead.low),
                high=percent(100 * ahead.high),
                limit=raw(found.limit),
                n=number(ahead.n),
            )
            + ("" if found.calibration.supported else f" {refusal(found.calibration)}")
        )


def _not_compared(project, found, busy: bool) -> None:
    if found.lost:
        st.caption(
            tn(
                "{n} image cannot be compared: its stored picture cannot be read, or no other normal is there.",
                "{n} images cannot be compared: their stored pictures cannot be read, or no other normal is there.",
                found.lost,
            )
        )
    if found.pending:
        st.caption(tn("{n} image is not compared yet.", "{n} images are not compared yet.", found.pending))
        if not (busy or past()):
            _compare_button(project)


def _chosen() -> list[str]:
    return [name for name in FOUND if name in st.query_params.get("by", "").split(",")]


def _pick(by: np.ndarray) -> None:
    put(dn2_where_by=_chosen())
    st.pills(
        t("Found by"),
        FOUND,
        selection_mode="multi",
        format_func=lambda name: f"{found_word(name)} {number(int(np.sum(by == name)))}",
        key="dn2_where_by",
        on_change=_picked,
        help=t(
            "A place alone: a small defect that the whole image hides. Whole image alone: nothing small stands out."
        ),
    )


def _picked() -> None:
    if chosen := st.session_state["dn2_where_by"]:
        st.query_params["by"] = ",".join(chosen)
    else:
        st.query_params.pop("by", None)


def _chart(shown, judged, found) -> None:
    if not (found.limit > 0 and judged.limit > 0):
        return
    st.markdown(f"##### {md(t('Both scores beside each other'))}")
    state = st.plotly_chart(
        both_modes(shown, judged, found),
        theme=None,
        config=plot_config(),
        key=CHART,
        on_select="rerun",
        selection_mode="points",
        alt=t("Each scored image by the score of the whole image and of its most unusual place, with both limits"),
    )
    points = state.selection.points if state else []
    item = points[0].get("customdata") if points else None
    if item is not None and item != st.session_state.get("dn2_where_clicked"):
        st.session_state["dn2_where_clicked"] = item
        show_image(int(item[0] if isinstance(item, list) else item))
    if item is None:
        st.session_state.pop("dn2_where_clicked", None)


where()
