"""Curves and areas against scikit-learn and counting pairs, intervals against scipy and refitting by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest
from sklearn import metrics

from dn2core.errors import Refused
from dn2core.explore.bootstrap import bootstrap, draw_counts
from dn2core.explore.curves import average_precision, precision_recall_curve, roc_curve
from dn2core.explore.evaluation import clopper_pearson, confusion, evaluate, roc_auc

SCORES = st.lists(st.integers(0, 6).map(float), min_size=1, max_size=40)
NOT_BOTH = pytest.mark.parametrize(("normal", "anomalous"), [([], [1]), ([1], []), ([], [])])


def truth(good, defect):
    return np.r_[np.zeros(len(good)), np.ones(len(defect))], np.r_[good, defect]


@given(SCORES, SCORES)
def test_roc_auc_counts_pairs_with_ties_as_half(normal, anomalous):
    pairs = np.array(anomalous)[:, None] - np.array(normal)
    expected = ((pairs > 0) + 0.5 * (pairs == 0)).mean()
    assert roc_auc(normal, anomalous) == pytest.approx(expected, abs=1e-12)


def test_roc_auc_by_hand():
    assert roc_auc([1, 2], [3, 4]) == 1
    assert roc_auc([3, 4], [1, 2]) == 0
    assert roc_auc([1, 3], [2]) == 0.5
    assert roc_auc([1, 1], [1]) == 0.5


@given(SCORES, SCORES)
def test_the_roc_curve_is_that_of_scikit_learn(good, defect):
    curve = roc_curve(good, defect)
    false_alarms, hits, at_least = metrics.roc_curve(*truth(good, defect), drop_intermediate=False)
    assert np.allclose(curve.false_alarms, false_alarms) and np.allclose(curve.hits, hits)
    # There "at least the threshold" is flagged, here "above it": the same points one step apart.
    assert np.array_equal(curve.thresholds[:-1], at_least[1:]) and curve.thresholds[-1] == -np.inf
    assert metrics.auc(curve.false_alarms, curve.hits) == pytest.approx(roc_auc(good, defect))


@given(SCORES, SCORES)
def test_the_shares_of_a_curve_are_what_its_thresholds_flag(good, defect):
    roc, precise = roc_curve(good, defect), precision_recall_curve(good, defect)
    for i, threshold in enumerate(roc.thresholds):
        alarms, hits = np.array(good) > threshold, np.array(defect) > threshold
        assert (roc.false_alarms[i], roc.hits[i]) == (alarms.mean(), hits.mean())
        assert precise.thresholds[i] == threshold and precise.recall[i] == hits.mean()
        if alarms.sum() + hits.sum():
            assert precise.precision[i] == hits.sum() / (alarms.sum() + hits.sum())


@given(SCORES, SCORES)
def test_precision_and_recall_are_those_of_scikit_learn(good, defect):
    curve = precision_recall_curve(good, defect)
    precision, recall, _ = metrics.precision_recall_curve(*truth(good, defect))
    assert np.allclose(curve.precision, precision[::-1]) and np.allclose(curve.recall, recall[::-1])
    expected = metrics.average_precision_score(*truth(good, defect))
    assert average_precision(good, defect) == pytest.approx(expected, abs=1e-12)


def test_average_precision_by_hand():
    # From the top: defect (1 of 1), good, defect (2 of 3) = (1 + 2/3) / 2.
    assert average_precision([1, 3], [2, 4]) == pytest.approx(5 / 6)


@NOT_BOTH
@pytest.mark.parametrize("function", [roc_auc, roc_curve, precision_recall_curve, average_precision])
def test_one_side_alone_is_not_defined(function, normal, anomalous):
    assert function(normal, anomalous) is None
    assert bootstrap(function, normal, anomalous) is None


def test_many_pairs_do_not_overflow():
    assert roc_auc(np.zeros(70_000), np.ones(70_000)) == 1


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("function", [roc_auc, roc_curve, precision_recall_curve, average_precision])
def test_scores_that_are_not_finite_are_refused(function, bad):
    with pytest.raises(Refused, match="got 1 that are not"):
        function([1, bad], [2])


# the bootstrap


@given(SCORES, SCORES, st.integers(0, 9))
def test_all_draws_at_once_are_the_draws_one_by_one(good, defect, seed):
    for statistic in (roc_auc, average_precision):
        quick = bootstrap(statistic, good, defect, draws=70, seed=seed)
        slow = bootstrap(lambda g, d, of=statistic: of(g, d), good, defect, draws=70, seed=seed)
        assert quick == pytest.approx(slow, abs=1e-6)


@given(st.integers(0, 30), st.integers(0, 30), st.integers(1, 200))
def test_each_draw_has_as_many_of_each_class_as_there_are(goods, defects, draws):
    counts = np.concatenate(list(draw_counts(goods, defects, draws)), axis=1)
    assert counts.shape == (goods + defects, draws)
    assert (counts[:goods].sum(axis=0) == goods).all() and (counts[goods:].sum(axis=0) == defects).all()


def test_draws_vary_and_every_image_is_drawn_once_on_average():
    counts = np.concatenate(list(draw_counts(50, 20, 2000)), axis=1)
    assert np.abs(counts.mean(axis=1) - 1).max() < 0.12
    assert np.abs(counts.var(axis=1) - 1).max() < 0.25
    assert not np.array_equal(counts[:, 0], counts[:, 1])
    assert not np.array_equal(next(draw_counts(50, 20, 2000, seed=1)), counts[:, :64])
    assert np.array_equal(next(draw_counts(50, 20, 2000)), counts[:, :64])


def test_the_interval_of_a_mean_is_as_wide_as_theory_says():
    rng = np.random.default_rng(0)
    good, defect = rng.normal(size=400), rng.normal(size=100)

    def gap(g, d):
        return float(d.mean() - g.mean())

    value, low, high = bootstrap(gap, good, defect, draws=2000, level=0.9)
    half = 1.645 * np.sqrt(good.var() / 400 + defect.var() / 100)
    assert value == gap(good, defect)
    assert low == pytest.approx(value - half, abs=0.1 * half) and high == pytest.approx(value + half, abs=0.1 * half)


def test_a_percentile_interval_holds_the_true_area_about_as_often_as_it_says():
    rng = np.random.default_rng(1)
    true = 0.8555778168267576  # chance that N(1.5, 1) lies above N(0, 1): the normal distribution at 1.5 / sqrt(2)
    held = 0
    for seed in range(200):
        found = bootstrap(roc_auc, rng.normal(size=80), rng.normal(1.5, size=60), draws=300, seed=seed)
        held += found.low <= true <= found.high
    assert 180 <= held <= 198


def test_classes_apart_give_exactly_one():
    assert bootstrap(roc_auc, np.arange(3000), np.arange(3000, 5000), draws=50) == (1, 1, 1)
    assert bootstrap(roc_auc, np.arange(3000, 5000), np.arange(3000), draws=50) == (0, 0, 0)
    assert bootstrap(average_precision, [1, 2], [3, 4], draws=50) == (1, 1, 1)


@pytest.mark.parametrize("level", [0, 1, 95])
def test_a_level_that_is_none_is_refused(level):
    with pytest.raises(Refused, match=f"between 0 and 1, such as 0.95, got {level}"):
        bootstrap(roc_auc, [1], [2], level=level)
    with pytest.raises(Refused, match="between 0 and 1"):
        clopper_pearson(1, 2, level=level)


def test_no_draw_is_refused():
    with pytest.raises(Refused, match="at least 1 random draw, got 0"):
        bootstrap(roc_auc, [1], [2], draws=0)


# verdicts and labels


@given(st.integers(0, 60), st.integers(1, 60), st.sampled_from([0.5, 0.9, 0.95]))
def test_intervals_of_shares_are_those_of_scipy(count, of, level):
    count = min(count, of)
    share = clopper_pearson(count, of, level=level)
    expected = binomtest(count, of).proportion_ci(confidence_level=level, method="exact")
    assert share[:3] == (count, of, count / of)
    assert share[3:] == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_a_share_of_nothing_is_not_defined():
    assert clopper_pearson(0, 0) == (0, 0, None, None, None)


def test_confusion_by_hand():
    c = confusion(["pass", "pass", "reject", "review", "review"], ["reject", "pass", "review"])
    assert c.counts.tolist() == [[2, 2, 1], [1, 1, 1]]
    assert c.misses == 1
    # 1 of 3: the high end solves (1 - p)^3 + 3 p (1 - p)^2 = 0.025, the low one 1 - (1 - p)^3 = 0.025.
    assert c.escapes == pytest.approx((1, 3, 1 / 3, 0.0084038, 0.9057007), abs=1e-6)
    assert c.false_alarms[:3] == (3, 5, 0.6)
    assert c.false_rejects[:3] == (1, 5, 0.2)


def test_an_unknown_verdict_is_refused():
    with pytest.raises(Refused, match="pass, review or reject, got 'rejected'"):
        confusion(["pass", "rejected"], [])


SIX = {
    "scores": np.array([1, 2, 3, 4, 5, 0], np.float32),
    "verdicts": np.array(["review", "reject", "pass", "reject", "pass", "pass"]),
    "labels": np.array(["good", "good", "defect", "defect", "", "defect"]),
}


def test_an_evaluation_by_hand():
    e = evaluate(**SIX, draws=200)
    assert (e.good, e.defects, e.unlabelled, e.excluded) == (2, 3, 1, 0)
    assert e.roc_auc.value == pytest.approx(4 / 6)
    assert e.confusion.counts.tolist() == [[0, 1, 1], [2, 0, 1]]
    assert e.misses.tolist() == [5, 2], "the least conspicuous first"
    assert e.false_alarms.tolist() == [1, 0], "the highest score first"
    assert e.roc.hits.tolist() == [0, 1 / 3, 2 / 3, 2 / 3, 2 / 3, 1]
    assert e.precision_recall.recall.tolist() == e.roc.hits.tolist()
    assert e.average_precision.value == pytest.approx((1 + 1 + 3 / 5) / 3)


def test_images_among_the_normals_count_nowhere_but_are_told():
    e = evaluate(**SIX, exclude=np.array([True, False, False, False, True, True]), draws=20)
    assert (e.good, e.defects, e.unlabelled, e.excluded) == (1, 2, 1, 2)
    assert e.confusion.counts.tolist() == [[0, 0, 1], [1, 0, 1]]
    assert e.misses.tolist() == [2] and e.roc_auc.value == 1


@pytest.mark.parametrize("label", ["good", "defect", "unsure", ""])
def test_one_class_alone_gives_counts_and_no_curve(label):
    e = evaluate(SIX["scores"], SIX["verdicts"], np.full(6, label))
    assert e.roc is e.precision_recall is e.roc_auc is e.average_precision is None
    assert e.confusion.counts.sum() == (6 if label in ("good", "defect") else 0)
    assert (e.unsure, e.unlabelled) == (6 * (label == "unsure"), 6 * (label == ""))
    assert (e.confusion.escapes.value is None) == (label != "defect")
    assert (e.confusion.false_alarms.value is None) == (label != "good")


def test_no_image_at_all():
    e = evaluate([], [], [])
    assert (e.good, e.defects, e.unlabelled, e.excluded) == (0, 0, 0, 0) and e.roc is None


def test_scores_of_images_that_do_not_count_need_not_be_finite():
    scores = np.array([1, 2, 3, 4, np.nan, np.inf])
    left_out = np.arange(6) == 5
    assert evaluate(scores, SIX["verdicts"], SIX["labels"], left_out, draws=5).roc_auc.value == 1
    with pytest.raises(Refused, match="got 1 that are not"):
        evaluate(scores, SIX["verdicts"], SIX["labels"])


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"labels": ["good"] * 5}, r"one label for each of the 6 images, got an array of shape \(5,\)"),
        ({"verdicts": ["pass"] * 7}, "one verdict for each of the 6"),
        ({"exclude": [True]}, "one mark of exclusion for each of the 6"),
        ({"labels": ["good", "bad", "", "", "", ""]}, "label out of good, defect, unsure, got 'bad'"),
        ({"verdicts": ["ok"] * 6}, "got 'ok'"),
        ({"draws": 0}, "at least 1 random draw"),
        ({"level": 2}, "confidence level"),
    ],
)
def test_what_does_not_fit_is_refused(wrong, sentence):
    with pytest.raises(Refused, match=sentence):
        evaluate(**SIX | wrong)
