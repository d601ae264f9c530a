"""The bank against brute force in float64."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import faiss
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from dn2core.detect import Bank
from dn2core.errors import Refused


@pytest.fixture(scope="module", params=["products", "differences"], autouse=True)
def way(request):
    """Everything holds for both ways in which FAISS ranks; which one it takes depends on the batch's size."""
    usual = faiss.cvar.distance_compute_blas_threshold
    faiss.cvar.distance_compute_blas_threshold = {"products": 0, "differences": 1 << 30}[request.param]
    yield request.param
    faiss.cvar.distance_compute_blas_threshold = usual


def brute_force(bank, queries, k):
    """Distances and rows of the k nearest, equal distances by row; float64 throughout."""
    bank, queries = np.asarray(bank, np.float64), np.asarray(queries, np.float64)
    distances = ((queries[:, None] - bank[None]) ** 2).sum(axis=2)
    rows = np.broadcast_to(np.arange(len(bank)), distances.shape)
    order = np.lexsort((rows, distances), axis=1)[:, :k]
    return np.take_along_axis(distances, order, 1), order


def unit(vectors):
    vectors = np.asarray(vectors, np.float64)
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.where(norms == 0, 1, norms)


def same(a, b):
    return np.array_equal(a.distances, b.distances) and np.array_equal(a.indices, b.indices)


def in_a_child(code, **environment):
    environment = {**{k: v for k, v in os.environ.items() if k != "OPENBLAS_CORETYPE"}, **environment}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    return done.stdout.strip()


# Few values on a grid: float32 computes their distances without rounding, and ties and duplicates abound.
GRID = st.integers(-3, 3).map(lambda i: i / 2)


@st.composite
def grids(draw, most_queries=30):
    dim = draw(st.integers(1, 4))
    bank = draw(arrays(np.float32, (draw(st.integers(1, 60)), dim), elements=GRID))
    queries = draw(arrays(np.float32, (draw(st.integers(0, most_queries)), dim), elements=GRID))
    return bank, queries, draw(st.integers(1, 70))


@given(grids())
def test_equals_brute_force_exactly_with_ties_and_duplicates(case):
    bank, queries, k = case
    found = Bank(bank).search(queries, k)
    distances, indices = brute_force(bank, queries, min(k, len(bank)))
    assert np.array_equal(found.distances, distances)
    assert np.array_equal(found.indices, indices)
    assert (found.k, found.k_asked) == (min(k, len(bank)), k)


@settings(max_examples=50)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 300),
    st.integers(1, 40),
    st.sampled_from([1, 3, 64, 200]),
    st.sampled_from([1e-3, 1.0, 1e4]),
    st.booleans(),
)
def test_equals_brute_force_on_any_numbers(seed, n, q, dim, scale, normalise):
    rng = np.random.default_rng(seed)
    bank = (rng.normal(size=(n, dim)) * scale).astype(np.float32)
    queries = (rng.normal(size=(q, dim)) * scale).astype(np.float32)
    k = min(n, 7)
    found = Bank(bank, normalise=normalise).search(queries, k)
    compared = (unit(bank), unit(queries)) if normalise else (bank, queries)
    distances, _ = brute_force(*compared, k)
    all_distances, _ = brute_force(*compared, n)
    size = all_distances.max()
    np.testing.assert_allclose(found.distances, distances, rtol=1e-5, atol=1e-7 * size)
    truth = ((compared[1][:, None] - compared[0][found.indices]) ** 2).sum(axis=2)
    np.testing.assert_allclose(found.distances, truth, rtol=1e-5, atol=1e-7 * size)


def test_near_copies_are_answered_without_looking_at_all(monkeypatch):
    """Many frames of one scene: long vectors, short distances between them."""
    rng = np.random.default_rng(5)
    bank = Bank(rng.gamma(0.5, size=(1, 256)) + 0.01 * rng.normal(size=(2000, 256)), normalise=True)
    widths, real = [], Bank._certain
    monkeypatch.setattr(Bank, "_certain", lambda self, *args: (widths.append(args[2]), real(self, *args))[1])
    bank.search(bank.features, 5)
    assert set(widths) < {5 + 14, 8 * (5 + 14)}


def test_hand_worked():
    found = Bank([[0, 0], [3, 4], [1, 0]]).search([[0, 0], [3, 0]], 3)
    assert found.distances.tolist() == [[0, 1, 25], [4, 9, 16]]
    assert found.indices.tolist() == [[0, 2, 1], [2, 0, 1]]
    assert found.distances.dtype == np.float32 and found.indices.dtype == np.int64


def test_normalised_by_hand():
    found = Bank([[2, 0], [0, 5], [-1, 0]], normalise=True).search([[7, 0]], 3)
    assert found.distances.tolist() == [[0, 2, 4]]
    assert found.indices.tolist() == [[0, 1, 2]]


