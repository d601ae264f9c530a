"""Limits: how many good parts will be flagged, and whether that can be promised."""

from dataclasses import replace

import numpy as np
import streamlit as st

from dn2core.detect import PASS, ScoreTable, changes
from dn2core.detect.lot_difference import drawn_lots
from dn2core.errors import DN2Error
from dn2core.project.impact import compared
from dn2core.project.labels import DEFECT, labels, labels_of
from dn2core.project.settings import K_MAX, Settings
from pages.parts import limit_draft
from pages.parts.basis import basis_of, basis_table, difference, difference_words, kind_words
from pages.parts.browse import browse
from pages.parts.budget_panel import budget_panel
from pages.parts.charts import score_histogram
from pages.parts.components.who import author
from pages.parts.cost_panel import cost_panel
from pages.parts.detail import open_detail
from pages.parts.header import empty_state, need_project, number_row, problem, project_header
from pages.parts.held_out import held_panel
from pages.parts.impact import changed_normals
from pages.parts.jobs import job_panel, last_failure
from pages.parts.limits import (
    budget_words,
    expected_words,
    interval_words,
    lots_worth,
    promised,
    refusal,
    set_aside_words,
    workload,
)
from pages.parts.links import go
from pages.parts.look import ICONS, plot_config, raw, verdict
from pages.parts.lots import lots_panel
from pages.parts.opened import wanted_image
from pages.parts.results import judged_item, most_unusual_first, turned_cells
from pages.parts.service import current_project, past, snapshot
from pages.parts.text import md, number, show, t, tn
from pages.parts.where_beside import about_the_whole
from pages.parts.widgets import put

BEFORE = "dn2_limits_before"  # (project id, settings that were in use before Apply)


def limits() -> None:
    project = current_project()
    need_project(project)
    shown = snapshot(project)
    st.title(t("Limits"), anchor=False)
    project_header(project, shown)
    busy = job_panel(project, ("intake", "reencode"))
    if not busy:
        last_failure(project, "intake")
    if shown is None:
        empty_state(
            t("No normals yet"),
            t("A limit follows from what good parts look like. Give images of good parts first."),
            t("Go to Normals"),
            "normals",
            icon=":material/balance:",
        )
        return
    changed_normals(project)
    if shown.loo is None:
        _one_normal(project, shown)
        return
    saved = shown.settings
    draft = limit_draft.read(st.query_params, saved)
    before = shown.judge()
    after = before if draft.settings == saved else _judged(shown, draft.settings)
    wanted = wanted_image()
    if wanted is not None and judged_item(shown, after, wanted) is not None:
        order = _turned(before, after)
        open_detail(project, shown, wanted, shown.scored.ids[order].tolist(), after)
        return
    if wanted is not None:
        problem("NOT_FOUND", {"what": t("The image")})
    known = labels_of(shown.scored, labels(project))
    _answer(shown, before, after, known)
    about_the_whole(
        shown, t("These limits are of the whole image. Places keep the same budget by a limit of their own: see Where.")
    )
    _refused(saved, after, _table(shown, draft.settings.calibration).reference.lots)
    left, right = st.columns([2, 3], gap="large")
    with left:
        budget_panel(saved, draft)
        _apply_row(project, saved, draft.settings)
    with right:
        _distribution(after)
    _what_changes(project, shown, before, after, known)
    _rests_on(shown, saved, draft.settings, before, after)
    if past():
        st.caption(t("Lots and held-out normals are changed in the present state only."))
    else:
        with st.expander(t("Lots"), icon=":material/layers:", key="dn2_lots"):
            lots_panel(project, shown)
        with st.expander(t("Held-out normals"), icon=":material/front_hand:", key="dn2_held_out"):
            held_panel(project, shown)
    cost_panel(shown, before, after, saved, known)


def _one_normal(project, shown) -> None:
    st.warning(t("One normal is too few for a limit, so nothing can be promised yet. Add more normals."))
    if st.button(t("Go to Normals"), type="primary", icon=":material/arrow_forward:", key="dn2_limits_normals"):
        go("normals")


def _table(shown, calibration: str):
    """Scores with limits that rest on these good parts; no image is compared anew."""
    if calibration == shown.settings.calibration:
        return shown.table
    return _other_table(shown, repr((shown.generation, calibration)), calibration)


@st.cache_resource(max_entries=4, show_spinner=False)
def _other_table(_shown, key: str, calibration: str):
    return _shown.table_on(calibration)


@st.cache_resource(max_entries=2, show_spinner=t("Comparing with other lots"))
def _drawn_table(_shown, key: str) -> ScoreTable:
    reference = drawn_lots(_shown.bank, _shown.references["lots"].lots, K_MAX)
    return ScoreTable(_shown.loo, _shown.found, form=_shown.settings.form, reference=reference)


def _judged(shown, settings: Settings):
    return _table(shown, settings.calibration).judge(settings.k, settings.budget, settings.reject_budget)


