"""Real worker processes with the real network, killed at the worst moments."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from dn2core.features import load_encoder
from dn2core.ingest import decode
from dn2core.project import Service
from tests.project.helpers import assert_each_encoded_once, ended, give, rows, tiny, until, zipped


@pytest.fixture
def service(tmp_path):
    opened = Service(tmp_path / "data")
    yield opened
    opened.close()


def assert_vectors_are_those_of_an_undisturbed_run(project, files, count=24):
    encoder = load_encoder("efficientnet_lite0")
    names = dict(rows(project, "SELECT name, image_id FROM items"))
    sample = files[:: max(1, len(files) // count)]
    images = [decode(content, at_least=encoder.decode_side).image for _, content in sample]
    kept = project.features([names[name] for name, _ in sample], encoder.fingerprint)
    np.testing.assert_array_equal(kept, encoder.encode(images))


def test_a_worker_killed_in_the_middle_loses_nothing_and_encodes_nothing_twice(service):
    files = tiny(2_000)
    project = service.store.create("Killed")
    batch = project.new_batch("normal", "test")
    project.stage(batch, "all.zip", zipped(files))
    job = project.submit(batch)
    for enough in (200, 700):
        until(lambda enough=enough: service.store.jobs.job(job).done >= enough)
        killed = service.worker_pid()
        os.kill(killed, signal.SIGKILL)
        until(lambda killed=killed: service.worker_pid() not in (None, killed))

    done = ended(service, job)
    assert (done.state, done.error, done.attempts) == ("done", None, 3)
    [summary] = project.batches()
    assert (summary.given, summary.accepted) == (2_000, 2_000)
    assert project.state().version == 1 and project.state().n == 2_000
    assert {outcome.name for outcome in project.outcomes(batch)} == {name for name, _ in files}
    assert_each_encoded_once(project, 2_000)
    assert_vectors_are_those_of_an_undisturbed_run(project, files)
    assert len(list(project.vectors_dir.iterdir())) <= 2 + len(rows(project, "SELECT id FROM chunks"))
    assert list((project.folder / "incoming").iterdir()) == []


SERVER = """
import sys, time
from pathlib import Path
from dn2core.project import Service
service = Service(Path(sys.argv[1]))
while True:
    print(service.worker_pid() or "", flush=True)
    time.sleep(0.05)
"""


def test_a_killed_server_takes_its_workers_along_and_the_next_one_goes_on(tmp_path):
    closed = Service(tmp_path / "data", workers=False)
    files = tiny(256)
    project = closed.store.create("Killed")
    batch = give(project, "normal", files)
    [job] = closed.store.jobs.active()
    closed.close()

    root = Path(__file__).parents[2]
    server = subprocess.Popen(
        [sys.executable, "-c", SERVER, str(tmp_path / "data")], stdout=subprocess.PIPE, text=True, cwd=root
    )
    try:
        until(lambda: closed.store.jobs.job(job.id).done >= 64)
        worker = int(until(lambda: server.stdout.readline().strip()))
    finally:
        server.kill()
        server.wait()
        server.stdout.close()
    until(lambda: not _alive(worker), 10)
    assert closed.store.jobs.job(job.id).state == "running"

    service = Service(tmp_path / "data")
    try:
        assert ended(service, job.id).state == "done"
        assert len(project.outcomes(batch, "accepted")) == 256
        assert_each_encoded_once(project, 256)
    finally:
        service.close()


def test_a_server_that_is_ended_lets_its_worker_finish_the_chunk_and_no_attempt_is_counted(tmp_path):
    service = Service(tmp_path / "data")
    project = service.store.create("Ended")
    give(project, "normal", tiny(256))
    [job] = service.store.jobs.active()
    until(lambda: service.store.jobs.job(job.id).done >= 64)
    service.close()
    waiting = service.store.jobs.job(job.id)
    assert (waiting.state, waiting.attempts) == ("queued", 0)
    saved = rows(project, "SELECT count(*) FROM outcomes")[0][0]
    assert saved == waiting.done and saved % 64 == 0
    assert_each_encoded_once(project, saved)

    reopened = Service(tmp_path / "data")
    try:
        assert ended(reopened, job.id).state == "done"
        assert_each_encoded_once(project, 256)
    finally:
        reopened.close()


def test_the_map_is_drawn_by_a_process_of_its_own(service):
    here_before = "umap" in sys.modules
    project = service.store.create("Map")
    give(project, "normal", tiny(30))
    give(project, "scored", tiny(5, seed=1))
    until(lambda: any(job.kind == "map" for job in service.store.jobs.recent()), 200)
    assert ("umap" in sys.modules) == here_before
    assert project.map().kind == "umap"
    assert service.worker_pid("projection") not in (None, service.worker_pid("compute"), os.getpid())


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False
