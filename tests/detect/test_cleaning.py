"""Cleaning: contaminants are found although they have each other, and a clean set loses only its fringe."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dn2core.detect import Bank, clean, cleaning, knn_scores, leave_one_out, rescored
from dn2core.detect.near_duplicates import automatic_cutoff
from dn2core.errors import Refused


def blob(n, centre=0.0, seed=0, dim=16):
    return np.random.default_rng(seed).normal(centre, 1, (n, dim))


def with_clumps(n=200, sizes=(12, 9, 14)):
    """n normals, and behind them clumps that lie apart from these and from each other."""
    clumps = [blob(size, seed=9 + at) * 0.7 + 7 * np.eye(16)[at] for at, size in enumerate(sizes)]
    return Bank(np.concatenate([blob(n), *clumps]))


def by_hand(vectors, k, cutoff, compared=None):
    """First-stage scores, row by row."""
    squared = ((vectors[:, None].astype(float) - vectors[None]) ** 2).sum(axis=2)
    far, company = [], []
    for row in squared:
        others = [at for at in np.argsort(row, kind="stable") if row[at] > cutoff**2]
        others = [at for at in others if compared is None or at in compared][:k]
        far.append(row[others].mean())
        company.append(others[:5])
    return [np.exp(np.mean(np.log([far[at], *(far[other] for other in near)]))) for at, near in enumerate(company)]


@given(st.integers(0, 2**32 - 1), st.integers(8, 25), st.integers(1, 30))
def test_scores_are_those_of_a_computation_by_hand(seed, n, k):
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(n, 3)).astype(np.float32)
    vectors[: n // 3] = vectors[n // 3 : 2 * (n // 3)] + rng.normal(0, 0.01, (n // 3, 3))
    found = clean(Bank(vectors), share=0.2, k=k, cutoff=0.1)
    assert found.k == min(k, n - 1)
    assert found.scores == pytest.approx(by_hand(vectors, found.k, 0.1), rel=1e-4)
    assert found.order.tolist() == np.lexsort((np.arange(n), -found.scores)).tolist()
    assert found.drop.sum() == round(0.2 * n) and found.drop[found.order[: found.drop.sum()]].all()


def test_of_many_normals_some_that_are_drawn_count_as_neighbours(monkeypatch):
    monkeypatch.setattr(cleaning, "COMPARED", 40)
    vectors = blob(90, dim=3).astype(np.float32)
    found = clean(Bank(vectors), cutoff=0.0)
    drawn = set(np.random.default_rng(0).choice(90, 40, replace=False).tolist())
    assert found.k == 10
    assert found.scores == pytest.approx(by_hand(vectors, 10, 0.0, drawn), rel=1e-4)


def test_clumps_are_dropped_whole_which_two_neighbours_miss():
    bank = with_clumps()
    found = clean(bank)
    assert found.drop[200:].all()
    assert found.estimate.clump == 35 and set(found.order[:35]) == set(range(200, 235))
    assert found.estimate.outside == 0
    assert found.share == (35 + found.estimate.fringe) / 235
    two = np.argsort(-knn_scores(leave_one_out(bank, 2).distances, 2))[: found.drop.sum()]
    assert np.isin(np.arange(200, 235), two).sum() < 18


@pytest.mark.parametrize("n", [20, 50, 200, 1000])
def test_a_clean_set_has_no_clump(n):
    found = clean(Bank(blob(n)))
    assert found.estimate.clump == 0 and np.isnan(found.estimate.outside)
    assert found.drop.sum() == found.estimate.fringe == round(cleaning.FRINGE * n)
    assert found.estimate.limit == found.scores[found.drop].min()


def test_the_clump_is_the_tail_whose_neighbours_lie_inside_most_clearly():
    bank = Bank(np.concatenate([blob(150), blob(30, 1.3, seed=3)]))
    found = clean(bank, cutoff=0.0)
    near = leave_one_out(bank, 5).indices
    excess, outside = [], []
    for size in range(1, int(cleaning.MOST * 180) + 1):
        tail = found.order[:size]
        outside.append((~np.isin(near[tail], tail)).mean())
        excess.append(size * (cleaning.STRAY * (1 - size / 180) - outside[-1]))
    assert found.estimate.clump == int(np.argmax(excess)) + 1 > 1
    assert found.estimate.outside == pytest.approx(outside[found.estimate.clump - 1])


def test_copies_do_not_shield_each_other():
    stranger = 2.2 + np.zeros((1, 16))
    bank = Bank(np.concatenate([blob(100), stranger + np.random.default_rng(1).normal(0, 0.01, (40, 16))]))
    assert clean(bank, k=5).order[:40].min() >= 100
    assert clean(bank, k=5, cutoff=0.0).order[-1] >= 100


def test_a_given_share_is_what_is_dropped_and_has_no_estimate():
    bank = with_clumps()
    for share in (0, 0.1, 0.5):
        found = clean(bank, share=share)
        assert found.estimate is None and found.drop.sum() == round(share * 235)
    assert (found.order == clean(bank).order).all()


def test_normals_that_are_all_the_same_are_none_suspicious():
    found = clean(Bank(np.ones((30, 4))))
    assert not found.scores.any() and not found.drop.any() and found.cutoff == 0
    assert found.estimate.limit == np.inf
    assert clean(Bank(np.ones((30, 4))), share=0.5).order[:15].tolist() == list(range(15))


def test_a_first_stage_of_more_neighbours_than_there_are_takes_those_there_are():
    bank = with_clumps()
    most, more = clean(bank, k=234), clean(bank, k=100_000)
    assert most.k == more.k == 234 and (most.scores == more.scores).all()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"share": float("nan")}, "what to drop as a share"),
        ({"share": 1.0}, "what to drop as a share"),
        ({"share": -0.1}, "what to drop as a share"),
        ({"share": 0.9}, "at least 2 normals to be kept, but 4 of 5"),
        ({"k": 0}, "k of at least 1"),
        ({"cutoff": -1.0}, "distance of 0 or more"),
        ({"cutoff": float("nan")}, "distance of 0 or more"),
    ],
)
def test_what_has_no_answer_is_refused(arguments, sentence):
    with pytest.raises(Refused, match=sentence):
        clean(Bank(np.eye(5)), **arguments)


def test_two_normals_tell_nothing():
    with pytest.raises(Refused, match="at least 3 normal images"):
        clean(Bank(np.eye(2)))


@given(st.integers(0, 2**32 - 1), st.integers(4, 20), st.integers(1, 25))
def test_scored_anew_against_what_is_kept(seed, n, k):
    rng = np.random.default_rng(seed)
    bank, drop = Bank(rng.integers(0, 5, (n, 2))), rng.random(n) < 0.3
    used = min(k, n - 1)
    if (~drop).sum() < used + 1:
        with pytest.raises(Refused, match="to be kept"):
            rescored(bank, drop, k)
        return
    squared = ((bank.features[:, None] - bank.features[None]) ** 2).sum(axis=2)
    np.fill_diagonal(squared, np.inf)
    expected = np.sort(squared[:, ~drop], axis=1)[:, :used].mean(axis=1)
    assert rescored(bank, drop, k) == pytest.approx(expected, rel=1e-5)


def test_scoring_anew_refuses_k_below_one():
    with pytest.raises(Refused, match="k of at least 1"):
        rescored(Bank(np.eye(5)), np.zeros(5, bool), 0)


def test_the_automatic_cutoff_finds_copies_and_not_neighbours():
    normals = blob(300)
    cutoff = automatic_cutoff(Bank(normals))
    nearest = np.sqrt(leave_one_out(Bank(normals), 1).distances)
    assert 0 < cutoff < nearest.min()
    copied = Bank(np.concatenate([normals, normals + 1e-3]))
    assert automatic_cutoff(copied) > np.sqrt(leave_one_out(copied, 1).distances).max()
