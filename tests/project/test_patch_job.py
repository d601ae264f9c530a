"""Patches of a project: made by a job, found again, made anew where damaged; the whole-image mode goes on meanwhile."""

import errno
import math
import os
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from dn2core.detect.calibration import limit_for
from dn2core.detect.distance_maps import balanced, patch_score, together
from dn2core.detect.patches import NEAREST_NORMALS, PatchBank, StageBank, bank_of, even_weights
from dn2core.errors import Refused
from dn2core.project import patch_fits, patch_maps, patches, run_pending
from dn2core.project.cleaning import drop_normals
from dn2core.project.events import history
from dn2core.project.labels import set_label
from dn2core.project.lots import lots_from_pattern
from dn2core.project.normals import add_normals, hold_out, remove_normals
from dn2core.project.patch_fits import encoder_of, fit_of, submit_patches
from dn2core.project.patch_maps import load_patches
from dn2core.project.patches import due, patch_heat, patch_matches, patch_view, plans, stopped
from dn2core.project.reductions import METHODS, submit_reduction
from dn2core.project.snapshot import past_snapshot
from dn2core.project.sweep import sweep
from dn2core.project.undo import undo, undoable
from dn2core.project.worker import run_job
from tests.patch_stand_in import CELLS, WEIGHTS, part, use_fake_patches
from tests.project.helpers import give, rows

SPOT = (2, 5)
TOP_HALF = ("only", ((0.0, 0.0), (1.0, 0.0), (1.0, 0.5), (0.0, 0.5)))


@pytest.fixture(autouse=True)
def encoders(monkeypatch):
    return use_fake_patches(monkeypatch)


@pytest.fixture
def project(store, fake_encoder):
    """14 normals of two lots, three good parts and one with a spot; patches are not looked at yet."""
    project = store.create("Bolts")
    give(project, "normal", [(f"L{i % 2}_{i:02}.png", part(i)) for i in range(14)])
    give(project, "scored", [(f"s{i}.png", part(100 + i)) for i in range(3)] + [("spot.png", part(200, SPOT))])
    run_pending(store)
    return project


@pytest.fixture
def looked(project, store):
    """The same with patches looked at."""
    project.change_settings(patches="bank", budget=0.1)
    run_pending(store)
    return project


def seen(project):
    return patch_view(project, project.snapshot())


def fit(project):
    view = project.snapshot()
    return fit_of(project, view, encoder_of(project, view.settings))


def only(bank: PatchBank, wanted) -> PatchBank:
    """The same bank of these owners only."""
    stages = []
    for one in bank.stages:
        kept = np.array([wanted(owner) for owner in one.owners.tolist()])
        stages.append(StageBank(one.patches[kept], one.owners[kept], one.cells[kept], spread=one.spread[kept]))
    return PatchBank(stages, bank.weights)


def grids(project, image_ids) -> list[list[np.ndarray]]:
    encoder = encoder_of(project, project.settings())
    return [load_patches(project, encoder, one) for one in image_ids]


def jobs(store, kind="patches") -> list[tuple]:
    """(state, error) of the jobs that ended, newest first."""
    return [(job.state, job.error_code) for job in store.jobs.recent() if job.kind == kind]


def waiting(store) -> list[str]:
    return [job.kind for job in store.jobs.active() if job.kind == "patches"]


def files(project, place: str) -> dict:
    return {path: path.stat().st_mtime_ns for path in (project.folder / place).rglob("*") if path.is_file()}


def original(project, item_id: int):
    item = project.item(int(item_id))
    return next(project.folder.glob(f"originals/*/{item.sha256}*"))


def map_of(project, image_id: int):
    (name,) = rows(project, "SELECT file FROM patch_maps WHERE image_id = ?", int(image_id))[0]
    return next((project.folder / "patches").rglob(name))


# what is made


def test_nothing_of_it_is_asked_where_patches_are_not_looked_at(project, store, monkeypatch):
    def never(*_):
        raise AssertionError("asked for")

    for name in ("reader_of", "fit_of"):
        monkeypatch.setattr(patches, name, never)
    project.change_settings(k=3)
    run_pending(store)
    assert not jobs(store) and patch_heat(project, 1) is None
    assert not (project.folder / "patches").exists()


