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

from dn2core.features.patches import Layout
from tests.conftest import FakeEncoder

FOLDER = Path(__file__).resolve().parents[1] / "benchmarks" / "patches"
SCRIPTS = sorted(path.stem for path in FOLDER.glob("*.py") if path.stem not in ("sets", "trial"))
SETS = ("brick", "grass", "gravel", "plate", "washer")


class FakePatchEncoder:
    """Mean and contrast of each cell of the picture, 10 x 10 of them for each tile."""

    def __init__(self, tiles=1):
        self.layout = Layout(((10 * tiles, 6),), (1.0,))
        self.fingerprint = f"fake {tiles}"

    def encode(self, images):
        for image in images:
            side, grid = image.shape[0], self.layout.grid
            view = np.asarray(Image.fromarray(image).resize((grid * 16, grid * 16))) if side % grid else image
            cells = view.reshape(grid, len(view) // grid, grid, len(view) // grid, 3) / 255
            both = np.concatenate([cells.mean(axis=(1, 3)), cells.std(axis=(1, 3))], axis=2)
            yield both.astype(np.float16).ravel()


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
    monkeypatch.setattr(trial.patches, "TOP", 11)
    trial.kept("thing", lambda: calls.append(1) or {}, 3)
    assert len(calls) == 3


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
