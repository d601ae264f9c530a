import os
import time

import pytest

from dn2core.errors import DN2Error, NotFound
from dn2core.project import Store, worker
from dn2core.project import jobs as jobs_module
from dn2core.project import progress as progress_module
from dn2core.project.progress import Interrupted, Progress, Stopped
from dn2core.project.sweep import sweep
from tests.project.helpers import give, tiny


def test_the_same_job_asked_for_twice_is_one(store):
    first = store.jobs.submit("p", "intake", batch=1)
    assert store.jobs.submit("p", "intake", batch=1) == first
    assert store.jobs.submit("p", "intake", batch=2) != first
    assert [job.id for job in store.jobs.active("p")] == [first, first + 1]
    assert store.jobs.active("other") == []


def test_lanes_take_their_own_jobs_in_order(store):
    jobs = store.jobs
    a, b, c = jobs.submit("p", "intake", batch=1), jobs.submit("p", "map"), jobs.submit("p", "intake", batch=2)
    assert jobs.claim("compute").id == a
    assert jobs.claim("projection").id == b
    assert jobs.claim("projection") is None
    assert jobs.claim("compute").id == c


def test_a_queued_job_is_cancelled_at_once_and_a_running_one_at_its_next_chunk(store):
    jobs = store.jobs
    running, queued = jobs.submit("p", "intake", batch=1), jobs.submit("p", "intake", batch=2)
    jobs.claim("compute")
    jobs.cancel(queued)
    jobs.cancel(running)
    assert jobs.job(queued).state == "cancelled"
    assert jobs.job(running).state == "running" and jobs.job(running).cancelling
    with pytest.raises(Stopped):
        progress = Progress(jobs, running)
        progress.stage("x")
        progress.check()


def test_a_started_intake_that_waits_is_not_cancelled_before_it_is_closed(store):
    jobs = store.jobs
    first, other = jobs.submit("p", "intake", batch=1), jobs.submit("q", "intake", batch=1)
    jobs.claim("compute")
    jobs.requeue(first, forgive=True)
    jobs.cancel(first)
    assert jobs.job(first).state == "queued" and jobs.job(first).cancelling
    assert jobs.claim("compute").id == first  # before the other, for it is quickly done
    assert jobs.claim("compute").id == other


def test_projects_take_turns_and_each_keeps_its_order(store):
    jobs = store.jobs
    a1, a2, b1 = (jobs.submit(project, "intake", batch=batch) for project, batch in (("a", 1), ("a", 2), ("b", 1)))
    assert jobs.claim("compute").id == a1 and jobs.others_wait(a1)
    jobs.requeue(a1, forgive=True)
    assert jobs.claim("compute").id == b1
    jobs.finish(b1, "done")
    assert jobs.claim("compute").id == a1 and not jobs.others_wait(a1)
    assert jobs.job(a1).attempts == 1 and jobs.job(a2).state == "queued"


def test_a_small_job_does_not_wait_for_the_end_of_a_large_one(store, fake_encoder, monkeypatch):
    monkeypatch.setattr(progress_module, "TURN_SECONDS", 0)
    large, small = store.create("Large"), store.create("Small")
    give(large, "normal", tiny(200))
    give(small, "normal", tiny(3, seed=1))
    worker.run_pending(store)
    first, last = sorted(store.jobs.recent(), key=lambda job: job.finished)
    assert (first.project_id, last.project_id) == (small.id, large.id)
    assert (first.state, last.state) == ("done", "done")
    assert large.state().n == 200 and sum(encoder.encoded for encoder in fake_encoder.values()) == 203


def test_progress_tells_rate_and_time_left(store, monkeypatch):
    jobs = store.jobs
    job = jobs.submit("p", "intake", batch=1)
    clock = iter(float(t) for t in range(100))
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    progress = Progress(jobs, job)
    progress.stage("encoding", total=100)
    for _ in range(5):
        progress.advance(10)
    seen = jobs.job(job)
    assert (seen.stage, seen.done, seen.total) == ("encoding", 50, 100)
    assert seen.rate and seen.seconds_left == pytest.approx(50 / seen.rate)


def test_a_worker_that_keeps_dying_is_given_up(store):
    jobs = store.jobs
    job = jobs.submit("p", "reencode", backbone="b", preset="whole")
    for attempt in (1, 2, 3):
        assert jobs.claim("compute").attempts == attempt
        jobs.orphaned(os.getpid())
    assert jobs.job(job).state == "failed"
    assert "3 times" in jobs.job(job).error


def test_an_intake_has_one_more_attempt_to_close_its_batch(store):
    job = store.jobs.submit("p", "intake", batch=1)
    for attempt in (1, 2, 3, 4):
        assert store.jobs.claim("compute").attempts == attempt
        store.jobs.orphaned(os.getpid())
    assert store.jobs.job(job).state == "failed"


