"""Detectors beside DN2 on a project's images: each in a process, one failing alone, results kept and gone on with."""

import json
import os
import threading
import time
from dataclasses import replace
from unittest.mock import MagicMock

import numpy as np
import pytest

from dn2core.detect import Bank, knn_scores
from dn2core.detect.baselines import DETECTORS, Detector, Training, fitted
from dn2core.errors import Refused, WeightsUnavailable
from dn2core.features import backbones
from dn2core.project import (
    Service,
    Store,
    comparing,
    comparison_file,
    comparison_images,
    detector_process,
    encoders,
    run_pending,
)
from dn2core.project.comparing import (
    compare,
    compared_in,
    comparisons,
    newest_comparison,
    submit_comparison,
)
from dn2core.project.detector_process import Outcome, run_detector
from dn2core.project.labels import Decision, set_labels
from dn2core.project.normals import add_normals, remove_normals
from dn2core.project.sweep import sweep
from dn2core.project.worker import run_job
from tests.project.helpers import give, rows

RNG = np.random.default_rng(0)
NORMALS, QUERIES = (RNG.normal(size=(n, 8)).astype(np.float32) for n in (20, 600))
SLEEPS = """
import json, pathlib, sys, time
pathlib.Path(sys.argv[1], "state.json").write_text(json.dumps(["fit", 0.25]))
time.sleep(600)
"""


# in a process of its own


def test_a_detector_in_its_own_process_scores_as_it_does_here():
    told = []
    got = run_detector("dn2_paper", NORMALS, QUERIES, tell=told.append)
    assert got.error is None
    np.testing.assert_array_equal(got.scores, fitted(DETECTORS["dn2_paper"], NORMALS, Training())(QUERIES))
    assert got.fit_seconds > 0 and got.score_seconds > 0
    assert got.memory_bytes is None or 0 <= got.memory_bytes < 1e9
    assert told == sorted(told) and 0 <= told[0] and told[-1] <= 1


@pytest.mark.parametrize(
    "code, error",
    [
        ("import os; os._exit(3)", "DETECTOR_CRASHED"),
        ("import os; os.kill(os.getpid(), 9)", "OUT_OF_MEMORY"),
        ("raise SystemExit(0)", "DETECTOR_CRASHED"),  # it says that all is well, and left nothing
        (SLEEPS, "DETECTOR_OUT_OF_TIME"),
    ],
)
def test_whatever_ends_the_process_is_an_outcome(monkeypatch, code, error):
    monkeypatch.setattr(detector_process, "CODE", code)
    got = run_detector("dn2", NORMALS, QUERIES, seconds=0.2)
    assert (got.scores, got.error_code) == (None, error) and got.error


def test_stopped_in_the_middle_no_process_and_no_file_is_left(monkeypatch, tmp_path):
    monkeypatch.setattr(detector_process, "CODE", SLEEPS)
    monkeypatch.setattr(detector_process.tempfile, "tempdir", str(tmp_path))
    started = []
    real = detector_process._start
    monkeypatch.setattr(detector_process, "_start", lambda *args: started.append(real(*args)) or started[0])

    def tell(share):
        if share:
            assert share == 0.25
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_detector("dn2", NORMALS, QUERIES, tell=tell)
    assert started[0].returncode is not None and list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "failure, code",
    [(MemoryError(), "OUT_OF_MEMORY"), (ZeroDivisionError("of 0"), "DETECTOR_FAILED"), (None, "NORMALS_TOO_FEW")],
)
def test_what_fails_in_the_process_is_told_in_a_sentence(monkeypatch, tmp_path, failure, code):
    def fit(normals, training):
        raise failure

    monkeypatch.setitem(DETECTORS, "bad", Detector("bad", "Bad", "density", "features", "", fit))
    np.save(tmp_path / "normals.npy", NORMALS if failure else NORMALS[:1])
    np.save(tmp_path / "queries.npy", QUERIES)
    (tmp_path / "task.json").write_text(json.dumps({"detector": "bad", "seconds": 1, "seed": 0}))
    detector_process.do(tmp_path)
    told = json.loads((tmp_path / "result.json").read_text())
    assert told["error_code"] == code and Outcome(None, **told).error


