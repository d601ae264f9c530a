"""`bench mvtec` on a small folder of that layout, with encoders that hold no network."""

import io

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import roc_auc_score

from dn2core.cli import main
from dn2core.detect.distance_maps import patch_score
from dn2core.detect.patches import balanced_bank, thinned_bank
from dn2core.explore.localisation import enlarged, pixel_roc_auc, pro
from dn2core.explore.mvtec import LONGEST, categories, measure
from dn2core.features.patches import Layout
from dn2core.ingest import decode
from tests.conftest import FakeEncoder

SIZE = 40, 24  # width and height


class FakePatchEncoder:
    """Each patch the mean colour of a cell of the picture, 8 x 8 of them, and its darkness as a second stage."""

    layout = Layout(((8, 3), (8, 3)), (1.0, 1.0))

    def encode(self, images):
        for image in images:
            small = np.asarray(Image.fromarray(image).resize((8, 8), Image.Resampling.BOX))
            yield np.concatenate([(small / 255).ravel(), (1 - small / 255).ravel()]).astype(np.float16)


@pytest.fixture(autouse=True)
def encoders(tmp_path, monkeypatch):
    """What was asked of the loaders."""
    asked = []
    monkeypatch.setenv("DN2_DATA", str(tmp_path / "data"))
    monkeypatch.setattr("dn2core.cli.mvtec.load_encoder", lambda *_, **__: FakeEncoder())
    monkeypatch.setattr(
        "dn2core.cli.mvtec.load_patch_encoder",
        lambda name, *, tiles, weights_dir: asked.append((name, tiles)) or FakePatchEncoder(),
    )
    return asked


@pytest.fixture
def folder(tmp_path):
    """Two categories, twelve normals each: grey noise; defects are a dark square or a light line."""
    rng = np.random.default_rng(5)
    for name in ("bottle", "cable"):
        for i in range(12):
            _save(tmp_path / name / "train" / "good" / f"{i:03}.png", _noise(rng))
        for i in range(4):
            _save(tmp_path / name / "test" / "good" / f"{i:03}.png", _noise(rng))
        for kind, box in (("hole", (slice(6, 16), slice(10, 20))), ("line", (slice(3, 6), slice(0, 40)))):
            for i in range(3):
                picture, mask = _noise(rng), np.zeros(SIZE[::-1], np.uint8)
                picture[box], mask[box] = (0 if kind == "hole" else 255), 255
                _save(tmp_path / name / "test" / kind / f"{i:03}.png", picture)
                _save(tmp_path / name / "ground_truth" / kind / f"{i:03}_mask.png", mask)
    (tmp_path / "readme.txt").write_text("not a category")
    (tmp_path / "cable" / "train" / "good" / "Thumbs.db").write_text("not a picture")
    return tmp_path


def test_a_line_for_each_category_and_their_mean(folder, capsys, encoders):
    assert main(["bench", "mvtec", "--data", str(folder)]) == 0
    head, names, *rows = capsys.readouterr().out.splitlines()
    assert "in percent (efficientnet_lite0)" in head and "PRO" in names
    cells = [row.split() for row in rows]
    assert [row[0] for row in cells] == ["bottle", "cable", "mean"]
    assert cells[0][1:4] == cells[1][1:4] == ["12", "4", "6"]
    for column in range(4):
        mean = np.mean([float(row[4 + column]) for row in cells[:2]])
        assert float(cells[2][1 + column]) == pytest.approx(mean, abs=0.011)
    assert encoders == [("efficientnet_lite0", 1)]


def test_only_the_categories_and_the_network_asked_for(folder, capsys, encoders):
    command = ["bench", "mvtec", "--data", str(folder), "--category", "cable", "--tiles", "2", "--backbone", "resnet18"]
    assert main(command) == 0
    out = capsys.readouterr().out
    assert "bottle" not in out and "mean" not in out and "cable" in out
    assert encoders == [("resnet18", 2)]


