"""How a running job tells its progress and learns that it must stop."""

import time
from collections import deque
from collections.abc import Callable

from dn2core.project.jobs import JobQueue

REPORT_SECONDS = 0.3
BEAT_SECONDS = 10
TURN_SECONDS = 15  # after which a job lets other projects' jobs go first
RATE_WINDOW_SECONDS = 15


class Stopped(Exception):
    """The user cancelled the job."""


class Interrupted(Exception):
    """The worker must end or another project has its turn; the job goes on later."""


class Progress:
    """Progress of one job, written to the queue a few times a second at most."""

    def __init__(self, jobs: JobQueue, job_id: int, interrupted: Callable[[], bool] = lambda: False):
        self._jobs = jobs
        self._job_id = job_id
        self._interrupted = interrupted
        self._began = time.monotonic()
        self._last_report = 0.0
        self._marks: deque[tuple[float, int]] = deque()
        self._stage = ""
        self._done = self._total = 0
        self._cancelled = False

    def stage(self, name: str, *, done: int = 0, total: int = 0) -> None:
        """Begin a stage; `total` 0 means that its length is not known."""
        self._stage, self._done, self._total = name, done, total
        self._marks.clear()
        self._marks.append((time.monotonic(), done))
        self._report()

    def advance(self, count: int = 1) -> None:
        self._done += count
        now = time.monotonic()
        self._marks.append((now, self._done))
        while self._marks[0][0] < now - RATE_WINDOW_SECONDS:
            self._marks.popleft()
        if now - self._last_report >= REPORT_SECONDS:
            self._report()

    @property
    def cancelled(self) -> bool:
        """Whether the last report was answered by the user's wish to stop."""
        return self._cancelled

    def beat(self) -> None:
        """Call where much time may pass between two chunks: the job is alive."""
        if time.monotonic() - self._last_report >= BEAT_SECONDS:
            self._jobs.beat(self._job_id)
            self._last_report = time.monotonic()

    def flush(self) -> None:
        self._report()

    def check(self, *, midway: bool = False) -> None:
        """Call between chunks, when all that was done is saved; or often, `midway`, in a chunk that may be long.

        Midway nobody is let go first: the chunk would have to be done again.

        Raises:
            Stopped: on the user's word.
            Interrupted: when the worker is told to end, or another project has waited long enough.
        """
        if self._interrupted():
            raise Interrupted
        if not midway or time.monotonic() - self._last_report >= REPORT_SECONDS:
            self._report()
        if self._cancelled:
            raise Stopped
        if midway:
            return
        if time.monotonic() - self._began > TURN_SECONDS and self._jobs.others_wait(self._job_id):
            raise Interrupted

    def _report(self) -> None:
        self._last_report = time.monotonic()
        self._cancelled |= self._jobs.report(
            self._job_id, stage=self._stage, done=self._done, total=self._total, rate=self._rate()
        )

    def _rate(self) -> float | None:
        (first, before), (last, after) = self._marks[0], self._marks[-1]
        return (after - before) / (last - first) if last - first > 0.2 and after > before else None