def _turned(before, after) -> np.ndarray:
    """Positions of scored images to look at: those that a trial would turn, without one those that are flagged."""
    turned = np.flatnonzero(after.flagged) if after is before else changes(before, after)
    return most_unusual_first(after.scores, turned)


def _answer(shown, before, after, known: np.ndarray) -> None:
    ahead = after.calibration.forecast
    parts = [
        expected_words(ahead, after.calibration.supported),
        t("limit {limit} at k = {k}", limit=raw(after.limit), k=number(after.k)),
        _flagged_words(before, after),
    ]
    st.markdown(f"#### {' · '.join(parts)}")
    words = t("With 95 % confidence {interval}.", interval=interval_words(ahead))
    st.caption(" ".join(filter(None, [words, lots_worth(ahead), set_aside_words(ahead)])))
    if after.reject_budget is not None:
        st.markdown(workload(after))
        if len(shown.scored):
            st.caption(tn("The {n} scored image:", "The {n} scored images:", len(shown.scored)))
            number_row(
                [
                    (f"{ICONS[name]} {verdict(name).word}", number(int(np.sum(after.verdicts == name))))
                    for name in ("pass", "review", "reject")
                ]
            )
    passing = np.flatnonzero((known == DEFECT) & (after.verdicts == PASS))
    if after is before and len(passing):
        st.caption(
            md(
                t(
                    "Of {all} known defects {n} pass at this limit: {names}",
                    all=number(int(np.sum(known == DEFECT))),
                    n=number(len(passing)),
                    names=_names(shown, passing),
                )
            )
        )


def _flagged_words(before, after) -> str:
    n, now = len(after.flagged), int(after.flagged.sum())
    if n == 0:
        return t("no images are scored yet")
    if now == int(before.flagged.sum()):
        return tn(
            "{flagged} of {n} scored image flagged", "{flagged} of {n} scored images flagged", n, flagged=number(now)
        )
    return t(
        "{flagged} of {n} scored images flagged instead of {before}",
        flagged=number(now),
        n=number(n),
        before=number(int(before.flagged.sum())),
    )


def _names(shown, positions: np.ndarray, most: int = 5) -> str:
    names = ", ".join(show(shown.scored.names[at]) for at in positions[:most])
    return t("{names} and more", names=names) if len(positions) > most else names


def _refused(saved: Settings, after, lots: np.ndarray | None) -> None:
    """What cannot be promised, in a warning with the ways out."""
    limits = [after.calibration] + ([after.rejection] if after.reject_budget is not None else [])
    broken = [limit for limit in limits if not limit.supported]
    if not broken:
        return
    aside = after.calibration.forecast.set_aside
    supports = [promised(after.reference_scores, limit.best_budget, lots, aside) or 1 for limit in broken]
    best = supports[0] if after.calibration in broken and supports[0] > 1 else None
    with st.container(border=True, key="dn2_refused", gap="small"):
        st.warning(
            "\n\n".join([f"**{t('This cannot be promised.')}**", *map(md, map(refusal, broken, supports))]),
            icon=":material/gpp_maybe:",
        )
        with st.container(horizontal=True, gap="small"):
            if st.button(t("Add normals"), icon=":material/add_photo_alternate:", key="dn2_more_normals"):
                go("normals")
            if best is not None:
                st.button(
                    t("Ask for 1 in {n} instead", n=number(best)),
                    key="dn2_supported",
                    type="tertiary",
                    on_click=limit_draft.try_out,
                    args=(saved,),
                    kwargs={"one_in": str(best)},
                )


def _apply_row(project, saved: Settings, draft: Settings) -> None:
    different = draft != saved
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="dn2_limits_row"):
        st.button(
            t("Apply {choice}", choice=_choice(saved, draft)) if different else t("Apply"),
            key="dn2_limits_apply",
            type="primary",
            icon=":material/check:",
            disabled=not different or past(),
            on_click=_apply,
            args=(project, saved, draft),
        )
        if set(limit_draft.NAMES) & set(st.query_params):
            st.button(
                t("Keep what is in use"),
                key="dn2_limits_keep",
                icon=":material/undo:",
                on_click=limit_draft.drop,
                args=(st.query_params,),
            )
    failed = st.session_state.pop("dn2_limits_failed", None)
    if failed is not None:
        problem(failed)
    if not different:
        _undo_row(project, saved)


def _choice(saved: Settings, draft: Settings) -> str:
    """What Apply would write, in few words."""
    parts = []
    if draft.budget != saved.budget:
        parts.append(budget_words(draft.budget))
    if draft.reject_budget != saved.reject_budget:
        parts.append(
            t("no second limit")
            if draft.reject_budget is None
            else t("reject {budget}", budget=budget_words(draft.reject_budget))
        )
    if draft.calibration != saved.calibration:
        parts.append(kind_words()[draft.calibration])
    return ", ".join(parts)


