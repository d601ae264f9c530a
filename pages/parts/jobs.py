"""Work in the background as a page shows it: how far, how fast, how long, and a way out."""

import re
from contextlib import contextmanager

import streamlit as st

from dn2core.errors import DN2Error, StorageError
from dn2core.project.patch_cost import STEPS
from pages.parts.header import problem
from pages.parts.service import current_project, store
from pages.parts.text import md, number, sentence, t

POLL_SECONDS = 0.7
DETECTOR = re.compile(r"detector (\d+) of (\d+): (.+)")  # a stage of the job that compares detectors
IDLE_SECONDS = 3.0


def job_panel(project, kinds: tuple[str, ...] | None = None) -> bool:
    """Draw the unfinished jobs of a project (of some kinds); the page runs anew when one of them ends.

    Returns:
        whether there is one.
    """
    ids = [job.id for job in _active(project.id, kinds)]
    if ids:
        st.fragment(_panel, run_every=POLL_SECONDS)(project.id, tuple(ids), kinds)
    return bool(ids)


def sidebar_jobs(project) -> None:
    """The running job, small, for the sidebar; polls without running the page."""
    ids = tuple(job.id for job in _active(project.id, None))
    st.fragment(_small, run_every=POLL_SECONDS if ids else IDLE_SECONDS)(project, ids, project.generation())


def last_failure(project, kind: str) -> None:
    """Say what went wrong when the latest job of this kind failed, and offer to go on; nothing otherwise."""
    job = next((job for job in store().jobs.recent(project.id) if job.kind == kind), None)
    if job is None or job.state != "failed":
        return
    st.error(md(sentence(job.error_code, job.error_params)), icon=":material/error:")
    batch = job.args.get("batch")
    if any(one.id == batch and one.finished is None for one in project.batches()):
        st.button(
            t("Try again"),
            key="dn2_again",
            icon=":material/refresh:",
            help=t("Goes on with the files that were given; what is finished is kept."),
            on_click=project.submit,
            args=(batch,),
        )


@contextmanager
def repairing():
    """Where stored vectors are damaged the page cannot judge: say so, and offer to encode the images anew."""
    try:
        yield
    except StorageError as error:
        project = current_project() if error.code == "VECTORS_DAMAGED" else None
        if project is None:
            raise
        if job_panel(project, ("reencode",)):
            st.caption(t("The images are being encoded anew; nothing else is lost."))
            return
        problem(error)
        used = project.state() or project.settings()
        st.button(
            t("Encode the images anew"),
            key="dn2_repair",
            type="primary",
            icon=":material/build:",
            on_click=project.change_backbone,
            args=(used.backbone, used.preset),
        )


def _active(project_id: str, kinds) -> list:
    return [job for job in store().jobs.active(project_id) if kinds is None or job.kind in kinds]


def _panel(project_id: str, ids: tuple, kinds) -> None:
    jobs = _active(project_id, kinds)
    if tuple(job.id for job in jobs) != ids:
        st.rerun()
    for job in jobs:
        with st.container(border=True, horizontal=True, vertical_alignment="center", key=f"dn2_job_{job.id}"):
            st.progress(_share(job), f"**{title(job)}** &nbsp; {md(progress(job))}")
            st.button(
                t("Stop"),
                key=f"dn2_stop_{job.id}",
                icon=":material/stop_circle:",
                on_click=store().jobs.cancel,
                args=(job.id,),
                disabled=job.cancelling,
                help=t("Stops after the images at hand. What is finished by then is kept."),
            )


def _small(project, ids: tuple, generation: tuple) -> None:
    jobs = _active(project.id, None)
    # The page runs anew when work begins or ends, in this tab or another, but not for each chunk on the way.
    if bool(jobs) != bool(ids) or (not jobs and _changed(project, generation)):
        st.rerun()
    for job in jobs:
        st.progress(_share(job), f"{title(job)} &nbsp; {md(progress(job, brief=True))}")


def _changed(project, generation: tuple) -> bool:
    try:
        return project.generation() != generation
    except DN2Error:  # deleted meanwhile: the next run of the page says so
        return True


def title(job) -> str:
    """What a job does, in two words."""
    titles = {
        "intake": t("Taking in images"),
        "reencode": t("Encoding anew"),
        "patches": t("Looking at places"),
        "map": t("Drawing the map"),
        "reduce": t("Choosing normals"),
        "fewer": t("Measuring smaller banks"),
        "compare": t("Comparing detectors"),
        "jiggle": t("Jiggling the normals"),
        "steady": t("Jiggling one picture"),
    }
    return titles.get(job.kind, t("Working"))


def progress(job, *, brief: bool = False) -> str:
    """How far a job is, its speed and the time left, as plain text."""
    if job.state == "queued":
        return t("waiting for its turn")
    if job.cancelling:
        return t("stopping after the images at hand")
    if not job.total or job.kind == "compare":
        return stage(job)
    parts = [t("{done} of {total}", done=number(job.done), total=number(job.total))]
    if job.kind == "patches":  # it has several steps, each with a count of its own
        parts.insert(0, stage(job) if brief else _step(job))
    if not brief and job.rate and job.kind in ("intake", "reencode"):
        parts.append(t("{rate} images/s", rate=number(job.rate, 0 if job.rate >= 10 else 1)))
    if job.seconds_left is not None and job.done < job.total:
        parts.append(t("{time} left", time=duration(job.seconds_left)))
    return " · ".join(parts)


def _step(job) -> str:
    if job.stage not in STEPS:
        return stage(job)
    n = number(STEPS.index(job.stage) + 1)
    return t("step {n} of {all}: {what}", n=n, all=number(len(STEPS)), what=stage(job))


def stage(job) -> str:
    """What a job is at, before it can be counted."""
    words = {
        "loading the network": t("loading the network"),
        "reading the list of files": t("reading the list of files"),
        "choosing the normals to keep": t("choosing the normals to keep"),
        "measuring pictures": t("measuring how pictures were taken"),
        "looking at patches": t("taking the features of places"),
        "choosing patches": t("choosing places of the normals"),
        "setting the limit": t("comparing normals with each other"),
        "comparing patches": t("comparing places"),
        "measuring smaller banks": t("comparing with fewer"),
        "drawing the map": t("about a minute for ten thousand images"),
        "finishing": t("finishing"),
        "reading images": t("reading the images"),
        "encoding": t("encoding by another network"),
    }
    if job.stage in words or not (turn := DETECTOR.fullmatch(job.stage)):
        return words.get(job.stage, t("preparing"))
    return t("detector {n} of {all}: {name}", n=number(int(turn[1])), all=number(int(turn[2])), name=turn[3])


def duration(seconds: float) -> str:
    """A time span in the two words that fit it."""
    seconds = max(1, round(seconds))
    if seconds < 90:
        return t("{n} s", n=number(seconds))
    if seconds < 5400:
        return t("{n} min", n=number(round(seconds / 60)))
    return t("{n} h", n=number(seconds / 3600, 1))


def _share(job) -> float:
    return min(1.0, job.done / job.total) if job.total else 0.0
