"""The scripts in benchmarks/paper on a data set of a few images, with an encoder without a network."""

import importlib
import re
import runpy
import struct
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from dn2core.detect import Bank, form_scores, leave_one_out
from dn2core.explore.fashion_mnist import CLASSES
from tests.conftest import FakeEncoder

FOLDER = Path(__file__).resolve().parents[1] / "benchmarks" / "paper"
SCRIPTS = sorted(path.stem for path in FOLDER.glob("*.py") if path.stem != "common")
PER_CLASS, TESTED = 12, 4  # training and test images of each class


@pytest.fixture
def script(monkeypatch, tmp_path):
    """script(name): the module of that name, which keeps its features in a temporary folder."""
    monkeypatch.syspath_prepend(str(FOLDER))
    common = importlib.import_module("common")
    monkeypatch.setattr(common, "CACHE", tmp_path / "cache")
    monkeypatch.setattr(common, "load_encoder", FakeEncoder)
    return importlib.import_module


@pytest.fixture
def data(tmp_path):
    """A folder of idx files: stripes, whose number goes by the class, in noise."""
    rng = np.random.default_rng(0)
    for part, each in (("train", PER_CLASS), ("t10k", TESTED)):
        labels = rng.permutation(np.repeat(np.arange(10), each)).astype(np.uint8)
        stripes = 128 + 15 * np.sin(np.arange(28) * (1 + labels[:, None, None]) / 9)
        images = (stripes + rng.normal(0, 60, (len(labels), 28, 28))).clip(0, 255).astype(np.uint8)
        _write_idx(tmp_path / f"{part}-images-idx3-ubyte", images)
        _write_idx(tmp_path / f"{part}-labels-idx1-ubyte", labels)
    return tmp_path


@pytest.fixture
def run(script, data, monkeypatch, tmp_path):
    """run(name, *options): the page that a script writes; its plot lies beside it."""
    out = tmp_path / "out"
    out.mkdir()

    def run(name, *options):
        monkeypatch.setattr(sys, "argv", [f"{name}.py", "--data", str(data), "--out", str(out), *options])
        script(name).main()
        assert (out / f"{name}.svg").read_text(encoding="utf-8").rstrip().endswith("</svg>")
        return (out / f"{name}.md").read_text(encoding="utf-8")

    return run


