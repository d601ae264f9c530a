"""Tune: what another k or another score would say, before it is applied."""

from dataclasses import replace

import numpy as np
import streamlit as st

from dn2core.detect import FORMS, changes
from dn2core.errors import DN2Error
from dn2core.explore import sweep_table
from dn2core.project.impact import compared
from dn2core.project.labels import labels, labels_of
from dn2core.project.settings import K_MAX, PRESETS, Settings
from dn2core.project.snapshot import tried
from pages.parts.backbone import backbone_choice
from pages.parts.browse import browse
from pages.parts.components.k_slider import k_slider
from pages.parts.components.who import author
from pages.parts.detail import open_detail
from pages.parts.fewer import fewer_section
from pages.parts.forms import form_words
from pages.parts.header import empty_state, need_project, problem, project_header
from pages.parts.impact import labels_key
from pages.parts.jobs import job_panel, last_failure
from pages.parts.k_stability import advise, stability_of, sweep_picture
from pages.parts.look import raw
from pages.parts.missed import missed_defects
from pages.parts.opened import wanted_image
from pages.parts.results import judged_item, most_unusual_first, turned_cells
from pages.parts.service import current_project, past, snapshot
from pages.parts.text import md, number, t, tn
from pages.parts.tune_draft import (
    choice,
    draft_of,
    features_of,
    forget,
    needs_encoding,
    of_preset,
    shows_more_than_k,
    try_out,
)
from pages.parts.where_beside import about_the_whole

BEFORE = "dn2_before_apply"


def tune() -> None:
    project = current_project()
    need_project(project)
    shown = snapshot(project)
    st.title(t("Tune"), anchor=False)
    project_header(project, shown)
    busy = job_panel(project, ("reencode",))
    if not busy:
        last_failure(project, "reencode")
    if shown is None:
        empty_state(
            t("No normals yet"),
            t("Here you see what another k would change. Give images of good parts first."),
            t("Go to Normals"),
            "normals",
            icon=":material/tune:",
        )
        return
    if shown.loo is None:
        st.markdown(t("One normal is too few for a limit, so there is nothing to tune yet. Add more normals."))
        return
    draft = draft_of(shown.settings)
    unknown = needs_encoding(shown.settings, draft)
    # Present features say nothing of what others would bring: until then only what is in use is told.
    trial = shown if unknown else _trial(project, shown, draft)
    wanted = wanted_image()
    after = shown.judge() if unknown else trial.judge(draft.k)
    if wanted is not None and judged_item(trial, after, wanted) is not None:
        order = _changed(shown.judge(), after)
        open_detail(project, trial, wanted, trial.scored.ids[order].tolist(), after)
        return
    if wanted is not None:
        problem("NOT_FOUND", {"what": t("The image")})
    known = labels(project)
    marks = labels_of(shown.scored, known)
    about_the_whole(shown, t("k and the score are of the whole image. Places have a limit of their own: see Where."))
    several = trial.table.k_max > 1 and len(trial.scored) > 0 and not unknown
    # The slider need not wait for the comparison of every k; a line keeps the place of what comes of it.
    spot = st.empty() if several else None
    if several:
        spot.markdown(f":material/lightbulb: {t('Comparing every k')}")
    _explore(project, shown, trial, marks, draft)
    if several:
        said = labels_key(known)
        found = stability_of(shown, trial, marks, repr((shown.generation, draft.normalise, draft.form, said)))
        with spot.container():
            advise(found, lambda k: try_out(shown.settings, k=k))
        sweep_picture(found)
    _expert(project, shown.settings, draft)
    fewer_section(project, shown)


def _trial(project, shown, draft: Settings):
    """The snapshot as it would be with the draft's vectors and score; k is not looked at."""
    settings = replace(shown.settings, normalise=draft.normalise, form=draft.form)
    if settings == shown.settings:
        return shown
    return _tried(project, shown, settings, repr((shown.generation, draft.normalise, draft.form)))


@st.cache_resource(max_entries=3, show_spinner=False)
def _tried(_project, _shown, _settings: Settings, key: str):
    return tried(_project, _shown, _settings)