def test_jobs_of_a_server_that_died_are_queued_again_however_often(store):
    job = store.jobs.submit("p", "map")
    for _ in range(6):
        assert store.jobs.claim("projection").id == job
        store.jobs.orphaned()
        assert store.jobs.job(job).attempts == 1


def test_a_job_that_is_being_stopped_can_be_asked_for_anew(store):
    first = store.jobs.submit("p", "map")
    store.jobs.claim("projection")
    store.jobs.cancel(first)
    assert store.jobs.submit("p", "map") != first


def test_a_stopped_intake_whose_worker_died_still_closes_its_batch(store):
    intake, other = store.jobs.submit("p", "intake", batch=1), store.jobs.submit("p", "map")
    for lane in ("compute", "projection"):
        store.jobs.claim(lane)
    store.jobs.cancel(intake)
    store.jobs.cancel(other)
    store.jobs.orphaned()
    assert [store.jobs.job(job).state for job in (intake, other)] == ["queued", "cancelled"]


def test_a_damaged_queue_is_set_aside_and_unfinished_batches_are_queued_again(store, picture):
    project = store.create("P")
    batch = project.new_batch("normal", "test")
    project.stage(batch, "a.png", picture(1))
    project.submit(batch)
    (store.root / "jobs.sqlite").write_bytes(b"no database" * 500)
    reopened = Store(store.root)
    [job] = reopened.jobs.active(project.id)
    assert (job.kind, job.args) == ("intake", {"batch": batch})


def test_beside_a_damaged_queue_a_damaged_project_stops_nobody(store, picture, fake_encoder):
    damaged, whole = store.create("Damaged"), store.create("Whole")
    give(whole, "normal", [("a.png", picture(1))])
    data = bytearray(damaged.db.path.read_bytes())
    page = int.from_bytes(data[16:18])
    data[5 * page : 6 * page] = b"x" * page
    damaged.db.path.write_bytes(data)
    (store.root / "jobs.sqlite").write_bytes(b"no database" * 500)
    reopened = Store(store.root)
    assert [job.project_id for job in reopened.jobs.active()] == [whole.id]


def test_old_jobs_are_forgotten_but_for_cancelled_ones(store, monkeypatch):
    monkeypatch.setattr(jobs_module, "KEPT", 2)
    jobs = [store.jobs.submit("p", "intake", batch=batch) for batch in range(6)]
    for job, state in zip(jobs[:5], ("done", "cancelled", "failed", "done", "done"), strict=True):
        store.jobs.finish(job, state)
    sweep(store)
    assert [job.id for job in store.jobs.recent()] == [jobs[4], jobs[3], jobs[1]]
    assert [job.id for job in store.jobs.active()] == [jobs[5]]


def test_a_map_that_kills_its_worker_is_not_tried_again(store):
    job = store.jobs.submit("p", "map")
    store.jobs.claim("projection")
    store.jobs.orphaned(os.getpid())
    assert store.jobs.job(job).state == "failed"


def test_an_interruption_is_no_attempt(store):
    jobs = store.jobs
    job = jobs.submit("p", "intake", batch=1)
    jobs.claim("compute")
    jobs.requeue(job, forgive=True)
    assert jobs.claim("compute").attempts == 1


@pytest.mark.parametrize(
    "raised, state, code",
    [
        (Stopped(), "cancelled", None),
        (Interrupted(), "queued", None),
        (DN2Error("DISK_FULL"), "failed", "DISK_FULL"),
        (MemoryError(), "failed", "OUT_OF_MEMORY"),
        (RuntimeError("secret /etc/passwd"), "failed", "JOB_FAILED"),
    ],
)
def test_every_end_of_a_job_is_written_down(store, monkeypatch, raised, state, code):
    project = store.create("P")

    def fail(*_):
        raise raised

    monkeypatch.setitem(worker.KINDS, "map", fail)
    store.jobs.submit(project.id, "map")
    job = store.jobs.claim("projection")
    worker.run_job(store, job)
    ended = store.jobs.job(job.id)
    assert (ended.state, ended.error_code) == (state, code)
    assert "passwd" not in (ended.error or "")


def test_a_job_of_a_deleted_project_says_so(store):
    project = store.create("P")
    job = store.jobs.submit(project.id, "map")
    claimed = store.jobs.claim("projection")
    project.folder.rename(store.root / "trash" / project.id)
    worker.run_job(store, claimed)
    assert store.jobs.job(job).error_code == "PROJECT_DELETED"


def test_an_unknown_job_is_not_found(store):
    with pytest.raises(NotFound):
        store.jobs.job(7)
