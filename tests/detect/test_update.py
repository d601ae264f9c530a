"""Updated tables against fresh searches, bit for bit, over sequences of changes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from dn2core.detect import Bank, leave_one_out
from dn2core.detect import update as module
from dn2core.detect.update import neighbour_table, own_neighbour_table, updated, updated_own
from dn2core.errors import Refused

# Few values: ties and duplicates abound, and zeros, which have no direction.
SMALL = st.integers(-2, 2).map(float)


def same(a, b):
    assert np.array_equal(a.distances, b.distances)
    assert np.array_equal(a.indices, b.indices)
    assert (a.k, a.k_asked) == (b.k, b.k_asked)
    assert a.distances.dtype == np.float32 and a.indices.dtype == np.int64


def same_as_far_as_known(table, wide):
    known = table.indices >= 0
    assert table.indices.shape == wide.indices.shape
    assert np.array_equal(table.indices[known], wide.indices[known])
    assert np.array_equal(table.distances[known], wide.distances[known])
    assert np.isinf(table.distances[~known]).all()
    assert (known[:, 1:] <= known[:, :-1]).all()


def compare(raw, queries, k, normalise, table, own, bank):
    fresh = Bank(raw, normalise=normalise)
    assert np.array_equal(bank.features, fresh.features)
    same(table.found, fresh.search(queries, k))
    same_as_far_as_known(table, fresh.search(queries, k + module.SPARE))
    if len(raw) > 1:
        same(own.found, leave_one_out(fresh, k))
        same_as_far_as_known(own, leave_one_out(fresh, k + module.SPARE))
    else:
        assert own.distances.shape == (1, 0)
        with pytest.raises(Refused, match="at least two normal images"):
            _ = own.found


@st.composite
def histories(draw):
    dim = draw(st.integers(1, 3))
    some = lambda low, high: draw(arrays(np.float32, (draw(st.integers(low, high)), dim), elements=SMALL))  # noqa: E731
    raw, queries = some(1, 25), some(0, 15)
    n, steps = len(raw), []
    for _ in range(draw(st.integers(1, 5))):
        added = some(0, 8)
        leaving = draw(st.sampled_from([0, 1, 3, n]))
        order = draw(st.permutations(range(n)))
        keep = np.ones(n, bool)
        keep[list(order)[:leaving]] = False
        if not keep.any() and not len(added):
            keep[0] = True
        steps.append((keep, added))
        n = keep.sum() + len(added)
    return raw, queries, steps, draw(st.sampled_from([1, 2, 4, 30])), draw(st.booleans())


@settings(max_examples=150)
@given(histories(), st.sampled_from([0, 1, 3]))
def test_every_step_of_a_history_equals_a_fresh_build(history, spare):
    raw, queries, steps, k, normalise = history
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "SPARE", spare)
        patch.setattr(module, "_ROWS", 4)
        bank = Bank(raw, normalise=normalise)
        prepared = bank.prepare(queries)
        table, own = neighbour_table(bank, prepared, k), own_neighbour_table(bank, k)
        compare(raw, queries, k, normalise, table, own, bank)
        for keep, added in steps:
            before = [array.copy() for array in (table.distances, table.indices, own.distances, own.indices)]
            old_table, old_own = table, own
            raw = np.concatenate([raw[keep], added])
            bank = bank.changed(keep, added)
            table, own = updated(table, prepared, bank, keep), updated_own(own, bank, keep)
            compare(raw, queries, k, normalise, table, own, bank)
            after = old_table.distances, old_table.indices, old_own.distances, old_own.indices
            assert all(map(np.array_equal, before, after))


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1), st.booleans())
def test_a_long_history_of_long_vectors(seed, normalise):
    """Numbers whose sums round, and more new vectors at once than a row holds."""
    rng = np.random.default_rng(seed)
    make = lambda n: (5 + rng.normal(size=(n, 70))).astype(np.float32)  # noqa: E731
    raw, queries, k = make(60), make(50), 5
    queries[:5] = raw[:5]
    bank = Bank(raw, normalise=normalise)
    prepared = bank.prepare(queries)
    table, own = neighbour_table(bank, prepared, k), own_neighbour_table(bank, k)
    for leaving, joining in [(0, 1), (1, 0), (20, 40), (0, 3), (30, 0), (10, 1), (40, 2), (4, 0)]:
        keep = np.ones(bank.n, bool)
        keep[rng.permutation(bank.n)[:leaving]] = False
        added = np.concatenate([make(joining), queries[:1]]) if joining else make(0)
        raw = np.concatenate([raw[keep], added])
        bank = bank.changed(keep, added)
        table, own = updated(table, prepared, bank, keep), updated_own(own, bank, keep)
        compare(raw, queries, k, normalise, table, own, bank)


def test_by_hand():
    bank = Bank([[0], [10], [20]])
    queries = np.array([[1], [12]], np.float32)
    table = neighbour_table(bank, queries, 2)
    assert table.found.indices.tolist() == [[0, 1], [1, 2]]
    keep = np.array([True, False, True])
    table = updated(table, queries, bank.changed(keep, [[13], [2]]), keep)
    assert table.found.indices.tolist() == [[0, 3], [2, 1]]
    assert table.found.distances.tolist() == [[1, 1], [1, 64]]


def test_at_equal_distances_the_older_vector_stays_first():
    bank = Bank([[1], [5], [-5]])
    queries = np.zeros((1, 1), np.float32)
    table = neighbour_table(bank, queries, 2)
    keep = np.ones(3, bool)
    table = updated(table, queries, bank.changed(keep, [[5], [-1]]), keep)
    assert table.found.indices.tolist() == [[0, 4]]
    assert table.indices.tolist() == [[0, 4, 1, 2, 3]]


def test_a_new_vector_as_far_as_the_last_known_one_stays_behind_an_unknown_older_one(monkeypatch):
    monkeypatch.setattr(module, "SPARE", 3)
    bank, queries = Bank([[1], [2], [3], [4], [-4]]), np.zeros((1, 1), np.float32)
    table = neighbour_table(bank, queries, 1)
    for keep, added in [([0, 0, 1, 1, 1], [[0], [4]]), ([0, 0, 1, 0, 1], None)]:
        keep = np.array(keep, bool)
        bank = bank.changed(keep, added)
        table = updated(table, queries, bank, keep)
    assert table.found.indices.tolist() == [[0]]
    assert bank.features.tolist() == [[-4], [4]]


@pytest.fixture
def searched(monkeypatch):
    """How many queries each search had."""
    counts, real = [], Bank.search_prepared
    monkeypatch.setattr(
        Bank, "search_prepared", lambda self, q, k: (counts.append((len(q), self.n)), real(self, q, k))[1]
    )
    return counts


def test_only_what_changed_is_searched_for(searched):
    """Removals are paid for by the spare columns; a join compares with the new vectors only."""
    rng = np.random.default_rng(0)
    bank, k = Bank(rng.normal(size=(300, 4))), 5
    queries = rng.normal(size=(2000, 4)).astype(np.float32)
    table = neighbour_table(bank, queries, k)
    searched.clear()
    for _ in range(module.SPARE):
        keep = np.ones(bank.n, bool)
        keep[table.indices[0, 0]] = False
        bank = bank.changed(keep)
        table = updated(table, queries, bank, keep)
    assert searched == []
    keep = np.ones(bank.n, bool)
    keep[table.indices[0, 0]] = False
    bank = bank.changed(keep)
    table = updated(table, queries, bank, keep)
    [(rows, _)] = searched
    assert 1 <= rows < 500
    searched.clear()
    keep = np.ones(bank.n, bool)
    bank = bank.changed(keep, rng.normal(size=(2, 4)))
    same(updated(table, queries, bank, keep).found, bank.search(queries, k))
    assert searched[0] == (2000, 2) and len(searched) == 2


def test_rows_that_know_all_others_need_no_search_to_grow(searched):
    bank, keep = Bank([[0], [1], [3]]), np.ones(3, bool)
    own = own_neighbour_table(bank, 5)
    searched.clear()
    own = updated_own(own, bank.changed(keep, [[6]]), keep)
    assert own.found.indices.tolist() == [[1, 2, 3], [0, 2, 3], [1, 0, 3], [2, 1, 0]]
    assert searched == [(3, 1), (1, 4)]


def test_images_scored_later_are_joined():
    rng = np.random.default_rng(1)
    bank, queries = Bank(rng.normal(size=(50, 3))), rng.normal(size=(20, 3)).astype(np.float32)
    keep = np.arange(50) != 7
    table = updated(neighbour_table(bank, queries[:12], 4), queries[:12], bank.changed(keep), keep)
    bank = bank.changed(keep)
    table = table.joined(neighbour_table(bank, queries[12:], 4))
    same(table.found, bank.search(queries, 4))
    with pytest.raises(ValueError, match="same bank and the same k"):
        table.joined(neighbour_table(bank, queries, 5))


def test_a_changed_bank_normalises_only_the_new_vectors():
    rng = np.random.default_rng(2)
    raw = (rng.normal(size=(200, 333)) * 7).astype(np.float32)
    bank = Bank(raw[:150], normalise=True).changed(np.arange(150) % 3 > 0, raw[150:])
    fresh = Bank(np.concatenate([raw[:150][np.arange(150) % 3 > 0], raw[150:]]), normalise=True)
    assert np.array_equal(bank.features, fresh.features) and bank.normalise
    with pytest.raises(ValueError, match="read-only"):
        bank.features[0] = 1


def test_a_bank_that_keeps_nothing_is_refused():
    bank = Bank(np.eye(2))
    with pytest.raises(Refused, match="at least one normal image"):
        bank.changed(np.zeros(2, bool))
    assert np.array_equal(bank.changed(np.zeros(2, bool), [[3, 4]]).features, [[3, 4]])


@pytest.mark.parametrize("keep", [np.ones(3, bool), np.array([0, 1]), np.ones((2, 1), bool)])
def test_keep_of_another_shape_or_type_is_refused(keep):
    with pytest.raises(ValueError, match=r"expected keep as \(2,\) bool"):
        Bank(np.eye(2)).changed(keep)


@pytest.mark.parametrize("added", [np.ones((1, 3)), np.array([[1, np.nan]])])
def test_bad_new_vectors_are_refused(added):
    with pytest.raises(Refused):
        Bank(np.eye(2)).changed(np.ones(2, bool), added)


def test_k_below_one_is_refused():
    bank = Bank(np.eye(2))
    for make in (lambda: neighbour_table(bank, bank.features, 0), lambda: own_neighbour_table(bank, 0)):
        with pytest.raises(Refused, match="k of at least 1, got 0"):
            make()
