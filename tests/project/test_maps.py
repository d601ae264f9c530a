"""Maps: kept on disk, extended without moving a point, drawn anew only when they no longer fit."""

import numpy as np
import pytest

from dn2core.explore import Projection, pca_map
from dn2core.project import Store, maps, run_pending
from dn2core.project.normals import remove_normals
from dn2core.project.snapshot import forget
from tests.project.helpers import give, rows


@pytest.fixture
def drawn(monkeypatch):
    """A quick stand-in for UMAP: PCA, turned over and shifted by the number of the call; lists the sizes."""
    sizes = []

    def draw(features, neighbours):
        sizes.append(len(features))
        xy = pca_map(features)
        return Projection(-xy + len(sizes), "umap") if len(features) >= 10 else Projection(xy, "pca", "few")

    monkeypatch.setattr(maps, "umap_map", draw)
    return sizes


@pytest.fixture
def project(store, fake_encoder, drawn):
    return store.create("Gravel")


def fill(project, store, picture, role, numbers):
    give(project, role, [(f"{role}{i}.png", picture(i)) for i in numbers])
    run_pending(store)


def test_a_pca_until_a_map_was_drawn(project, store, picture, drawn):
    fill(project, store, picture, "normal", range(20))
    table = project.map()
    assert (table.id, table.kind, table.made_at, drawn) == (0, "pca", None, [])
    np.testing.assert_array_equal(table.xy, pca_map(project.snapshot().bank.features))
    assert not table.placed.any()


def test_the_first_scored_images_have_a_map_of_all_drawn(project, store, picture, drawn):
    fill(project, store, picture, "normal", range(20))
    fill(project, store, picture, "scored", range(100, 105))
    table = project.map()
    assert drawn == [25] and table.kind == "umap" and table.made_at and not table.placed.any()
    view = project.snapshot()
    np.testing.assert_array_equal(table.ids, np.concatenate([view.normals.ids, view.scored.ids]))
    features = np.concatenate([view.bank.features, view.scored_features])
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    np.testing.assert_allclose(table.xy, -pca_map(unit) + 1, atol=1e-5)


def test_new_images_are_placed_and_no_point_moves_also_tomorrow(project, store, picture, drawn):
    fill(project, store, picture, "normal", range(20))
    fill(project, store, picture, "scored", range(100, 105))
    before = project.map()
    give(project, "scored", [("twin.bmp", picture(3, format="BMP")), ("other.png", picture(200))])
    give(project, "normal", [("n.png", picture(300))])
    remove_normals(project, before.ids[:2].tolist())
    run_pending(store)
    assert drawn == [25]

    forget(project.id)
    for table in (project.map(), Store(store.root).open(project.id).map()):
        old = np.isin(table.ids, before.ids)
        assert old.sum() == 23 and not table.placed[old].any() and table.placed[~old].all() and (~old).sum() == 3
        at = [before.ids.tolist().index(i) for i in table.ids[old]]
        np.testing.assert_array_equal(table.xy[old], before.xy[at])
        assert np.isfinite(table.xy).all()
        twin = rows(project, "SELECT id FROM items WHERE name = 'twin.bmp'")[0][0]
        np.testing.assert_allclose(
            table.xy[table.ids.tolist().index(twin)],
            before.xy[before.ids.tolist().index(_item(project, "normal3.png"))],
        )


def _item(project, name):
    return rows(project, "SELECT id FROM items WHERE name = ?", name)[0][0]


def test_it_is_drawn_anew_when_most_images_came_later(project, store, picture, drawn):
    fill(project, store, picture, "normal", range(10))
    fill(project, store, picture, "scored", range(100, 102))
    fill(project, store, picture, "scored", range(102, 112))
    assert drawn == [12]
    fill(project, store, picture, "scored", range(112, 115))
    assert drawn == [12, 25] and not project.map().placed.any()


def test_each_map_has_another_id_and_only_the_newest_is_kept(project, store, picture, drawn):
    fill(project, store, picture, "normal", range(12))
    for _ in range(3):
        project.submit_map()
        run_pending(store)
        assert project.map().id == len(drawn)
    assert rows(project, "SELECT id FROM maps") == [(3,)]


def test_a_map_can_be_laid_out_for_an_earlier_snapshot(project, store, picture):
    fill(project, store, picture, "normal", range(12))
    shown = project.snapshot()
    fill(project, store, picture, "scored", [100])
    np.testing.assert_array_equal(project.map(shown).ids, shown.normals.ids)
    assert len(project.map().ids) == 13


def test_a_map_of_too_few_is_drawn_anew_with_each_delivery(project, store, picture, drawn):
    fill(project, store, picture, "normal", range(4))
    fill(project, store, picture, "scored", [100])
    assert project.map().kind == "pca" and project.map().reason == "few"
    fill(project, store, picture, "scored", range(101, 108))
    assert drawn == [5, 12] and project.map().kind == "umap"


def test_images_that_came_while_it_was_drawn_get_one_that_fits(project, store, picture, drawn, monkeypatch):
    fill(project, store, picture, "normal", range(10))
    real, calls = maps.umap_map, []

    def draw(*args):
        if not calls:
            calls.append(1)
            give(project, "scored", [(f"{i}.png", picture(i)) for i in range(100, 130)])
            job = store.jobs.claim("compute")
            from dn2core.project.worker import run_job

            run_job(store, job)
        return real(*args)

    monkeypatch.setattr(maps, "umap_map", draw)
    project.submit_map()
    run_pending(store)
    assert drawn == [10, 40]


def test_one_image_needs_no_map(project, store, picture, drawn):
    fill(project, store, picture, "normal", [1])
    assert maps.has_map(project, project.snapshot()) and drawn == []
    fill(project, store, picture, "scored", [100])
    assert len(project.map().ids) == 2 and drawn == [2]


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 cut off", None])
def test_a_damaged_map_is_a_missing_one(project, store, picture, damage):
    fill(project, store, picture, "normal", range(20))
    fill(project, store, picture, "scored", range(100, 105))
    [path] = (project.folder / "maps").iterdir()
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data) if damage is None else damage)
    assert project.map().kind == "pca"
    path.unlink()
    assert project.map().kind == "pca"


def test_a_map_of_images_that_are_gone_is_a_missing_one(project, store, picture):
    fill(project, store, picture, "normal", range(12))
    project.submit_map()
    run_pending(store)
    old = project.map()
    assert old.kind == "umap"
    fill(project, store, picture, "normal", range(50, 53))
    remove_normals(project, old.ids.tolist())
    table = project.map()
    assert table.kind == "pca" and len(np.unique(table.xy, axis=0)) == 3


def test_another_length_or_network_has_its_own_map(project, store, picture, drawn):
    from dataclasses import replace

    fill(project, store, picture, "normal", range(12))
    fill(project, store, picture, "scored", [100])
    project.save_settings(replace(project.settings(), normalise=False))
    assert project.map().kind == "pca"
    project.save_settings(replace(project.settings(), normalise=True))
    assert project.map().kind == "umap"
    project.change_backbone("efficientnet_lite0", "paper")
    run_pending(store)
    assert drawn == [13, 13] and project.map().kind == "umap"
