"""Clean: which of the normals are none?"""

import streamlit as st

from pages.parts.audit import audit_view
from pages.parts.clean_decide import decide_bar
from pages.parts.clean_draft import draft_of, plan
from pages.parts.clean_effect import turned
from pages.parts.clean_trial import cleaned, cutoff_of, foreseen, pairs_of
from pages.parts.detail import open_detail
from pages.parts.duplicates import duplicates_view, paired
from pages.parts.header import empty_state, need_project, problem, project_header
from pages.parts.impact import changed_normals
from pages.parts.jobs import job_panel, last_failure
from pages.parts.opened import wanted_image
from pages.parts.results import judged_item
from pages.parts.service import current_project, snapshot
from pages.parts.suspects import ranked, suspects_view
from pages.parts.text import number, t
from pages.parts.widgets import switch_in_address, word_in_address

PARTS = ("strangers", "copies", "audit")


def clean() -> None:
    project = current_project()
    need_project(project)
    shown = snapshot(project)
    st.title(t("Clean"), anchor=False)
    project_header(project, shown)
    busy = job_panel(project, ("intake", "reencode"))
    if not busy:
        last_failure(project, "intake")
    if shown is None:
        empty_state(
            t("No normals yet"),
            t("Here you find what does not belong among the normals. Give images of good parts first."),
            t("Go to Normals"),
            "normals",
            icon=":material/cleaning_services:",
        )
        return
    changed_normals(project)
    if shown.loo is None:
        st.markdown(t("With one normal there is nothing to compare it with. Add more normals."))
        return
    if shown.reduced:
        st.caption(
            t(
                "Images are compared with a choice of {n} normals, and only these are looked at here.",
                n=number(shown.bank.n),
            )
        )
    draft = draft_of(project)
    cleaning = cleaned(shown)
    pairs, _ = pairs_of(shown, cutoff_of(shown, draft))
    planned = plan(draft, cleaning, shown.normals.image_ids, pairs)
    part = word_in_address("part", PARTS)
    wanted = wanted_image()
    if wanted is not None and judged_item(shown, shown.judge(), wanted) is not None:
        _opened(project, shown, cleaning, planned, draft, wanted, part)
        return
    if wanted is not None:
        problem("NOT_FOUND", {"what": t("The image")})
    _switch()
    if part == "audit":
        audit_view(project, shown)
    elif part == "copies":
        duplicates_view(project, shown, draft, planned)
    else:
        suspects_view(project, shown, draft, cleaning, planned)


def _opened(project, shown, cleaning, planned, draft, wanted: int, part: str) -> None:
    """A suspect or a copy with the ways to decide on it; any other image as everywhere."""
    position, order = shown.normals.position(wanted), []
    if position is None:
        found, _ = foreseen(project, shown, planned)
        order = turned(shown, found) if found is not None else []
    elif part != "audit":
        order = paired(shown, draft) if part == "copies" else ranked(shown, cleaning) if cleaning else []
        decide_bar(project, shown, draft, planned, position, order)
    open_detail(project, shown, wanted, order)


def _switch() -> None:
    words = {"strangers": t("Strangers"), "copies": t("Near-duplicates"), "audit": t("Reference audit")}
    switch_in_address(t("What to look at"), words, name="part", key="dn2_clean_part")


clean()
