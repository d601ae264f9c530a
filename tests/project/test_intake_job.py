"""The job behind every batch: interrupted, killed, stopped, out of disk, and with files that vanish."""

import time

import pytest

from dn2core.errors import NotFound, StorageError
from dn2core.ingest.sources import Source
from dn2core.project import Store, events, intake, judging, run_pending, trial, vectors
from dn2core.project.project import Project
from dn2core.project.worker import run_job
from tests.project.helpers import assert_each_encoded_once, give, rows, tiny, zipped


@pytest.fixture
def project(store, fake_encoder):
    return store.create("Gravel")


def counts(project, batch):
    [one] = [b for b in project.batches() if b.id == batch]
    return one.given, one.accepted, one.duplicate, one.rejected


# interrupted and killed


def test_an_interrupted_job_skips_what_is_saved(project, store, fake_encoder):
    batch = give(project, "normal", tiny(150))
    job = store.jobs.claim("compute")
    run_job(store, job, interrupted=lambda: True)
    assert store.jobs.job(job.id).state == "queued"
    assert counts(project, batch) == (64, 64, 0, 0) and project.state() is None
    run_pending(store)
    assert counts(project, batch) == (150, 150, 0, 0) and project.state().n == 150
    assert [encoder.encoded for encoder in fake_encoder.values()] == [150]


class Killed(BaseException):
    """Nothing catches it: what comes after is as if the process were gone."""


STEPS = [
    (Project, "store_original"),
    (Project, "store_thumbnail"),
    (Project, "sync_originals"),
    (vectors, "save_chunk"),
    (vectors, "record"),
    (intake, "_outcome"),
    (intake, "_save"),
    (intake, "_reject"),
    (intake, "publish"),
    (intake, "judge"),
    (judging, "dump"),
    (events, "record"),
    (judging, "write_meta"),
    (intake, "_tidy"),
]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("owner, name", STEPS, ids=[name for _, name in STEPS])
def test_killed_at_any_step_the_job_ends_as_if_nothing_had_happened(
    project, store, fake_encoder, picture, monkeypatch, owner, name, when
):
    give(project, "scored", [("s.png", picture(900))])
    run_pending(store)
    files = [("all.zip", zipped([(f"{i:03}.png", picture(i)) for i in range(70)])), ("same.png", picture(3))]
    batch = give(project, "normal", [*files, ("broken.png", picture(4)[:60])])
    with monkeypatch.context() as patch:
        real, calls = getattr(owner, name), []

        def die(*args, **kwargs):
            calls.append(name)
            if when == "after":
                real(*args, **kwargs)
            raise Killed

        patch.setattr(owner, name, die)
        if name == "_reject":  # happens to a job that is stopped
            job = store.jobs.claim("compute")
            store.jobs.cancel(job.id)
            with pytest.raises(Killed):
                run_job(store, job)
        else:
            with pytest.raises(Killed):
                run_pending(store)
        assert calls

    reopened = Store(store.root)
    reopened.jobs.orphaned()
    run_pending(reopened)
    assert reopened.jobs.active() == []
    project = reopened.open(project.id)
    if name == "_reject":
        assert counts(project, batch) == (72, 0, 0, 72)
        return
    assert counts(project, batch) == (72, 70, 1, 1)
    assert project.state().version == 1 and project.state().n == 70
    assert_each_encoded_once(project, 71)
    assert project.batches("scored")[0].judged["version"] == 1
    assert project.batches("normal")[0].finished is not None
    assert not list((project.folder / "incoming").iterdir())
    assert len(project.snapshot().judge().scores) == 1


# stopped


def test_a_stopped_job_keeps_what_is_finished_and_accounts_for_the_rest(project, store, monkeypatch):
    batch = give(project, "normal", tiny(200))
    job = store.jobs.claim("compute")
    real = intake._save
    with monkeypatch.context() as patch:
        patch.setattr(intake, "_save", lambda *args: (real(*args), store.jobs.cancel(job.id)))
        run_job(store, job)
    assert store.jobs.job(job.id).state == "cancelled"
    assert counts(project, batch) == (200, 64, 0, 136)
    assert {outcome.sentence for outcome in project.outcomes(batch, "rejected")} == {
        "The work was stopped before this file's turn. Give it again if it still matters."
    }
    assert project.state().n == 64 and len(project.snapshot().normals) == 64
    assert not list((project.folder / "incoming").iterdir())

    again = give(project, "normal", tiny(200))
    run_pending(store)
    assert counts(project, again) == (200, 136, 64, 0) and project.state().n == 200