@st.cache_resource(max_entries=4, show_spinner=False)
def _sweep(_shown, _trial, key: str):
    """Every k of the trial, with the verdicts in use as what the others are compared with."""
    before = _shown.judge()
    swept = sweep_table(_trial.table, k_max=K_MAX, budget=_shown.settings.budget, k_now=before.k)
    if _trial is _shown:
        return swept
    now = before.flagged
    return replace(
        swept,
        newly_flagged=(swept.flagged & ~now).sum(axis=1),
        no_longer_flagged=(~swept.flagged & now).sum(axis=1),
    )


def _presets(saved: Settings, draft: Settings) -> None:
    chosen = [name for name, preset in PRESETS.items() if of_preset(draft) == of_preset(preset)]
    words = {
        "recommended": (
            t("Recommended"),
            t(
                "Two stages of the network, the whole image, features of unit length, k = 10, corrected for density: "
                "best over four data sets."
            ),
        ),
        "paper": (
            t("Paper"),
            t("As DN2 was published: resized to 256, cropped to the middle 224, raw distances, k = 2."),
        ),
    }
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="dn2_presets"):
        st.caption(t("Presets"), width="content")
        for name, (label, help_text) in words.items():
            preset = PRESETS[name]
            st.button(
                label,
                key=f"dn2_preset_{name}",
                icon=":material/check:" if name in chosen else None,
                help=help_text,
                on_click=try_out,
                args=(saved,),
                kwargs=of_preset(preset),
            )


@st.fragment
def _explore(project, shown, trial, marks, drawn: Settings) -> None:
    """Presets, the slider with its picture, what would change, and Apply.

    A moved thumb reruns this alone: labels and stability are looked up outside, where `drawn` was the draft.
    """
    saved = shown.settings
    draft = draft_of(saved)
    if shows_more_than_k(drawn, draft):
        st.rerun()
    unknown = needs_encoding(saved, draft)
    presets = st.container()  # the slider below says which k they are compared with
    released = None
    if trial.table.k_max > 1:
        released = k_slider(
            key=f"dn2_k_{project.id}",
            k=min(draft.k, trial.table.k_max),
            sweep=_sweep(shown, trial, repr(trial.generation)),
            calibrated_on=shown.judge().calibrated_on,
            counted=not unknown,
        )
    else:
        st.caption(t("With two normals each has one other to be compared with, so k is 1. Add more to tune it."))
    if released is not None and int(released) != draft.k:
        try_out(saved, k=int(np.clip(int(released), 1, K_MAX)))
        draft = draft_of(saved)
    with presets:
        _presets(saved, draft)
    if unknown:
        _unknown()
        _apply_row(project, saved, draft)
        return
    before, after = shown.judge(), trial.judge(draft.k)
    positions = _changed(before, after)
    _answer(saved, draft, shown, before, after, positions)
    if draft != saved:
        known = int(np.sum(marks == "defect"))
        missed_defects(project, trial, after, compared(before, after, marks).missed, known)
    _apply_row(project, saved, draft)
    if draft == saved:
        _undo_row(project, saved)
    _flips(project, trial, before, after, positions)


def _changed(before, after) -> np.ndarray:
    """Positions of scored images whose verdict would change, the most unusual first."""
    return most_unusual_first(after.scores, changes(before, after))


def _unknown() -> None:
    st.markdown(f"#### {t('What changes is unknown until all images are encoded anew')}")
    st.caption(t("Apply starts that in the background; the present features serve until it is done."))


def _answer(saved: Settings, draft: Settings, shown, before, after, positions) -> None:
    if len(shown.scored) == 0:
        st.markdown(t("No images are scored yet: the picture shows the normals alone."))
        return
    newly = int(np.sum(after.flagged[positions]))
    back = len(positions) - newly
    if (draft.k, draft.normalise, draft.form) == (saved.k, saved.normalise, saved.form):
        start = t("k = {k} is in use", k=number(after.k))
        counts = t("{flagged} of {n} flagged", flagged=number(int(after.flagged.sum())), n=number(len(after.flagged)))
        st.markdown(f"#### {start} · {counts} · {t('limit {limit}', limit=raw(after.limit))}")
        st.caption(
            t("Move k: the picture follows the thumb, and what would change comes below. Nothing changes before Apply.")
        )
        return
    heading = (
        tn("{n} image would change its verdict", "{n} images would change their verdict", len(positions))
        if len(positions)
        else t("No verdict would change")
    )
    flagged = t(
        "{after} of {n} flagged instead of {before}",
        after=number(int(after.flagged.sum())),
        before=number(int(before.flagged.sum())),
        n=number(len(after.flagged)),
    )
    st.markdown(f"#### {heading} · {flagged} · {t('limit {limit}', limit=raw(after.limit))}")
    if len(positions):
        st.caption(
            t(
                "{newly} would newly be flagged, {back} no longer.",
                newly=number(newly),
                back=number(back),
            )
        )