@pytest.mark.parametrize("name", SCRIPTS)
def test_every_script_says_what_it_does(name, monkeypatch, capsys):
    monkeypatch.syspath_prepend(str(FOLDER))
    monkeypatch.setattr(sys, "argv", [f"{name}.py", "--help"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(FOLDER / f"{name}.py"), run_name="__main__")
    assert ended.value.code == 0
    assert "--data" in capsys.readouterr().out


def test_the_index_names_every_script():
    index = (FOLDER / "README.md").read_text(encoding="utf-8")
    for name in SCRIPTS:
        assert f"{name}.py" in index
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", index):
        assert (FOLDER / target).exists(), f"the index points to {target}"


def test_neighbours_of_every_class_and_k(run, script, data):
    page = run("neighbours")
    seen = script("common").features(data)
    raw = _row(page, "| raw | squared distances |")
    plain = _row(page, "| raw | distances |")
    assert len(raw) == 4  # k = 25 and 50 are more than a class has
    for column, k in enumerate((1, 2, 5, 10)):
        assert float(raw[column]) == pytest.approx(100 * _mean_auc(seen, k, lambda d: d), abs=0.006)
        assert float(plain[column]) == pytest.approx(100 * _mean_auc(seen, k, np.sqrt), abs=0.006)


def test_the_best_k_is_bold_and_counted(script):
    neighbours = script("neighbours")
    assert neighbours.best_bold(np.array([0.9, 0.95, 0.95, 0.8])) == ["90.00", "**95.00**", "**95.00**", "80.00"]
    assert neighbours.wins(np.array([[0.1, 0.3, 0.2], [0.5, 0.4, 0.4], [0.1, 0.9, 0.2]])) == [1, 2, 0]


def test_fewer_normals_are_drawn_anew_and_all_are_all(run, script, data, monkeypatch):
    training = script("training_images")
    monkeypatch.setattr(training, "DRAWS", {5: 3, PER_CLASS: 1, 1000: 1})
    monkeypatch.setattr(training, "TEST", 30)
    page = run("training_images")
    seen = script("common").features(data, first=(None, 30))
    few, every = _row(page, "| 5 | 3 |"), _row(page, f"| {PER_CLASS} | 1 |")
    assert "1,000" not in page
    assert all("±" in cell for cell in few) and not any("±" in cell for cell in every)
    assert float(every[0]) == pytest.approx(100 * _mean_auc(seen, 2, lambda d: d), abs=0.06)
    draws = training.measure(script("common").features(data), False, 2, "mean")[5]
    assert len(set(draws)) > 1
    assert few[0] == f"{100 * np.mean(draws):.1f} ± {100 * np.std(draws, ddof=1):.1f}"


def test_what_ten_normals_keep(script):
    aucs = {10: [0.8, 0.9], 6000: [0.95]}
    assert script("training_images").kept(aucs, 10, 6000) == "78"
    assert script("training_images").kept({6000: [0.95]}, 10, 6000) == "-"


def test_the_main_table_has_every_class_and_the_crop(run, script, data):
    page = run("one_class", "--crop", "60", "20")
    rows = [_row(page, f"| {name} |") for name in CLASSES]
    means = np.array(rows, float).mean(axis=0)
    shown = [float(cell.strip("*")) for cell in _row(page, "| **mean** |")]
    assert shown == pytest.approx(means, abs=0.01)
    part = script("common").features(data, first=(60, 20))
    assert len(part.train) == 60 and len(part.test) == 20
    assert float(_row(page, "| whole, resized to 224 |")[0]) == pytest.approx(
        100 * _mean_auc(part, 2, lambda d: d), abs=0.006
    )


def test_networks_side_by_side_on_the_same_images(run, script, monkeypatch):
    backbones = script("backbones")
    monkeypatch.setattr(backbones, "load_encoder", FakeEncoder)
    monkeypatch.setattr(backbones, "ROUNDS", 1)
    page = run("backbones", "--images", "100", "30", "--networks", "efficientnet_lite0", "efficientnet_lite1")
    for name, dimensions in ((backbones.PIXELS, 784), ("efficientnet_lite0", 16), ("efficientnet_lite1", 16)):
        cells = _row(page, f"| {name} |")
        assert int(cells[0]) == dimensions and all(50 < float(cell) <= 100 for cell in cells[1:4])
    assert "100 training and 30 test images" in page


def test_all_but_one_names_each_class(run):
    page = run("all_but_one", "--normals", "100")
    assert "Of the first 100 training images" in page and "about 90;" in page
    for name in CLASSES:
        assert len(_row(page, f"| {name} |")) == 3


@pytest.mark.parametrize("form, k", [("mean", 2), ("density", 5)])
@pytest.mark.parametrize("normalise", [False, True])
def test_all_but_one_equals_one_bank_of_all_others(script, form, k, normalise):
    seen = _random(script)
    aucs = script("all_but_one").measure(seen, normalise, k, form)
    for odd, auc in zip(seen.classes, aucs, strict=True):
        bank = Bank(seen.train[seen.train_labels != odd], normalise=normalise)
        scores = form_scores(form, bank.search(seen.test, k), leave_one_out(bank, k), k)
        assert auc == pytest.approx(roc_auc_score(seen.test_labels == odd, scores), abs=1e-12)


def test_merged_tables_are_those_of_the_union(script):
    module = script("all_but_one")
    rng = np.random.default_rng(3)
    vectors = rng.integers(0, 3, (90, 4)).astype(np.float32)  # many ties and twins
    queries = rng.integers(0, 3, (40, 4)).astype(np.float32)
    parts = np.split(rng.permutation(90), [2, 50])  # one of them smaller than k
    for k in (1, 3, 7):
        tables = []
        for rows in map(np.sort, parts):
            found = Bank(vectors[rows]).search(queries, k)
            tables.append(module.numbered(found, rows))
        merged, union = module.merged(tables, k), Bank(vectors).search(queries, k)
        assert np.array_equal(merged.distances, union.distances)
        assert np.array_equal(merged.indices, union.indices)
        assert (merged.k, merged.k_asked) == (k, k)


def test_a_page_tells_how_it_came_about(script, tmp_path, monkeypatch, capsys):
    common = script("common")
    monkeypatch.setattr(sys, "argv", ["some/where/thing.py", "--many", "3"])
    pages = []
    for _ in range(2):
        with common.plot(tmp_path, "thing", "k", "ROC AUC, %") as axes:
            axes.plot([1, 2], [3, 4])
            common.label(axes, 2, 4, "raw", "C0")
        common.publish(tmp_path, "thing", title="A thing", body="| 1 |", differs="All of it.", seeds="0 to 4")
        pages.append((tmp_path / "thing.md").read_text(encoding="utf-8") + (tmp_path / "thing.svg").read_text("utf-8"))
    assert pages[0] == pages[1]
    page = pages[0].partition("<?xml")[0]
    for said in ("# A thing", "| 1 |", "![A thing](thing.svg)", "All of it.", "- Seeds: 0 to 4", "Python 3."):
        assert said in page
    assert "`python benchmarks/paper/thing.py --many 3`" in page and "some/where" not in page
    assert capsys.readouterr().out == "| 1 |\n" * 2


def test_shares_in_words(script):
    common = script("common")
    assert common.percent(0.94567) == "94.57" and common.percent(None) == "-"
    assert common.spread([0.9]) == "90.0" and common.spread([0.8, 0.9]) == "85.0 ± 7.1"
    assert common.table(["a", "b"], [[1, "x"]]) == "| a | b |\n| --- | --- |\n| 1 | x |"


def _write_idx(path, array):
    path.write_bytes(bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes())


def _row(page, start):
    """The cells behind the first ones of a table's row."""
    (line, *_) = [line for line in page.splitlines() if line.startswith(start)]
    return [cell.strip(" *") for cell in line.removeprefix(start).strip().strip("|").split("|")]


def _mean_auc(seen, k, of):
    """One class against all by brute force and scikit-learn."""
    aucs = []
    for normal in seen.classes:
        normals = seen.train[seen.train_labels == normal].astype(float)
        squared = ((seen.test[:, None].astype(float) - normals) ** 2).sum(axis=2)
        aucs.append(roc_auc_score(seen.test_labels != normal, np.sort(of(squared), axis=1)[:, :k].mean(axis=1)))
    return np.mean(aucs)


def _random(script):
    rng = np.random.default_rng(1)
    centres = rng.normal(0, 1, (4, 6))
    train, test = np.repeat(np.arange(4), [9, 12, 15, 20]), np.repeat(np.arange(4), 10)
    return script("common").Features(
        (centres[train] + rng.normal(0, 1, (len(train), 6))).astype(np.float32),
        train,
        (centres[test] + rng.normal(0, 1, (len(test), 6))).astype(np.float32),
        test,
    )
