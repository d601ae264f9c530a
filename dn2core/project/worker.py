"""The process that does the long work, one for each lane; see `main`."""

import logging
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from dn2core.errors import DN2Error
from dn2core.project import comparing, fewer, intake, jiggle, maps, patch_fits, reductions, reencode
from dn2core.project.jobs import LANES, Job
from dn2core.project.lifeline import end_with_parent
from dn2core.project.progress import Interrupted, Progress, Stopped
from dn2core.project.store import Store
from dn2core.project.sweep import sweep

KINDS: dict[str, Callable] = {
    "intake": intake.run,
    "reencode": reencode.run,
    "patches": patch_fits.run,
    "jiggle": jiggle.run,
    "steady": jiggle.run_image,
    "map": maps.run,
    "compare": comparing.run,
    "reduce": reductions.run,
    "fewer": fewer.run,
}
POLL_SECONDS = 0.15

log = logging.getLogger("dn2.worker")


def run_job(store: Store, job: Job, interrupted: Callable[[], bool] = lambda: False) -> None:
    """Do a claimed job and write down how it ended. Nothing but an interruption leaves it unfinished."""
    progress = Progress(store.jobs, job.id, interrupted)
    try:
        KINDS[job.kind](store.open(job.project_id), job, progress)
        progress.flush()
        store.jobs.finish(job.id, "done")
    except Stopped:
        store.jobs.finish(job.id, "cancelled")
    except Interrupted:
        store.jobs.requeue(job.id, forgive=True)
    except DN2Error as error:
        # Whatever failed, it did so because the folder is gone.
        gone = not store.has(job.project_id)
        store.jobs.finish(job.id, "failed", *(("PROJECT_DELETED",) if gone else (error.code, error.params)))
    except MemoryError:
        store.jobs.finish(job.id, "failed", "OUT_OF_MEMORY")
    except Exception:
        log.exception("job %s (%s) failed", job.id, job.kind)
        store.jobs.finish(job.id, "failed", "JOB_FAILED", {"kind": job.kind, "job": job.id})


def run_pending(store: Store) -> int:
    """Do all queued jobs in this process, for the command line and for tests; returns how many."""
    count = 0
    while job := next(filter(None, map(store.jobs.claim, sorted(set(LANES.values())))), None):
        run_job(store, job)
        count += 1
    return count


def main(data: str, lane: str) -> None:
    """Do the jobs of a lane, until a signal or the parent's end."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    ending = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: ending.set())
    end_with_parent()
    store = Store(Path(data))
    if lane == "compute":
        sweep(store)
        _warm_up(store)
    while not ending.is_set():
        job = store.jobs.claim(lane)
        if job is None:
            ending.wait(POLL_SECONDS)
        else:
            run_job(store, job, ending.is_set)


def _warm_up(store: Store) -> None:
    """Load the default network while the user still looks for images."""
    from dn2core.project.encoders import encoder_for
    from dn2core.project.settings import PRESETS

    began = time.monotonic()
    try:
        encoder = encoder_for(PRESETS["recommended"].backbone, PRESETS["recommended"].preset, store.weights_dir)
        encoder.encode([np.zeros((1, 1, 3), np.uint8)])  # the network itself starts with its first image
        log.info("default network loaded in %.1f s", time.monotonic() - began)
    except DN2Error as error:
        log.warning("%s", error)
