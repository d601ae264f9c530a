"""Evaluate: how good is it, as far as people's labels tell, and are the normals enough."""

import numpy as np
import streamlit as st

from dn2core.explore.modes import both_by_labels
from dn2core.project.evaluate import evaluation, in_cell
from dn2core.project.labels import labels, labels_of
from dn2core.project.patches import by_a_place_alone, patch_view
from pages.parts.browse import browse
from pages.parts.detail import open_detail
from pages.parts.enough import enough, lonely_ids
from pages.parts.evaluated import answer, cell_head, cell_of, charts, confusion_table, left_out, numbers
from pages.parts.header import empty_state, need_project, problem, project_header
from pages.parts.impact import labels_key
from pages.parts.label_upload import label_upload
from pages.parts.links import link
from pages.parts.look import one_in, percent
from pages.parts.opened import wanted_image
from pages.parts.results import cells, judged_item, with_places
from pages.parts.service import current_project, past, snapshot
from pages.parts.text import language, t, tn
from pages.parts.where_beside import beside, places_may_find_more


def evaluate() -> None:
    project = current_project()
    need_project(project)
    shown = snapshot(project)
    st.title(t("Evaluate"), anchor=False)
    project_header(project, shown)
    if shown is None:
        empty_state(
            t("No normals yet"),
            t("Here you see how many defects are found and whether the normals are enough. Give good parts first."),
            t("Go to Normals"),
            "normals",
            icon=":material/query_stats:",
        )
        return
    judged = shown.judge()
    known = labels(project)
    marks = labels_of(shown.scored, known)
    key = repr((shown.generation, labels_key(known)))
    chosen = cell_of(st.query_params)
    if _opened(project, shown, judged, marks, chosen, key):
        return
    if not len(shown.scored):
        empty_state(
            t("No images are scored yet"),
            t("Score some images, say which are good and which are defects, and here you see how many are found."),
            t("Go to Score"),
            "score",
            icon=":material/query_stats:",
        )
    elif np.isin(marks, ("good", "defect")).any():
        _evaluated(project, shown, judged, marks, chosen, key)
        _labels(project, labelled=True)
    else:
        _unlabelled(shown, marks)
        _labels(project, labelled=False)
    st.divider()
    enough(project, shown, marks, key)


def _opened(project, shown, judged, marks, chosen, key: str) -> bool:
    """Draw the picture in the address, if there is one; previous and next walk along the gallery it was in."""
    wanted = wanted_image()
    if wanted is None:
        return False
    if judged_item(shown, judged, wanted) is None:
        problem("NOT_FOUND", {"what": t("The image")})
        return False
    found = _found(shown, judged, marks, key)
    galleries = [found.misses, found.false_alarms]
    if chosen is not None:
        galleries.insert(0, in_cell(shown, judged, marks, *chosen))
    orders = [shown.scored.ids[positions].tolist() for positions in galleries] + [lonely_ids(shown)]
    order = next((order for order in orders if wanted in order), [wanted])
    open_detail(project, shown, wanted, order, judged)
    return True


@st.cache_resource(max_entries=8, show_spinner=False)
def _found(_shown, _judged, _marks, key: str):
    return evaluation(_shown, _judged, _marks)


def _unlabelled(shown, marks) -> None:
    unsure = int(np.sum(marks == "unsure"))
    text = t("Say of some images whether they are good parts or defects, and here you see how many are found.")
    if unsure:
        text = tn(
            "{n} image is marked as unsure, none as good or as a defect.",
            "{n} images are marked as unsure, none as good or as a defect.",
            unsure,
        )
    empty_state(
        t("No image is labelled yet") if not unsure else t("No label to count yet"),
        text,
        t("Go to Review"),
        "review",
        icon=":material/rule:",
    )


def _beyond_budget(found, judged) -> None:
    """Where surely more good parts are flagged than the budget allows."""
    share = found.confusion.false_alarms
    if judged.limit != judged.limit or share.low is None or share.low <= judged.budget:
        return
    st.warning(
        t(
            "{value} of the known good parts are flagged ({low} to {high}), and the budget is {budget}. "
            "The normals may lack what these parts look like: let false alarms join them, or look at lots on the "
            "Limits page. If people labelled mostly flagged images, the share is overstated.",
            value=percent(100 * share.value),
            low=percent(100 * share.low),
            high=percent(100 * share.high),
            budget=one_in(judged.budget),
        ),
        icon=":material/notification_important:",
    )


def _evaluated(project, shown, judged, marks, chosen, key: str) -> None:
    with st.spinner(t("Evaluating the labels")):
        found = _found(shown, judged, marks, key)
    limited = judged.limit == judged.limit
    answer(found, limited)
    if shown.settings.patches is not None:
        st.caption(t("By the whole image. What places find besides stands below."))
    _beyond_budget(found, judged)
    # Beside each other where there is room, else one under the other.
    with st.container(horizontal=True, gap="large", key="dn2_evaluated"):
        with st.container(width="stretch", gap="small"):
            numbers(found, limited)
        with st.container(width=430, gap="small"):
            confusion_table(found, limited, chosen)
    left_out(found)
    _by_places(project, shown, judged, found, marks, key)
    charts(found, judged)
    if not limited:
        return
    if chosen is not None:
        positions = in_cell(shown, judged, marks, *chosen)
        cell_head(chosen)
        _gallery(project, shown, judged, positions, key=f"dn2_cell_{'_'.join(chosen)}", stamp=(key, chosen))
        return
    for name, title, positions in (
        ("misses", t("Missed defects, the least conspicuous first"), found.misses),
        ("alarms", t("False alarms, the most unusual first"), found.false_alarms),
    ):
        if len(positions):
            st.markdown(f"##### {title}")
            _gallery(project, shown, judged, positions, key=f"dn2_{name}", stamp=(key, name))


def _by_places(project, shown, judged, found, marks, key: str) -> None:
    """What places find beside the whole image; where they are not looked at and defects are missed, the way there."""
    if shown.settings.patches is None:
        if found.confusion.misses and not past():
            places_may_find_more()
        return
    patches = patch_view(project, shown)
    if patches is None or patches.limit != patches.limit or judged.limit != judged.limit:
        return
    both = _both(shown, judged, patches, marks, repr((key, patches.key)))
    if both.defects.of or both.good.of:
        beside(both)


@st.cache_resource(max_entries=8, show_spinner=False)
def _both(_shown, _judged, _patches, _marks, key: str):
    return both_by_labels(
        _judged.scores, _judged.flagged, _patches.scores, _patches.flagged, _marks, _shown.same_as_normal
    )


def _gallery(project, shown, judged, positions, *, key: str, stamp: tuple) -> None:
    if not len(positions):
        st.caption(t("No image is here."))
        return
    places = patch_view(project, shown)
    alone = by_a_place_alone(judged, places)[positions]
    pictures = _cells(shown, judged, positions, alone, repr((stamp, places and places.key, language())))
    browse(project, pictures, key=key, height=400 if len(positions) > 7 else 210)


@st.cache_resource(max_entries=12, show_spinner=False)
def _cells(_shown, _judged, _positions, _alone, key: str):
    return with_places(cells(_shown, _judged, _positions), _alone)


def _labels(project, *, labelled: bool) -> None:
    if past():
        return
    with st.expander(t("Labels from a file"), icon=":material/upload_file:", key="dn2_labels", expanded=not labelled):
        label_upload(project)
    if labelled:
        link("review", t("Label more on the Review page"), icon=":material/rule:")


evaluate()
