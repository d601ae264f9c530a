"""Patches of an image against patches of normals: nearest, spread, maps, scores, and the bank that is thinned."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from dn2core.detect.distance_maps import TOGETHER, balanced, coarser, patch_score, smoothed
from dn2core.detect.patches import (
    CALIBRATED,
    COARSER,
    DIRECTIONS,
    LEAST_SPREAD,
    POWER,
    SPREAD,
    PatchBank,
    StageBank,
    balanced_bank,
    bank_of,
    calibrating,
    even_weights,
    thinned_bank,
)
from dn2core.errors import Refused


def bank(patches, owners=None, **options) -> StageBank:
    patches = np.asarray(patches, np.float32)
    owners = np.zeros(len(patches), int) if owners is None else np.asarray(owners)
    return StageBank(patches, owners, np.arange(len(patches)), **options)


def alone(made: StageBank) -> PatchBank:
    """A bank of this stage only."""
    return PatchBank([made], [1.0])


def some(n: int, dim: int = 5, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n, dim)).astype(np.float32)


# the nearest


@pytest.mark.parametrize("size", [1, 2, 127, 128, 129, 255, 256, 257, 700])
@pytest.mark.parametrize("k", [1, 3, 9])
def test_the_nearest_are_those_of_brute_force(size, k):
    patches, asked = some(size), some(450, seed=1)  # more than are compared at once
    found = bank(patches).match(asked, k)
    table = cdist(asked, patches, "sqeuclidean")
    k = min(k, size)
    assert found.rows.shape == found.distances.shape == (450, k)
    np.testing.assert_allclose(found.distances, np.sort(table, axis=1)[:, :k], rtol=1e-4, atol=1e-5)
    assert np.array_equal(found.rows, np.argsort(table, axis=1)[:, :k])


@given(st.integers(1, 300), st.integers(1, 12), st.integers(0, 5))
def test_ties_give_the_same_distances_and_rows_of_their_own(size, k, seed):
    rng = np.random.default_rng(seed)
    patches, asked = (rng.integers(0, 3, (n, 2)).astype(np.float32) for n in (size, 7))
    found = bank(patches).match(asked, k)
    table, k = cdist(asked, patches, "sqeuclidean"), min(k, size)
    np.testing.assert_array_equal(found.distances, np.sort(table, axis=1)[:, :k])
    np.testing.assert_array_equal(np.take_along_axis(table, found.rows, 1), found.distances)
    assert all(len(set(row)) == k for row in found.rows.tolist())


@given(st.lists(st.integers(0, 4), min_size=1, max_size=300), st.sets(st.integers(0, 6)), st.integers(1, 5))
def test_patches_of_some_owners_do_not_count(owners, without, k):
    owners = np.sort(owners)
    patches, asked = some(len(owners)), some(6, seed=1)
    made = bank(patches, owners)
    found = made.match(asked, k, without=without)
    left = np.flatnonzero(~np.isin(owners, list(without)))
    table = cdist(asked, patches[left], "sqeuclidean")
    assert found.rows.shape == (6, min(k, len(left)))
    assert np.array_equal(found.rows, left[np.argsort(table, axis=1)[:, :k]])
    everybody = np.argsort(cdist(asked, patches, "sqeuclidean"), axis=1)  # nothing is left hidden
    assert np.array_equal(made.match(asked, k).rows, everybody[:, : min(k, len(owners))])


def test_wide_patches_are_compared_in_the_directions_in_which_they_differ():
    """Exactly where they differ in no others; else the rest counts by its length: none is too long."""
    into = np.linalg.qr(some(150, DIRECTIONS, seed=3).T @ some(150, 150, seed=4))[1][:DIRECTIONS]
    patches, asked = some(300, DIRECTIONS) @ into, some(20, DIRECTIONS, seed=1) @ into
    table = cdist(asked, patches, "sqeuclidean")
    found = bank(patches).match(asked, 4)
    np.testing.assert_allclose(found.distances, np.sort(table, axis=1)[:, :4], rtol=1e-3)
    assert np.array_equal(found.rows, np.argsort(table, axis=1)[:, :4])
    patches, asked = some(300, 150), some(20, 150, seed=1)
    found = bank(patches).match(asked, 4)
    true = np.take_along_axis(cdist(asked, patches, "sqeuclidean"), found.rows, 1)
    assert (found.distances < true * 1.0001).all() and (found.distances > 0.3 * true).all()


def test_no_patches_at_all_and_those_of_another_network():
    made = bank(some(10))
    assert made.match(some(0)).rows.shape == (0, 3)
    with pytest.raises(Refused, match="made by another network") as refused:
        made.match(some(4, dim=6))
    assert refused.value.code == "PATCHES_DIFFER"
    for patches, owners in ((some(0), []), (some(3), [0, 0]), (some(3)[0], [0] * 5)):
        with pytest.raises(Refused) as refused:
            StageBank(patches, np.array(owners), np.arange(len(owners)))
        assert refused.value.code == "PATCHES_SHAPE"


# spread


def test_the_spread_is_the_mean_squared_distance_to_the_nearest_others():
    patches = some(40)
    table = np.sort(cdist(patches, patches, "sqeuclidean"), axis=1)[:, 1 : SPREAD + 1]
    np.testing.assert_allclose(bank(patches).spread, table.mean(axis=1), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(bank([[0], [1], [3]]).spread, [(1 + 9) / 2, (1 + 4) / 2, (4 + 9) / 2], rtol=1e-6)
    assert bank([[7]]).spread.tolist() == [1] and bank(patches, even=True).spread.tolist() == [1] * 40


def test_a_distance_is_divided_by_the_usual_spread_and_the_power_of_the_neighbours_own():
    made = bank([[0], [10], [90]], spread=np.array([4, 9, 14]))  # the usual one, the mean, is 9
    found = made.match(np.array([[3]], np.float32), 2)
    np.testing.assert_allclose(made.weighted(found), [[3 / 3 / (4 / 9) ** (POWER / 2), 7 / 3]], rtol=1e-6)


def test_an_even_background_does_not_decide_the_unit():
    """Most patches of pictures with an empty background are the same but for rounding."""
    rng = np.random.default_rng(0)
    calm = 1 + 1e-7 * rng.standard_normal((300, 5)).astype(np.float32)
    lively = some(200)
    alike = bank(np.concatenate([calm, lively])).distances(some(20, seed=1))
    themselves = bank(lively).distances(some(20, seed=1))
    assert (0.5 * themselves < alike).all() and (alike < 2 * themselves).all()
    assert (bank(calm).distances(1 + 1e-7 * some(20, seed=2)) < 1e-3).all()  # and rounding is no distance


def test_stages_of_other_units_have_the_same_distances():
    patches, asked = some(300), some(20, seed=1)
    np.testing.assert_allclose(bank(50 * patches).distances(50 * asked), bank(patches).distances(asked), rtol=1e-3)


def test_a_spread_of_nothing_counts_as_a_share_of_the_usual():
    made = bank([[0], [10], [20]], spread=np.array([0, 4, 8]))
    found = made.match(np.array([[1]], np.float32), 1)
    np.testing.assert_allclose(made.weighted(found), [[1 / 2 / LEAST_SPREAD ** (POWER / 2)]], rtol=1e-6)
    same = bank(np.ones((200, 3)))  # all are one patch
    assert np.isfinite(same.distances(np.full((4, 3), 2, np.float32))).all()


# maps


def test_a_map_is_the_root_of_the_mean_of_the_nearest_squares():
    made = alone(bank([[0], [1], [4], [50]], spread=np.ones(4)))
    asked = np.full((5, 6, 1), 2, np.float32)  # squares 4, 1, 4 and far away
    np.testing.assert_allclose(made.distance_map([asked]), np.full((5, 6), np.sqrt(3)), rtol=1e-6)
    asked[2, 3] = 100
    found = made.distance_map([asked])
    assert np.unravel_index(found.argmax(), found.shape) == (2, 3) and found.dtype == np.float32


def two_stages() -> PatchBank:
    """Distances are what is asked, in both stages."""
    return PatchBank([bank([[0]] * 3, spread=np.ones(3)) for _ in range(2)], [1.0, 0.5])


def test_stages_are_put_together_by_a_power_mean_the_coarse_one_interpolated():
    asked = [np.full((4, 4, 1), 3, np.float32), np.repeat([[0, 8]], 2, axis=0)[..., None].astype(np.float32)]
    found = two_stages().distance_map(asked)
    coarse = 0.5 * np.array([0, 2, 6, 8])  # between the middles of two cells, and on to the edges
    by_hand = ((3**TOGETHER + coarse**TOGETHER) / 2) ** (1 / TOGETHER)
    np.testing.assert_allclose(found, smoothed(np.tile(by_hand, (4, 1)).astype(np.float32)), rtol=1e-5)


def test_a_coarse_cell_counts_where_some_of_it_is_looked_at():
    cells = np.zeros((4, 6), bool)
    cells[0, 0] = cells[3, 5] = True
    assert coarser(cells, (2, 3)).tolist() == [[True, False, False], [False, False, True]]
    assert np.array_equal(coarser(cells, (4, 6)), cells)
    asked = [np.full((4, 6, 1), 2, np.float32), np.full((2, 3, 1), 2, np.float32)]
    found = two_stages().distance_map(asked, looked_at=cells)
    assert np.array_equal(np.isnan(found), ~cells)
    np.testing.assert_allclose(found[cells], ((2**TOGETHER + 1) / 2) ** (1 / TOGETHER), rtol=1e-5)


def test_what_a_cell_should_have_looked_like_is_of_the_stage_to_which_it_is_strangest():
    fine = StageBank(np.float32([[0], [5]]), np.array([3, 4]), np.array([9, 2]), spread=np.ones(2))
    coarse = StageBank(np.float32([[1], [2], [9]]), np.array([3, 4, 5]), np.array([3, 0, 1]), spread=np.ones(3))
    made = PatchBank([fine, coarse], [1.0, 0.5])
    asked = [np.full((4, 4, 1), 7, np.float32), np.full((2, 2, 1), 7, np.float32)]
    parts = made.should_be(asked, 1, 2, 2)
    assert [(p.owner, p.row, p.column, p.side, p.distance) for p in parts] == [(4, 0, 2, 4, 2), (3, 2, 1, 4, 7)]
    asked[1][0, 1] = 20  # cell (1, 2) of the fine grid lies in it
    assert [(p.owner, p.row, p.column, p.side, p.distance) for p in made.should_be(asked, 1, 2, 2)] == [
        (5, 0, 1, 2, 5.5),
        (4, 0, 0, 2, 9),
    ]
    assert [p.owner for p in made.should_be(asked, 1, 2, 2, without=[5])] == [4, 3]
    assert made.should_be(asked, 1, 2, 2, without=[3, 4, 5]) == []


def test_what_a_mask_hides_is_nan_and_has_no_say():
    made, cells = alone(bank(some(50))), np.ones((6, 7), bool)
    cells[:, 4:] = False
    asked = some(42, seed=2).reshape(6, 7, 5)
    found = made.distance_map([asked], looked_at=cells)
    assert np.array_equal(np.isnan(found), ~cells)
    asked[:, 4:] = 1e6
    np.testing.assert_array_equal(made.distance_map([asked], looked_at=cells), found)


def test_with_nothing_to_compare_with_there_is_no_distance_and_no_score():
    found = alone(bank(some(50))).distance_map([some(12).reshape(3, 4, 5)], without=[0])
    assert found.shape == (3, 4) and np.isnan(found).all() and np.isnan(patch_score(found))


# banks


GRID = (8, 10)
COARSE = (4, 5)


class Normals:
    """Normals of a few kinds of patches; `load` counts how often each is asked for."""

    def __init__(self, n: int, seed: int = 0):
        rng = np.random.default_rng(seed)
        self.maps = rng.standard_normal((n, *GRID, 4)).astype(np.float16).astype(np.float32)
        self.coarse = rng.standard_normal((n, *COARSE, 3)).astype(np.float16).astype(np.float32)
        self.seeds = rng.integers(0, 2**60, n).tolist()
        self.loaded = [0] * n

    def load(self, at: int) -> list[np.ndarray]:
        self.loaded[at] += 1
        return [self.maps[at], self.coarse[at]]

    def bank(self, order=None, **options) -> PatchBank:
        order = range(len(self.maps)) if order is None else order
        cells = options.pop("looked_at", np.ones(GRID, bool))
        seeds = [self.seeds[at] for at in order]
        return thinned_bank(lambda at: self.load(order[at]), seeds, cells, (1.0, 0.9), **options)

    def fine(self, order=None, *, size: int, **options) -> StageBank:
        """The bank of the finest stage, of so many patches: it has four of five cells."""
        return self.bank(order, size=size * 5 // 4, **options).stages[0]


def rows_of(made: StageBank) -> set[tuple]:
    return {tuple(row) for row in made.patches.tolist()}


def test_few_patches_are_all_taken():
    normals = Normals(5)
    fine, coarse = normals.bank(size=5 * 100).stages
    assert rows_of(fine) == {tuple(row) for row in normals.maps.reshape(-1, 4).tolist()}
    assert rows_of(coarse) == {tuple(row) for row in normals.coarse.reshape(-1, 3).tolist()}
    assert fine.patches.shape == (400, 4) and coarse.patches.shape == (100, 3)
    assert normals.loaded == [2, 1, 1, 1, 1]  # the first also says how large the grids are
    assert rows_of(Normals(1).bank().stages[0]) == {tuple(row) for row in Normals(1).maps.reshape(-1, 4).tolist()}


@pytest.mark.parametrize(("size", "sizes"), [(2, (2, 1)), (5, (4, 1)), (50, (40, 10)), (200, (160, 40))])
def test_a_bank_is_of_the_size_asked_for_and_knows_where_each_patch_was(size, sizes):
    normals = Normals(5)
    made = normals.bank(size=size)
    for stage, wanted, grid, maps in zip(
        made.stages, sizes, (GRID, COARSE), (normals.maps, normals.coarse), strict=True
    ):
        assert len(stage.patches) == wanted and (np.diff(stage.owners) >= 0).all()
        at = np.unravel_index(stage.cells, grid)
        assert np.array_equal(stage.patches, maps[stage.owners, *at])
        assert len(set(zip(stage.owners.tolist(), stage.cells.tolist(), strict=True))) == wanted
    assert max(normals.loaded[1:]) <= 2 and made.weights == (1.0, 0.9)


def test_no_patch_is_taken_twice(monkeypatch):
    monkeypatch.setattr("dn2core.detect.patches._SAMPLE", 3)  # far from it lie many that are taken already
    made = Normals(5).fine(size=200)
    assert len(set(zip(made.owners.tolist(), made.cells.tolist(), strict=True))) == len(made.patches)


def test_patches_that_are_all_the_same_do_not_overfill_it():
    normals = Normals(6)
    normals.maps[:] = 1
    normals.coarse[:] = 1
    for stage in normals.bank(size=100).stages:
        assert 0 < len(stage.patches) <= 80


def test_it_does_not_matter_in_which_order_the_normals_come():
    normals = Normals(12)
    made, order = normals.fine(size=200), np.random.default_rng(1).permutation(12).tolist()
    assert rows_of(normals.fine(order, size=200)) == rows_of(made)
    again = normals.fine(size=200)
    assert np.array_equal(again.patches, made.patches) and np.array_equal(again.spread, made.spread)


def test_a_normal_that_joins_changes_the_choice_little():
    normals = Normals(21)
    before, after = (rows_of(normals.fine(range(n), size=300)) for n in (20, 21))
    assert len(before & after) > 0.85 * 300


def test_what_is_rare_among_the_normals_is_not_forgotten():
    normals = Normals(30)
    normals.maps[17, 3, 4] = 40
    rare = (40.0,) * 4
    assert rare in rows_of(normals.fine(size=40))
    assert rare not in rows_of(normals.fine(size=40, far=0))  # by chance it is not there


def test_one_strange_normal_does_not_take_the_whole_bank():
    normals = Normals(40)
    normals.maps[9] += 30
    drawn, made = normals.fine(size=80, far=0), normals.fine(size=100)
    assert 0 < (made.owners == 9).sum() - (drawn.owners == 9).sum() <= 4 * 20 // 40 + 1


def test_only_cells_that_are_looked_at_are_taken():
    cells = np.zeros(GRID, bool)
    cells[2:5, 1:7] = True
    fine, coarse = Normals(10).bank(size=90, looked_at=cells).stages
    assert set(fine.cells.tolist()) <= set(np.flatnonzero(cells).tolist())
    assert set(coarse.cells.tolist()) <= {5, 6, 7, 8, 10, 11, 12, 13}  # 4 x 5 cells; rows 1 and 2, columns 0 to 3
    assert len(fine.patches) == round(90 * 18 / 26) and len(coarse.patches) == round(90 * 8 / 26)


def test_progress_counts_both_passes_or_the_one():
    for size, total in ((50, 10), (10_000, 5)):
        told = []
        Normals(5).bank(size=size, tell=lambda *done, told=told: told.append(done))
        assert told == [(done, total) for done in range(1, total + 1)]


def test_a_bank_of_a_few_normals_holds_all_their_patches():
    normals, cells = Normals(3), np.ones(GRID, bool)
    cells[:2] = False
    made = bank_of([normals.load(2), normals.load(0)], [2, 0], cells, (1.0, 0.9))
    for stage, maps, count in zip(made.stages, (normals.maps[:, 2:], normals.coarse[:, 1:]), (60, 15), strict=True):
        assert stage.owners.tolist() == [0] * count + [2] * count and set(stage.spread.tolist()) == {1}
        assert np.array_equal(stage.patches[:count], maps[0].reshape(count, -1))
        assert np.array_equal(stage.patches[count:], maps[2].reshape(count, -1))
    assert made.stages[0].cells.tolist() == list(range(20, 80)) * 2 and made.weights == (1.0, 0.9)


def test_where_distances_are_left_as_they_are_coarser_stages_count_less():
    assert even_weights((0.8, 1.0, 0.9, 0.7)) == (0.8, 1.0, 0.9 * COARSER, 0.7 * COARSER)
    assert even_weights((0.8, 1.0)) == (0.8, 1.0)


def test_the_colours_of_a_bank_are_weighed_by_its_normals_each_without_itself():
    normals, cells = Normals(12), np.ones(GRID, bool)
    cells[:2] = False
    made = normals.bank(size=300, looked_at=cells)
    got = balanced_bank(made, normals.load, 12, cells)
    maps = [made.stage_maps(normals.load(at), looked_at=cells, without=[at]) for at in range(12)]
    assert got.weights == balanced(maps, made.weights) and got.weights[0] != made.weights[0]
    assert got.stages == made.stages
    own = [made.stage_maps(normals.load(at), looked_at=cells) for at in range(12)]
    assert balanced(own, made.weights) != got.weights


def test_what_comes_back_from_half_precision_is_the_same():
    normals = Normals(8)
    normals.maps += np.float32(1e-4)  # no longer what half precision holds
    made = normals.bank(size=100)
    back = PatchBank(
        [StageBank(one.patches.astype(np.float16), one.owners, one.cells, spread=one.spread) for one in made.stages],
        made.weights,
    )
    assert np.array_equal(back.distance_map(normals.load(3)), made.distance_map(normals.load(3)))


def test_so_many_normals_set_the_limit():
    assert calibrating(CALIBRATED).tolist() == list(range(CALIBRATED))
    some = calibrating(5 * CALIBRATED)
    assert len(set(some.tolist())) == CALIBRATED and (np.diff(some) > 0).all() and some[-1] > 4 * CALIBRATED
    assert np.array_equal(some, calibrating(5 * CALIBRATED))