def test_stopping_after_the_last_image_stops_nothing(project, store, monkeypatch):
    give(project, "normal", tiny(64))
    job = store.jobs.claim("compute")
    real = intake._save
    monkeypatch.setattr(intake, "_save", lambda *args: (real(*args), store.jobs.cancel(job.id)))
    run_job(store, job)
    assert store.jobs.job(job.id).state == "done" and project.state().n == 64


def test_a_job_that_was_stopped_before_its_turn_is_not_revived(project, store):
    give(project, "normal", tiny(3))
    [job] = store.jobs.active()
    store.jobs.cancel(job.id)
    project.resume()
    assert store.jobs.active() == []


# crashes


def test_a_file_that_kills_its_process_is_set_aside(project, store, monkeypatch):
    batch = give(project, "normal", tiny(5))
    killers = {"2", "4"}
    monkeypatch.setattr(trial, "survives", lambda source, at_least: source.key not in killers)

    def check(sources, **kwargs):
        for source in sources:
            if source.key in killers:
                raise Killed
            yield from real([source], **kwargs)

    real = intake.check_all
    monkeypatch.setattr(intake, "check_all", check)
    for _ in range(6):
        try:
            run_pending(store)
        except Killed:
            [job] = store.jobs.active()
            store.jobs.orphaned(_pid(store, job.id))
    assert counts(project, batch) == (5, 3, 0, 2)
    assert {(o.key, o.code) for o in project.outcomes(batch, "rejected")} == {(key, "DECODER_CRASH") for key in killers}
    assert project.state().n == 3


def test_a_file_that_only_was_in_hand_is_not_blamed(project, store):
    batch = give(project, "normal", tiny(5))
    job = store.jobs.claim("compute")
    intake._suspect(project, job).write_text("3")
    store.jobs.orphaned(_pid(store, job.id))
    run_pending(store)
    assert counts(project, batch) == (5, 5, 0, 0)


def test_while_a_chunk_is_saved_nobody_is_suspected(project, store, monkeypatch):
    give(project, "normal", tiny(70))
    job = store.jobs.claim("compute")
    store.jobs.orphaned(_pid(store, job.id))
    real, suspects = intake._save, []
    monkeypatch.setattr(
        intake, "_save", lambda *args: (suspects.append(intake._suspect(project, job).exists()), real(*args))
    )
    run_pending(store)
    assert suspects == [False, False]


def test_after_too_many_crashes_the_batch_is_closed_with_what_is_finished(project, store):
    batch = give(project, "normal", tiny(100))
    job = store.jobs.claim("compute")
    run_job(store, job, interrupted=lambda: True)
    for _ in range(3):
        store.jobs.claim("compute")
        store.jobs.orphaned(_pid(store, job.id))
    run_pending(store)
    assert store.jobs.job(job.id).error_code == "JOB_CRASHED"
    assert counts(project, batch) == (100, 64, 0, 36)
    assert {outcome.code for outcome in project.outcomes(batch, "rejected")} == {"JOB_CRASHED"}
    assert project.state().n == 64


def test_however_often_the_server_is_killed_nothing_is_given_up(project, store):
    batch = give(project, "normal", tiny(5))
    for _ in range(5):
        store.jobs.claim("compute")
        store.jobs.orphaned()
    run_pending(store)
    assert counts(project, batch) == (5, 5, 0, 0)


def _pid(store, job_id):
    with store.jobs._db.read() as db:
        return db.execute("SELECT pid FROM jobs WHERE id = ?", (job_id,)).fetchone()["pid"]


@pytest.mark.parametrize("content", [b"", b"no image", None])
def test_a_trial_is_survived_by_all_that_only_is_refused(picture, content):
    data = picture(1) if content is None else content
    assert trial.survives(Source("1", "x.png", len(data), lambda: data), 8)


