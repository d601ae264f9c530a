"""The service behind the pages: the data folder, locked, and its workers, kept alive."""

import atexit
import json
import logging
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

from filelock import FileLock, Timeout

from dn2core.errors import DN2Error, StorageError
from dn2core.project.fsio import write_derived
from dn2core.project.jobs import LANES
from dn2core.project.store import Store

WATCH_SECONDS = 0.3
WORK = "import sys; from dn2core.project.worker import main; main(*sys.argv[1:])"
HEALTHY_SECONDS = 10  # a worker that lives shorter is started again with growing pauses
LONGEST_PAUSE_SECONDS = 60

log = logging.getLogger("dn2.service")
_services: dict[Path, "Service"] = {}
_opening = threading.Lock()


class DataLock:
    """At most one server, or one command line at work, on a data folder."""

    def __init__(self, root: Path):
        root.mkdir(parents=True, exist_ok=True)
        self._owner = root / "owner.json"
        self._lock = FileLock(root / ".lock", thread_local=False)  # closed by another thread than opened

    def acquire(self) -> None:
        """Raises StorageError DATA_DIR_IN_USE, naming the process that holds it."""
        try:
            self._lock.acquire(timeout=0)
        except Timeout as error:
            raise StorageError("DATA_DIR_IN_USE", folder=str(self._owner.parent), pid=self._holder()) from error
        write_derived(self._owner, json.dumps({"pid": os.getpid()}).encode())

    def release(self) -> None:
        self._lock.release()

    def _holder(self) -> int | str:
        try:
            return json.loads(self._owner.read_text())["pid"]
        except (OSError, ValueError, KeyError):
            return "?"


class Service:
    """Owns the data folder while the server runs. Workers start with it and end with it."""

    def __init__(self, root: Path, *, workers: bool = True):
        self._lock = DataLock(root)
        self._lock.acquire()
        try:
            self.store = Store(root)
            self.store.jobs.orphaned()
        except BaseException:
            self._lock.release()
            raise
        self._workers: dict[str, subprocess.Popen] = {}
        self._started: dict[str, float] = {}  # when a lane's worker was started, on the monotonic clock
        self._pauses: dict[str, float] = {}  # for how long a lane's next worker is held back
        self._signs: dict[str, tuple] = {}  # a lane's last sign of life, and when it was first seen
        self._closing = threading.Event()
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        if workers:
            self._watcher.start()
        atexit.register(self.close)

    def worker_pid(self, lane: str = "compute") -> int | None:
        worker = self._workers.get(lane)
        return worker.pid if worker and worker.poll() is None else None

    def close(self) -> None:
        """End the workers at their next chunk and give the folder back."""
        if self._closing.is_set():
            return
        self._closing.set()
        if self._watcher.is_alive():
            self._watcher.join()
        for worker in self._workers.values():
            worker.terminate()
        for worker in self._workers.values():
            try:
                worker.wait(timeout=10)
            except subprocess.TimeoutExpired:
                worker.kill()
            _bury(worker)
        self.store.jobs.orphaned()
        self._lock.release()
        _services.pop(self.store.root, None)

    def _watch(self) -> None:
        while not self._closing.is_set():
            for lane in sorted(set(LANES.values())):
                try:
                    self._keep_alive(lane)
                except (DN2Error, OSError):  # a full disk, no memory for a process: it is tried again
                    log.exception("the worker of lane %s cannot be looked after", lane)
                    self._closing.wait(LONGEST_PAUSE_SECONDS / 10)
            self._closing.wait(WATCH_SECONDS)

    def _keep_alive(self, lane: str) -> None:
        worker = self._workers.get(lane)
        if worker and worker.poll() is None:
            if not self._stalled(lane, worker.pid):
                return
            log.warning("the worker of lane %s shows no sign of life and is ended", lane)
            worker.kill()
        if worker:
            _bury(worker)
            log.warning("the worker of lane %s ended with %s", lane, worker.returncode)
            self.store.jobs.orphaned(worker.pid)
            del self._workers[lane]
            healthy = time.monotonic() - self._started[lane] >= HEALTHY_SECONDS
            self._pauses[lane] = 0 if healthy else min(LONGEST_PAUSE_SECONDS, 2 * self._pauses.get(lane, 0) + 0.5)
        if time.monotonic() - self._started.get(lane, -LONGEST_PAUSE_SECONDS) < self._pauses.get(lane, 0):
            return
        # The work of the other lanes is rare and its libraries are large: those workers wait for their first job.
        if lane == "compute" or any(LANES[job.kind] == lane for job in self.store.jobs.active()):
            self._started[lane] = time.monotonic()
            self._workers[lane] = self._start(lane)

    def _stalled(self, lane: str, pid: int) -> bool:
        """Timed by our own clock, which stands still while a laptop sleeps; the wall clock jumps then."""
        sign = self.store.jobs.sign_of_life(pid)
        if (pid, sign) != self._signs.get(lane, (None, 0.0))[0]:
            self._signs[lane] = (pid, sign), time.monotonic()
        return sign is not None and time.monotonic() - self._signs[lane][1] > sign[1]

    def _start(self, lane: str) -> subprocess.Popen:
        threads = str(os.cpu_count() or 1)
        return subprocess.Popen(
            [sys.executable, "-c", WORK, str(self.store.root), lane],
            stdin=subprocess.PIPE,
            env={**os.environ, "OMP_NUM_THREADS": threads, "NUMBA_NUM_THREADS": threads},
            cwd=Path(__file__).parents[2],
        )


def _bury(worker: subprocess.Popen) -> None:
    """Wait for the end of a worker, and only then close the pipe whose end it takes for ours."""
    worker.wait()
    worker.stdin.close()


def open_service(root: Path, *, workers: bool = True) -> Service:
    """The service of a data folder, one in a process.

    Raises:
        StorageError: when another process uses the folder or it cannot be written.
    """
    root = Path(root).resolve()
    with _opening:
        if root not in _services:
            _services[root] = Service(root, workers=workers)
        return _services[root]