def _apply(project, saved: Settings, draft: Settings) -> None:
    try:
        # Only what is chosen here: k may have been set elsewhere meanwhile.
        project.change_settings(
            budget=draft.budget, reject_budget=draft.reject_budget, calibration=draft.calibration, author=author()
        )
    except DN2Error as error:
        st.session_state["dn2_limits_failed"] = error
    else:
        limit_draft.drop(st.query_params)
        st.session_state[BEFORE] = (project.id, saved)


def _undo_row(project, saved: Settings) -> None:
    """After Apply: the way back to the limits that were in use before; what else was changed meanwhile stays."""
    project_id, before = st.session_state.get(BEFORE, (None, None))
    if project_id != project.id or past():
        return
    back = replace(saved, budget=before.budget, reject_budget=before.reject_budget, calibration=before.calibration)
    if back == saved:
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="dn2_limits_undo_row"):
        st.caption(f":material/check: {t('Applied.')}", width="content")
        st.button(
            t("Back to {choice}", choice=_choice(saved, back)),
            key="dn2_limits_undo",
            type="tertiary",
            icon=":material/undo:",
            on_click=_apply,
            args=(project, saved, back),
        )


def _distribution(judged) -> None:
    st.plotly_chart(
        score_histogram(
            judged.reference_scores,
            judged.limit,
            judged.k,
            scored=judged.scores,
            reject_limit=judged.reject_limit,
            height=300,
        ),
        theme=None,
        config=plot_config(),
        key="dn2_limits_chart",
        alt=t("Histograms of the scores that the limit rests on and of scored images, with the limits"),
    )
    st.caption(t("Normals: {kind}.", kind=kind_words()[judged.calibrated_on]))


def _what_changes(project, shown, before, after, known: np.ndarray) -> None:
    """Which images a trial would turn, known defects first."""
    if after is before or len(shown.scored) == 0:
        return
    found = compared(before, after, known)
    if len(found.missed):
        st.warning(
            md(
                tn(
                    "{n} known defect would now be missed: {names}",
                    "{n} known defects would now be missed: {names}",
                    len(found.missed),
                    names=_names(shown, found.missed),
                )
            ),
            icon=":material/report:",
        )
        browse(
            project,
            turned_cells(shown, before, after, most_unusual_first(after.scores, found.missed)),
            key="dn2_limits_missed",
            height=220,
        )
    if len(found.caught):
        st.markdown(
            tn(
                "{n} known defect that passes now would be found.",
                "{n} known defects that pass now would be found.",
                len(found.caught),
            )
        )
    positions = _turned(before, after)
    if len(positions) == 0:
        st.caption(t("No verdict would change."))
        return
    heading = tn("{n} image would change its verdict", "{n} images would change their verdict", len(positions))
    st.markdown(f"##### {heading}", help=t("Under each: the verdict in use, then the one on trial and its percentile."))
    st.caption(
        t(
            "{newly} would newly be flagged, {back} no longer.",
            newly=number(len(found.appearing)),
            back=number(len(found.cleared)),
        )
    )
    browse(
        project,
        turned_cells(shown, before, after, positions),
        key="dn2_limits_gallery",
        height=380 if len(positions) > 6 else 220,
    )


def _rests_on(shown, saved: Settings, draft: Settings, before, after) -> None:
    """All forecasts that there are, side by side; which one to use."""
    st.markdown(
        f"##### {t('What the limit rests on')}",
        help=t(
            "A normal stands for the next good part: compared with the other normals, with those of other lots, or "
            "held out from the start. Each way gives a limit and a forecast of its own."
        ),
    )
    bases = {
        kind: basis_of(_table(shown, kind), draft.k, draft.budget) for kind in kind_words() if kind in shown.references
    }
    if draft.calibration not in bases:
        st.caption(
            t(
                "Chosen is {chosen}, but there are none now, so the limit rests on {used}.",
                chosen=kind_words()[draft.calibration],
                used=kind_words()[after.calibrated_on],
            )
        )
    st.dataframe(
        basis_table(list(bases.values()), before.calibrated_on, after.calibrated_on),
        hide_index=True,
        key="dn2_bases",
        alt=t("Forecasts by what they rest on"),
    )
    if len(bases) > 1:
        put(dn2_rest=after.calibrated_on)
        st.radio(
            t("Let the limit rest on"),
            list(bases),
            format_func=kind_words().get,
            key="dn2_rest",
            horizontal=True,
            on_change=lambda: limit_draft.try_out(saved, rest=st.session_state["dn2_rest"]),
        )
    elif any(shown.normals.lots):
        st.caption(t("All normals belong to one lot, so nothing tells how another lot would score. Two are needed."))
    else:
        st.caption(t("Name lots or hold out normals below to see their forecasts beside this one."))
    if "lots" in bases:
        drawn = basis_of(_drawn_table(shown, repr(shown.generation)), draft.k, draft.budget)
        found = difference(bases["leave_one_out"], bases["lots"], drawn)
        if found.matters:
            st.warning(md(difference_words(found)), icon=":material/warning:")
        else:
            st.caption(md(difference_words(found)))


limits()