@pytest.mark.parametrize("code", ["import os; os.abort()", "import time; time.sleep(60)"])
def test_a_trial_shows_crashes_and_hangs(monkeypatch, code):
    monkeypatch.setattr(trial, "CODE", code)
    monkeypatch.setattr(trial, "TRIAL_SECONDS", 0.5)
    assert not trial.survives(Source("1", "x.png", 1, lambda: b"x"), 8)


# disks, folders and other projects' ends


def test_a_full_disk_fails_the_job_and_the_batch_can_be_submitted_again(project, store, fake_encoder, monkeypatch):
    batch = give(project, "normal", tiny(150))
    real, calls = vectors.save_chunk, []

    def save(*args):
        calls.append(args)
        if len(calls) == 2:
            raise StorageError("DISK_FULL")
        return real(*args)

    monkeypatch.setattr(vectors, "save_chunk", save)
    run_pending(store)
    [failed] = store.jobs.recent()
    assert failed.error_code == "DISK_FULL" and counts(project, batch) == (64, 64, 0, 0)

    project.submit(batch)
    run_pending(store)
    assert counts(project, batch) == (150, 150, 0, 0) and project.state().n == 150


def test_what_a_failed_job_accepted_joins_when_it_is_given_again(project, store, monkeypatch):
    files = tiny(100)
    with monkeypatch.context() as patch:
        patch.setattr(intake, "_finish", lambda *_: (_ for _ in ()).throw(StorageError("DISK_FULL")))
        give(project, "normal", files[:30])
        run_pending(store)
    assert project.state() is None
    again = give(project, "normal", files[:40])
    run_pending(store)
    assert counts(project, again) == (40, 10, 30, 0)
    assert project.state().n == 40 and len(project.snapshot().normals) == 40


def test_a_deleted_project_is_not_brought_back_by_its_job_and_goes_on_when_restored(project, store, monkeypatch):
    batch = give(project, "normal", tiny(150))
    give(project, "scored", tiny(3, seed=5))
    job = store.jobs.claim("compute")
    real, calls = intake._save, []

    def save(*args):
        real(*args)
        calls.append(args)
        if len(calls) == 1:
            store.delete(project.id)

    monkeypatch.setattr(intake, "_save", save)
    run_job(store, job)
    assert [j.error_code for j in store.jobs.recent(project.id)] == ["PROJECT_DELETED"] * 2
    assert not project.folder.exists() and store.projects() == []

    store.restore(project.id)
    run_pending(store)
    assert counts(project, batch) == (150, 150, 0, 0)
    assert project.state().n == 150 and len(project.snapshot().scored) == 3
    assert_each_encoded_once(project, 153)


def test_a_folder_that_the_settings_no_longer_allow_is_not_read(project, store, picture, tmp_path, monkeypatch):
    folder = tmp_path / "allowed" / "in"
    folder.mkdir(parents=True)
    (folder / "a.png").write_bytes(picture(1))
    monkeypatch.setenv("DN2_FOLDER_ROOTS", str(tmp_path / "allowed"))
    batch = project.new_batch("normal", "server")
    project.stage_folder(batch, folder)
    project.submit(batch)
    monkeypatch.setenv("DN2_FOLDER_ROOTS", str(tmp_path / "other"))
    run_pending(store)
    [job] = store.jobs.recent()
    assert (job.state, job.error_code) == ("failed", "NOT_FOUND") and str(tmp_path) not in job.error
    assert project.state() is None


def test_a_file_that_vanished_is_listed(project, store, picture):
    batch = give(project, "normal", [("a.png", picture(1)), ("b.png", picture(2))])
    location = project.staged(batch)[0]["location"]
    project.staged_path(batch, location).unlink()
    run_pending(store)
    assert [(o.name, o.code) for o in project.outcomes(batch)] == [("a.png", "FILE_VANISHED"), ("b.png", None)]


# batches