# on a project


@pytest.fixture
def project(store, fake_encoder, picture):
    """Thirty normals and twelve scored images."""
    project = store.create("Gravel")
    give(project, "normal", [(f"n{i:02}.png", picture(i)) for i in range(30)])
    give(project, "scored", [(f"s{i:02}.png", picture(500 + i, shade=128 + 8 * i)) for i in range(12)])
    run_pending(store)
    return project


@pytest.fixture
def here(monkeypatch):
    """Detectors run in this process: a list of (name, normals, queries), and one of names that are to fail."""
    calls, failing = [], []

    def run(name, normals, queries, *, seconds, seed=0, tell):
        calls.append((name, normals, queries))
        tell(0.5)
        if name in failing:
            return Outcome(None, "DETECTOR_OUT_OF_TIME", {"seconds": 3})
        if DETECTORS[name].sees == "images":
            return Outcome(queries.reshape(len(queries), -1).mean(axis=1), notes={"steps": 7})
        return Outcome(fitted(DETECTORS[name], normals, Training())(queries), fit_seconds=0.5, memory_bytes=10)

    monkeypatch.setattr(comparing, "run_detector", run)
    return calls, failing


def test_all_detectors_get_the_same_images_and_one_that_fails_fails_alone(project, store, here):
    calls, failing = here
    failing.append("pca")
    job = submit_comparison(project, ["geom", "pca", "dn2_paper"], seconds=9)
    run_pending(store)
    assert store.jobs.job(job).state == "done"
    [kept] = comparisons(project)
    view = project.snapshot()
    raw = [project.features(items.image_ids.tolist(), view.state.fingerprint) for items in (view.normals, view.scored)]

    assert list(kept.entries) == [name for name, *_ in calls] == ["dn2_paper", "pca", "geom"]
    np.testing.assert_array_equal(kept.ids, view.scored.ids)
    np.testing.assert_array_equal(kept.scores["dn2_paper"], knn_scores(Bank(raw[0]).search(raw[1], 2).distances, 2))
    assert kept.entries["pca"].error.startswith("The detector had no result after 3 s") and "pca" not in kept.scores
    for _, normals, queries in calls[:2]:
        np.testing.assert_array_equal(normals, raw[0])
        np.testing.assert_array_equal(queries, raw[1])
    _, normals, queries = calls[2]
    assert normals.shape == (30, 64, 64, 3) and queries.shape == (12, 64, 64, 3) and queries.dtype == np.uint8
    np.testing.assert_allclose(queries.mean(axis=(1, 2, 3)), 128 + 8 * np.arange(12), atol=6)
    assert kept.entries["geom"].notes == {"steps": 7} and kept.entries["geom"].seconds == 9
    assert (kept.finished is not None, kept.version, kept.normals, kept.scored) == (True, 1, 30, 12)


def test_a_second_run_adds_and_replaces_until_the_images_change(project, store, here, picture):
    first = compare(project, ["dn2", "pca"])
    at = newest_comparison(project).entries["pca"].at
    assert compare(project, ["pca", "lof"]) == first
    kept = newest_comparison(project)
    assert list(kept.entries) == ["dn2", "pca", "lof"] and kept.entries["pca"].at > at

    give(project, "scored", [("late.png", picture(900))])
    run_pending(store)
    assert compare(project, ["dn2"]) != first
    remove_normals(project, project.snapshot().normals.ids[:1].tolist())
    compare(project, ["dn2"])
    assert [(c.version, len(c.ids), list(c.entries)) for c in comparisons(project)] == [
        (2, 13, ["dn2"]),
        (1, 13, ["dn2"]),
        (1, 12, ["dn2", "pca", "lof"]),
    ]


