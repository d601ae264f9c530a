"""Lots: which group of images went wrong, and since when?"""

import time

import streamlit as st

from dn2core.project.lot_verdicts import LotVerdicts, lot_normals, lot_scores, lot_verdicts, lots_by_size
from dn2core.report.lots_csv import lots_csv
from pages.parts import lot_choice
from pages.parts.detail import open_detail
from pages.parts.header import empty_state, need_project, problem, project_header
from pages.parts.impact import changed_normals
from pages.parts.jobs import job_panel, last_failure
from pages.parts.look import plot_config
from pages.parts.lot_charts import lots_in_order
from pages.parts.lot_opened import opened_lot
from pages.parts.lot_table import list_order, lot_list
from pages.parts.lot_words import answer, basis, budget_line, caught, refusals
from pages.parts.lots import lots_panel
from pages.parts.opened import wanted_image
from pages.parts.results import judged_item
from pages.parts.service import current_project, past, snapshot
from pages.parts.text import md, number, t
from pages.parts.widgets import put

WAIT = 0.3  # seconds
CHART = "dn2_lots_chart"
DRAWN = "dn2_lots_drawn"  # names of the lots as the chart that was clicked shows them


def lots() -> None:
    project = current_project()
    need_project(project)
    shown = snapshot(project)
    left, right = st.columns([3, 2], vertical_alignment="bottom")
    left.title(t("Lots"), anchor=False)
    project_header(project, shown)
    busy = job_panel(project, ("intake", "reencode"))
    if not busy:
        last_failure(project, "intake")
    if shown is None:
        empty_state(
            t("No normals yet"),
            t("A lot is judged by what groups of good parts look like. Give images of good parts first."),
            t("Go to Normals"),
            "normals",
            icon=":material/inventory_2:",
        )
        return
    changed_normals(project)
    if not any(shown.scored.lots):
        _no_lots(project, shown)
        return
    choice = lot_choice.read(st.query_params, shown.settings.budget)
    images = shown.judge()
    scores = _scores(project, shown, choice.method)
    rule = {"budget": choice.budget, "order": choice.order, "method": choice.method}
    found = _verdicts(shown, images, scores, repr((shown.generation, rule)), rule)
    order = list_order(found, choice.worst_first)
    at = found.named(choice.lot) if choice.lot is not None else None
    if _opened_image(project, shown, images, found, at):
        return
    if at is not None:
        opened_lot(project, shown, images, found, at, order)
        return
    if choice.lot is not None:
        problem("NOT_FOUND", {"what": t("The lot")})
    with right.container(horizontal=True, horizontal_alignment="right"):
        _download(shown, found)
    _answer(found)
    lot_choice.controls(choice, shown.settings.budget)
    _over_time(found, choice)
    _list(project, shown, found, order, choice)
    _name_lots(project, shown)


def _scores(project, shown, method: str) -> list:
    """All lots' scores, those of one size after the other; how far that is is told as soon as it takes long."""
    known, place, began = _known_scores(repr((shown.generation, method))), st.empty(), time.monotonic()
    by_size = lots_by_size(shown, method)
    missing = [size for size in by_size if size not in known]
    normals = lot_normals(project, shown) if missing else None
    for done, size in enumerate(missing):
        if time.monotonic() - began > WAIT:
            words = t("Comparing lots of {size} images with groups of normals", size=number(size))
            place.progress(done / len(missing), words)
        known[size] = lot_scores(shown, normals, method=method, lots=by_size[size])
    place.empty()
    return [score for size in by_size for score in known[size]]


@st.cache_resource(max_entries=8, show_spinner=False)
def _known_scores(key: str) -> dict[int, list]:
    """The scores by size, to be filled: whoever leaves in between finds what was done."""
    return {}


@st.cache_resource(max_entries=16, show_spinner=False)
def _verdicts(_shown, _images, _scores: list, key: str, _rule: dict) -> LotVerdicts:
    return lot_verdicts(_shown, _images, _scores, **_rule)


