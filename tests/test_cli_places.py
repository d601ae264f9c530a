"""What `score` says of places beside the whole images' verdicts."""

import csv
import threading
import time
from dataclasses import replace

import numpy as np
import pytest

from dn2core.cli import main
from dn2core.project import Store
from dn2core.project.patches import patch_view
from dn2core.project.snapshot import Snapshot
from dn2core.project.supervisor import DataLock
from dn2core.project.worker import run_job
from tests.patch_stand_in import part, use_fake_patches


@pytest.fixture
def bolts(tmp_path, monkeypatch, fake_encoder):
    """A project of 14 normals, and a folder of two good parts and one with a spot, which pass as whole images."""
    use_fake_patches(monkeypatch)
    monkeypatch.setenv("DN2_DATA", str(tmp_path / "data"))
    good, new = tmp_path / "good", tmp_path / "new"
    good.mkdir(), new.mkdir()
    for i in range(14):
        (good / f"n{i:02}.png").write_bytes(part(i))
    for i, spot in enumerate([None, None, (2, 5)]):
        (new / f"s{i}.png").write_bytes(part(100 + i, spot))
    main(["build", "Bolts", str(good)])
    judge = Snapshot.judge

    def calm(self, *given):
        judged = judge(self, *given)
        return replace(judged, flagged=np.zeros_like(judged.flagged), verdicts=np.full(len(judged.flagged), "pass"))

    monkeypatch.setattr(Snapshot, "judge", calm)
    store = Store(tmp_path / "data")
    return store, store.open(store.projects()[0].id), new


def said(capsys, *arguments) -> str:
    capsys.readouterr()
    assert main(["score", "Bolts", *map(str, arguments)]) == 0
    return capsys.readouterr().out


def test_without_places_nothing_is_said_of_them(bolts, capsys):
    _, _, new = bolts
    out = said(capsys, new)
    assert "3 images: 0 flagged, 3 pass" in out and "place" not in out


def test_a_pass_that_a_place_flags_is_told_by_name(bolts, capsys):
    _, project, new = bolts
    project.change_settings(patches="bank", budget=0.1)
    out = said(capsys, new)  # it waits until the places are compared
    view = patch_view(project, project.snapshot())
    assert f"place     new/s2.png: score of its most unusual place {view.scores[2]:.4g}, limit {view.limit:.4g}" in out
    assert "1 of the passes is flagged by a place alone" in out and "not compared" not in out
    assert "a place" not in said(capsys, new / "s0.png", new / "s1.png")  # of those given now alone
    (new / "s3.png").write_bytes(part(300, (6, 1)))
    out = said(capsys, new)
    assert "2 of the passes are flagged by a place alone" in out and "not compared" not in out
    assert out.count("score of its most unusual place") == 2


def test_the_table_tells_of_each_place(bolts, tmp_path, capsys):
    _, project, new = bolts
    project.change_settings(patches="bank", budget=0.1)
    said(capsys, new, "--csv", tmp_path / "out.csv")
    rows = list(csv.DictReader((tmp_path / "out.csv").read_text(encoding="utf-8").splitlines()))
    assert [(row["file"], row["verdict"], row["place_flagged"]) for row in rows] == [
        ("new/s0.png", "pass", "0"),
        ("new/s1.png", "pass", "0"),
        ("new/s2.png", "pass", "1"),
    ]
    assert all(float(row["place_score"]) > 0 for row in rows)


def test_the_data_folder_is_free_afterwards_and_maps_are_left_to_the_server(bolts, capsys):
    store, project, new = bolts
    project.change_settings(patches="bank", budget=0.1)
    said(capsys, new)
    assert {job.kind for job in store.jobs.active()} <= {"map"}
    lock = DataLock(store.root)
    lock.acquire()
    lock.release()


def test_while_a_server_runs_it_compares_the_places(bolts, capsys, monkeypatch):
    store, project, new = bolts
    said(capsys, new)
    project.change_settings(patches="bank", budget=0.1)
    monkeypatch.setattr("dn2core.cli.work.run_job", lambda *_: pytest.fail("the server owns the queue"))
    lock, ended = DataLock(store.root), []
    lock.acquire()
    command = threading.Thread(target=lambda: ended.append(main(["score", "Bolts", str(new)])))
    try:
        command.start()
        deadline = time.monotonic() + 60
        while command.is_alive() and time.monotonic() < deadline:
            for job in filter(None, map(store.jobs.claim, ("compute", "comparison"))):
                run_job(store, job)
            command.join(0.05)
    finally:
        lock.release()
        command.join(60)
    assert ended == [0] and "1 of the passes is flagged by a place alone" in capsys.readouterr().out


def test_places_that_cannot_be_compared_leave_the_verdicts(bolts, capsys, monkeypatch):
    _, project, new = bolts
    project.change_settings(patches="bank", budget=0.1)
    with monkeypatch.context() as patch:
        patch.setattr("dn2core.project.patch_maps.RESERVE_BYTES", 10**18)
        out = said(capsys, new)
    assert "3 images: 0 flagged, 3 pass" in out
    assert "The places of 3 images are not compared." in out and "Free some space" in out
    assert "1 of the passes is flagged by a place alone" in said(capsys, new)  # it is tried anew


def test_what_a_person_stopped_is_not_begun_again(bolts, capsys):
    store, project, new = bolts
    said(capsys, new)
    project.change_settings(patches="bank", budget=0.1)
    [job] = [job for job in store.jobs.active() if job.kind == "patches"]
    store.jobs.cancel(job.id)
    assert "The places of 3 images are not compared. Looking at places was stopped" in said(capsys, new)
    assert not [job for job in store.jobs.active() if job.kind == "patches"]


def test_a_lost_picture_is_not_waited_for(bolts, capsys):
    _, project, new = bolts
    said(capsys, new)
    item = project.item(int(project.snapshot().scored.ids[0]))
    next(project.folder.glob(f"originals/*/{item.sha256}*")).unlink()
    project.change_settings(patches="bank", budget=0.1)
    out = said(capsys, new / "s1.png", new / "s2.png")
    assert "1 of the passes is flagged by a place alone" in out and "not compared" not in out
