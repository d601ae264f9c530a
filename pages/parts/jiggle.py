"""The jiggle test on the pages: how steady one score is, and what handling takes of the false-alarm budget."""

import streamlit as st

from dn2core.errors import DN2Error
from dn2core.explore.jiggle import Spread
from dn2core.project.jiggle import (
    NORMALS,
    Measured,
    image_job,
    is_kept,
    jiggle_image,
    last_jiggle,
    submit_image,
    submit_jiggle,
)
from pages.parts.header import problem
from pages.parts.jiggle_charts import handling_figure, spread_figure
from pages.parts.jiggle_words import advice_words, changes_help, handling_words, rests_words, steady_words
from pages.parts.jobs import job_panel, last_failure
from pages.parts.look import plot_config
from pages.parts.service import past
from pages.parts.text import number, t


def jiggle_bar(project, shown, judged, one) -> None:
    """For the opened picture: on demand the spread of its score under small changes, and whether the verdict holds.

    Args:
        one: the image, as `judged_item` gives it.
    """
    if judged.limit != judged.limit:
        return
    try:
        if is_kept(project, shown, one.item_id):
            _spread(jiggle_image(project, shown, one.item_id, judged))
        else:
            _offer(project, shown, one.item_id)
    except DN2Error as error:
        problem(error)


def _offer(project, shown, item_id: int) -> None:
    job = image_job(project, shown, item_id)
    if job is not None and job.active:
        job_panel(project, ("steady",))
        return
    if job is not None and job.state == "failed":
        problem(job.error_code, job.error_params)
    st.button(
        t("How steady is this score?"),
        key="dn2_steady",
        icon=":material/vibration:",
        type="tertiary",
        help=f"{changes_help()} {t('Takes a second or two.')}",
        on_click=submit_image,
        args=(project, shown, item_id),
    )


def _spread(spread: Spread) -> None:
    st.markdown(f"##### {t('How steady this score is')}", help=changes_help())
    icon = ":material/check_circle:" if spread.holds else ":material/help:"
    st.markdown(f"{icon} {steady_words(spread)}")
    st.plotly_chart(
        spread_figure(spread),
        theme=None,
        config=plot_config(),
        key="dn2_steady_chart",
        alt=t("The score under each small change, with the limit and the score as taken"),
    )
    if (spread.resampled > spread.limit) != spread.flagged:
        st.caption(
            t("Turned there and back, so lying as it lay, the verdict is the other one, too: mistrust the turns.")
        )


def jiggle_panel(project, shown) -> None:
    """For the Capture page: what handling does to the normals, measured on demand by a job."""
    st.markdown(
        f"#### {t('How much of it is handling?')}",
        help=f"{changes_help()} {t('Each normal is compared with the others, without itself.')}",
    )
    judged = shown.judge() if shown is not None else None
    if judged is None or judged.limit != judged.limit:
        st.markdown(t("With fewer than two normals there is no limit yet that handling could cross."))
        return
    busy = not past() and job_panel(project, ("jiggle",))
    if not past() and not busy:
        last_failure(project, "jiggle")
    measured = last_jiggle(project, shown)
    if measured is None:
        st.caption(
            t(
                "Good parts that lie a little askew, or under a lamp that has aged, can cross the limit though nothing "
                "is wrong with them. Measured on up to {n} of your normals, in about a minute.",
                n=number(NORMALS),
            )
        )
    else:
        _measured(measured, judged.budget)
    if not past():
        st.button(
            t("Jiggle the normals") if measured is None else t("Measure anew"),
            key="dn2_jiggle",
            icon=":material/vibration:",
            type="secondary" if measured is None or not measured.fits else "tertiary",
            disabled=busy,
            on_click=submit_jiggle,
            args=(project,),
        )


def _measured(measured: Measured, budget: float) -> None:
    found = measured.found
    st.markdown(handling_words(found, budget))
    st.markdown(f":material/lightbulb: {advice_words(found, budget)}")
    st.plotly_chart(
        handling_figure(found, budget),
        theme=None,
        config=plot_config(),
        key="dn2_jiggle_chart",
        alt=t("Share of the normals that is flagged as taken and under each small change"),
    )
    st.caption(rests_words(measured))
