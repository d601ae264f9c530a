"""A job's way to its end: done in this process, or watched while a running server does it."""

import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor

from tqdm import tqdm

from dn2core.errors import DN2Error, StorageError
from dn2core.project import Job, Store
from dn2core.project.jobs import LANES
from dn2core.project.supervisor import DataLock
from dn2core.project.worker import run_job

WATCH_SECONDS = 0.1


def work_off(store: Store, job_id: int) -> Job:
    """Wait until the job is done, with a progress bar.

    The queue has one owner at a time, by the lock on the data folder: while a server holds it, the job
    is the server's; else it is done here, after those that came before it. Ctrl-C ends this process
    and not the job: the next owner of the queue goes on with it.

    Raises:
        DN2Error: as the job ended, when it failed; CLI_STOPPED when somebody cancelled it.
    """
    lock, ending = DataLock(store.root), threading.Event()
    mine: Future | None = None
    with ThreadPoolExecutor(1) as pool, tqdm(unit=" images", disable=None) as bar:
        try:
            while (job := store.jobs.job(job_id)).active:
                if mine is None and _owns(lock):
                    store.jobs.orphaned()
                    mine = pool.submit(_do, store, job_id, ending)
                if mine and mine.done():
                    mine.result()
                _show(bar, job)
                time.sleep(WATCH_SECONDS)
            _show(bar, job)
        finally:
            ending.set()
            if mine:
                mine.exception()  # waits for the chunk in hand
                lock.release()
    if job.state == "failed":
        raise DN2Error(job.error_code, **job.error_params)
    if job.state == "cancelled":
        raise DN2Error("CLI_STOPPED")
    return job


def tells_progress(bar: tqdm):
    """A (done, total) callback that moves the bar."""

    def tell(done: int, total: int) -> None:
        bar.total = total
        bar.update(done - bar.n)

    return tell


def _do(store: Store, job_id: int, ending: threading.Event) -> None:
    """Work off the lane of this job up to it; what waits in other lanes, such as a map, is left to the server."""
    lane = LANES[store.jobs.job(job_id).kind]
    while not ending.is_set() and store.jobs.job(job_id).active:
        job = store.jobs.claim(lane)
        if job is None:
            time.sleep(WATCH_SECONDS)
        else:
            run_job(store, job, ending.is_set)


def _owns(lock: DataLock) -> bool:
    try:
        lock.acquire()
    except StorageError as error:
        if error.code == "DATA_DIR_IN_USE":
            return False
        raise
    return True


def _show(bar: tqdm, job: Job) -> None:
    bar.set_description(job.stage.capitalize() or "Waiting", refresh=False)
    bar.total = job.total or None
    bar.n = job.done
    bar.refresh()
