import errno
import json
import os
import time

import pytest

from dn2core.errors import NotFound, Refused, StorageError
from dn2core.project import Store, fsio, open_service, run_pending
from dn2core.project.sweep import sweep
from tests.project.helpers import give, rows


def test_projects_are_listed_last_active_first(store):
    first, second = store.create("First"), store.create("Second")
    first.save_settings(first.settings())
    assert [card.name for card in store.projects()] == ["First", "Second"]
    store.rename(second.id, "  Renamed \n project ")
    assert store.open(second.id).name == "Renamed project"


@pytest.mark.parametrize("name", ["", "   ", "x" * 121])
def test_a_name_is_required(store, name):
    with pytest.raises(Refused, match="1 to 120"):
        store.create(name)


def test_a_hostile_name_is_only_text(store):
    name = "../../<img src=x onerror=alert(1)>'; DROP TABLE meta;--"
    project = store.create(name)
    assert project.name == name
    assert project.folder.parent == store.root / "projects"


def test_deleted_goes_to_the_trash_and_comes_back(store):
    project = store.create("Precious")
    job, stopped = store.jobs.submit(project.id, "map"), store.jobs.submit(project.id, "reencode")
    store.jobs.cancel(stopped)
    store.delete(project.id)
    assert store.projects() == [] and [card.name for card in store.trashed()] == ["Precious"]
    assert store.jobs.job(job).error_code == "PROJECT_DELETED"
    with pytest.raises(NotFound):
        store.open(project.id)
    assert store.restore(project.id).name == "Precious"
    assert [again.id for again in store.jobs.active(project.id)] == [job] and store.jobs.job(job).error is None


def test_an_index_that_an_older_version_did_not_make_is_added(store):
    project = store.create("Older")
    with project.db.write() as db:
        db.execute("DROP INDEX items_in_use")
    Store(store.root).open(project.id)
    question = "EXPLAIN QUERY PLAN SELECT count(*) FROM items WHERE role = 'scored' AND until IS NULL"
    assert "items_in_use" in str(rows(project, question))


@pytest.mark.parametrize("project_id", ["..", "../trash", "/etc", "", "a/b", "nul\0", ".making"])
def test_an_id_never_becomes_a_path(store, project_id):
    for verb in (store.open, store.delete, store.restore):
        with pytest.raises(NotFound):
            verb(project_id)


def test_a_lost_marker_is_not_taken_for_a_fresh_folder(store):
    store.create("P")
    (store.root / "STORE.json").unlink()
    with pytest.raises(StorageError, match=r"STORE\.json is missing"):
        Store(store.root)


def test_a_newer_folder_is_left_alone(store):
    (store.root / "STORE.json").write_text(json.dumps({"format": 99}))
    with pytest.raises(StorageError, match="newer version"):
        Store(store.root)


def test_a_folder_that_cannot_be_written_says_so(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="DN2_DATA"):
        Store(tmp_path / "file")


def test_in_one_process_a_folder_has_one_service(tmp_path):
    service = open_service(tmp_path / "data", workers=False)
    assert open_service(tmp_path / "data" / ".." / "data", workers=False) is service
    service.close()


def test_a_damaged_project_is_named_and_can_be_put_into_the_trash(store):
    whole, damaged, empty, newer = (store.create(name) for name in ("Whole", "Damaged", "Empty", "Newer"))
    damaged.db.path.write_bytes(b"no database" * 500)
    empty.db.path.write_bytes(b"")
    with newer.db.write() as db:
        db.execute("PRAGMA user_version = 99")
    reopened = Store(store.root)
    assert {card.name for card in reopened.projects()} == {"Whole", "Newer"}
    reasons = reopened.damaged()
    assert reasons.keys() == {damaged.id, empty.id, newer.id}
    assert "damaged" in reasons[damaged.id] and "damaged" in reasons[empty.id] and "newer" in reasons[newer.id]
    with pytest.raises(StorageError, match="damaged"):
        reopened.open(damaged.id)
    reopened.delete(damaged.id)
    assert damaged.id not in reopened.damaged() and reopened.open(whole.id).name == "Whole"


def test_a_project_that_cannot_be_made_leaves_nothing(store, monkeypatch):
    def fail(*_):
        raise OSError(errno.ENOSPC, "full")

    with monkeypatch.context() as patch:
        patch.setattr(fsio, "sync_folder", fail)
        patch.setattr(type(store.root), "rename", fail)
        with pytest.raises(StorageError, match="disk is full"):
            store.create("P")
    assert not list(store.root.glob(".making-*")) and store.projects() == []


def test_leftovers_are_swept_and_nothing_else(store, fake_encoder, picture):
    project = store.create("P")
    give(project, "normal", [("a.png", picture(1)), ("b.png", picture(2))])
    run_pending(store)
    give(project, "normal", [("c.png", picture(3))])
    open_batch, abandoned = project.new_batch("normal", "test"), project.new_batch("normal", "test")
    project.stage(open_batch, "d.png", picture(4))
    project.stage(abandoned, "e.png", picture(5))
    kept = {path for path in store.root.rglob("*") if path.is_file()}
    gone = project.folder / "incoming" / str(abandoned)
    leftovers = [
        project.folder / "vectors" / "0123.npy",
        project.folder / "maps" / "0123.npz",
        project.folder / "vectors" / f"{fsio.TEMPORARY}x",
        next((project.folder / "originals").iterdir()) / f"{fsio.TEMPORARY}x",
        project.folder / "jiggles" / f"{fsio.TEMPORARY}x",
        store.root / ".making-0" / "project.sqlite",
    ]
    for path in leftovers:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x")
    sweep(store)
    assert all(path.exists() for path in leftovers)  # they may be somebody's work in hand
    old = time.time() - 7 * 24 * 3600
    for path in [*store.root.rglob("*"), store.root / ".making-0"]:
        if path != project.folder / "incoming" / str(open_batch):
            os.utime(path, (old, old))
    sweep(store)
    assert {path for path in store.root.rglob("*") if path.is_file()} == {p for p in kept if gone not in p.parents}
    run_pending(store)
    assert project.state().n == 3
