"""Compare: would another detector do better on these images?"""

import streamlit as st

from dn2core.detect.baselines import DN2
from dn2core.project.comparing import newest_comparison
from dn2core.project.labels import labels
from pages.parts.compare_chart import standings_figure
from pages.parts.compare_choice import comparison_choice
from pages.parts.compare_disagree import disagreement, disagreement_order
from pages.parts.compare_table import standings_table
from pages.parts.compare_words import answer_words, basis_words, chart_words, standing_of
from pages.parts.detail import open_wanted
from pages.parts.header import empty_state, need_project, project_header
from pages.parts.impact import labels_key
from pages.parts.jobs import job_panel, last_failure
from pages.parts.look import plot_config
from pages.parts.opened import wanted_image
from pages.parts.service import current_project, past, snapshot
from pages.parts.text import t

POLL_SECONDS = 3.0


def compare() -> None:
    project = current_project()
    need_project(project)
    shown = snapshot(project)
    st.title(t("Compare"), anchor=False)
    project_header(project, shown)
    if shown is None or not len(shown.scored):
        _nothing(shown)
        return
    busy = job_panel(project, ("compare",))
    kept = newest_comparison(project)
    if busy:
        st.fragment(_as_they_come, run_every=POLL_SECONDS)(project, stamp(kept))
    standing = None
    if kept is not None and kept.scores:
        told = (shown.generation, stamp(kept), labels_key(labels(project)))
        standing = standing_of(project, kept, shown, repr(told))
    if standing is not None and _opened(project, shown, kept, standing):
        return
    if not busy:
        last_failure(project, "compare")
    if kept is not None and kept.entries:
        _compared(project, shown, kept, standing)
    elif past():
        st.markdown(t("Nothing was compared yet. In a state of the past nothing can be begun."))
    elif not busy:
        st.markdown(
            t(
                "Fit other detectors to the same normals, have them score the same images, and see "
                "which finds more. Nothing of the project changes."
            )
        )
    if not past():
        comparison_choice(project, shown, kept, busy)


def stamp(kept) -> tuple | None:
    """Another one with each detector that is finished."""
    return kept and (kept.id, *((entry.name, entry.at) for entry in kept.entries.values()))


def _as_they_come(project, known: tuple | None) -> None:
    """The page runs anew when a detector is finished."""
    if stamp(newest_comparison(project)) != known:
        st.rerun()


def _nothing(shown) -> None:
    if shown is None:
        empty_state(
            t("No normals yet"),
            t("Here other detectors meet the same normals and images. Give good parts first."),
            t("Go to Normals"),
            "normals",
            icon=":material/compare_arrows:",
        )
        return
    empty_state(
        t("No images are scored yet"),
        t("Detectors are compared on scored images; labelled ones tell which detector is right."),
        t("Go to Score"),
        "score",
        icon=":material/compare_arrows:",
    )


def _opened(project, shown, kept, standing) -> bool:
    """Draw the picture in the address, if there is one; previous and next walk along the disagreements."""
    wanted = wanted_image()
    if wanted is None:
        return False
    order = disagreement_order(shown, kept, standing)
    return open_wanted(project, shown, order if wanted in order else [wanted])


def _compared(project, shown, kept, standing) -> None:
    if standing is not None:
        st.markdown(f"#### {answer_words(kept, standing)}")
    st.caption(basis_words(project, shown, kept, standing))
    st.markdown(f"##### {t('Side by side')}")
    table = standings_table(kept, standing)
    st.dataframe(
        table,
        hide_index=True,
        height=min(3 + 35 * (len(table) + 1), 720),
        key="dn2_compare_table",
        alt=t("Detectors with their accuracy, agreement, time and memory"),
    )
    if standing is not None and len(kept.scores) > 1:
        title, help_text = chart_words(standing)
        st.markdown(f"##### {title}", help=help_text)
        st.plotly_chart(
            standings_figure(kept, standing),
            theme=None,
            config=plot_config(),
            key="dn2_compare_chart",
            alt=title,
        )
    if standing is not None and DN2 in kept.scores and len(kept.scores) > 1:
        disagreement(project, shown, kept, standing)


compare()
