"""Normals: what good parts look like. Give them, watch them come in, look at the odd ones."""

import numpy as np
import streamlit as st

from dn2core.project.overview import sizes
from dn2core.project.reductions import reduction_of
from dn2core.project.snapshot import with_apart
from pages.parts.accounting import accounting, last_delivery
from pages.parts.backbone import backbone_choice
from pages.parts.browse import browse
from pages.parts.detail import open_detail
from pages.parts.fewer import in_use_words
from pages.parts.forms import order_words
from pages.parts.header import few_normals, need_project, number_row, problem, project_header
from pages.parts.impact import changed_normals
from pages.parts.intake import intake_ways
from pages.parts.jobs import job_panel, last_failure
from pages.parts.links import go
from pages.parts.look import one_in, percent, plot_config, raw
from pages.parts.opened import wanted_image
from pages.parts.overview import normals_histogram, size_table
from pages.parts.results import every_normal, normal_cells
from pages.parts.service import current_project, past, snapshot
from pages.parts.text import number, t, tn


def normals() -> None:
    project = current_project()
    need_project(project)
    shown = snapshot(project)
    left, right = st.columns([3, 2], vertical_alignment="bottom")
    left.title(t("Normals"), anchor=False)
    if shown is not None:
        with right.container(horizontal=True, horizontal_alignment="right"):
            if st.button(t("Score new images"), type="primary", icon=":material/fact_check:", key="dn2_to_score"):
                go("score")
    project_header(project, shown)
    changed_normals(project)
    busy = job_panel(project, ("intake", "reencode"))
    if not busy:
        last_failure(project, "intake")
    if shown is None:
        _first(project, busy)
        return
    if shown.reduced:
        shown = _with_apart(project, shown, repr(shown.generation))
    order, judged = _most_unusual_first(shown)
    opened = _opened(order)
    if opened is not None:
        open_detail(project, shown, opened, order)
        return
    _at_a_glance(project, shown, judged)
    last_delivery(project.batches("normal"))
    if not past():
        with st.expander(t("Add normals"), icon=":material/add_photo_alternate:", key="dn2_add"):
            intake_ways(project, "normal", key="dn2_normals")
    _gallery(project, shown, order, judged)
    _more(project, shown, judged)


def _first(project, busy: bool) -> None:
    if busy:
        st.caption(t("You can leave this page meanwhile: the work goes on, and the sidebar shows how far it is."))
    else:
        st.markdown(
            t(
                "Give images of good parts only: every later image is compared with them. "
                "A hundred is a fine start, and more can be added at any time."
            )
        )
    # Also while another tab's work runs: an uploader that vanished would lose the files on their way to it.
    intake_ways(project, "normal", key="dn2_normals")
    if not busy:
        backbone_choice(project)
    accounting(project, project.batches("normal"), key="dn2_account")


@st.cache_resource(max_entries=2, show_spinner=t("Comparing the other normals"))
def _with_apart(_project, _shown, key: str):
    return with_apart(_project, _shown)


def _most_unusual_first(shown) -> tuple[list[int], object]:
    """Item ids by score, highest first, and the judgement; without scores as they came."""
    judged = shown.judge()
    items, scores, _ = every_normal(shown, judged)
    scores = np.nan_to_num(np.asarray(scores, dtype=float), nan=-np.inf)
    if len(scores) != len(items):
        return items.ids.tolist(), judged
    return items.ids[np.argsort(-scores, kind="stable")].tolist(), judged


def _opened(order: list[int]) -> int | None:
    wanted = wanted_image()
    if wanted is None or wanted in order:
        return wanted
    problem("NOT_FOUND", {"what": t("The image")})
    return None


def _at_a_glance(project, shown, judged) -> None:
    items, scores, _ = every_normal(shown, judged)
    beyond = int(np.sum(scores > judged.limit)) if judged.limit == judged.limit else 0
    if judged.limit != judged.limit:
        st.markdown(t("One normal is too few for a limit: add more, and new images can be judged."))
    elif beyond:
        st.markdown(
            tn(
                "Are these all good parts? {n} lies beyond the limit; the most unusual come first.",
                "Are these all good parts? {n} lie beyond the limit; the most unusual come first.",
                beyond,
            )
        )
    else:
        st.markdown(t("Are these all good parts? None lies beyond the limit; the most unusual come first."))
    few_normals(judged)
    if shown.reduced:
        words = in_use_words(shown, reduction_of(project, shown.settings.reduction))
        st.caption(
            f"{words} {t('Those in use were chosen to differ, so more of them lie beyond the limit.')}",
            help=t("On the Tune page, under Fewer vectors, is the way back to all normals."),
        )
    number_row(
        [
            (t("Normals"), number(len(items))),
            (t("Beyond the limit"), number(beyond)),
            (
                t("Limit at k = {k}", k=number(judged.k)),
                raw(judged.limit),
                t(
                    "Set so that at most {budget} good parts is flagged, after the normals' own scores. "
                    "An image that scores higher is flagged.",
                    budget=one_in(judged.budget),
                ),
            ),
            (
                t("Usual spacing"),
                raw(judged.spacing),
                t("Half of the normals have their nearest other normal closer than this."),
            ),
        ]
    )


def _gallery(project, shown, order: list[int], judged) -> None:
    words = t(
        "Under each: its distance to the other normals as a multiple of the usual spacing. "
        "The usual spacing is the distance from a normal to the nearest other one, for half of them less."
    )
    st.markdown(f"##### {t('Most unusual first')}", help=f"{words} {order_words(judged.form)}")
    pictures = normal_cells(shown, judged, order)
    browse(project, pictures, key="dn2_normals_gallery", height=440 if len(order) > 12 else 240)


def _more(project, shown, judged) -> None:
    left, right = st.columns([3, 2], gap="large")
    with left:
        st.markdown(f"##### {t('How unusual the normals are')}")
        if len(judged.normal_scores) > 1:
            st.plotly_chart(
                normals_histogram(judged.normal_scores, judged.limit, judged.k),
                theme=None,
                config=plot_config(),
                key="dn2_loo_chart",
                alt=t("Histogram of the normals' leave-one-out scores with the limit"),
            )
            share = percent(100 * float(np.mean(judged.normal_scores <= judged.limit)))
            st.caption(
                t("The normals in use, each compared with the others. {share} lie at or below the limit.", share=share)
                if shown.reduced
                else t("Each normal compared with the others. {share} lie at or below the limit.", share=share)
            )
        else:
            st.caption(t("Two normals or more show a distribution here."))
    with right:
        st.markdown(f"##### {t('Sizes')}")
        table = size_table(sizes(project, "normal"))
        st.dataframe(
            table,
            hide_index=True,
            height=min(38 + 35 * len(table), 260),
            key="dn2_sizes",
            alt=t("Image sizes"),
        )
        if not past():
            backbone_choice(project)
    st.markdown(f"##### {t('Where every file went')}")
    accounting(project, project.batches("normal"), key="dn2_account")


normals()
