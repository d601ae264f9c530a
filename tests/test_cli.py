"""The command line, called as `main([...])`; jobs run here by a fake encoder, or by a "server" that holds the lock."""

import csv
import io
import os
import subprocess
import sys
import threading
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dn2core.cli import main
from dn2core.cli.main import BACKBONE, PRESETS
from dn2core.project import PRESETS as ALL_PRESETS
from dn2core.project import Settings, Store, encoders, run_pending
from dn2core.project.supervisor import DataLock

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def data(tmp_path, monkeypatch, fake_encoder):
    """The data folder of the commands."""
    root = tmp_path / "data"
    monkeypatch.setenv("DN2_DATA", str(root))
    return root


@pytest.fixture
def normals(tmp_path, picture):
    """A folder of 24 grey pictures, one of them in a folder of its own."""
    folder = tmp_path / "good"
    (folder / "deep").mkdir(parents=True)
    for seed in range(23):
        (folder / f"n{seed:02d}.png").write_bytes(picture(seed))
    (folder / "deep" / "n23.png").write_bytes(picture(23))
    return folder


@pytest.fixture
def suspects(tmp_path, picture):
    """A grey picture like the normals, and one that is black on one side and white on the other."""
    folder = tmp_path / "new"
    folder.mkdir()
    (folder / "alike.png").write_bytes(picture(100))
    half = np.zeros((32, 40, 3), np.uint8)
    half[:, 20:] = 255
    Image.fromarray(half).save(folder / "half.png")
    return folder


def rows_of(path) -> list[dict]:
    return list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8-sig"))))


def test_build_makes_a_project_and_adds_to_it(data, normals, picture, tmp_path, capsys):
    assert main(["build", "Bracket", str(normals)]) == 0
    out = capsys.readouterr().out
    assert "New project: Bracket" in out
    assert "24 images given: 24 accepted, 0 duplicate, 0 rejected" in out
    assert "24 normals, version 1" in out

    more = tmp_path / "more.png"
    more.write_bytes(picture(50))
    assert main(["build", "Bracket", str(more), str(normals / "n00.png")]) == 0
    out = capsys.readouterr().out
    assert "New project" not in out
    assert "2 images given: 1 accepted, 1 duplicate, 0 rejected" in out
    assert "25 normals, version 2" in out
    assert len(Store(data).projects()) == 1


def test_a_folder_names_its_files_by_their_path(data, normals):
    main(["build", "Bracket", str(normals)])
    store = Store(data)
    names = store.open(store.projects()[0].id).snapshot().normals.names
    assert "good/deep/n23.png" in names and "good/n00.png" in names


def test_each_rejected_file_is_named_with_its_reason(data, normals, picture, capsys):
    (normals / "cut.png").write_bytes(picture(1)[:200])
    (normals / "empty.jpg").write_bytes(b"")
    (normals / ".hidden.png").write_bytes(picture(70))
    (normals / "ehthumbs.db").write_bytes(b"x")
    assert main(["build", "Bracket", str(normals)]) == 0
    out = capsys.readouterr().out
    assert "rejected  good/empty.jpg: The file is empty (0 bytes)." in out
    assert "rejected  good/cut.png: " in out
    assert "26 images given: 24 accepted, 0 duplicate, 2 rejected" in out
    assert "2 system files ignored" in out


def test_archives_are_opened(data, tmp_path, picture, capsys):
    path = tmp_path / "all.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for seed in range(3):
            archive.writestr(f"a/{seed}.png", picture(seed))
    assert main(["build", "Zip", str(path)]) == 0
    assert "3 images given: 3 accepted" in capsys.readouterr().out


