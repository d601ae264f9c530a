"""Stability over k against counting by hand, scipy's Spearman and one bootstrap per k."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr

from dn2core.errors import Refused
from dn2core.explore.bootstrap import bootstrap, draw_counts
from dn2core.explore.curves import average_precision, roc_auc
from dn2core.explore.evaluation import evaluate
from dn2core.explore.stability import recommendation, stability

TABLES = st.tuples(st.integers(1, 8), st.integers(2, 12), st.integers(0, 10**6))


def table(rows, q, seed, levels=4):
    """Few distinct scores and so many ties; a limit for each row."""
    rng = np.random.default_rng(seed)
    return rng.integers(0, levels, (rows, q)).astype(np.float32), rng.integers(-1, levels, rows).astype(float)


def of_flags(*rows, k_now, q=40):
    """Stability where row k - 1 flags exactly the images named."""
    scores = np.zeros((len(rows), q), np.float32)
    for row, images in zip(scores, rows, strict=True):
        row[list(images)] = 1
    return stability(scores, np.full(len(rows), 0.5), k_now)


@given(TABLES, st.integers(1, 10))
def test_flags_flips_and_changes_are_counted(shape, k_now):
    scores, limits = table(*shape)
    s = stability(scores, limits, k_now)
    rows, q = scores.shape
    now = min(k_now, rows)
    assert s.k.tolist() == list(range(1, rows + 1)) and s.k_now == now
    for i in range(rows):
        assert s.flagged[i].tolist() == [bool(score > limits[i]) for score in scores[i]]
        assert s.changed[i] == sum(s.flagged[i][j] != s.flagged[now - 1][j] for j in range(q))
        assert s.flagged_count[i] == sum(s.flagged[i])
    for i in range(rows - 1):
        assert s.flips[i] == sum(s.flagged[i][j] != s.flagged[i + 1][j] for j in range(q)) / q


@given(TABLES, st.integers(1, 8))
def test_correlations_are_those_of_scipy(shape, k_now):
    scores, limits = table(*shape)
    s = stability(scores, limits, k_now)
    for i, of_k in enumerate(scores):
        now = scores[s.k_now - 1]
        if np.ptp(of_k) and np.ptp(now):
            assert s.correlation[i] == pytest.approx(spearmanr(of_k, now).statistic, abs=1e-12)
        else:
            assert s.correlation[i] == (np.ptp(of_k) == np.ptp(now))


def test_correlations_of_the_opposite_order_and_of_nothing():
    s = stability(np.array([[1, 2, 3], [3, 2, 1], [5, 5, 5]], np.float32), np.zeros(3), 1)
    assert s.correlation == pytest.approx([1, -1, 0])
    assert stability(np.zeros((2, 0)), np.zeros(2), 1).correlation.tolist() == [1, 1]


@given(st.lists(st.integers(0, 1), min_size=1, max_size=9), st.integers(1, 9))
def test_the_plateau_against_trying_every_range(flags, k_now):
    k_now = min(k_now, len(flags))
    s = of_flags(*([0] * flag for flag in flags), k_now=k_now)
    ranges = [
        (a, b) for a in range(1, len(flags) + 1) for b in range(a, len(flags) + 1) if len(set(flags[a - 1 : b])) == 1
    ]
    own = max((r for r in ranges if r[0] <= k_now <= r[1]), key=lambda r: r[1] - r[0])
    several = [r for r in ranges if r[1] > r[0]]
    if own[1] > own[0] or not several:
        assert s.plateau == own
    else:
        away = {r: min(abs(k - k_now) for k in range(r[0], r[1] + 1)) for r in several}
        nearest = [r for r in several if away[r] == min(away.values())]
        assert s.plateau in nearest
        assert s.plateau[1] - s.plateau[0] == max(b - a for a, b in nearest)


# what is recommended

FLAGS = set(range(14))


def test_any_k_on_the_plateau_is_as_good_so_the_one_in_use_stays():
    s = of_flags({1}, *[FLAGS] * 8, {2}, k_now=2)
    r = recommendation(s)
    assert (r.kind, r.k_from, r.k_to, r.k_recommended, r.flags, r.flips) == ("same_flags", 2, 9, 2, 14, 0)
    assert r.gain is None


def test_a_flip_in_ten_flags_is_few():
    s = of_flags(set(range(30)), FLAGS | {20}, FLAGS, FLAGS - {3}, FLAGS, set(), k_now=3)
    r = recommendation(s)
    assert (r.kind, r.k_from, r.k_to, r.k_recommended, r.flags, r.flips) == ("few_flips", 2, 5, 3, 14, 1)


def test_where_flags_change_around_k_the_nearest_calm_range_is_named():
    s = of_flags({1, 2, 3}, FLAGS, {4, 5, 6, 7}, {8, 9}, {8, 9}, k_now=2)
    r = recommendation(s)
    assert (r.kind, r.k_from, r.k_to, r.k_recommended, r.flags, r.flips) == ("unstable", 4, 5, 4, 2, 12)


def test_where_no_range_is_calm_the_k_in_use_stays():
    s = of_flags({1, 2, 3}, FLAGS, {4, 5, 6, 7}, k_now=2)
    r = recommendation(s)
    assert (r.kind, r.k_from, r.k_to, r.k_recommended) == ("unstable", 2, 2, 2)


@pytest.mark.parametrize("rows", [1, 2])
def test_fewer_k_than_make_a_range(rows):
    r = recommendation(of_flags(*[FLAGS] * rows, k_now=1))
    assert (r.kind, r.k_from, r.k_to) == ("same_flags", 1, rows)


@pytest.mark.parametrize(("q", "limit"), [(0, 1.0), (5, np.nan)])
def test_nothing_scored_or_no_limit_is_not_defined(q, limit):
    s = stability(np.ones((4, q)), np.full(4, limit), 3)
    r = recommendation(s)
    assert not s.flagged.any()
    assert (r.kind, r.k_recommended, r.flags) == ("not_defined", 3, 0)


# with labels


def separated(gaps, *, n=40, m=30, seed=0, noise=1.0):
    """Scores (K, n + m) with the m defects `gap` above the n good images at each k, and their labels."""
    rng = np.random.default_rng(seed)
    base = np.r_[rng.normal(size=n), rng.normal(size=m)]
    is_defect = np.arange(n + m) >= n
    scores = np.array([base + gap * is_defect + noise * rng.normal(size=n + m) for gap in gaps])
    return scores.astype(np.float32), np.where(is_defect, "defect", "good")


@given(st.integers(0, 50), st.booleans())
def test_every_k_says_what_its_own_bootstrap_says(seed, ties):
    scores, labels = separated([0.5, 2], n=9, m=7, seed=seed)
    if ties:
        scores = np.round(scores)
    good, defect = labels == "good", labels == "defect"
    limits = np.array([1.0, 2.0])
    found = stability(scores, limits, 1, labels, draws=70, seed=3).labelled
    assert (found.good, found.defects, found.excluded) == (9, 7, 0)
    counts = np.concatenate(list(draw_counts(9, 7, 70, 3)), axis=1)
    for i in range(2):
        g, d = scores[i, good], scores[i, defect]
        for band, statistic in ((found.roc_auc, roc_auc), (found.average_precision, average_precision)):
            expected = bootstrap(statistic, g, d, draws=70, seed=3)
            assert (band.value[i], band.low[i], band.high[i]) == pytest.approx(expected, abs=1e-9)
        for band, bad, of in (
            (found.misses, d <= limits[i], counts[9:]),
            (found.false_alarms, g > limits[i], counts[:9]),
        ):
            assert band.value[i] == bad.sum()
            assert (band.low[i], band.high[i]) == pytest.approx(tuple(np.quantile(bad @ of, [0.025, 0.975])))


def test_the_gain_is_paired():
    """Two k with nearly the same scores differ by little, however wide the interval of each."""
    scores, labels = separated([1, 1], n=60, m=60, noise=0.01)
    found = stability(scores, np.zeros(2), 1, labels).labelled
    assert found.gain.value[0] == found.gain.low[0] == found.gain.high[0] == 0
    assert found.gain.value[1] == pytest.approx(found.roc_auc.value[1] - found.roc_auc.value[0])
    wide = found.roc_auc.high[1] - found.roc_auc.low[1]
    assert 0 < found.gain.high[1] - found.gain.low[1] < wide / 5


def test_labels_recommend_a_k_that_is_really_better():
    scores, labels = separated([0.2, 0.2, 2.5, 3, 2.5, 0.2], n=100, m=60)
    s = stability(scores, np.full(6, 2.0), 2, labels)
    r = recommendation(s)
    assert (r.kind, r.k_from, r.k_to, r.k_recommended) == ("labels_prefer", 3, 5, 4)
    assert r.gain.value == pytest.approx(s.labelled.roc_auc.value[3] - s.labelled.roc_auc.value[1])
    assert r.gain.low > 0 and r.flags == s.flagged[3].sum()


def test_the_k_in_use_stays_where_it_is_the_best():
    scores, labels = separated([0.2, 2.5, 0.2], n=100, m=60)
    assert recommendation(stability(scores, np.full(3, 9.0), 2, labels)).kind == "same_flags"


def test_the_best_of_many_equal_k_is_rarely_taken_for_better():
    """Fifty k that differ by chance alone: with a band for each by itself, most runs would find a better one."""
    wrong = 0
    for seed in range(40):
        scores, labels = separated([1] * 50, n=40, m=40, seed=seed)
        found = stability(scores, np.full(50, 9.0), 2, labels, draws=200)
        wrong += recommendation(found).kind == "labels_prefer"
    assert wrong <= 5


@pytest.mark.parametrize(("m", "kind"), [(9, "same_flags"), (10, "labels_prefer")])
def test_a_handful_of_labels_decides_nothing(m, kind):
    scores, labels = separated([0, 50], n=30, m=m)
    s = stability(scores, np.full(2, 99.0), 1, labels)
    assert s.labelled.gain.low[1] > 0
    assert recommendation(s).kind == kind


def test_images_among_the_normals_are_left_out_as_in_an_evaluation():
    scores, labels = separated([1, 2])
    exclude = np.arange(70) % 3 == 0
    found = stability(scores, np.ones(2), 1, labels, exclude, draws=50).labelled
    verdicts = np.where(scores[1] > 1, "reject", "pass")
    e = evaluate(scores[1], verdicts, labels, exclude, draws=50)
    assert (found.good, found.defects, found.excluded) == (e.good, e.defects, e.excluded)
    assert found.roc_auc.value[1] == e.roc_auc.value
    assert found.misses.value[1] == e.confusion.misses
    assert found.false_alarms.value[1] == e.confusion.false_alarms.count


@pytest.mark.parametrize("label", ["good", "defect", ""])
def test_one_class_alone_has_counts_and_no_areas(label):
    s = stability(np.ones((3, 20)), np.full(3, 0.5), 2, np.full(20, label))
    found = s.labelled
    assert found.roc_auc is found.average_precision is found.gain is None
    assert (found.misses is None) == (label != "defect") and (found.false_alarms is None) == (label != "good")
    if label == "good":
        assert found.false_alarms.value.tolist() == [20, 20, 20]
    assert recommendation(s).kind == "same_flags"


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"k_now": 0}, "k of at least 1, got 0"),
        ({"scores": np.ones(4)}, r"a row for each k and one limit for each row, got shapes \(4,\) and \(3,\)"),
        ({"scores": np.ones((0, 4)), "limits": []}, r"got shapes \(0, 4\)"),
        ({"limits": np.ones(2)}, r"and \(2,\)"),
        ({"scores": np.full((3, 4), np.nan)}, "got 12 that are not"),
        ({"labels": ["good"]}, "one label for each of the 4"),
        ({"labels": [""] * 4, "draws": 0}, "at least 1 random draw"),
    ],
)
def test_what_does_not_fit_is_refused(wrong, sentence):
    with pytest.raises(Refused, match=sentence):
        stability(**{"scores": np.ones((3, 4)), "limits": np.ones(3), "k_now": 2} | wrong)