def test_a_place_is_found_where_it_is_and_the_whole_images_are_judged_as_before(project, store, encoders):
    before = project.snapshot().judge()
    project.change_settings(patches="bank", budget=0.1)
    assert waiting(store) == ["patches"] and seen(project) is None
    run_pending(store)
    assert jobs(store) == [("done", None)]
    found, view = seen(project), project.snapshot()
    assert found.flagged.tolist() == [False, False, False, True] and (found.pending, found.lost) == (0, 0)
    assert found.multiples[3] > 1.2 and found.percentiles[3] == 100
    distances, limit = patch_heat(project, int(view.scored.ids[3]))
    assert limit == found.limit and distances.shape == (CELLS, CELLS)
    assert np.unravel_index(distances.argmax(), distances.shape) == SPOT
    assert patch_score(distances) == pytest.approx(found.scores[3], rel=1e-3)  # stored in half precision
    np.testing.assert_array_equal(view.judge().scores, before.scores)
    assert encoders["efficientnet_lite0", 1].encoded == 18


def test_scores_are_those_of_a_bank_of_all_normals(looked):
    view, made = looked.snapshot(), fit(looked)
    normals = sorted(view.normals.image_ids.tolist())
    assert made.normals.tolist() == made.reference.tolist() == normals and made.kind == "leave_one_out"
    cells = np.ones((CELLS, CELLS), bool)
    even = bank_of(grids(looked, normals), range(14), cells, WEIGHTS)
    stages = [StageBank(one.patches.astype(np.float16), one.owners, one.cells) for one in even.stages]
    whole = PatchBank(stages, WEIGHTS)
    good = [whole.stage_maps(grid, without=[at]) for at, grid in enumerate(grids(looked, normals))]
    assert made.weights == pytest.approx(balanced(good, WEIGHTS)) and made.bank.weights == made.weights
    whole = PatchBank(stages, made.weights)
    scored = [patch_score(whole.distance_map(grid)) for grid in grids(looked, view.scored.image_ids)]
    np.testing.assert_allclose(seen(looked).scores, scored, rtol=1e-5)
    for at, grid in enumerate(grids(looked, normals)):
        without = only(whole, lambda owner, at=at: owner != at)
        assert made.scores[at] == pytest.approx(patch_score(without.distance_map(grid)), rel=1e-2)
    np.testing.assert_array_equal(seen(looked).normal_scores, made.scores)


def test_the_place_should_have_looked_like_places_of_normals(looked):
    view = looked.snapshot()
    matches = patch_matches(looked, int(view.scored.ids[3]))
    assert matches and len({match.item_id for match in matches}) == len(matches)
    assert {match.name for match in matches} <= set(view.normals.names)
    assert [match.distance for match in matches] == sorted(match.distance for match in matches)
    assert all(0 <= match.left < match.right <= 1 and 0 <= match.top < match.bottom <= 1 for match in matches)


def test_a_normal_is_compared_with_the_others(looked):
    view = looked.snapshot()
    made = fit(looked)
    for at in (0, 13):
        distances, _ = patch_heat(looked, int(view.normals.ids[at]))
        expected = made.scores[made.reference == view.normals.image_ids[at]]
        assert patch_score(distances) == expected
        names = [match.name for match in patch_matches(looked, int(view.normals.ids[at]))]
        assert names and view.normals.names[at] not in names
    assert patch_heat(looked, 10**6) is None and patch_matches(looked, 10**6) == []


def test_done_once_there_is_nothing_to_do(looked, store, encoders):
    before = {place: files(looked, place) for place in ("patches", "patch_fits")}
    submit_patches(looked)
    run_pending(store)
    assert {place: files(looked, place) for place in before} == before
    assert encoders["efficientnet_lite0", 1].encoded == 18 and not due(looked, looked.snapshot())


def test_images_that_come_later_are_compared_alone(looked, store, encoders):
    give(looked, "scored", [("late.png", part(300, (6, 1)))])
    run_pending(store)
    found = seen(looked)
    assert encoders["efficientnet_lite0", 1].encoded == 19 and rows(looked, "SELECT count(*) FROM patch_fits") == [(1,)]
    assert found.flagged.tolist() == [False, False, False, True, True] and found.pending == 0


def test_two_pages_that_ask_at_once_ask_for_one_job(project, store):
    project.change_settings(patches="bank")
    assert submit_patches(project) == submit_patches(project) and waiting(store) == ["patches"]


# one normal


def test_with_one_normal_there_is_heat_and_no_limit(store, fake_encoder):
    project = store.create("One")
    give(project, "normal", [("n.png", part(0))])
    give(project, "scored", [("spot.png", part(1, SPOT)), ("zzz.png", part(0))])
    run_pending(store)
    for method in ("bank", "nearest"):
        project.change_settings(patches=method)
        run_pending(store)
        found, view = seen(project), project.snapshot()
        assert jobs(store)[0] == ("done", None)
        assert math.isnan(found.limit) and found.calibration is None and not found.flagged.any()
        assert found.scores[0] > 0 and np.isnan(found.scores[1])  # itself, and there is no other
        assert (found.pending, found.lost) == (0, 1) and not due(project, view)
        distances, limit = patch_heat(project, int(view.scored.ids[0]))
        assert np.unravel_index(distances.argmax(), distances.shape) == SPOT and math.isnan(limit)
        assert patch_heat(project, int(view.scored.ids[1])) is None
        assert [match.name for match in patch_matches(project, int(view.scored.ids[0]))] == ["n.png"]
        assert np.isnan(patch_heat(project, int(view.normals.ids[0]))[0]).all()
        assert patch_matches(project, int(view.normals.ids[0])) == []


