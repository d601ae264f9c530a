import json

import pytest

from dn2core.errors import NotFound, Refused, StorageError
from dn2core.project import Store, open_service


def test_projects_are_listed_last_active_first(store):
    first, second = store.create("First"), store.create("Second")
    first.touch()
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
    job = store.jobs.submit(project.id, "map")
    store.delete(project.id)
    assert store.projects() == [] and [card.name for card in store.trashed()] == ["Precious"]
    assert store.jobs.job(job).error_code == "PROJECT_DELETED"
    with pytest.raises(NotFound):
        store.open(project.id)
    assert store.restore(project.id).name == "Precious"


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


def test_one_server_owns_a_data_folder(tmp_path):
    import subprocess
    import sys

    service = open_service(tmp_path / "data", workers=False)
    try:
        assert open_service(tmp_path / "data", workers=False) is service
        code = (
            "import sys; from pathlib import Path; from dn2core.project import open_service\n"
            "try: open_service(Path(sys.argv[1]), workers=False)\n"
            "except Exception as error: print(error.code, error)"
        )
        run = subprocess.run([sys.executable, "-c", code, str(tmp_path / "data")], capture_output=True, text=True)
        import os

        assert run.stdout.startswith("DATA_DIR_IN_USE") and str(os.getpid()) in run.stdout
    finally:
        service.close()
    open_service(tmp_path / "data", workers=False).close()
