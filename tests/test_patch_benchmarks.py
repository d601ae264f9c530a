"""The made defects in benchmarks/patches, and its scripts on a few of them with an encoder without a network."""

import importlib
import re
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import binary_dilation
from sklearn.metrics import roc_auc_score

from dn2core.detect.capture import Finding, Taken
from dn2core.explore.fashion_mnist import FashionMNIST, as_rgb
from dn2core.features.patches import Layout
from tests.conftest import FakeEncoder

FOLDER = Path(__file__).resolve().parents[1] / "benchmarks" / "patches"
SCRIPTS = sorted(path.stem for path in FOLDER.glob("*.py") if path.stem not in ("sets", "trial"))
SETS = ("brick", "grass", "gravel", "plate", "washer")


class FakePatchEncoder:
    """Mean, and as another stage contrast, of each cell of the picture, 10 x 10 of them for each tile."""

    def __init__(self, tiles=1):
        self.layout = Layout(((10 * tiles, 3),) * 2, (1.0, 1.0))
        self.fingerprint = f"fake {tiles}"

    def encode(self, images):
        for image in images:
            side, grid = image.shape[0], self.layout.grid
            view = np.asarray(Image.fromarray(image).resize((grid * 16, grid * 16))) if side % grid else image
            cells = view.reshape(grid, len(view) // grid, grid, len(view) // grid, 3) / 255
            yield np.stack([cells.mean(axis=(1, 3)), cells.std(axis=(1, 3))]).astype(np.float16).ravel()


@pytest.fixture
def script(monkeypatch, tmp_path):
    """script(name): the module of that name, with fake encoders, which keeps what it measures in a temporary folder."""
    monkeypatch.syspath_prepend(str(FOLDER.parent / "paper"))
    monkeypatch.syspath_prepend(str(FOLDER))
    trial = importlib.import_module("trial")
    monkeypatch.setattr(trial, "CACHE", tmp_path / "cache")
    monkeypatch.setattr(trial, "whole_encoder", FakeEncoder)
    monkeypatch.setattr(trial, "patch_encoder", FakePatchEncoder)
    return importlib.import_module


@pytest.fixture
def sets(script):
    return script("sets")


@pytest.mark.parametrize("name", SCRIPTS)
def test_every_script_says_what_it_does(name, monkeypatch, capsys):
    monkeypatch.syspath_prepend(str(FOLDER))
    monkeypatch.setattr(sys, "argv", [f"{name}.py", "--help"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(FOLDER / f"{name}.py"), run_name="__main__")
    assert ended.value.code == 0
    assert "--out" in capsys.readouterr().out


def test_the_index_names_every_script():
    index = (FOLDER / "README.md").read_text(encoding="utf-8")
    for name in SCRIPTS:
        assert f"{name}.py" in index
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", index):
        assert Path(target).stem in SCRIPTS or (FOLDER / target).exists(), f"the index points to {target}"


@pytest.mark.parametrize("name", ("brick", "grass", "gravel"))
def test_no_pixel_of_a_photograph_is_both_in_normals_and_in_new_pictures(sets, name, monkeypatch):
    """A photograph whose grey levels tell the side: 10 where normals may be cut, 200 beyond."""
    sides = np.full((512, 512), 10, np.float32)
    sides[slice(None) if name != "brick" else slice(sets.SPLIT, None)] = 200
    if name != "brick":
        sides[:, : sets.SPLIT] = 10
    monkeypatch.setattr(sets, "_photograph", lambda _: sides)
    monkeypatch.setattr(sets, "_shot", lambda picture, rng: picture.astype(np.uint8))
    assert {value for image in sets.normals(name, 80, 1) for value in np.unique(image)} == {10}
    assert {value for one in sets.tests(name, 1, good=80, each=0) for value in np.unique(one.image)} == {200}


def test_every_photograph_a_set_cuts_keeps_to_its_side(sets, monkeypatch):
    """The materials of parts and the pieces of foreign defects, too."""
    asked = []
    cut = sets._cut
    monkeypatch.setattr(sets, "_cut", lambda name, part, rng: asked.append(part) or cut(name, part, rng))
    for name in SETS:
        sets.normals(name, 2, 0)
    assert set(asked) == {"normal"}
    asked.clear()
    for name in SETS:
        list(sets.tests(name, 0, good=1, each=1))
    assert set(asked) == {"new"}


@pytest.mark.parametrize("name", SETS)
def test_masks_lie_where_pictures_changed(sets, name, monkeypatch):
    """Each change beside the good picture that it was made of, before the camera's light and noise."""
    monkeypatch.setattr(sets, "_shot", lambda picture, rng: picture)
    made, goods = [], []
    for kind, change in sets.KINDS.items():

        def noted(good, part, size, rng, ground, change=change):
            goods.append((good.copy(), part))
            return change(good, part, size, rng, ground)

        for size in sets.SIZES:
            rng = np.random.default_rng([len(made), 5])
            one = sets._defective(name, noted, size, rng, kind=kind)
            good, part = goods[-1]
            moved = np.abs(one.image - good).max(axis=2)
            # The edge is soft: a pixel that is covered by less than half changes a little, and is not in the mask; nor
            # is a sliver that a hole leaves of a scratch.
            assert np.count_nonzero(moved[~binary_dilation(one.mask, iterations=2)]) <= 10, (kind, size)
            assert np.mean(moved[one.mask] > 1) > 0.8, (kind, size)
            assert not (one.mask & ~part).any() and moved[one.mask].mean() >= sets.VISIBLE
            made.append(one)
    assert len(made) == len(sets.KINDS) * len(sets.SIZES)


def test_every_kind_and_size_is_drawn_and_seeds_repeat(sets):
    drawn = [list(sets.tests("plate", 4, good=2, each=2)) for _ in range(2)]
    for one, again in zip(*drawn, strict=True):
        assert np.array_equal(one.image, again.image) and np.array_equal(one.mask, again.mask)
    assert [one.kind for one in drawn[0][:3]] == ["", "", "scratch"] and not drawn[0][0].mask.any()
    counts = {}
    for one in drawn[0][2:]:
        assert one.image.shape == (160, 160, 3) and one.image.dtype == np.uint8 and one.mask.sum() >= 20
        counts[one.kind, one.size] = counts.get((one.kind, one.size), 0) + 1
    assert counts == {(kind, size): 2 for kind in sets.KINDS for size in sets.SIZES}
    assert not np.array_equal(sets.normals("plate", 1, 4)[0], sets.normals("plate", 1, 5)[0])
    assert np.array_equal(sets.normals("plate", 2, 4)[0], sets.normals("plate", 1, 4)[0])


def test_larger_sizes_are_larger(sets):
    for kind in sets.KINDS:
        areas = {size: [] for size in sets.SIZES}
        for size in sets.SIZES:
            for seed in range(6):
                rng = np.random.default_rng(seed)
                areas[size].append(sets._defective("grass", sets.KINDS[kind], size, rng, kind=kind).mask.sum())
        small, medium, large = (np.mean(areas[size]) for size in sets.SIZES)
        assert small < medium < large, kind


def test_spots_have_the_radius_asked_for(sets):
    for radius in (1, 3, 5):
        for one in sets.spots("grass", 0, radius=radius, n=4):
            assert one.kind == "spot" and one.mask.sum() == pytest.approx(np.pi * radius**2, rel=0.5)
            rows, columns = np.nonzero(one.mask)
            assert max(np.ptp(rows), np.ptp(columns)) <= 2 * radius


def test_what_is_measured_is_kept_until_a_constant_changes(script, monkeypatch):
    trial, calls = script("trial"), []
    for _ in range(2):
        assert trial.kept("thing", lambda: calls.append(1) or {"a": 0.5}, 3) == {"a": 0.5}
    assert len(calls) == 1
    trial.kept("thing", lambda: calls.append(1) or {}, 4)
    monkeypatch.setattr(trial.distance_maps, "TOP", 11)
    trial.kept("thing", lambda: calls.append(1) or {}, 3)
    monkeypatch.setattr(trial.patches, "POWER", 0.5)
    trial.kept("thing", lambda: calls.append(1) or {}, 3)
    assert len(calls) == 4


def test_means_stand_with_half_of_their_interval(script):
    trial = script("trial")
    assert trial.around([0.9]) == "90.0"
    # Standard deviation 0.01, by the root of three, times 4.303 of Student's t with two degrees of freedom.
    assert trial.around([0.89, 0.9, 0.91]) == "90.0 ± 2.5"


def test_areas_are_those_of_the_pictures(script):
    defects = script("defects")
    found = defects.measure("grass", 1, good=3, each=1, n=8)
    assert len(found["kinds"]) == 3 + 6 * 3
    bad = np.array(found["kinds"]) != ""
    for mode in defects.MODES:
        assert len(found["scores"][mode]) == len(bad)
        assert defects.image_auc(found, mode) == pytest.approx(roc_auc_score(bad, found["scores"][mode]))
    of = (np.array(found["kinds"]) == "spot") & (np.array(found["sizes"]) == "large") | ~bad
    scores = np.array(found["scores"]["thinned"])
    expected = roc_auc_score(bad[of], scores[of])
    assert defects.image_auc(found, "thinned", "spot", "large") == pytest.approx(expected)
    assert found["pixel of kinds"]["thinned"]["missing"] > 0.6 and 0 < found["pro"]["own"] <= 1


def test_a_page_of_defects_says_which_goals_are_missed(script, monkeypatch, tmp_path):
    defects = script("defects")
    monkeypatch.setattr(defects, "NORMALS", 6)
    arguments = ["--sets", "gravel", "--seeds", "1", "2", "--each", "1", "--good", "2", "--out", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", ["defects.py", *arguments])
    monkeypatch.setattr(defects, "measure", lambda *_, **__: _all_but_blur(defects))
    defects.main()
    page = (tmp_path / "defects.md").read_text(encoding="utf-8")
    assert (tmp_path / "defects.svg").exists() and "python benchmarks/patches/defects.py" in page
    assert "What differs" not in page
    (goals,) = [line for line in page.splitlines() if line.startswith("| gravel |") and "short by" in line]
    # Of six kinds one is told apart in half of the cases.
    assert goals == "| gravel | 91.67: short by 7.33 | 97.00: short by 1.00 | 50.00: short by 47.00 | blur |"


def test_larger_pictures_are_four_of_the_set(script):
    smallest = script("smallest")
    pictures = [np.full((160, 160, 3), shade, np.uint8) for shade in range(8)]
    first, second = smallest.put_together(pictures)
    assert first.shape == (320, 320, 3)
    assert [first[y, x, 0] for y in (0, 160) for x in (0, 160)] == [0, 1, 2, 3] and second[200, 200, 0] == 7
    areas = np.array([[0.9], [0.99], [0.94], [0.96], [1.0]])
    assert smallest.found_from(areas) == "4 px" and smallest.found_from(areas[::-1]) == "above 5 px"
    assert smallest.found_from(np.ones((5, 2))) == "1 px"
    assert len(smallest.measure("grass", 0, n=4, each=2, good=2)) == len(smallest.RADII)
    assert len(smallest.measure_large("grass", 0, tiles=2, n=4, each=2, good=2)) == len(smallest.RADII)


def test_a_coreset_is_chosen_once_for_all_sizes(script):
    thinning = script("thinning")
    rows = thinning.measure("gravel", (20, 60), n=4, each=1, good=2)
    assert [row[:2] for row in rows] == [
        ["random", 20],
        ["random and far", 20],
        ["random", 60],
        ["random and far", 60],
        ["greedy coreset", 20],
        ["greedy coreset", 60],
    ]
    assert all(seconds > 0 and 0 <= image <= 1 and 0 <= pixel <= 1 for *_, seconds, image, pixel in rows)


@pytest.fixture
def clothes(monkeypatch):
    """clothes(module): it finds 24 pictures of each class in place of Fashion-MNIST, 8 of them for tests."""

    def drawn(count, seed):
        rng = np.random.default_rng(seed)
        labels = rng.permutation(np.repeat(np.arange(10), count)).astype(np.uint8)
        images = np.zeros((len(labels), 28, 28))
        images[:, 6:22, 6:22] = rng.normal(120, 10, (len(labels), 16, 16)) + 5 * labels[:, None, None]
        return images.clip(0, 255).astype(np.uint8), labels

    data = FashionMNIST(*drawn(16, 0), *drawn(8, 1))
    return lambda module: monkeypatch.setattr(module, "load_idx", lambda folder: data)


def test_faults_change_what_they_say(script):
    capture, rng = script("capture"), np.random.default_rng(0)
    good = np.zeros((160, 160, 3), np.float32)
    good[40:120, 50:90] = (200, 100, 50)
    made = {name: one.change(good, rng) for name, one in capture.FAULTS.items()}
    assert np.allclose(made["lamp off (1/50 of the light)"], 0.02 * good)
    assert made["half of the contrast"].mean() == pytest.approx(good.mean(), rel=1e-3)
    assert made["half of the contrast"].std() == pytest.approx(good.std() / 2, rel=1e-3)
    assert made["10 % more red"][60, 60].tolist() == pytest.approx([220, 100, 50])
    edges = [np.abs(np.diff(made[f"defocus, {pixels} px"][80, :, 0])).max() for pixels in (1, 2, 4)]
    # A blurred step is steepest by its height over the width of the Gaussian.
    assert edges == pytest.approx([200 / (2 * np.pi) ** 0.5 / pixels for pixels in (1, 2, 4)], rel=0.05)
    moved = {tuple(np.argwhere(capture.shifted(0.06)(good, rng)[:, :, 0] > 0).min(axis=0)) for _ in range(40)}
    assert moved == {(40 - 10, 50), (40 + 10, 50), (40, 50 - 10), (40, 50 + 10)}
    assert made["half as many pixels a side"].shape == (80, 80, 3) and made["a fifth wider"].shape == (160, 192, 3)


def test_a_fault_counts_as_found_by_its_own_name_only(script, monkeypatch):
    """Of two faulty pictures one is called dark, the other is only noticed; of three good ones one is an alarm."""
    capture, asked = script("capture"), []
    told = {3: [("dark",), (), ()], 2: [("dark",), ("blurred",)]}

    def found(normals, pictures):
        asked.append(normals.values[:, 0].tolist())
        return [tuple(Finding(kind, "brightness") for kind in kinds) for kinds in told[len(pictures)]]

    monkeypatch.setattr(capture, "capture_findings", found)
    monkeypatch.setattr(capture, "NORMALS", (2, 4, 99))

    def some(count):
        return Taken(np.arange(count, dtype=float)[:, None], np.zeros((count, 5, 16)), np.full(count, "PNG"))

    rates = capture.rates(capture.Pictures(some(5), some(3), {"half of the light": some(2)}))
    assert rates.alarms == {2: pytest.approx(1 / 3), 4: pytest.approx(1 / 3)}
    assert rates.named == {"half of the light": {2: 0.5, 4: 0.5}}
    assert rates.noticed == {"half of the light": {2: 1.0, 4: 1.0}}
    assert asked[:2] == [[0, 1], [2, 3]], "sets of normals share no picture"
    assert capture.mean_of([rates, capture.Rates({2: 1.0, 4: 1.0}, rates.named, rates.noticed)]).alarms[2] == (
        pytest.approx(2 / 3)
    )


def test_the_page_of_captures_tells_alarms_and_faults(script, clothes, monkeypatch, tmp_path):
    capture = script("capture")
    clothes(capture)
    monkeypatch.setattr(capture, "NORMALS", (5, 12))
    options = ["--sets", "grass", "Fashion-MNIST", "--seeds", "1", "2", "--good", "6", "--faulty", "3"]
    monkeypatch.setattr(sys, "argv", ["capture.py", *options, "--out", str(tmp_path)])
    capture.main()
    page = (tmp_path / "capture.md").read_text(encoding="utf-8")
    rows = {}
    for first, *cells in (line.removeprefix("| ").split(" | ") for line in page.splitlines()):
        rows.setdefault(first, cells)
    assert "| shift by 6 % | - | " in page
    assert rows["lamp off (1/50 of the light)"].count("100.0 ± 0.0") == 2
    assert "worst class of Fashion-MNIST" in rows and (tmp_path / "capture.svg").exists()


def test_scores_that_set_the_limit_are_those_of_the_normals_left_out(script, clothes):
    """With all patches in the bank a normal that counts for itself is nearer; not at 0, for others count too."""
    budget = script("budget")
    clothes(budget)
    of, chosen = budget.pool(budget.load_idx(""), 3, normals=8, good=4), range(2, 8)
    scores, bank = budget.judged(of, chosen), budget.fitted(of, chosen)
    assert len(scores["reference"]) == 6 and len(scores["new"]) == 4
    for at, score in enumerate(scores["reference"]):
        itself, left_out = (bank.distance_map(of.normal(2 + at), without=some) for some in ([], [at]))
        assert score == pytest.approx(budget.patch_score(left_out)) and score > 1.2 * budget.patch_score(itself)
    assert scores["new"] == pytest.approx([budget.patch_score(bank.distance_map(of.other(at))) for at in range(4)])


def test_each_picture_is_encoded_once_and_none_is_both_normal_and_good(script, clothes, monkeypatch):
    budget = script("budget")
    clothes(budget)
    of, seen = budget.pool(budget.load_idx(""), 3, normals=8, good=4), []
    encode = FakePatchEncoder.encode
    monkeypatch.setattr(FakePatchEncoder, "encode", lambda self, images: encode(self, seen_by(seen, images)))
    for chosen in (range(4), range(4, 8), range(8)):
        budget.judged(of, chosen)
    assert len(seen) == 12 == len(set(seen))
    for patches, image in ((of.normal(5), of.normals[5]), (of.other(1), of.good[1])):
        (packed,) = encode(FakePatchEncoder(), [as_rgb(image)])
        assert np.array_equal(patches, of.layout.unpack(packed))


def seen_by(seen, images):
    for image in images:
        seen.append(image.tobytes())
        yield image


def test_cases_are_what_was_said_beforehand_and_what_came(script):
    budget = script("budget")
    made = budget.cases("Bag", 99, {"reference": list(range(1, 100)), "new": [0.5] * 17 + [98.5, 99, 200.0]})
    assert [one.group for one in made] == [("Bag", "99", "1 %"), ("Bag", "99", "5 %"), ("Bag", "99", "10 %")]
    assert [one.flagged for one in made] == [1, 3, 3] and {one.of for one in made} == {20}
    assert [one.expected for one in made] == pytest.approx([0.01, 0.05, 0.1])
    rows = budget.grouped(made, ("class", "budget"), (0, 2)).splitlines()
    assert rows[2].startswith("| Bag | 1 % | 1 | 100.0 % |") and rows[-1].startswith("| all | all | 3 |")


def test_the_page_of_the_budget_tells_how_many_cases_held(script, clothes, monkeypatch, tmp_path):
    budget = script("budget")
    clothes(budget)
    options = ["--classes", "Sandal", "Bag", "--normals", "6", "12", "--draws", "2", "1", "--good", "6"]
    monkeypatch.setattr(sys, "argv", ["budget.py", *options, "--out", str(tmp_path)])
    budget.main()
    page = (tmp_path / "budget.md").read_text(encoding="utf-8")
    assert "of 18 cases: the number of 6 good pictures" in page and "python benchmarks/patches/budget.py" in page
    assert "| 12 | 5 % | 2 |" in page and "| Bag | 10 % | 3 |" in page


def test_growth_is_told_against_the_goals(script):
    speed = script("speed")
    fits = {
        10: {"encode": 1.0, "thin": 1.0, "calibrate": 2.0, "verdict": 0.1},
        100: {"encode": 30.0, "thin": 20.0, "calibrate": 30.0, "verdict": 0.2},
    }
    (told,) = speed.goals(fits)
    assert "Fit of 100 normals: 80.00 s, below 60 s missed by 20.00 s." in told
    assert "Verdict at 100 normals: 0.20 s, below 0.15 s missed by 0.05 s." in told
    assert "10.0 times the normals, 20.0 times the fit's time." in told
    assert speed.row(1000, fits[10])[:4] == ["1,000", "1.0", "1.0", "2.0"]
    found = speed.of_ours("grass", 4)
    assert all(found[step] > 0 for step in ("encode", "thin", "calibrate", "verdict"))


@pytest.mark.parametrize(
    "name, options, row",
    [
        ("smallest", ["--sets", "grass", "--large", "grass", "--seeds", "1", "2", "--each", "2"], "| grass | 2 |"),
        ("thinning", ["--sets", "grass", "--sizes", "9", "40", "--each", "1"], "| grass | greedy coreset | 40 |"),
        ("speed", ["--set", "grass", "--normals", "2", "4", "--others"], "| 4 |"),
    ],
)
def test_every_other_script_writes_its_page(script, monkeypatch, tmp_path, name, options, row):
    module = script(name)
    for constant in ("NORMALS", "LARGE", "VERDICTS"):
        monkeypatch.setattr(module, constant, 4, raising=False)
    few = [] if name == "speed" else ["--good", "2"]
    monkeypatch.setattr(sys, "argv", [f"{name}.py", *options, *few, "--out", str(tmp_path)])
    module.main()
    page = (tmp_path / f"{name}.md").read_text(encoding="utf-8")
    (cells,) = [line.removeprefix(row).split("|")[:-1] for line in page.splitlines() if line.startswith(row)]
    assert all(cell.strip() for cell in cells) and f"python benchmarks/patches/{name}.py" in page


def _all_but_blur(defects):
    """Two good pictures and one of every kind; all scores tell them apart but those of blur."""
    scores = [0.0, 1.0, *(0.5 if kind == "blur" else 2.0 for kind in defects.KINDS)]
    return {
        "kinds": ["", "", *[kind for kind in defects.KINDS for _ in defects.SIZES]],
        "sizes": ["", "", *[size for _ in defects.KINDS for size in defects.SIZES]],
        "scores": {mode: scores[:2] + [one for one in scores[2:] for _ in defects.SIZES] for mode in defects.MODES},
        "pixel": dict.fromkeys(defects.MAPS, 0.97),
        "pro": dict.fromkeys(defects.MAPS, 0.9),
        "pixel of kinds": {mode: dict.fromkeys(defects.KINDS, 0.9) for mode in defects.MAPS},
    }
