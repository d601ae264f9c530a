"""Capture: is it the part, or was the picture taken differently?"""

import numpy as np
import streamlit as st

from dn2core.detect.capture import FEW_NORMALS, GROUPS, LEAST_NORMALS
from dn2core.errors import DN2Error
from dn2core.project.captures import ask_to_measure
from pages.parts.browse import browse
from pages.parts.capture_findings import taken
from pages.parts.capture_gallery import capture_cells, counted, gravest_first, in_groups
from pages.parts.capture_words import files_told, group_word, not_judged_told, range_table, why
from pages.parts.clean_draft import Draft
from pages.parts.clean_trial import cutoff_of, pairs_of
from pages.parts.detail import open_detail
from pages.parts.header import empty_state, need_project, problem, project_header
from pages.parts.jiggle import jiggle_panel
from pages.parts.jobs import job_panel
from pages.parts.links import link
from pages.parts.opened import wanted_image
from pages.parts.place_alone import flagged_by_place
from pages.parts.results import judged_item, with_places
from pages.parts.service import current_project, past, snapshot
from pages.parts.text import md, number, t, tn
from pages.parts.widgets import put


def capture() -> None:
    project = current_project()
    need_project(project)
    shown = snapshot(project)
    st.title(t("Capture"), anchor=False)
    project_header(project, shown)
    busy = job_panel(project, ("intake", "reencode"))
    if shown is None:
        empty_state(
            t("No normals yet"),
            t("Here you see which pictures were taken unlike the normals. Give images of good parts first."),
            t("Go to Normals"),
            "normals",
            icon=":material/photo_camera:",
        )
        return
    found, judged = taken(project, shown), shown.judge()
    normals = shown.normals.and_then(shown.apart)
    chosen = _chosen()
    scored_order, normal_order = gravest_first(found.scored, chosen), gravest_first(found.normals)
    wanted = wanted_image()
    if wanted is not None and judged_item(shown, judged, wanted) is not None:
        order = normals.ids[normal_order] if wanted in normals.ids else shown.scored.ids[scored_order]
        open_detail(project, shown, wanted, order.tolist(), judged)
        return
    if wanted is not None:
        problem("NOT_FOUND", {"what": t("The image")})
    _answer(shown, found)
    _looked_at(found)
    _unmeasured(project, found, busy)
    if found.scored_with_findings().any():
        _filter(found, chosen)
        pictures = capture_cells(shown.scored, found.scored, scored_order, judged.verdicts.tolist())
        pictures = with_places(pictures, flagged_by_place(project, shown, judged)[scored_order])
        browse(project, pictures, key="dn2_capture", height=520 if len(pictures.ids) > 12 else 360)
    _health(project, shown, found, normals, normal_order)
    jiggle_panel(project, shown)


def _chosen() -> tuple[str, ...]:
    words = st.query_params.get("about", "").split(",")
    return tuple(group for group in GROUPS if group in words)


def _answer(shown, found) -> None:
    """Is it the part or the camera?"""
    known, odd = len(shown.scored) - found.scored_unmeasured, int(found.scored_with_findings().sum())
    few = _measured_normals(found) < LEAST_NORMALS
    if not len(shown.scored):
        answer = t("No new images yet: score some, and those taken differently stand here.")
    elif odd:
        answer = t("{odd} of {n} images: check the capture", odd=number(odd), n=number(len(shown.scored)))
    elif few or not known:
        answer = t("That cannot be told yet.")
    else:
        answer = tn("{n} image, taken like the normals", "{n} images, all taken like the normals", known)
    st.markdown(f"#### {t('Is it the part or the camera?')} {answer}", help=why())
    if files := found.files():
        st.markdown(
            f":material/file_present: {md(files_told(files))}",
            help=t(
                "Most images of a delivery are of that kind. That says how they were saved and not how each was taken: "
                "it is not counted as a capture to check. Images saved like the normals compare best."
            ),
        )


def _looked_at(found) -> None:
    """What cannot be told beside these normals, and from where on the rest is."""
    told = [] if found.normals_unmeasured and found.usual is None else not_judged_told(found.not_judged)
    n = _measured_normals(found)
    if n < LEAST_NORMALS and not found.normals_unmeasured:
        told.append(t("Add more normals."))
    elif LEAST_NORMALS <= n < FEW_NORMALS:
        told.append(t("With {n} normals only large differences are told; more normals make it finer.", n=number(n)))
    if told:
        st.caption(md(" ".join(told)))
    if found.usual is None:
        return
    with st.expander(t("From where on it is told"), key="dn2_capture_ranges"):
        table = range_table(found.usual)
        st.dataframe(table, hide_index=True, key="dn2_capture_range_table", alt=t("What is measured of each picture"))


def _measured_normals(found) -> int:
    return len(found.normals) - found.normals_unmeasured


def _unmeasured(project, found, busy: bool) -> None:
    """Images of a time before this, or with a lost file."""
    unmeasured = found.scored_unmeasured + found.normals_unmeasured
    if not unmeasured:
        return
    with st.container(horizontal=True, vertical_alignment="center", key="dn2_unmeasured"):
        st.markdown(
            tn(
                "Of {n} image it is not known how it was taken: it came before this was measured, or its stored file "
                "cannot be read.",
                "Of {n} images it is not known how they were taken: they came before this was measured, or their "
                "stored files cannot be read.",
                unmeasured,
            ),
            width="stretch",
        )
        if not past():
            st.button(
                t("Measure them"),
                key="dn2_measure",
                icon=":material/straighten:",
                disabled=busy,
                on_click=_measure,
                args=(project,),
            )


def _measure(project) -> None:
    try:
        ask_to_measure(project)
    except DN2Error as error:
        problem(error)


def _filter(found, chosen: tuple[str, ...]) -> None:
    counts = in_groups(found.scored)
    put(dn2_about=list(chosen))
    st.pills(
        t("What is unusual"),
        [group for group in GROUPS if group in counts or group in chosen],
        selection_mode="multi",
        format_func=lambda group: f"{group_word(group)} {number(counts.get(group, 0))}",
        key="dn2_about",
        on_change=_filtered,
    )


def _filtered() -> None:
    words = [group for group in GROUPS if group in (st.session_state["dn2_about"] or ())]
    if words:
        st.query_params["about"] = ",".join(words)
    else:
        st.query_params.pop("about", None)


def _health(project, shown, found, normals, order: np.ndarray) -> None:
    st.markdown(
        f"#### {t('Health of the normals')}",
        help=t(
            "Each normal against all of them. A blurred or badly lit one among them makes such pictures pass; on its "
            "own picture it can be taken out."
        ),
    )
    if len(order):
        odd = tn(
            "{n} of {all} was taken unlike the others",
            "{n} of {all} were taken unlike the others",
            len(order),
            all=number(len(normals)),
        )
        st.markdown(f"{odd}: {counted(found.normals)}.")
        pictures = capture_cells(normals, found.normals, order, ["normal"] * len(normals))
        browse(project, pictures, key="dn2_capture_normals", height=360 if len(order) > 6 else 220)
    elif (measured := _measured_normals(found)) >= LEAST_NORMALS:
        st.markdown(tn("{n} normal was taken alike.", "All {n} normals were taken alike.", measured))
    if shown.loo is not None:
        copies = len(pairs_of(shown, cutoff_of(shown, Draft()))[0])
        words = (
            tn("{n} pair of near-duplicates", "{n} pairs of near-duplicates", copies)
            if copies
            else t("No near-duplicates")
        )
        link("clean", words, icon=":material/content_copy:", part="copies")


capture()