def _no_lots(project, shown) -> None:
    st.markdown(f"#### {t('Which lot went wrong, and since when?')}")
    st.markdown(
        t("No scored image belongs to a lot yet. Say which images were made together: each lot is judged as a whole.")
        if len(shown.scored)
        else t("No images are scored yet. Lots of normals can be named already: verdicts rest best on real ones.")
    )
    if past():
        st.caption(t("Lots are named in the present state only."))
    else:
        lots_panel(project, shown)


def _opened_image(project, shown, images, found: LotVerdicts, at: int | None) -> bool:
    """Draw the picture that the address asks for; previous and next stay within the lot that is open."""
    wanted = wanted_image()
    if wanted is None:
        return False
    if judged_item(shown, images, wanted) is None:
        problem("NOT_FOUND", {"what": t("The image")})
        return False
    order = found.lots[at].drivers if at is not None else slice(None)
    open_detail(project, shown, wanted, shown.scored.ids[order].tolist(), images)
    return True


def _answer(found: LotVerdicts) -> None:
    st.caption(t("Which lot went wrong, and since when?"))
    st.markdown(
        f"#### {md(answer(found))}",
        help=t(
            "A run begins with a flagged lot. It goes on while more of its lots are flagged than pass, and is over "
            "when as many have passed."
        )
        if found.since
        else None,
    )
    silent = caught(found)
    if silent:
        st.markdown(md(silent))
    for words in refusals(found):
        st.warning(md(words), icon=":material/info:")
    if found.judged:
        first, *more = basis(found)
        with st.container(horizontal=True, vertical_alignment="center", gap="small", key="dn2_lots_basis"):
            st.caption(md(f"{budget_line(found)} {first}"), width="content", help=md(" ".join(more)) or None)


def _over_time(found: LotVerdicts, choice) -> None:
    if len([lot for lot in found.lots if lot.times_limit == lot.times_limit]) < 2:
        return
    st.plotly_chart(
        lots_in_order(found, lot_choice.order_words()[choice.order]),
        theme=None,
        config=plot_config(),
        key=lot_choice.clickable(CHART),
        on_select=_clicked,
        selection_mode="points",
        alt=t("How far each lot lies, in their order, with the limit"),
    )
    st.session_state[DRAWN] = [lot.name for lot in found.lots]


def _clicked() -> None:
    points = st.session_state[lot_choice.clickable(CHART)].selection.points
    names = st.session_state.get(DRAWN, [])
    at = points[0].get("customdata") if points else None
    at = at[0] if isinstance(at, list) else at
    if isinstance(at, int) and 0 <= at < len(names):
        lot_choice.open_lot(names[at])


def _list(project, shown, found: LotVerdicts, order: list[int], choice) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="medium", key="dn2_lots_list_row"):
        st.markdown(f"##### {t('Lots')}", width="content")
        put(dn2_lots_sort=choice.worst_first)
        st.toggle(t("Most unusual first"), key="dn2_lots_sort", on_change=_sort)
        st.caption(t("A click on a lot opens it."), width="content")
    lot_list(project, shown, found, order)


def _sort() -> None:
    if st.session_state["dn2_lots_sort"]:
        st.query_params["sort"] = "score"
    else:
        st.query_params.pop("sort", None)


def _download(shown, found: LotVerdicts) -> None:
    st.download_button(
        t("Download CSV"),
        data=lambda: lots_csv(shown, found, bom=True),
        file_name=f"dn2-lots-v{shown.state.version}.csv",
        mime="text/csv",
        key="dn2_lots_csv",
        icon=":material/download:",
        on_click="ignore",
        help=t("One row a lot, with its verdict and what it rests on."),
    )


def _name_lots(project, shown) -> None:
    if past():
        return
    with st.expander(t("Name lots"), icon=":material/layers:", key="dn2_lots_naming"):
        lots_panel(project, shown)


lots()