def test_stopped_it_keeps_what_is_done_and_interrupted_it_goes_on(project, store, here, monkeypatch):
    calls, _ = here
    submit_comparison(project, ["dn2", "pca", "lof"])
    job = store.jobs.claim("comparison")
    run_job(store, job, interrupted=lambda: len(calls) == 2)
    assert store.jobs.job(job.id).state == "queued"
    kept = newest_comparison(project)
    assert list(kept.entries) == ["dn2"] and kept.finished is None

    reopened = Store(store.root)
    run_pending(reopened)
    assert [name for name, *_ in calls] == ["dn2", "pca", "pca", "lof"]
    assert list(newest_comparison(project).entries) == ["dn2", "pca", "lof"]

    submit_comparison(project, ["k_means", "svdd"])
    job = store.jobs.claim("comparison")
    real = comparing.run_detector

    def cancelled(name, *args, tell, **options):
        if name == "svdd":
            store.jobs.cancel(job.id)
            while True:
                tell(0.5)
        return real(name, *args, tell=tell, **options)

    monkeypatch.setattr(comparing, "run_detector", cancelled)
    run_job(store, job)
    assert store.jobs.job(job.id).state == "cancelled"
    kept = newest_comparison(project)
    assert list(kept.entries) == ["dn2", "pca", "k_means", "lof"] and kept.finished is None


def test_dn2_by_other_networks_encodes_in_memory_and_lacking_weights_are_an_entry(
    project, here, fake_encoder, monkeypatch
):
    other, lacking = [name for name in backbones.BACKBONES if name != project.state().backbone][:2]
    real = encoders.encoder_for

    def load(backbone, preset, weights_dir):
        if backbone == lacking:
            raise WeightsUnavailable("WEIGHTS_NOT_INSTALLED", title="X", reason="r", package="p", file="f", folder="d")
        return real(backbone, preset, weights_dir)

    monkeypatch.setattr(encoders, "encoder_for", load)
    before = rows(project, "SELECT count(*) FROM vectors")
    told = []
    compare(project, ["dn2", f"dn2:{lacking}", f"dn2:{other}"], told=lambda *at: told.append(at))
    # A download may take longer than a step of known length is let go without a sign of life.
    assert told.count(("loading the network", 0, 0)) == 2
    kept = newest_comparison(project)
    assert kept.entries[f"dn2:{lacking}"].error.startswith("The weights of X are not here")
    entry = kept.entries[f"dn2:{other}"]
    assert (entry.error, entry.encoded, entry.backbone) == (None, 42, other) and entry.title.startswith("DN2, ")
    assert rows(project, "SELECT count(*) FROM vectors") == before
    # The fake networks see the same, so the scores are the same: every vector went to its own image.
    np.testing.assert_allclose(kept.scores[f"dn2:{other}"], kept.scores["dn2"], rtol=1e-5)


def test_an_image_that_cannot_be_read_has_no_score_by_those_who_look_at_images(project, here):
    lost = project.item(int(project.snapshot().scored.ids[3]))
    for path in (*project.folder.glob(f"originals/*/{lost.sha256}*"), *project.folder.glob(f"thumbs/*/{lost.sha256}*")):
        path.unlink()
    compare(project, ["dn2", "geom"])
    kept = newest_comparison(project)
    assert np.flatnonzero(np.isnan(kept.scores["geom"])).tolist() == [3]
    found = compared_in(project, kept, project.snapshot())
    assert found.unscored == 1 and len(found.positions) == 11


def test_too_many_are_sampled_the_same_each_time_and_labelled_ones_are_all_there(project, here, monkeypatch):
    monkeypatch.setattr(comparison_images, "MOST_NORMALS", 10)
    monkeypatch.setattr(comparison_images, "MOST_SCORED", 5)
    view = project.snapshot()
    set_labels(project, [Decision(int(view.scored.ids[i]), "good") for i in (2, 9, 11)])
    first = compare(project, ["dn2"])
    kept = newest_comparison(project)
    assert (len(kept.normal_ids), kept.normals, len(kept.ids), kept.scored) == (10, 30, 5, 12)
    assert set(view.scored.ids[[2, 9, 11]]) <= set(kept.ids)
    assert compare(project, ["pca"]) == first