def test_a_submitted_batch_takes_no_more_files(project, picture):
    batch = give(project, "normal", [("a.png", picture(1))])
    with pytest.raises(NotFound, match="open batch"):
        project.stage(batch, "late.png", picture(2))
    with pytest.raises(NotFound, match="open batch"):
        project.stage(99, "nowhere.png", picture(2))
    assert len(list((project.folder / "incoming" / str(batch)).iterdir())) == 1
    assert not (project.folder / "incoming" / "99").exists()


def test_a_finished_batch_submitted_again_is_left_as_it_is(project, store, picture):
    batch = give(project, "normal", [("all.zip", zipped([("a.png", picture(1)), ("b.png", picture(2))]))])
    run_pending(store)
    done = store.jobs.recent()[0].id
    assert project.submit(batch) == done and store.jobs.active() == []
    assert counts(project, batch) == (2, 2, 0, 0)


def test_scored_images_that_came_first_are_judged_by_the_first_normals(project, store, picture):
    early = give(project, "scored", [("early.png", picture(1, shade=220))])
    run_pending(store)
    assert project.batches("scored")[0].judged is None
    give(project, "normal", [(f"n{i}.png", picture(10 + i)) for i in range(30)])
    run_pending(store)
    [batch] = project.batches("scored")
    assert batch.id == early and batch.judged["version"] == 1 and batch.judged["flagged"] == 1
    assert store.projects()[0].flagged == 1
    give(project, "normal", [("more.png", picture(99))])
    run_pending(store)
    assert project.batches("scored")[0].judged["version"] == 1


def test_an_update_that_changed_the_network_has_all_encoded_anew_before_images_join(
    project, store, fake_encoder, picture
):
    give(project, "normal", [(f"n{i}.png", picture(i)) for i in range(20)])
    run_pending(store)
    [encoder] = fake_encoder.values()
    encoder.fingerprint = "f" * 16
    give(project, "scored", [("s.png", picture(50))])
    run_pending(store)
    assert project.state().fingerprint == "f" * 16 and project.state().version == 2
    assert rows(project, "SELECT count(*) FROM vectors WHERE fingerprint = ?", "f" * 16) == [(21,)]
    assert project.batches("scored")[0].judged["fingerprint"] == "f" * 16


def test_stopped_while_all_is_encoded_anew_the_batch_is_closed_and_the_old_normals_serve(
    project, store, fake_encoder, picture, monkeypatch
):
    give(project, "normal", [(f"n{i}.png", picture(i)) for i in range(20)])
    run_pending(store)
    before = project.state()
    [encoder] = fake_encoder.values()
    encoder.fingerprint = "f" * 16
    batch = give(project, "normal", [("a.png", picture(50)), ("b.png", picture(51))])
    job = store.jobs.claim("compute")
    store.jobs.cancel(job.id)
    run_job(store, job)
    assert store.jobs.job(job.id).state == "cancelled"
    assert counts(project, batch) == (2, 0, 0, 2) and project.batches()[0].finished is not None
    assert project.state() == before and len(project.snapshot().normals) == 20


def test_damaged_vectors_do_not_stop_new_images(project, store, picture):
    from dn2core.project.snapshot import forget

    give(project, "normal", [(f"n{i}.png", picture(i)) for i in range(20)])
    run_pending(store)
    before = project.snapshot().loo.distances
    [victim] = project.vectors_dir.iterdir()
    victim.write_bytes(victim.read_bytes()[:-4])
    forget(project.id)
    batch = give(project, "scored", [("s.png", picture(50))])
    run_pending(store)
    assert counts(project, batch) == (1, 1, 0, 0) and project.batches("scored")[0].judged["scored"] == 1
    assert (project.snapshot().loo.distances == before).all()
    assert project.state().version == 1


def test_ten_thousand_images_in_a_zip_arrive_whole(project, store, fake_encoder):
    files = tiny(10_000)
    batch = give(project, "normal", [("all.zip", zipped(files))])
    began = time.monotonic()
    run_pending(store)
    print(f"{10_000 / (time.monotonic() - began):.0f} images/s without a network")
    assert counts(project, batch) == (10_000, 10_000, 0, 0)
    assert project.state().n == 10_000
    assert {outcome.name for outcome in project.outcomes(batch)} == {name for name, _ in files}
    assert_each_encoded_once(project, 10_000)
