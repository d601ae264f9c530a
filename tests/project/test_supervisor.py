"""One owner of a data folder, and workers that are kept alive."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from dn2core.errors import StorageError
from dn2core.project import Service, Store, jobs, supervisor
from tests.project.helpers import ended, until

CLAIM = """
import os, sys, time
from pathlib import Path
from dn2core.project.jobs import JobQueue
queue = JobQueue(Path(sys.argv[1]))
while not (job := queue.claim(sys.argv[2])):
    time.sleep(0.05)
"""
DIE = CLAIM + "os._exit(7)"
SLEEP = CLAIM + "time.sleep(600)"
SLEEP_WITH_AN_OLD_SIGN = (
    CLAIM + "with queue._db.write() as db: db.execute('UPDATE jobs SET heartbeat = 1, total = 9')\ntime.sleep(600)"
)


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(supervisor, "WATCH_SECONDS", 0.05)
    monkeypatch.setattr(supervisor, "LONGEST_PAUSE_SECONDS", 0.1)


@pytest.fixture
def serve(tmp_path, monkeypatch, quick):
    """serve(code): a service whose workers run `code`; closed after the test."""
    opened = []

    def start(code: str) -> Service:
        monkeypatch.setattr(supervisor, "WORK", code)
        opened.append(Service(tmp_path / "data"))
        return opened[-1]

    yield start
    for service in opened:
        service.close()


def test_a_second_server_is_refused_and_told_who_is_there(tmp_path):
    service = Service(tmp_path / "data", workers=False)
    code = (
        "import sys; from pathlib import Path; from dn2core.project import Service\n"
        "try: Service(Path(sys.argv[1]), workers=False)\n"
        "except Exception as error: print(error.code, error)"
    )
    try:
        run = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path / "data")],
            capture_output=True,
            text=True,
            cwd=Path(__file__).parents[2],
        )
        assert run.stdout.startswith("DATA_DIR_IN_USE") and f"process {os.getpid()}" in run.stdout
    finally:
        service.close()
    Service(tmp_path / "data", workers=False).close()


def test_another_thread_may_close_it(tmp_path):
    service = Service(tmp_path / "data", workers=False)
    thread = threading.Thread(target=service.close)
    thread.start()
    thread.join()
    Service(tmp_path / "data", workers=False).close()


def test_a_folder_that_cannot_be_opened_is_not_kept_locked(tmp_path):
    Store(tmp_path / "data")
    (tmp_path / "data" / "STORE.json").write_text("{")
    with pytest.raises(StorageError, match=r"STORE\.json cannot be read"):
        Service(tmp_path / "data", workers=False)
    (tmp_path / "data" / "STORE.json").unlink()
    Service(tmp_path / "data", workers=False).close()


def test_jobs_of_a_server_that_died_are_queued_again(tmp_path):
    store = Store(tmp_path / "data")
    job = store.jobs.submit("p", "reencode", backbone="b", preset="whole")
    store.jobs.claim("compute")
    service = Service(tmp_path / "data", workers=False)
    assert service.store.jobs.job(job).state == "queued"
    service.close()


def test_a_job_whose_worker_keeps_dying_is_given_up_and_the_lane_goes_on(serve):
    service = serve(DIE)
    first = service.store.jobs.submit("p", "reencode", backbone="b", preset="whole")
    second = service.store.jobs.submit("p", "map")
    failed = ended(service, first)
    assert (failed.state, failed.error_code, failed.attempts) == ("failed", "JOB_CRASHED", jobs.ATTEMPTS)
    assert ended(service, second).attempts == 1
    assert until(service.worker_pid)


def test_a_worker_without_a_sign_of_life_is_replaced(serve, monkeypatch):
    monkeypatch.setattr(jobs, "PATIENCE_SECONDS", 1)
    service = serve(SLEEP)
    job = service.store.jobs.submit("p", "reencode", backbone="b", preset="whole")
    first = until(service.worker_pid)
    until(lambda: service.store.jobs.job(job).attempts == 2)
    assert service.worker_pid() != first


def test_a_clock_that_jumped_while_the_machine_slept_kills_nobody(serve):
    service = serve(SLEEP_WITH_AN_OLD_SIGN)
    job = service.store.jobs.submit("p", "reencode", backbone="b", preset="whole")
    until(lambda: service.store.jobs.job(job).total == 9)
    worker = service.worker_pid()
    with pytest.raises(AssertionError):
        until(lambda: service.worker_pid() != worker, 1.5)


def test_a_step_of_unknown_length_is_given_more_time(store):
    job = store.jobs.submit("p", "map")
    assert store.jobs.sign_of_life(os.getpid()) is None
    store.jobs.claim("projection")
    assert store.jobs.sign_of_life(os.getpid())[1] == jobs.PATIENCE_SECONDS
    store.jobs.report(job, stage="x", done=1, total=10, rate=None)
    before, patience = store.jobs.sign_of_life(os.getpid())
    assert patience == jobs.STALLED_SECONDS
    store.jobs.beat(job)
    assert store.jobs.sign_of_life(os.getpid())[0] > before


def test_a_queue_that_cannot_be_read_for_a_while_does_not_end_the_watch(serve, monkeypatch):
    service = serve(SLEEP)
    service.store.jobs.submit("p", "reencode", backbone="b", preset="whole")
    worker = until(service.worker_pid)
    failures = []

    def fail(_pid):
        failures.append(1)
        raise StorageError("DISK_FULL")

    with monkeypatch.context() as patch:
        patch.setattr(service.store.jobs, "sign_of_life", fail)
        until(lambda: failures)
    os.kill(worker, 9)
    until(lambda: service.worker_pid() not in (None, worker))