# what changes


def test_other_normals_are_another_fit_and_undo_finds_the_old_one(looked, store, encoders):
    before = seen(looked)
    view = looked.snapshot()
    add_normals(looked, [int(view.scored.ids[3])])
    assert waiting(store) == ["patches"]
    run_pending(store)
    joined = seen(looked)
    assert joined.scores[0] != before.scores[0] or joined.limit != before.limit
    assert joined.limit > before.limit  # the spot is a good part now
    assert len(fit(looked).normals) == 15
    ended, done = len(jobs(store)), encoders["efficientnet_lite0", 1].encoded
    undo(looked, newest_normals(looked))
    assert not waiting(store) and len(jobs(store)) == ended and encoders["efficientnet_lite0", 1].encoded == done
    np.testing.assert_array_equal(seen(looked).scores, before.scores)
    assert seen(looked).limit == before.limit


def newest_normals(project) -> int:
    entries = history(project)
    return next(entry.id for entry in entries if entry.id in undoable(entries, project.settings()))


@pytest.mark.parametrize("changes", [{"mask": (TOP_HALF,)}, {"tiles": 2}, {"patches": "nearest"}], ids=str)
def test_other_settings_are_made_anew_while_whole_images_are_judged(looked, store, changes):
    before, judged = seen(looked), looked.snapshot().judge()
    looked.change_settings(**changes)
    assert waiting(store) == ["patches"] and seen(looked) is None
    np.testing.assert_array_equal(looked.snapshot().judge().scores, judged.scores)
    run_pending(store)
    after = seen(looked)
    assert after.scores[0] != before.scores[0] and after.flagged[3] and after.pending == 0
    distances, _ = patch_heat(looked, int(looked.snapshot().scored.ids[3]))
    tiles = changes.get("tiles", 1)
    row, column = np.unravel_index(np.nanargmax(distances), distances.shape)
    assert (row // tiles, column // tiles) == SPOT and np.isnan(distances).any() == ("mask" in changes)


def test_another_budget_needs_no_work(looked, store):
    before = seen(looked)
    looked.change_settings(budget=0.3)
    assert not waiting(store) and seen(looked).limit < before.limit
    np.testing.assert_array_equal(seen(looked).scores, before.scores)


def test_switched_off_and_on_again_it_is_all_there(looked, store, encoders):
    before = seen(looked)
    looked.change_settings(patches=None)
    assert seen(looked) is None and not waiting(store)
    give(looked, "scored", [("late.png", part(300, (6, 1)))])
    run_pending(store)
    assert not waiting(store)
    looked.change_settings(patches="bank")
    found = seen(looked)
    np.testing.assert_array_equal(found.scores[:4], before.scores)
    assert found.pending == 1 and waiting(store) == ["patches"]
    run_pending(store)
    assert seen(looked).flagged[4] and encoders["efficientnet_lite0", 1].encoded == 19


def test_patches_follow_another_network_once_it_is_in_force(looked, store, encoders):
    looked.change_backbone("efficientnet_lite1", "whole")
    submit_patches(looked)
    job = store.jobs.claim("comparison")
    calls = []
    run_job(store, job, interrupted=lambda: calls.append(1) or len(calls) == 1)  # the first chunk is encoded
    assert looked.settings().backbone == "efficientnet_lite0" and seen(looked).pending == 0
    run_pending(store)
    assert looked.settings().backbone == "efficientnet_lite1" and seen(looked).flagged[3]
    assert {name: one.encoded for name, one in encoders.items()} == {
        ("efficientnet_lite0", 1): 18,
        ("efficientnet_lite1", 1): 18,
    }
    new = encoders["efficientnet_lite1", 1].fingerprint
    assert rows(looked, "SELECT DISTINCT fingerprint FROM patch_maps") == [(new,)]
    assert [path.name for path in (looked.folder / "patches").iterdir()] == [new]


def test_a_network_without_maps_is_said_and_whole_images_are_judged(looked, store):
    looked.change_backbone("dinov2_vits14", "whole")
    run_pending(store)
    assert jobs(store)[0] == ("failed", "NO_PATCHES") and seen(looked) is None
    assert len(looked.snapshot().judge().scores) == 4
    with pytest.raises(Refused, match="gives no maps"):
        plans(looked, looked.snapshot(), (1,))


def test_what_changes_while_it_works_is_made_in_the_same_job(looked, store, monkeypatch):
    real = patch_fits._tidy

    def tidy(*args):
        real(*args)
        if not looked.settings().mask:
            looked.change_settings(mask=(TOP_HALF,))

    monkeypatch.setattr(patch_fits, "_tidy", tidy)
    submit_patches(looked)
    run_pending(store)
    assert seen(looked).pending == 0 and np.isnan(patch_heat(looked, int(looked.snapshot().scored.ids[0]))[0]).any()


def test_maps_of_other_tiles_are_dropped_and_made_again_when_they_are_asked_for(looked, store, encoders):
    looked.change_settings(tiles=2)
    run_pending(store)
    two = encoders["efficientnet_lite0", 2].fingerprint
    assert [path.name for path in (looked.folder / "patches").iterdir()] == [two]
    looked.change_settings(tiles=1)
    assert waiting(store) == ["patches"] and seen(looked).pending == 0  # its results are still there
    run_pending(store)
    assert (
        patch_matches(looked, int(looked.snapshot().scored.ids[3])) and encoders["efficientnet_lite0", 1].encoded == 36
    )


def test_folders_that_a_kill_left_behind_go_with_the_next_job(looked, store, monkeypatch):
    one, two = (load(looked, tiles) for tiles in (1, 2))

    class Killed(BaseException):
        pass

    def kill(*_, **__):
        raise Killed

    looked.change_settings(tiles=2)
    with monkeypatch.context() as patch:
        patch.setattr(patch_maps.shutil, "rmtree", kill)
        with pytest.raises(Killed):  # the catalogue has forgotten the folder by then
            run_pending(store)
    assert rows(looked, "SELECT DISTINCT fingerprint FROM patch_maps") == [(two,)]
    assert {path.name for path in (looked.folder / "patches").iterdir()} == {one, two}
    store.jobs.orphaned()
    run_pending(store)
    assert [path.name for path in (looked.folder / "patches").iterdir()] == [two]
    assert patch_matches(looked, int(looked.snapshot().scored.ids[3]))


def load(project, tiles: int) -> str:
    """The fingerprint of that encoder."""
    return encoder_of(project, replace(project.settings(), tiles=tiles)).fingerprint


def test_the_last_fits_are_kept(looked, store):
    ids = looked.snapshot().normals.ids.tolist()
    for at in range(patch_fits.KEPT_FITS + 1):
        remove_normals(looked, [ids[at]])
        run_pending(store)
    kept = [number for (number,) in rows(looked, "SELECT id FROM patch_fits ORDER BY id")]
    assert len(kept) == patch_fits.KEPT_FITS and fit(looked).id == kept[-1]
    assert rows(looked, "SELECT count(*) FROM patch_results WHERE fit_id NOT IN (SELECT id FROM patch_fits)") == [(0,)]


# what limits rest on


def test_by_lots_a_good_part_is_compared_without_its_whole_lot(project, store):
    lots_from_pattern(project, "(L?)_*")
    project.change_settings(patches="bank", calibration="lots")
    run_pending(store)
    view, made = project.snapshot(), fit(project)
    lot = dict(zip(view.normals.image_ids.tolist(), view.normals.lots, strict=True))
    assert made.kind == "lots" and len(set(made.lots.tolist())) == 2
    whole = made.bank
    for at, image_id in enumerate(made.reference.tolist()):
        (grid,) = grids(project, [image_id])
        own = lot[image_id]
        found = only(whole, lambda owner, own=own: lot[int(made.normals[owner])] != own).distance_map(grid)
        assert made.scores[at] == pytest.approx(patch_score(found), rel=1e-2)
    assert seen(project).calibration is not None


def test_with_nearest_normals_lots_do_not_set_the_limit(project, store):
    """The neighbours that are kept of a normal may all be of its own lot."""
    lots_from_pattern(project, "(L?)_*")
    project.change_settings(patches="nearest", calibration="lots")
    run_pending(store)
    assert fit(project).kind == "leave_one_out" and seen(project).calibration is not None


@pytest.mark.parametrize("method", ["bank", "nearest"])
def test_held_out_parts_set_the_limit(project, store, method):
    hold_out(project, project.snapshot().normals.ids[:4].tolist())
    project.change_settings(patches=method, calibration="held_out")
    run_pending(store)
    view, made = project.snapshot(), fit(project)
    assert made.kind == "held_out" and made.reference.tolist() == view.held.image_ids.tolist()
    assert len(made.normals) == 10 and not set(made.normals.tolist()) & set(made.reference.tolist())
    assert len(seen(project).normal_scores) == 4
    original(project, view.held.ids[0]).unlink()
    project.change_settings(tiles=2)
    run_pending(store)
    assert jobs(store)[0] == ("done", None) and len(seen(project).normal_scores) == 3


def test_good_parts_that_a_cleaning_dropped_widen_the_forecast(looked, store):
    drop_normals(looked, looked.snapshot().normals.ids[:2].tolist())
    run_pending(store)
    view, found = looked.snapshot(), seen(looked)
    assert view.set_aside == 2 and len(found.normal_scores) == 12
    assert found.calibration == limit_for(found.normal_scores, 0.1, set_aside=2)
    assert found.calibration.forecast != limit_for(found.normal_scores, 0.1).forecast


def test_what_the_settings_ask_for_and_is_not_there_is_left_out(project, store):
    project.change_settings(patches="bank", calibration="held_out")
    run_pending(store)
    assert fit(project).kind == "leave_one_out" and seen(project).calibration is not None


def test_all_normals_have_their_say_where_whole_images_are_compared_with_fewer(looked, store):
    before = seen(looked)
    submit_reduction(looked, next(iter(METHODS)), 0.5)
    run_pending(store)
    view = looked.snapshot()
    assert view.reduced and not waiting(store)
    np.testing.assert_array_equal(seen(looked).scores, before.scores)
    looked.change_settings(patches="nearest")
    run_pending(store)
    assert jobs(store)[0] == ("done", None) and seen(looked).pending == 0


def test_the_nearest_normals_are_those_of_the_whole_image(project, store):
    project.change_settings(patches="nearest")
    run_pending(store)
    view, cells = project.snapshot(), np.ones((CELLS, CELLS), bool)
    made = fit(project)
    assert made.bank is None

    def compared(image_id, neighbours):
        near = view.normals.image_ids[neighbours[:NEAREST_NORMALS]]
        bank = bank_of(grids(project, near), range(len(near)), cells, WEIGHTS)
        return bank.stage_maps(grids(project, [image_id])[0])

    of = dict(zip(view.normals.image_ids.tolist(), view.loo.indices, strict=True))
    good = [compared(image_id, of[image_id]) for image_id in made.reference.tolist()]
    assert made.weights == pytest.approx(balanced(good, even_weights(WEIGHTS)))
    for at, image_id in enumerate(view.scored.image_ids.tolist()):
        expected = patch_score(together(compared(image_id, view.found.indices[at]), made.weights))
        assert seen(project).scores[at] == pytest.approx(expected, rel=1e-6)
    matches = patch_matches(project, int(view.scored.ids[3]))
    near = view.normals.image_ids[view.found.indices[3][:NEAREST_NORMALS]].tolist()
    by = dict(zip(view.normals.ids.tolist(), view.normals.image_ids.tolist(), strict=True))
    assert matches and {by[match.item_id] for match in matches} <= set(near)


# what goes wrong


def cut(path):
    path.write_bytes(path.read_bytes()[:-7])


def changed(path):
    data = bytearray(path.read_bytes())
    data[-1] ^= 255
    path.write_bytes(bytes(data))


@pytest.mark.parametrize("harm", [cut, changed, lambda path: path.unlink()], ids=["cut", "changed", "gone"])
def test_damaged_maps_are_made_anew(looked, store, encoders, harm):
    view, expected = looked.snapshot(), seen(looked)
    for image_id in (view.normals.image_ids[3], view.scored.image_ids[1]):
        harm(map_of(looked, image_id))
    assert patch_matches(looked, int(view.scored.ids[1])) == []  # a sentence is not worth it: they come back
    for method in ("nearest", "bank"):
        looked.change_settings(patches=method)
        with looked.db.write() as db:
            db.execute("DELETE FROM patch_results")
        submit_patches(looked)
        run_pending(store)
        assert jobs(store)[0] == ("done", None)
    np.testing.assert_array_equal(seen(looked).scores, expected.scores)
    assert encoders["efficientnet_lite0", 1].encoded == 20


@pytest.mark.parametrize("harm", [cut, changed, lambda path: path.unlink()], ids=["cut", "changed", "gone"])
def test_a_damaged_fit_is_made_anew(looked, store, harm):
    expected, (name,) = seen(looked), rows(looked, "SELECT file FROM patch_fits")[0]
    harm(looked.folder / "patch_fits" / name)
    patch_fits._load_fit.cache_clear()
    assert seen(looked) is None and due(looked, looked.snapshot()) and patch_heat(looked, 15) is None
    submit_patches(looked)
    run_pending(store)
    assert jobs(store)[0] == ("done", None)
    np.testing.assert_array_equal(seen(looked).scores, expected.scores)
    assert rows(looked, "SELECT count(*) FROM patch_fits") == [(1,)]


@pytest.mark.parametrize("harm", [cut, changed, lambda path: path.unlink()], ids=["cut", "changed", "gone"])
def test_damaged_results_are_made_anew(looked, store, harm):
    expected, (name,) = seen(looked), rows(looked, "SELECT DISTINCT file FROM patch_results")[0]
    item = int(looked.snapshot().scored.ids[3])
    harm(looked.folder / "patch_fits" / name)
    patches._chunk.cache_clear()
    assert patch_heat(looked, item) is None and seen(looked).pending == 4 and due(looked, looked.snapshot())
    submit_patches(looked)
    run_pending(store)
    np.testing.assert_array_equal(seen(looked).scores, expected.scores)
    assert patch_heat(looked, item) is not None


@pytest.mark.parametrize("number", [errno.EMFILE, errno.EACCES, errno.EIO])
def test_an_error_that_passes_deletes_nothing_and_makes_nothing_anew(looked, store, encoders, monkeypatch, number):
    """Neither heat, nor maps, nor the fit: all is there again once it has passed."""
    tables = ("patch_results", "patch_fits", "patch_maps")
    kept = {table: sorted(rows(looked, f"SELECT * FROM {table}")) for table in tables}
    view, expected = looked.snapshot(), seen(looked)
    item, normal = int(view.scored.ids[3]), int(view.normals.ids[0])
    heat = [patch_heat(looked, one)[0] for one in (item, normal)]

    def failing(path):
        if path.suffix in (".npy", ".npz"):
            raise OSError(number, os.strerror(number))
        return read(path)

    read = Path.read_bytes
    patches._chunk.cache_clear()
    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", failing)
        assert patch_heat(looked, item) is None and patch_heat(looked, normal) is None
        assert patch_matches(looked, item) == []
        patch_fits._load_fit.cache_clear()
        assert seen(looked) is None
        submit_patches(looked)
        run_pending(store)
        assert jobs(store)[0] == ("failed", "STORAGE_FAILED")
        assert {table: sorted(rows(looked, f"SELECT * FROM {table}")) for table in tables} == kept
    np.testing.assert_array_equal(seen(looked).scores, expected.scores)
    for one, before in zip((item, normal), heat, strict=True):
        np.testing.assert_array_equal(patch_heat(looked, one)[0], before)
    assert encoders["efficientnet_lite0", 1].encoded == 18


def test_where_weights_are_missing_all_that_is_stored_is_read(looked, store, monkeypatch):
    """No page waits for a download: the worker alone asks for the network."""
    view, expected = looked.snapshot(), seen(looked)
    items = [int(view.scored.ids[3]), int(view.normals.ids[0])]
    before = [(patch_heat(looked, one)[0], patch_matches(looked, one)) for one in items]

    def fetching(*_):
        raise AssertionError("would be downloaded")

    monkeypatch.setattr(patch_fits, "patch_encoder_for", fetching)
    for kept in (patches._views, patches._chunk, patch_fits._load_fit):
        getattr(kept, "cache_clear", getattr(kept, "clear", None))()
    looked.change_settings(k=3)
    give(looked, "scored", [("late.png", part(300))])
    np.testing.assert_array_equal(seen(looked).scores, expected.scores)
    for one, (heat, matches) in zip(items, before, strict=True):
        np.testing.assert_array_equal(patch_heat(looked, one)[0], heat)
        assert patch_matches(looked, one) == matches


@pytest.mark.parametrize("method", ["bank", "nearest"])
def test_lost_pictures_are_left_out_and_nobody_waits_for_them(project, store, method):
    view = project.snapshot()
    for item_id in (view.normals.ids[5], view.scored.ids[1]):
        original(project, item_id).unlink()
    project.change_settings(patches=method)
    run_pending(store)
    assert jobs(store) == [("done", None)]
    found = seen(project)
    assert np.isnan(found.scores).tolist() == [False, True, False, False] and (found.pending, found.lost) == (0, 1)
    assert int(view.normals.image_ids[5]) not in fit(project).normals.tolist()
    assert not due(project, project.snapshot()) and patch_heat(project, int(view.scored.ids[1])) is None
    assert patch_heat(project, int(view.normals.ids[5])) is None
    project.change_settings(k=3)  # nothing is asked for again
    assert not waiting(store)


def test_a_lost_picture_that_comes_back_is_compared(project, store):
    path = original(project, project.snapshot().scored.ids[3])
    data = path.read_bytes()
    path.unlink()
    project.change_settings(patches="bank")
    run_pending(store)
    path.write_bytes(data)
    submit_patches(project)
    run_pending(store)
    assert seen(project).flagged[3] and seen(project).lost == 0


def test_a_damaged_map_of_a_lost_picture_is_a_sentence_and_then_left_out(looked, store):
    view = looked.snapshot()
    original(looked, view.scored.ids[1]).unlink()
    map_of(looked, view.scored.image_ids[1]).unlink()
    looked.change_settings(mask=(TOP_HALF,))
    run_pending(store)
    assert jobs(store)[0] == ("failed", "PATCHES_DAMAGED")
    submit_patches(looked)
    run_pending(store)
    assert jobs(store)[0] == ("done", None) and seen(looked).lost == 1


def test_a_full_disk_is_a_sentence_and_whole_images_are_judged(project, store, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(patch_maps.shutil, "disk_usage", lambda _: SimpleNamespace(free=1_000_000_000))
        project.change_settings(patches="bank")
        run_pending(store)
    (job,) = [job for job in store.jobs.recent() if job.kind == "patches"]
    assert job.error_code == "NO_SPACE_FOR_PATCHES" and "for 18 images" in job.error and "1.0 GB are free" in job.error
    assert seen(project) is None and len(project.snapshot().judge().scores) == 4
    assert rows(project, "SELECT count(*) FROM patch_maps") == [(0,)]
    submit_patches(project)
    run_pending(store)
    assert seen(project).pending == 0


def test_an_interrupted_job_goes_on_where_it_was(project, store, encoders, monkeypatch):
    for module in (patch_maps, patch_fits):
        monkeypatch.setattr(module, "CHUNK", 2)
    project.change_settings(patches="bank")
    for limit in range(2, 60, 7):
        calls = []
        job = store.jobs.claim("comparison")
        run_job(store, job, interrupted=lambda calls=calls, limit=limit: calls.append(1) or len(calls) == limit)
        if store.jobs.job(job.id).state == "done":
            break
    assert limit > 10 and seen(project).pending == 0
    assert encoders["efficientnet_lite0", 1].encoded == 18 and rows(project, "SELECT count(*) FROM patch_fits") == [
        (1,)
    ]


def test_a_stopped_job_leaves_what_was_there(looked, store):
    judged = looked.snapshot().judge()
    looked.change_settings(tiles=2)
    job = store.jobs.claim("comparison")
    store.jobs.cancel(job.id)
    run_job(store, job)
    assert jobs(store)[0] == ("cancelled", None) and seen(looked) is None
    looked.change_settings(tiles=1)
    assert seen(looked).pending == 0 and not waiting(store)
    np.testing.assert_array_equal(looked.snapshot().judge().scores, judged.scores)


def test_what_was_stopped_stays_so_until_it_is_asked_for_or_something_else_is_to_be_done(looked, store):
    looked.change_settings(tiles=2)
    (job,) = [one for one in store.jobs.active() if one.kind == "patches"]
    assert not stopped(looked)
    store.jobs.cancel(job.id)
    assert stopped(looked)
    item = int(looked.snapshot().scored.ids[0])
    for unrelated in (
        lambda: looked.change_settings(k=3),
        lambda: looked.change_settings(budget=0.2),
        lambda: lots_from_pattern(looked, "(L?)_*"),
        lambda: set_label(looked, item, "defect", author="Ada"),
    ):
        unrelated()
        assert waiting(store) == [] and stopped(looked) and due(looked, looked.snapshot())
    submit_patches(looked)
    assert waiting(store) == ["patches"] and not stopped(looked)


def test_what_is_being_stopped_is_not_begun_again_before_its_worker_has_closed_it(looked, store):
    looked.change_settings(tiles=2)
    job = store.jobs.claim("comparison")
    looked.change_settings(k=3)
    assert waiting(store) == ["patches"] and not stopped(looked)
    store.jobs.cancel(job.id)
    looked.change_settings(budget=0.2)
    assert [one.id for one in store.jobs.active()] == [job.id] and stopped(looked)
    submit_patches(looked)
    assert waiting(store) == ["patches", "patches"] and not stopped(looked)


@pytest.mark.parametrize("change", ["images", "normals", "settings"])
def test_what_was_stopped_is_asked_for_again_where_something_else_is_to_be_done(looked, store, change):
    looked.change_settings(tiles=2)
    store.jobs.cancel(next(one.id for one in store.jobs.active() if one.kind == "patches"))
    if change == "images":
        give(looked, "scored", [("late.png", part(300))])
        run_job(store, store.jobs.claim("compute"))
    elif change == "normals":
        remove_normals(looked, looked.snapshot().normals.ids[:1].tolist())
    else:
        looked.change_settings(mask=(TOP_HALF,))
    assert waiting(store) == ["patches"] and not stopped(looked)


@pytest.mark.parametrize("between", [{"tiles": 1}, {"patches": None}], ids=str)
@pytest.mark.parametrize("fails", [False, True])
def test_what_was_stopped_or_failed_is_begun_again_where_it_was_taken_back_in_between(looked, store, between, fails):
    """The wish is the same as the last one, and yet a new one: nothing was to be done in between."""
    wish = {"tiles": 2, "patches": "bank"}
    looked.change_settings(**wish)
    job = store.jobs.claim("comparison")
    if fails:
        store.jobs.finish(job.id, "failed", "STORAGE_FAILED", {"what": "a file", "reason": "it is gone"})
    else:
        store.jobs.cancel(job.id)
    looked.change_settings(**between)
    assert not due(looked, looked.snapshot())
    looked.change_settings(**wish)
    assert [one.id for one in store.jobs.active() if one.id != job.id] and not stopped(looked)


def test_what_failed_is_not_tried_again_by_a_change_of_something_else(looked, store):
    thin = ("only", ((0.01, 0.0), (0.05, 0.0), (0.05, 1.0), (0.01, 1.0)))
    looked.change_settings(mask=(thin,))
    run_pending(store)
    looked.change_settings(k=3)
    assert jobs(store)[0] == ("failed", "MASK_HIDES_ALL") and waiting(store) == [] and not stopped(looked)
    looked.change_settings(mask=(TOP_HALF,))
    assert waiting(store) == ["patches"]


def test_a_mask_that_hides_every_cell_is_a_sentence(looked, store):
    thin = ("only", ((0.01, 0.0), (0.05, 0.0), (0.05, 1.0), (0.01, 1.0)))  # of one column of cells a third
    looked.change_settings(mask=(thin,))
    run_pending(store)
    assert jobs(store)[0] == ("failed", "MASK_HIDES_ALL") and seen(looked) is None
    assert len(looked.snapshot().judge().scores) == 4


def test_what_a_catalogue_names_is_not_swept(looked, store):
    stray = looked.folder / "patch_fits" / "stray.npz"
    stray.write_bytes(b"left by a crash")
    for place in ("patches", "patch_fits"):
        for path in files(looked, place):
            os.utime(path, (0, 0))
    sweep(store)
    patch_fits._load_fit.cache_clear()
    patches._chunk.cache_clear()
    assert not stray.exists()
    item = int(looked.snapshot().scored.ids[3])
    assert patch_heat(looked, item) is not None and patch_matches(looked, item)


# the past


def test_a_state_of_the_past_shows_its_own_patches(looked, store):
    then, entry = seen(looked), history(looked, newest=1)[0].id
    give(looked, "scored", [("late.png", part(300, (6, 1)))])
    run_pending(store)
    remove_normals(looked, looked.snapshot().normals.ids[:3].tolist())
    run_pending(store)
    past = past_snapshot(looked, entry)
    found = patch_view(looked, past)
    np.testing.assert_array_equal(found.scores, then.scores)
    assert found.limit == then.limit != seen(looked).limit and len(seen(looked).scores) == 5


def test_a_state_in_which_patches_were_not_looked_at_shows_none(looked):
    delivery = history(looked, kinds=("delivery",))[0].id
    assert patch_view(looked, past_snapshot(looked, delivery)) is None


# what it would take


def test_plans_say_what_shows_and_what_it_takes_without_any_weights(project, monkeypatch):
    def never(*_, **__):
        raise AssertionError("no weights are needed")

    monkeypatch.setattr("dn2core.project.encoders.load_patch_encoder", never)
    one, two = plans(project, project.snapshot(), (1, 2))
    assert (one.width, one.height, one.tiles, two.tiles) == (64, 64, 1, 2)
    assert one.smallest == 8 * 64 / 320 and two.smallest == 8 * 64 / 576
    assert one.bytes == 2 * 18 * (40 * 40 * (9 + 40) + 20 * 20 * (80 + 112)) and two.bytes > 3 * one.bytes


def test_work_that_nobody_asks_for_any_more_is_not_gone_on_with(project, store, monkeypatch):
    """Settings that change in the middle are followed at the next look, not after all images."""
    monkeypatch.setattr("dn2core.project.patch_fits.LOOK_SECONDS", 0)
    project.change_settings(patches="bank")
    saved = []

    def save(project, fit, maps, save=patch_fits._save_results):
        saved.append(len(maps))
        save(project, fit, maps)
        project.change_settings(patches=None)

    monkeypatch.setattr(patch_fits, "CHUNK", 1)
    monkeypatch.setattr(patch_fits, "_save_results", save)
    run_pending(store)
    assert jobs(store)[0] == ("done", None) and saved == [1]
