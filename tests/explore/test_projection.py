"""Maps: what must hold for any vectors, and UMAP in a child process as the application runs it."""

import json
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from dn2core.detect import Bank, Found, leave_one_out
from dn2core.errors import Refused
from dn2core.explore import pca_map, place, projection, umap_map

NUMBERS = st.floats(-1e6, 1e6, width=32)


def three_groups(n=40, dim=16):
    rng = np.random.default_rng(0)
    return np.concatenate([rng.normal(size=(n, dim)) + 8 * group for group in range(3)]).astype(np.float32)


# --- PCA


def test_pca_of_a_plane_keeps_all_distances():
    rng = np.random.default_rng(1)
    flat = rng.normal(size=(50, 2)) * [5, 2]
    turned = flat @ np.linalg.qr(rng.normal(size=(7, 7)))[0][:2]
    xy = pca_map(turned + 3)
    assert xy.dtype == np.float32

    def between(points):
        return np.linalg.norm(points[:, None] - points[None], axis=2)

    np.testing.assert_allclose(between(xy), between(flat), atol=1e-4)
    assert xy[:, 0].var() > xy[:, 1].var()
    np.testing.assert_allclose(xy.mean(axis=0), 0, atol=1e-5)


@pytest.mark.parametrize(("n", "dim"), [(200, 12), (12, 200)])
def test_pca_has_the_variances_of_the_covariance(n, dim):
    features = np.random.default_rng(2).normal(size=(n, dim)) * np.linspace(1, 5, dim)
    values = np.linalg.eigvalsh(np.cov(features.T))[::-1]
    np.testing.assert_allclose(pca_map(features).var(axis=0, ddof=1), values[:2], rtol=1e-4)


def test_pca_of_many_rows_takes_its_axes_from_some_of_them(monkeypatch):
    features = three_groups()
    whole = pca_map(features)
    monkeypatch.setattr(projection, "_AXES_FROM", 50)
    some = pca_map(features)
    assert some.shape == whole.shape
    assert abs(np.corrcoef(some[:, 0], whole[:, 0])[0, 1]) > 0.99


@given(arrays(np.float32, st.tuples(st.integers(0, 25), st.integers(1, 6)), elements=NUMBERS))
def test_pca_is_always_finite_and_repeats_itself(features):
    xy = pca_map(features)
    assert xy.shape == (len(features), 2) and xy.dtype == np.float32 and np.isfinite(xy).all()
    assert np.array_equal(xy, pca_map(features.copy()))


def test_pca_of_equal_vectors_is_the_origin():
    assert (pca_map(np.full((9, 4), 7)) == 0).all()
    assert (pca_map(np.full((1, 4), 7)) == 0).all()


def test_pca_along_a_line_has_nothing_across():
    xy = pca_map(np.arange(10, dtype=np.float32)[:, None] * [1, 2, 2])
    np.testing.assert_allclose(np.diff(xy[:, 0]), 3, rtol=1e-5)
    assert (xy[:, 1] == 0).all()


def test_numbers_that_are_not_finite_are_refused():
    with pytest.raises(Refused, match="the first at row 1"):
        pca_map([[0, 1], [np.nan, 1]])


# --- UMAP