@pytest.mark.skipif(sys.platform != "linux", reason="other file systems refuse such names")
def test_a_name_that_is_no_utf8_is_no_obstacle(data, normals, picture, capsys):
    with open(os.fsencode(normals) + b"/caf\xe9.png", "wb") as file:
        file.write(picture(60))
    assert main(["build", "Bracket", str(normals)]) == 0
    assert "25 images given: 25 accepted" in capsys.readouterr().out
    store = Store(data)
    assert r"good/caf\xe9.png" in store.open(store.projects()[0].id).snapshot().normals.names


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_counts_as_rejected(data, normals, capsys):
    (normals / "n00.png").chmod(0)
    assert main(["build", "Bracket", str(normals)]) == 0
    out = capsys.readouterr().out
    assert "rejected  good/n00.png: The file cannot be read: Permission denied." in out
    assert "24 images given: 23 accepted, 0 duplicate, 1 rejected" in out


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_pipe_is_not_waited_for(data, normals, capsys):
    os.mkfifo(normals / "pipe.png")
    assert main(["build", "Bracket", str(normals)]) == 0
    assert "rejected  good/pipe.png: The file cannot be read: not a regular file." in capsys.readouterr().out


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_where_no_file_can_be_read_each_reason_is_told(data, tmp_path, capsys):
    os.mkfifo(tmp_path / "pipe.png")
    assert main(["build", "Bracket", str(tmp_path / "pipe.png")]) == 2
    told = capsys.readouterr()
    assert "rejected  pipe.png: The file cannot be read: not a regular file." in told.out
    assert "Nothing to import" in told.err


def test_nothing_accepted_is_exit_code_1(data, tmp_path):
    (tmp_path / "empty.jpg").write_bytes(b"")
    assert main(["build", "Bracket", str(tmp_path / "empty.jpg")]) == 1


def test_score_tells_and_writes_what_the_snapshot_says(data, normals, suspects, tmp_path, capsys):
    main(["build", "Bracket", str(normals)])
    capsys.readouterr()
    table = tmp_path / "results.csv"
    assert main(["score", "Bracket", str(suspects), "--csv", str(table)]) == 0
    out = capsys.readouterr().out
    assert "reject    new/half.png: score" in out and "new/alike.png" not in out
    assert "2 images: 1 flagged, 1 pass" in out and "24 normals, version 1" in out

    store = Store(data)
    view = store.open(store.projects()[0].id).snapshot()
    judged = view.judge()
    rows = rows_of(table)
    assert [row["file"] for row in rows] == ["new/alike.png", "new/half.png"]
    assert [row["verdict"] for row in rows] == ["pass", "reject"]
    assert np.allclose([float(row["score"]) for row in rows], judged.scores)
    assert np.allclose([float(row["threshold"]) for row in rows], judged.limit)
    assert {row["fingerprint"] for row in rows} == {view.state.fingerprint}
    assert {(row["k"], row["score_form"]) for row in rows} == {("10", "density")}
    assert all(row["neighbour_2"].startswith("good/") and float(row["distance_2"]) > 0 for row in rows)
    assert float(rows[1]["percentile"]) == 100


def test_score_takes_another_k(data, normals, suspects, tmp_path):
    main(["build", "Bracket", str(normals)])
    table = tmp_path / "results.csv"
    assert main(["score", "Bracket", str(suspects), "--csv", str(table), "--k", "5"]) == 0
    rows = rows_of(table)
    nearest = [float(rows[0][f"distance_{i}"]) ** 2 for i in range(1, 6)]
    assert rows[0]["k"] == "5"
    store = Store(data)
    project = store.open(store.projects()[0].id)
    assert float(rows[0]["score"]) == pytest.approx(project.snapshot().judge(5).scores[0], rel=1e-4)
    assert float(rows[0]["spacing_multiple"]) == pytest.approx(
        np.mean(nearest) ** 0.5 / project.snapshot().spacing, rel=1e-3
    )
    assert project.settings().k == 10, "looking at another k changes no setting"


def test_images_scored_before_are_in_the_results_again(data, normals, suspects, tmp_path, capsys):
    main(["build", "Bracket", str(normals)])
    main(["score", "Bracket", str(suspects / "alike.png")])
    table = tmp_path / "results.csv"
    assert main(["score", "Bracket", str(suspects), "--csv", str(table)]) == 0
    assert len(rows_of(table)) == 2
    assert main(["score", "Bracket", str(suspects / "half.png"), "--csv", str(table)]) == 0
    (row,) = rows_of(table)
    assert row["file"] == "half.png", "as it is called now, not as it was before"
    assert "reject    half.png: score" in capsys.readouterr().out