@pytest.mark.parametrize("normalise", [False, True])
@pytest.mark.parametrize("threshold", [20, 20 * 96, 128_000])
def test_an_answer_does_not_depend_on_the_batch(normalise, threshold, monkeypatch):
    """Thresholds at which a batch changes FAISS's way: by queries, by numbers in them, as shipped."""
    monkeypatch.setattr(faiss.cvar, "distance_compute_blas_threshold", threshold)
    rng = np.random.default_rng(1)
    # Near copies of long vectors: norms and products lose what tells them apart.
    bank = (100 + rng.normal(size=(40, 96)).repeat(50, axis=0) + 1e-4 * rng.normal(size=(2000, 96))).astype(np.float32)
    bank[::7] = bank[3]
    near = bank[:500] + rng.normal(scale=1e-3, size=(500, 96)).astype(np.float32)
    queries = np.concatenate([bank[:300], near, rng.normal(size=(600, 96)).astype(np.float32)])
    bank = Bank(bank, normalise=normalise)
    whole = bank.search(queries, 5)
    for size in (1, 19, 20, 21, 333):
        for start in (0, 7, 600, 1000):
            part = bank.search(queries[start : start + size], 5)
            assert np.array_equal(part.distances, whole.distances[start : start + size]), size
            assert np.array_equal(part.indices, whole.indices[start : start + size]), size
    backwards = bank.search(queries[::-1], 5)
    assert np.array_equal(backwards.distances[::-1], whole.distances)


def test_a_query_alone_equals_itself_among_a_thousand(monkeypatch):
    """Vectors as long as the network's, at the threshold that FAISS came with."""
    rng = np.random.default_rng(9)
    bank = Bank(rng.gamma(0.3, size=(900, 1280)).astype(np.float32))
    queries = rng.gamma(0.3, size=(1000, 1280)).astype(np.float32)
    monkeypatch.setattr(faiss.cvar, "distance_compute_blas_threshold", 128_000)
    whole = bank.search(queries, 50)
    for row in (0, 1, 499, 999):
        alone = bank.search(queries[row : row + 1], 50)
        assert np.array_equal(alone.distances[0], whole.distances[row])
        assert np.array_equal(alone.indices[0], whole.indices[row])


@pytest.mark.parametrize("q", [1, 19, 20, 100])
def test_long_near_copies_are_told_apart(q):
    """Differences that vanish in |x|^2 + |y|^2 - 2xy must still rank right."""
    steps = np.random.default_rng(2).permutation(400)
    bank = np.full((400, 64), 1000, np.float32)
    bank[:, 0] += steps / 64
    queries = np.full((q, 64), 1000, np.float32)
    found = Bank(bank).search(queries, 6)
    assert np.array_equal(steps[found.indices], np.tile(np.arange(6), (q, 1)))
    assert np.array_equal(found.distances, np.tile((np.arange(6) / 64) ** 2, (q, 1)).astype(np.float32))


@pytest.mark.parametrize("q", [1, 19, 20, 100])
def test_identical_vectors_are_exactly_at_zero_and_in_order(q):
    vector = np.random.default_rng(3).normal(size=(1, 1280)).astype(np.float32) * 30
    others = np.random.default_rng(4).normal(size=(100, 1280)).astype(np.float32) * 30
    bank = Bank(np.concatenate([others, vector.repeat(300, axis=0)]))
    found = bank.search(vector.repeat(q, axis=0), 50)
    assert (found.distances == 0).all()
    assert np.array_equal(found.indices, np.tile(np.arange(100, 150), (q, 1)))


def test_all_vectors_equal():
    found = Bank(np.ones((500, 8))).search(np.ones((40, 8)) + 1, 3)
    assert (found.distances == 8).all()
    assert (found.indices == [0, 1, 2]).all()


@pytest.mark.parametrize("q", [1, 19, 20, 100])
def test_one_vector(q):
    found = Bank([[1.0, 2.0]]).search(np.zeros((q, 2)), 5)
    assert np.array_equal(found.distances, np.full((q, 1), 5))
    assert np.array_equal(found.indices, np.zeros((q, 1)))
    assert (found.k, found.k_asked) == (1, 5)


def test_distinct_vectors_are_not_at_distance_zero():
    a = np.float32(1000)
    found = Bank([[a]]).search([[np.nextafter(a, np.float32(2000))]], 1)
    assert found.distances[0, 0] > 0


def test_vectors_of_zeros_have_defined_unit_distances():
    bank = Bank([[0, 0], [3, 0]], normalise=True)
    found = bank.search([[0, 0], [0, 9]], 2)
    assert found.distances.tolist() == [[0, 1], [1, 2]]
    assert np.array_equal(bank.features, [[0, 0], [1, 0]])


@pytest.mark.parametrize("normalise", [False, True])
def test_unit_length_is_computed_row_by_row(normalise):
    rows = np.random.default_rng(5).normal(size=(700, 333)).astype(np.float32)
    whole = Bank(rows, normalise=normalise).features
    for i in (0, 1, 350, 699):
        assert np.array_equal(Bank(rows[i : i + 1], normalise=normalise).features[0], whole[i])
    if normalise:
        np.testing.assert_allclose(np.linalg.norm(whole.astype(np.float64), axis=1), 1, atol=1e-6)
        found = Bank(rows, normalise=True).search(rows, 1)
        assert (found.distances == 0).all()