def test_labels_of_today_judge_scores_of_then(project, store, here, picture):
    give(project, "scored", [("same.png", picture(0))])  # the very image is among the normals
    run_pending(store)
    view = project.snapshot()
    compare(project, ["dn2", "pca"])
    marks = ["good"] * 6 + ["defect"] * 6 + ["good"]
    set_labels(project, [Decision(int(i), mark) for i, mark in zip(view.scored.ids, marks, strict=True)])
    found = compared_in(project, newest_comparison(project), project.snapshot())
    assert (found.good, found.defects, found.excluded) == (6, 6, 1)
    assert found.standings["pca"].roc_auc.value > 0.9
    assert found.top == int(view.judge().flagged[:12].sum())


def test_damaged_files_are_passed_over_and_named_ones_survive_the_sweep(project, store, here):
    first = compare(project, ["dn2"])
    folder = project.folder / "comparisons"
    stray = folder / "stray.npz"
    stray.write_bytes(b"x")
    for path in folder.iterdir():
        os.utime(path, (0, 0))
    sweep(store)
    assert not stray.exists() and newest_comparison(project).id == first
    next(folder.iterdir()).write_bytes(b"no archive")
    assert newest_comparison(project) is None
    assert compare(project, ["dn2"]) != first and len(comparisons(project)) == 1


def test_the_lane_of_comparisons_has_a_worker_once_there_is_work(tmp_path, monkeypatch):
    service = Service(tmp_path / "data", workers=False)
    started = []
    monkeypatch.setattr(service, "_start", lambda lane: started.append(lane) or MagicMock(pid=1, poll=lambda: None))
    try:
        service._keep_alive("comparison")
        assert started == []
        submit_comparison(service.store.create("Gravel"), ["dn2"])
        for lane in ("comparison", "projection", "comparison"):
            service._keep_alive(lane)
        assert started == ["comparison"]
    finally:
        service.close()


def test_bad_orders_are_refused(project, store, here):
    for order, words in [
        (dict(detectors=["nearest"]), "detector out of"),
        (dict(detectors=[], backbones=["net"]), "network out of"),
        (dict(detectors=[]), "at least one detector"),
        (dict(detectors=["dn2"], seconds=0), "above 0"),
    ]:
        with pytest.raises(Refused, match=words):
            submit_comparison(project, **order)
    empty = store.create("Empty")
    give(empty, "normal", [("n.png", b"")])
    with pytest.raises(Exception, match="no normals yet"):
        compare(empty, ["dn2"])


def test_an_image_that_a_detector_was_fitted_to_does_not_count(project, store, here):
    item = int(project.snapshot().scored.ids[0])
    add_normals(project, [item])
    compare(project, ["dn2", "pca"])
    joined = project.snapshot().normals
    remove_normals(project, [int(joined.ids[-1])])
    assert not project.snapshot().same_as_normal.any()
    set_labels(project, [Decision(int(i), "good") for i in project.snapshot().scored.ids])
    found = compared_in(project, newest_comparison(project), project.snapshot())
    assert (found.good, found.excluded) == (11, 1) and 0 not in found.positions


def test_two_writers_lose_nothing_of_each_other(project, store, here, monkeypatch):
    made = compare(project, ["dn2"])
    entry = newest_comparison(project).entries["dn2"]
    read = comparison_file._at
    other = threading.Thread(
        target=comparison_file.add, args=(project, made, replace(entry, name="lof"), np.zeros(12)), daemon=True
    )

    def slowly(*given):
        kept = read(*given)
        if not other.is_alive() and threading.current_thread() is threading.main_thread():
            other.start()
            time.sleep(0.3)  # the other one has read and written meanwhile, were it not for the lock
        return kept

    monkeypatch.setattr(comparison_file, "_at", slowly)
    comparison_file.add(project, made, replace(entry, name="pca"), np.ones(12))
    other.join(timeout=30)
    assert set(newest_comparison(project).entries) == {"dn2", "pca", "lof"}
