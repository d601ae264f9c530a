"""DN2 beside other detectors on a project's own images: one after the other, each kept as soon as it is there."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from dn2core.detect.baselines import DETECTORS, DN2, detector_of
from dn2core.errors import DN2Error, Refused
from dn2core.explore.comparison import Compared, compared
from dn2core.features.backbones import backbone_of
from dn2core.project import comparison_file
from dn2core.project.catalogue import dump
from dn2core.project.comparison_file import Comparison, Entry, comparisons, newest_comparison, place, title_of
from dn2core.project.comparison_images import MOST_NORMALS, MOST_SCORED, SIDE, ComparedImages, Told
from dn2core.project.detector_process import Outcome, run_detector
from dn2core.project.jobs import Job
from dn2core.project.labels import labels, labels_of
from dn2core.project.progress import Progress
from dn2core.project.snapshot import Snapshot

if TYPE_CHECKING:
    from dn2core.project.project import Project

__all__ = [
    "MOST_NORMALS",
    "MOST_SCORED",
    "SECONDS",
    "SIDE",
    "Comparison",
    "Entry",
    "chosen",
    "compare",
    "compared_in",
    "comparisons",
    "newest_comparison",
    "submit_comparison",
    "title_of",
]

SECONDS = 120.0  # for each training
STEPS = 100  # of the job's progress, for each detector


def chosen(detectors: list[str], backbones: list[str] = ()) -> list[str]:
    """Names of entries for keys of DETECTORS and of BACKBONES, in the order of a table.

    Raises:
        Refused: an unknown detector or network, or nothing to compare.
    """
    names = [detector_of(name).name for name in detectors] + [f"{DN2}:{backbone_of(name).name}" for name in backbones]
    if not names:
        raise Refused("NOTHING_TO_COMPARE")
    return sorted(dict.fromkeys(names), key=place)


def submit_comparison(
    project: "Project", detectors: list[str], *, backbones: list[str] = (), seconds: float = SECONDS
) -> int:
    """Queue the comparison of these detectors, and of DN2 with these networks; returns the job's id.

    Raises:
        Refused: an unknown detector or network, a time limit that is not positive, or nothing to compare.
    """
    names = chosen(detectors, backbones)
    _check_seconds(seconds)
    return project.jobs.submit(project.id, "compare", names=names, seconds=float(seconds))


def run(project: "Project", job: Job, progress: Progress) -> None:
    """The job: what it has done is kept, and after an interruption it goes on with the rest."""
    current = ["", 0]

    def told(stage: str, done: int, total: int) -> None:
        if stage != current[0]:
            progress.stage(stage, done=done, total=total)
        else:
            progress.advance(done - current[1])
        current[:] = stage, done
        progress.check(midway=True)

    compare(project, job.args["names"], seconds=job.args["seconds"], job_id=job.id, told=told, between=progress.check)


def compare(
    project: "Project",
    names: list[str],
    *,
    seconds: float = SECONDS,
    job_id: int | None = None,
    told: Told = lambda stage, done, total: None,
    between: Callable[[], None] = lambda: None,
) -> int:
    """Fit and score one detector after the other; each result is kept at once. Returns the comparison's id.

    Results for the same normals and images are added to, or replace, those that are there. A detector that fails is
    an entry with its error, and the others go on.

    Args:
        names: keys of DETECTORS, or "dn2:" and a key of BACKBONES.
        seconds: the time limit of each training.
        told: called often; what it raises ends the detector in hand.
        between: called after each detector.

    Raises:
        NotFound: NO_NORMALS.
        Refused: NOTHING_SCORED, or an unknown name.
    """
    for name in names:
        title_of(name)
    _check_seconds(seconds)
    view = project.snapshot()
    images = ComparedImages(project, view)
    kept = comparison_file.begin(
        project,
        view.state,
        normal_ids=images.normal_ids,
        normals=len(view.normals),
        ids=images.ids,
        scored=len(view.scored),
        job_id=job_id,
    )
    for number, name in enumerate(names):
        if job_id is not None and name in kept.entries and kept.entries[name].job_id == job_id:
            continue
        stage = f"detector {number + 1} of {len(names)}: {title_of(name)}"

        def tell(share: float, stage=stage, number=number) -> None:
            told(stage, STEPS * number + int(STEPS * share), STEPS * len(names))

        tell(0.0)
        comparison_file.add(project, kept.id, *_one(images, name, seconds, job_id, tell, told))
        between()
    comparison_file.finish(project, kept.id)
    return kept.id


def compared_in(
    project: "Project", comparison: Comparison, view: Snapshot, *, reference: str = DN2, draws: int = 1000
) -> Compared:
    """What labels say about the detectors, or where there are none how far they agree with the reference.

    Images that are no longer there, or lie among the normals now or did in the fit, do not count. As many images as
    the project's own settings flag among those compared are each detector's most unusual ones.
    """
    at = {int(item): position for position, item in enumerate(view.scored.ids)}
    positions = np.array([at.get(int(item), -1) for item in comparison.ids], np.int64)
    here = positions >= 0
    if not here.any():  # all of them were removed
        raise Refused("NOTHING_SCORED")
    marks = np.where(here, labels_of(view.scored, labels(project))[positions], "")
    fitted = np.isin(view.scored.image_ids, _image_ids(project, comparison.normal_ids))
    exclude = ~here | (view.same_as_normal | fitted)[positions]
    flagged = view.judge().flagged[positions[~exclude]]
    return compared(comparison.scores, marks, exclude, reference=reference, top=int(flagged.sum()), draws=draws)


def _image_ids(project: "Project", item_ids: np.ndarray) -> list[int]:
    with project.db.read() as db:
        rows = db.execute(
            "SELECT image_id FROM items WHERE id IN (SELECT value FROM json_each(?))", (dump(item_ids.tolist()),)
        )
        return [row["image_id"] for row in rows]


def _one(
    images: ComparedImages, name: str, seconds: float, job_id: int | None, tell: Callable[[float], None], told: Told
) -> tuple[Entry, np.ndarray | None]:
    """One detector; whatever goes wrong with it is in its entry."""
    detector, _, backbone = name.partition(":")
    more = {}
    try:
        if backbone:
            seen, encoded, took = images.encoded(backbone, told)
            more = {"encoded": encoded, "encode_seconds": took if encoded else None}
        elif DETECTORS[detector].sees == "images":
            seen = images.pictures(told)
        else:
            seen = images.features
        outcome = run_detector(detector, seen.normals, seen.queries[seen.readable], seconds=seconds, tell=tell)
    except DN2Error as error:  # weights that are not to be had, a damaged file
        outcome = Outcome(None, error.code, error.params)
    scores, score_ms = None, None
    if outcome.scores is not None:
        scores = np.full(len(images.ids), np.nan)
        scores[seen.readable] = outcome.scores
        if outcome.score_seconds is not None:
            score_ms = 1000 * outcome.score_seconds / max(1, len(outcome.scores))
    return Entry(
        name=name,
        seconds=seconds,
        at=time.time(),
        job_id=job_id,
        fit_seconds=outcome.fit_seconds,
        score_ms=score_ms,
        memory_bytes=outcome.memory_bytes,
        notes=outcome.notes,
        error_code=outcome.error_code,
        error_params=outcome.error_params,
        **more,
    ), scores


def _check_seconds(seconds: float) -> None:
    if not 0 < seconds < float("inf"):
        raise Refused("SECONDS_OUT_OF_RANGE", seconds=seconds)