def test_the_bank_keeps_its_own_copy():
    features = np.zeros((3, 2), np.float32)
    bank = Bank(features)
    features += 1
    assert (bank.features == 0).all()
    with pytest.raises(ValueError, match="read-only"):
        bank.features[0] = 1


def test_other_layouts_and_types_of_queries():
    rng = np.random.default_rng(7)
    bank = Bank(rng.normal(size=(100, 12)))
    queries = rng.normal(size=(30, 12)).astype(np.float32)
    expected = bank.search(queries, 4)
    assert same(bank.search(queries.astype(np.float64), 4), expected)
    assert same(bank.search(np.asfortranarray(queries), 4), expected)
    assert same(bank.search(queries.repeat(2, axis=0)[::2], 4), expected)
    wide = np.zeros((30, 24), np.float32)
    wide[:, ::2] = queries
    assert same(bank.search(wide[:, ::2], 4), expected)
    read_only = queries.copy()
    read_only.setflags(write=False)
    assert same(bank.search(read_only, 4), expected)
    assert same(bank.search(queries.tolist(), 4), expected)


@pytest.mark.parametrize("k", [1, 2, 500])
def test_no_queries(k):
    found = Bank(np.eye(3)).search(np.empty((0, 3)), k)
    assert found.distances.shape == found.indices.shape == (0, min(k, 3))


@pytest.mark.parametrize("features", [np.empty((0, 5)), np.empty((0, 5), np.float32)])
def test_an_empty_bank_is_refused(features):
    with pytest.raises(Refused, match="at least one normal image"):
        Bank(features)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e39])
def test_numbers_that_are_not_finite_are_refused(bad):
    features = np.zeros((4, 3))
    features[2, 1] = bad
    with pytest.raises(Refused, match="1 of them hold NaN or infinity, the first at row 2"):
        Bank(features)
    with pytest.raises(Refused, match="the first at row 2"):
        Bank(np.zeros((1, 3))).search(features, 1)


def test_numbers_whose_distance_would_overflow_are_refused():
    with pytest.raises(Refused, match="fit float32"):
        Bank(np.full((2, 4), 1e19))
    largest = np.full((1, 1), 3e18)
    found = Bank(largest).search(-largest, 1)
    np.testing.assert_allclose(found.distances, 3.6e37, rtol=1e-6)


@pytest.mark.parametrize("shape", [(3,), (2, 4), (2, 3, 1), (5, 0), ()])
def test_a_wrong_shape_is_refused_with_both_shapes(shape):
    with pytest.raises(Refused) as refused:
        Bank(np.zeros((2, 3))).search(np.zeros(shape), 1)
    assert "(n, 3)" in str(refused.value) and str(shape) in str(refused.value)


@pytest.mark.parametrize("shape", [(3,), (5, 0), (2, 3, 1)])
def test_a_bank_of_a_wrong_shape_is_refused(shape):
    with pytest.raises(Refused, match=r"of shape \(n, d\), got"):
        Bank(np.zeros(shape))


@pytest.mark.parametrize("k", [0, -1])
def test_k_below_one_is_refused(k):
    with pytest.raises(Refused, match=f"k of at least 1, got {k}"):
        Bank(np.eye(2)).search(np.eye(2), k)


def test_many_queries_are_answered_in_pieces(monkeypatch):
    rng = np.random.default_rng(8)
    bank, queries = Bank(rng.integers(0, 3, (200, 3))), rng.integers(0, 3, (150, 3))
    whole = bank.search(queries, 5)
    monkeypatch.setattr("dn2core.detect.bank._CELLS", 64)
    assert same(bank.search(queries, 5), whole)


def test_importing_stays_light():
    code = (
        "import sys, dn2core.detect, dn2core.explore, dn2core.explore.fashion_mnist;"
        "print(sorted({'umap', 'numba', 'sklearn', 'torch', 'pandas', 'streamlit'} & set(sys.modules)))"
    )
    assert in_a_child(code) == "[]"


@pytest.mark.parametrize("own", ["", "Nehalem"])
def test_the_setting_for_faiss_leaves_no_trace(own):
    code = "import os, dn2core.detect; print(repr(os.environ.get('OPENBLAS_CORETYPE', '')))"
    assert in_a_child(code, **({"OPENBLAS_CORETYPE": own} if own else {})) == repr(own)


def test_threads_may_search_one_bank_together():
    rng = np.random.default_rng(10)
    bank, queries = Bank(rng.normal(size=(500, 64))), rng.normal(size=(200, 64))
    expected = bank.search(queries, 5)
    with ThreadPoolExecutor(4) as pool:
        assert all(same(found, expected) for found in pool.map(lambda _: bank.search(queries, 5), range(40)))