@pytest.fixture(scope="module")
def in_a_child(tmp_path_factory):
    """UMAP of five sets of vectors, made in one child: numba aborts a process that enters it from two threads."""
    folder = tmp_path_factory.mktemp("umap")
    groups = three_groups()
    sets = {
        "groups": groups,
        "duplicates": np.concatenate([groups[:20]] * 3),
        "two_islands": np.concatenate([np.zeros((20, 4)), np.full((20, 4), 1e6)]).astype(np.float32),
        "ten": groups[::12],
        "one_differs": np.concatenate([np.zeros((30, 4)), np.ones((1, 4))]).astype(np.float32),
    }
    np.savez(folder / "sets.npz", **sets)
    code = """if True:
        import json, sys
        import numpy as np
        from dn2core.detect import Bank, leave_one_out
        from dn2core.explore import umap_map
        sets, maps, kinds = np.load(sys.argv[1]), {}, {}
        for name in [*sets.files, "groups"]:
            drawn = umap_map(sets[name], leave_one_out(Bank(sets[name]), 15))
            if name in maps:
                name = "again"
            maps[name], kinds[name] = drawn.xy, [drawn.kind, drawn.reason]
        np.savez(sys.argv[2], **maps)
        print(json.dumps(kinds))
    """
    done = subprocess.run(
        [sys.executable, "-c", code, folder / "sets.npz", folder / "maps.npz"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return sets, dict(np.load(folder / "maps.npz")), json.loads(done.stdout), done.stderr


def test_umap_is_finite_whatever_the_vectors(in_a_child):
    sets, maps, kinds, stderr = in_a_child
    for name, features in sets.items():
        assert maps[name].shape == (len(features), 2) and maps[name].dtype == np.float32
        assert np.isfinite(maps[name]).all()
        assert kinds[name] == ["umap", None], name
    assert stderr == ""


def test_umap_keeps_groups_together(in_a_child):
    xy = in_a_child[1]["groups"]
    centres = xy.reshape(3, 40, 2).mean(axis=1)
    nearest = np.linalg.norm(xy[:, None] - centres[None], axis=2).argmin(axis=1)
    assert np.array_equal(nearest, np.repeat(np.arange(3), 40))


def test_the_same_vectors_give_the_same_map(in_a_child):
    assert np.array_equal(in_a_child[1]["groups"], in_a_child[1]["again"])


@pytest.mark.parametrize("n", [2, 9])
def test_too_few_images_get_the_pca_with_the_reason(n):
    features = three_groups()[:n]
    drawn = umap_map(features, leave_one_out(Bank(features), 15))
    assert (drawn.kind, drawn.reason) == ("pca", projection.TOO_FEW)
    assert np.array_equal(drawn.xy, pca_map(features))


def test_equal_images_get_the_pca_with_the_reason():
    features = np.ones((30, 4), np.float32)
    drawn = umap_map(features, leave_one_out(Bank(features), 15))
    assert (drawn.kind, drawn.reason) == ("pca", projection.ALL_EQUAL)
    assert (drawn.xy == 0).all()


@pytest.mark.parametrize("outcome", [np.full((120, 2), np.nan, np.float32), np.zeros((3, 2)), ValueError("no")])
def test_where_umap_fails_the_pca_stands_in(monkeypatch, outcome):
    def fail(*_):
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    monkeypatch.setattr(projection, "_umap", fail)
    features = three_groups()
    drawn = umap_map(features, leave_one_out(Bank(features), 15))
    assert (drawn.kind, drawn.reason) == ("pca", projection.NO_RESULT)
    assert np.array_equal(drawn.xy, pca_map(features))


def test_umap_gets_each_point_as_its_own_first_neighbour_and_plain_distances():
    found = Found(np.array([[4, 9], [4, 16]], np.float32), np.array([[1, 7], [0, 3]]), 2, 2)
    indices, distances = projection._with_self(found)
    assert indices.tolist() == [[0, 1, 7], [1, 0, 3]] and indices.dtype == np.int32
    assert distances.tolist() == [[0, 2, 3], [0, 2, 4]] and distances.dtype == np.float32


# --- new points


def test_between_two_equally_near_points():
    xy = place([[0, 0], [10, 4]], [[9, 9]], [[0, 1]])
    np.testing.assert_allclose(xy, [[5, 2]])
    assert xy.dtype == np.float32


def test_by_hand():
    # Distances 1 and 3: the second is farther by twice the mean excess, so it counts 1/e^2.
    weight = np.exp(-2)
    xy = place([[0, 0], [1, 0]], [[1, 9]], [[0, 1]])
    np.testing.assert_allclose(xy, [[weight / (1 + weight), 0]], rtol=1e-6)


def test_a_copy_lies_on_its_image():
    mapped = np.array([[1, 2], [5, 6], [9, 9]], np.float32)
    xy = place(mapped, [[0, 1, 1], [0, 0, 7]], [[1, 0, 2], [0, 2, 1]])
    np.testing.assert_allclose(xy, [[5, 6], [5, 5.5]])


def test_nothing_to_place():
    assert place(np.zeros((3, 2)), np.empty((0, 2)), np.empty((0, 2), np.int64)).shape == (0, 2)


@given(st.integers(0, 2**32 - 1), st.integers(1, 15), st.sampled_from([0.0, 1e-30, 1.0, 1e30]))
def test_new_points_lie_among_their_neighbours_and_the_map_stays(seed, k, scale):
    rng = np.random.default_rng(seed)
    mapped = rng.normal(size=(20, 2)).astype(np.float32)
    before = mapped.copy()
    indices = rng.integers(0, 20, (8, k))
    distances = np.sort(rng.random((8, k)) * scale, axis=1).astype(np.float32)
    xy = place(mapped, distances, indices)
    assert np.array_equal(mapped, before)
    low, high = mapped[indices].min(axis=1), mapped[indices].max(axis=1)
    assert (xy >= low - 1e-5).all() and (xy <= high + 1e-5).all()
    assert np.array_equal(xy, place(mapped, distances, indices))
    assert np.array_equal(xy[3:4], place(mapped, distances[3:4], indices[3:4]))