def test_score_tells_which_picture_was_taken_differently(data, normals, suspects, tmp_path, capsys):
    main(["build", "Bracket", str(normals)])
    Image.new("RGB", (40, 32), (1, 1, 1)).save(suspects / "off.png")
    (suspects / "half.png").unlink()
    table = tmp_path / "results.csv"
    capsys.readouterr()
    assert main(["score", "Bracket", str(suspects), "--csv", str(table)]) == 0
    told = [line for line in capsys.readouterr().out.splitlines() if "Check the capture" in line]
    assert told == ["capture   new/off.png: Check the capture: the lamp is off."]
    assert [(row["file"], row["capture"]) for row in rows_of(table)] == [
        ("new/alike.png", ""),
        ("new/off.png", "lamp_off"),
    ]


def test_the_table_of_score_has_the_columns_of_that_of_report(data, normals, suspects, tmp_path):
    main(["build", "Bracket", str(normals)])
    scored, reported = tmp_path / "scored.csv", tmp_path / "reported.csv"
    main(["score", "Bracket", str(suspects), "--csv", str(scored)])
    main(["report", "Bracket", "--html", str(tmp_path / "r.html"), "--csv", str(reported)])
    assert rows_of(scored) == rows_of(reported)


@pytest.mark.parametrize("k", ["0", "100"])
def test_a_k_out_of_range_is_refused_before_anything_is_copied(data, normals, suspects, capsys, k):
    main(["build", "Bracket", str(normals)])
    assert main(["score", "Bracket", str(suspects), "--k", k]) == 2
    assert f"Expected k from 1 to 50, got {k}." in capsys.readouterr().err
    store = Store(data)
    assert store.projects()[0].scored == 0 and store.open(store.projects()[0].id).batches("scored") == []


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["score", "Nobody", "{here}"], "Expected the name or id of a project, got Nobody. Projects: Empty."),
        (["score", "Empty", "{here}"], "This project has no normals yet."),
        (["build", "New", "/no/such/folder"], "Expected a file or a folder at /no/such/folder, found none."),
        (["build", "New", "{void}"], "Nothing to import: no file was given."),
        (["build", "Empty", "{here}", "--preset", "paper"], "The project Empty exists already"),
        (["build", " ", "{here}"], "A project needs a name of 1 to 120 characters."),
        (["bench", "fashion-mnist", "--data", "{void}"], "in {void}, found none"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(data, normals, tmp_path, capsys, monkeypatch, arguments, sentence):
    monkeypatch.setattr("dn2core.cli.bench.load_encoder", lambda *_, **__: None)
    Store(data).create("Empty")
    (tmp_path / "void").mkdir()
    places = {"here": normals, "void": tmp_path / "void"}
    assert main([argument.format(**places) for argument in arguments]) == 2
    told = capsys.readouterr().err.strip()
    assert told.startswith("dn2: ") and sentence.format(**places) in told
    assert "Traceback" not in told and "\n" not in told
    assert [card.name for card in Store(data).projects()] == ["Empty"]


def test_two_projects_of_one_name_are_told_apart_by_id(data, normals, capsys):
    store = Store(data)
    first, second = store.create("Twin"), store.create("Twin")
    assert main(["build", "Twin", str(normals)]) == 2
    assert first.id in (told := capsys.readouterr().err) and second.id in told
    assert main(["build", second.id, str(normals)]) == 0
    assert {card.id: card.normals for card in store.projects()} == {first.id: 0, second.id: 24}


def test_a_data_folder_that_cannot_be_used(tmp_path, normals, monkeypatch, capsys):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("DN2_DATA", str(tmp_path / "file"))
    assert main(["build", "Bracket", str(normals)]) == 2
    assert "Set DN2_DATA" in capsys.readouterr().err


def test_results_that_cannot_be_written(data, normals, suspects, tmp_path, capsys):
    main(["build", "Bracket", str(normals)])
    assert main(["score", "Bracket", str(suspects), "--csv", str(tmp_path / "no" / "r.csv")]) == 2
    assert "No such file or directory" in capsys.readouterr().err


def test_an_unforeseen_error_is_a_sentence_too(data, normals, monkeypatch, capsys):
    def breaks(*_):
        raise ZeroDivisionError("oh")

    monkeypatch.setattr("dn2core.cli.images.stage_files", breaks)
    assert main(["build", "Bracket", str(normals)]) == 2
    assert "Unforeseen: ZeroDivisionError: oh." in capsys.readouterr().err
    monkeypatch.setenv("DN2_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        main(["build", "Bracket", str(normals)])


def test_a_job_that_fails_tells_why(data, normals, monkeypatch, capsys):
    from dn2core.errors import StorageError

    def full(*_, **__):
        raise StorageError("DISK_FULL")

    monkeypatch.setattr("dn2core.project.intake.check_all", full)
    assert main(["build", "Bracket", str(normals)]) == 2
    assert "dn2: The disk is full." in capsys.readouterr().err


def test_while_a_server_runs_it_does_the_work(data, normals, monkeypatch):
    monkeypatch.setattr("dn2core.cli.work.run_job", lambda *_: pytest.fail("the server owns the queue"))
    lock = DataLock(data)
    lock.acquire()
    ended = []
    command = threading.Thread(target=lambda: ended.append(main(["build", "Bracket", str(normals)])))
    try:
        command.start()
        store = Store(data)
        _until(lambda: store.jobs.active())
        time.sleep(0.3)
        assert not ended and store.jobs.active()[0].state == "queued"
        run_pending(store)
        command.join(30)
    finally:
        lock.release()
    assert ended == [0]
    assert store.projects()[0].normals == 24


def test_when_the_server_ends_first_the_work_is_done_here(data, normals):
    lock = DataLock(data)
    lock.acquire()
    ended = []
    command = threading.Thread(target=lambda: ended.append(main(["build", "Bracket", str(normals)])))
    command.start()
    _until(lambda: Store(data).jobs.active())
    lock.release()
    command.join(30)
    assert ended == [0]


def test_afterwards_the_data_folder_is_free(data, normals):
    main(["build", "Bracket", str(normals)])
    lock = DataLock(data)
    lock.acquire()
    lock.release()


def test_an_interrupted_job_is_kept_and_goes_on(data, normals, monkeypatch, capsys):
    def stop(bar, job):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("dn2core.cli.work._show", stop)
        assert main(["build", "Bracket", str(normals)]) == 130
    assert "Stopped" in capsys.readouterr().err
    store = Store(data)
    assert all(job.state == "queued" for job in store.jobs.active())
    run_pending(store)
    assert store.projects()[0].normals == 24


def test_maps_are_left_to_the_server(data, normals):
    main(["build", "Bracket", str(normals)])
    assert all(job.kind == "map" for job in Store(data).jobs.active())


def test_a_new_project_takes_its_preset(data, normals):
    main(["build", "Bracket", str(normals), "--preset", "paper"])
    store = Store(data)
    assert store.open(store.projects()[0].id).settings() == ALL_PRESETS["paper"]


def test_choices_written_out_for_speed_are_those_of_the_library():
    assert set(PRESETS) == set(ALL_PRESETS)
    assert Settings().backbone == BACKBONE


def test_help_loads_no_network():
    code = "import sys; from dn2core.cli import main\ntry: main(['--help'])\nexcept SystemExit: pass\n" + (
        "print(sorted({'torch', 'openvino', 'faiss', 'streamlit'} & set(sys.modules)))"
    )
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ended.stdout.strip().endswith("[]")
    assert all(command in ended.stdout for command in ("demo", "build", "score", "doctor", "bench"))


def test_as_a_module_a_wrong_word_is_exit_code_2():
    ended = subprocess.run([sys.executable, "-m", "dn2core", "nonsense"], cwd=ROOT, capture_output=True, text=True)
    assert ended.returncode == 2 and "usage" in ended.stderr and "Traceback" not in ended.stderr


def test_demo_writes_files_and_says_what_to_do_next(tmp_path, monkeypatch, capsys):
    from dn2core.demo import PRODUCTS

    monkeypatch.setattr("dn2core.demo.images.PRODUCTS", PRODUCTS[:1])
    monkeypatch.setattr("dn2core.demo.images.NORMALS", 2)
    monkeypatch.setattr("dn2core.demo.images.GOOD", 1)
    monkeypatch.setattr("dn2core.demo.images.PER_DEFECT", 1)
    assert main(["demo", str(tmp_path)]) == 0
    assert len(list(tmp_path.rglob("*.jpg"))) == 2 + 1 + 7
    out = capsys.readouterr().out
    assert "2 normals, 8 new images, 7 with a defect" in out and "python -m dn2core build" in out


def test_doctor_is_content_with_this_installation(data, capsys):
    assert main(["doctor"]) == 0
    out = capsys.readouterr().out
    assert "All is well." in out and "FAIL" not in out
    for word in ("Python", "cores", "BF16", "torch", "SQLite", "journal mode", "data folder", "network"):
        assert word in out
    assert str(data) in out


@pytest.fixture
def no_network(monkeypatch):
    """doctor without its slowest check."""
    monkeypatch.setattr("dn2core.cli.doctor._network", lambda: iter([(True, "network", "not asked")]))


def test_doctor_finds_a_network_that_is_wrong(data, capsys, monkeypatch):
    from dn2core.features import SelfTest

    monkeypatch.setattr("dn2core.features.load_encoder", lambda *_, **__: None)
    monkeypatch.setattr("dn2core.features.self_test", lambda _: SelfTest(False, 0.3, 1e-4, "kept numbers"))
    assert main(["doctor"]) == 1
    line = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("FAIL"))
    assert "network" in line and "differs by 3.0e-01 from kept numbers, expected at most 1e-04" in line


def test_doctor_names_a_library_that_breaks(data, capsys, monkeypatch, no_network):
    monkeypatch.setitem(sys.modules, "dn2core.features.weights", None)
    assert main(["doctor"]) == 1
    out = capsys.readouterr().out
    assert "FAIL  weights" in out and "Error: " in out and "a whole picture" in out


def test_doctor_finds_a_search_that_is_wrong(data, capsys, monkeypatch, no_network):
    monkeypatch.setattr("dn2core.detect.knn_scores", lambda distances, k: distances[:, 0])
    assert main(["doctor"]) == 1
    out = capsys.readouterr().out
    assert "FAIL  search, scores" in out and "1 of these checks failed." in out


def test_doctor_finds_a_data_folder_that_cannot_be_used(tmp_path, monkeypatch, capsys, no_network):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("DN2_DATA", str(tmp_path / "file"))
    assert main(["doctor"]) == 1
    assert "FAIL  data folder" in capsys.readouterr().out


def test_doctor_finds_a_package_of_the_wrong_version(data, monkeypatch, capsys, no_network):
    from dn2core.cli import doctor

    found = doctor.version
    monkeypatch.setattr(doctor, "version", lambda name: "9.1" if name == "Pillow" else found(name))
    assert main(["doctor"]) == 1
    assert "FAIL  Pillow" in capsys.readouterr().out


def test_bench_prints_what_was_asked_for(tmp_path, monkeypatch, capsys, fake_encoder):
    rng = np.random.default_rng(0)
    for part, n in (("train", 40), ("t10k", 20)):
        labels = np.arange(n, dtype=np.uint8) % 10
        images = (rng.integers(0, 60, (n, 28, 28)) + 19 * labels[:, None, None]).astype(np.uint8)
        head = (8 << 8 | 3).to_bytes(4, "big") + b"".join(size.to_bytes(4, "big") for size in images.shape)
        (tmp_path / f"{part}-images-idx3-ubyte").write_bytes(head + images.tobytes())
        (tmp_path / f"{part}-labels-idx1-ubyte").write_bytes(
            (8 << 8 | 1).to_bytes(4, "big") + n.to_bytes(4, "big") + labels.tobytes()
        )
    monkeypatch.setattr(
        "dn2core.cli.bench.load_encoder", lambda *_, **__: encoders.encoder_for("efficientnet_lite0", "whole", None)
    )
    command = ["bench", "fashion-mnist", "--data", str(tmp_path), "--k", "1"]
    assert main(command) == 0
    both = capsys.readouterr().out
    assert "raw, k=1" in both and "unit, k=1" in both and "Ankle boot" in both
    assert main([*command, "--normalise", "unit"]) == 0
    assert "raw" not in capsys.readouterr().out


def _until(condition) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)
