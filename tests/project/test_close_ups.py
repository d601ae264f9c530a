"""Close-ups: the very pixels of the place, as large a part of each normal, and what is lost left out."""

import io
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from dn2core.errors import NotFound
from dn2core.explore.heatmap import Region
from dn2core.project import run_pending
from dn2core.project.close_ups import NORMALS, close_ups, pixels
from tests.project.helpers import give

REGION = Region(0.5, 0.25, 0.6, 0.35, 0.55, 0.3, 2.0, 0.01)


def png(array: np.ndarray) -> bytes:
    out = io.BytesIO()
    Image.fromarray(array).save(out, "PNG")
    return out.getvalue()


def noise(seed: int, height: int, width: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.fixture
def project(store, fake_encoder):
    """Normals of 400 x 300, the last twice as large, and one new image of 400 x 300."""
    project = store.create("Bolts")
    give(project, "normal", [(f"n{i}.png", png(noise(i, 300, 400))) for i in range(5)])
    give(project, "normal", [("big.png", png(noise(9, 600, 800)))])
    give(project, "scored", [("s.png", png(noise(50, 300, 400)))])
    run_pending(store)
    return project


def match(project, row: int, left: float = 0.5, top: float = 0.25, distance: float = 1.0):
    normals = project.snapshot().normals
    box = {"left": left, "top": top, "right": left + 0.1, "bottom": top + 0.1}
    return SimpleNamespace(item_id=int(normals.ids[row]), name=normals.names[row], distance=distance, **box)


def item(project) -> int:
    return int(project.snapshot().scored.ids[0])


def test_the_place_and_the_part_that_should_have_looked_like_it(project):
    image, normal = close_ups(project, item(project), REGION, [match(project, 2, left=0.1)])
    # a fifth of 400 pixels around (220, 90), and around (60, 90)
    assert (image.pixels == noise(50, 300, 400)[50:130, 180:260]).all() and image.distance is None
    assert (normal.pixels == noise(2, 300, 400)[50:130, 20:100]).all()
    assert (normal.name, normal.distance) == ("n2.png", 1.0)


def test_a_normal_of_another_size_shows_as_large_a_part(project):
    image, normal = close_ups(project, item(project), REGION, [match(project, 5)])
    assert image.pixels.shape == (80, 80, 3) and normal.pixels.shape == (160, 160, 3)


def test_a_large_place_is_shown_as_a_whole(project):
    (image,) = close_ups(project, item(project), Region(0.3, 0.3, 0.7, 0.4, 0.5, 0.35, 1.0, 0.04), [])
    assert image.pixels.shape == (256, 256, 3)  # 1.6 x 160


def test_a_normal_counts_once_by_its_best_match_and_a_few_are_enough(project):
    matches = [match(project, row, distance=1 + i) for i, row in enumerate((3, 3, 1, 0, 1, 2, 4))]
    _, *normals = close_ups(project, item(project), REGION, matches)
    assert [(one.name, one.distance) for one in normals] == [("n3.png", 1), ("n1.png", 3), ("n0.png", 4)][:NORMALS]


def lose(project, item_id: int) -> None:
    (path,) = (project.folder / "originals").rglob(f"{project.item(item_id).sha256}*")
    path.unlink()


def test_a_lost_normal_is_left_out_and_a_lost_image_is_said(project):
    matches = [match(project, 0), match(project, 1)]
    lose(project, matches[0].item_id)
    assert [one.name for one in close_ups(project, item(project), REGION, matches)] == ["s.png", "n1.png"]
    lose(project, item(project))
    with pytest.raises(NotFound):
        close_ups(project, item(project), REGION, matches)


def test_pixels_are_those_that_were_given(project):
    assert (pixels(project, item(project)) == noise(50, 300, 400)).all()
