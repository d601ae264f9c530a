"""All images through another network while the old one serves."""

import numpy as np
import pytest

from dn2core.project import Store, reencode, run_pending, vectors
from dn2core.project.worker import run_job
from tests.project.helpers import give, rows


@pytest.fixture
def project(store, fake_encoder, picture):
    """A hundred normals and three scored images by the preset whole."""
    project = store.create("Gravel")
    give(project, "normal", [(f"n{i:03}.png", picture(i)) for i in range(100)])
    give(project, "scored", [(f"s{i}.png", picture(500 + i)) for i in range(3)])
    run_pending(store)
    return project


def test_the_old_network_serves_until_the_last_image_and_nothing_is_encoded_twice(project, store, fake_encoder):
    old = project.state()
    project.change_backbone("efficientnet_lite0", "paper")
    job = store.jobs.claim("compute")
    calls = []
    run_job(store, job, interrupted=lambda: calls.append(1) or len(calls) == 1)
    assert store.jobs.job(job.id).state == "queued"
    assert project.state() == old and project.settings().preset == "whole"
    assert len(project.snapshot().scored) == 3

    reopened = Store(store.root)
    run_pending(reopened)
    new = project.state()
    assert (new.version, new.n, new.preset) == (2, 100, "paper") and new.fingerprint != old.fingerprint
    assert project.settings().preset == "paper"
    assert fake_encoder["efficientnet_lite0", "paper"].encoded == 103
    assert len(project.snapshot().judge().scores) == 3


def test_stopped_it_changes_nothing(project, store):
    old = project.state()
    project.change_backbone("efficientnet_lite0", "paper")
    job = store.jobs.claim("compute")
    store.jobs.cancel(job.id)
    run_job(store, job)
    assert store.jobs.job(job.id).state == "cancelled"
    assert project.state() == old and project.settings().preset == "whole"


def test_images_that_came_in_meanwhile_are_encoded_before_the_switch(
    project, store, fake_encoder, picture, monkeypatch
):
    real = reencode._switched

    def switched(*args):
        if not calls:
            calls.append(1)
            give(project, "scored", [("late.png", picture(900))])
            run_job(store, store.jobs.claim("compute"))
        return real(*args)

    calls = []
    monkeypatch.setattr(reencode, "_switched", switched)
    project.change_backbone("efficientnet_lite0", "paper")
    run_pending(store)
    assert project.state().preset == "paper"
    view = project.snapshot()
    assert "late.png" in view.scored.names and view.waiting == 0


def test_a_lost_or_damaged_original_costs_its_own_image_only(project, store):
    view = project.snapshot()
    lost, damaged = (project.item(int(view.normals.ids[i])) for i in (5, 7))
    scored = project.item(int(view.scored.ids[1]))
    for item in (lost, scored):
        next(project.folder.glob(f"originals/*/{item.sha256}*")).unlink()
    path = next(project.folder.glob(f"originals/*/{damaged.sha256}*"))
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    project.change_backbone("efficientnet_lite0", "paper")
    run_pending(store)
    state = project.state()
    assert state.preset == "paper" and state.n == 98 and "2 left out" in state.reason
    after = project.snapshot()
    assert {lost.name, damaged.name}.isdisjoint(after.normals.names)
    assert scored.name not in after.scored.names and (after.waiting, after.lost) == (0, 1)


def test_without_any_original_the_old_network_stays(project, store):
    import shutil

    shutil.rmtree(project.folder / "originals")
    project.change_backbone("efficientnet_lite0", "paper")
    run_pending(store)
    assert [job.error_code for job in store.jobs.recent() if job.kind == "reencode"] == ["STORAGE_FAILED"]
    assert project.state().preset == "whole" and len(project.snapshot().normals) == 100
    assert project.settings().preset == "whole"


def test_the_network_that_serves_already_makes_no_version(project, store, fake_encoder):
    project.change_backbone("efficientnet_lite0", "whole")
    run_pending(store)
    assert project.state().version == 1
    assert fake_encoder["efficientnet_lite0", "whole"].encoded == 103


def test_there_and_back_encodes_once_and_gives_the_same_scores(project, store, fake_encoder):
    before = project.snapshot().judge().scores
    for preset in ("paper", "whole"):
        project.change_backbone("efficientnet_lite0", preset)
        run_pending(store)
    np.testing.assert_array_equal(project.snapshot().judge().scores, before)
    assert [encoder.encoded for encoder in fake_encoder.values()] == [103, 103]
    assert project.state().version == 3


def test_a_chunk_of_a_killed_job_that_was_not_recorded_does_no_harm(project, store, monkeypatch, fake_encoder):
    class Killed(BaseException):
        pass

    def die(*_):
        raise Killed

    project.change_backbone("efficientnet_lite0", "paper")
    with monkeypatch.context() as patch:
        patch.setattr(vectors, "record", die)
        with pytest.raises(Killed):
            run_pending(store)
    store.jobs.orphaned()
    run_pending(store)
    paper = project.state().fingerprint
    assert rows(project, "SELECT count(*) FROM vectors WHERE fingerprint = ?", paper) == [(103,)]
    assert project.snapshot().bank.n == 100