def test_the_numbers_are_those_of_the_files(folder):
    """Anew from the pictures: what is read, in which order, and which mask goes with which map."""
    (category,) = categories(folder, ["cable"])
    measured = measure(category, FakeEncoder(), FakePatchEncoder(), normalise=True, k=3, form="mean")

    whole, patches, normals = FakeEncoder(), FakePatchEncoder(), sorted((folder / "cable/train/good").glob("*.png"))
    vectors = _unit(whole.encode([_pixels(path) for path in normals]))
    grids = [patches.layout.unpack(one) for one in patches.encode([_pixels(path) for path in normals])]
    everywhere = np.ones((8, 8), bool)
    bank = thinned_bank(grids.__getitem__, range(12), everywhere, patches.layout.weights)
    bank = balanced_bank(bank, grids.__getitem__, 12, everywhere)
    scores, tops, maps, masks, defects = [], [], [], [], []
    for picture in sorted((folder / "cable/test").glob("*/*.png")):
        (vector,) = _unit(whole.encode([_pixels(picture)]))
        scores.append(np.sort(((vectors - vector) ** 2).sum(axis=1))[:3].mean())
        (packed,) = patches.encode([_pixels(picture)])
        heat = bank.distance_map(patches.layout.unpack(packed))
        tops.append(patch_score(heat))
        maps.append(enlarged(heat, *SIZE))
        truth = folder / "cable/ground_truth" / picture.parent.name / f"{picture.stem}_mask.png"
        masks.append(np.asarray(Image.open(truth)) > 0 if truth.exists() else np.zeros(SIZE[::-1], bool))
        defects.append(picture.parent.name != "good")
    assert measured.whole == pytest.approx(roc_auc_score(defects, scores))
    assert measured.patches == pytest.approx(roc_auc_score(defects, tops))
    assert measured.pixel == pytest.approx(pixel_roc_auc(maps, masks)) and measured.pixel > 0.9
    assert measured.pro == pytest.approx(pro(maps, masks))


def test_large_pictures_are_measured_smaller(folder):
    """Twice as large and more than LONGEST: the areas stay."""
    (category,) = categories(folder, ["bottle"])
    options = {"normalise": True, "k": 3, "form": "mean"}
    small = measure(category, FakeEncoder(), FakePatchEncoder(), **options)
    by = LONGEST // SIZE[0] + 1
    for path in (folder / "bottle").rglob("*.png"):
        pixels = np.asarray(Image.open(path)).repeat(by, 0).repeat(by, 1)
        _save(path, pixels)
    large = measure(category, FakeEncoder(), FakePatchEncoder(), **options)
    assert large.patches == small.patches and large.pixel == pytest.approx(small.pixel, abs=0.02)


def test_without_good_pictures_or_without_defects_there_is_no_area(folder, capsys):
    for path in (folder / "cable" / "test" / "good").iterdir():
        path.unlink()
    assert main(["bench", "mvtec", "--data", str(folder)]) == 0
    *_, cable, mean = capsys.readouterr().out.splitlines()
    assert cable.split()[1:6] == ["12", "0", "6", "-", "-"] and "-" not in cable.split()[6:]
    assert mean.split()[1:3] == ["-", "-"] and len(mean.split()) == 5


def test_a_folder_of_another_layout_is_a_sentence(folder, tmp_path, capsys, encoders):
    for wrong in (tmp_path / "nowhere", folder / "cable", folder / "cable" / "train"):
        assert main(["bench", "mvtec", "--data", str(wrong)]) == 2
        error = capsys.readouterr().err
        assert "Expected a folder of categories" in error and str(wrong) in error
    assert main(["bench", "mvtec", "--data", str(folder), "--category", "cable", "wood"]) == 2
    assert "Expected categories out of bottle, cable, got wood." in capsys.readouterr().err
    assert encoders == []


def test_missing_masks_are_counted_before_anything_runs(folder, capsys, encoders):
    for i in (1, 2):
        (folder / "cable" / "ground_truth" / "hole" / f"00{i}_mask.png").unlink()
    assert main(["bench", "mvtec", "--data", str(folder)]) == 2
    error = capsys.readouterr().err
    assert "001_mask.png" in error and "2 such masks are missing" in error
    assert encoders == []


def test_a_mask_of_another_size_is_a_sentence(folder, capsys):
    _save(folder / "cable" / "ground_truth" / "line" / "001_mask.png", np.zeros((24, 41), np.uint8))
    assert main(["bench", "mvtec", "--data", str(folder), "--category", "cable"]) == 2
    error = capsys.readouterr().err
    assert "001_mask.png" in error and "40 x 24" in error and "41 x 24" in error


def test_no_pictures_and_broken_ones_are_sentences(folder, capsys):
    broken = folder / "cable" / "test" / "hole" / "000.png"
    broken.write_bytes(broken.read_bytes()[:60])
    assert main(["bench", "mvtec", "--data", str(folder), "--category", "cable"]) == 2
    assert str(broken) in capsys.readouterr().err
    for path in (folder / "bottle" / "train" / "good").iterdir():
        path.unlink()
    assert main(["bench", "mvtec", "--data", str(folder)]) == 2
    assert "Expected pictures in" in capsys.readouterr().err


def _noise(rng):
    return rng.integers(100, 156, (*SIZE[::-1], 3)).astype(np.uint8)


def _save(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    path.write_bytes(buffer.getvalue())


def _pixels(path):
    return decode(path.read_bytes()).image


def _unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