def _apply_row(project, saved: Settings, draft: Settings) -> None:
    different = draft != saved
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="dn2_apply_row"):
        st.button(
            t("Apply {choice}", choice=choice(saved, draft)) if different else t("Apply"),
            key="dn2_apply",
            type="primary",
            icon=":material/check:",
            shortcut="A",
            disabled=not different or past(),
            on_click=_apply,
            args=(project, saved, draft),
        )
        if different:
            st.button(
                t("Keep k = {k}", k=number(saved.k)) if draft.k != saved.k else t("Keep what is in use"),
                key="dn2_keep",
                icon=":material/undo:",
                on_click=forget,
            )
    failed = st.session_state.pop("dn2_apply_failed", None)
    if failed is not None:
        problem(failed)


def _apply(project, saved: Settings, draft: Settings) -> None:
    """Write the choice; another crop is encoded in the background, the rest holds at once."""
    try:
        # Only what is chosen here: limits may have been set elsewhere meanwhile.
        project.change_settings(k=draft.k, normalise=draft.normalise, form=draft.form, author=author())
        if needs_encoding(saved, draft):
            project.change_backbone(*features_of(draft))
    except DN2Error as error:
        st.session_state["dn2_apply_failed"] = error
    else:
        forget()
        st.session_state["dn2_applied"] = True
        st.session_state[BEFORE] = (project.id, saved)


def _go_back(project, saved: Settings, before: Settings) -> None:
    """Apply what was in use before; where its features still serve, none that are on their way take over."""
    for job in project.jobs.active(project.id):
        if job.kind == "reencode" and (job.args["backbone"], job.args["preset"]) != features_of(before):
            project.jobs.cancel(job.id)
    _apply(project, saved, before)


def _undo_row(project, saved: Settings) -> None:
    """After Apply: the way back to what was in use before."""
    project_id, before = st.session_state.get(BEFORE, (None, None))
    if project_id != project.id or of_preset(before) == of_preset(saved) or past():
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="dn2_undo_row"):
        st.caption(f":material/check: {t('Applied.')}", width="content")
        st.button(
            t("Back to {choice}", choice=choice(saved, before)),
            key="dn2_undo_apply",
            type="tertiary",
            icon=":material/undo:",
            on_click=_go_back,
            args=(project, saved, before),
        )


def _flips(project, trial, before, after, positions) -> None:
    if st.session_state.pop("dn2_applied", False):
        st.rerun()  # the header and the sidebar show the new choice, too
    if len(positions) == 0:
        return
    st.markdown(
        f"##### {t('Which images change')}",
        help=t("Under each: the verdict in use, then the one on trial and its percentile among the normals."),
    )
    browse(
        project,
        turned_cells(trial, before, after, positions),
        key="dn2_tune_gallery",
        height=380 if len(positions) > 6 else 220,
    )


def _expert(project, saved: Settings, draft: Settings) -> None:
    with st.expander(t("Expert"), icon=":material/science:", key="dn2_expert", expanded=draft.form != saved.form):
        st.session_state["dn2_form"] = draft.form
        st.segmented_control(
            t("Score"),
            list(FORMS),
            format_func=lambda name: form_words(name).title,
            key="dn2_form",
            required=True,
            on_change=_form,
            args=(saved,),
        )
        st.caption(t("How unusual = {formula}", formula=md(form_words(draft.form).formula)))
        st.session_state["dn2_unit"] = draft.normalise
        st.toggle(
            t("Features of unit length"),
            key="dn2_unit",
            on_change=_unit,
            args=(saved,),
            help=t(
                "Compares directions only, so that strongly lit images are not farther from everything. "
                "Without it, distances are the paper's."
            ),
        )
    if not past():
        backbone_choice(project)


def _unit(saved: Settings) -> None:
    try_out(saved, normalise=st.session_state["dn2_unit"])


def _form(saved: Settings) -> None:
    try_out(saved, form=st.session_state["dn2_form"] or saved.form)


tune()
