"""Detectors side by side: by labels, by agreement, and what does not count."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from dn2core.errors import Refused
from dn2core.explore.bootstrap import bootstrap
from dn2core.explore.comparison import compared, disagreements, spearman
from dn2core.explore.curves import roc_auc

N = 60


@pytest.fixture
def labels():
    return np.array(["good"] * 30 + ["defect"] * 12 + ["unsure"] * 3 + [""] * 15)


@pytest.fixture
def scores(labels):
    rng = np.random.default_rng(0)
    defect = labels == "defect"
    return {"dn2": rng.normal(size=N) + 1.5 * defect, "other": rng.normal(size=N) + 0.7 * defect}


def test_areas_are_those_of_the_labelled_with_their_own_intervals(scores, labels):
    found = compared(scores, labels, reference="dn2", top=5, draws=200)
    good, defect = labels == "good", labels == "defect"
    assert (found.good, found.defects, found.excluded, found.unscored) == (30, 12, 0, 0)
    for name, row in scores.items():
        assert found.standings[name].roc_auc == bootstrap(roc_auc, row[good], row[defect], draws=200)


def test_the_gain_is_drawn_on_the_same_images(scores, labels):
    standings = compared({**scores, "twin": scores["dn2"] * 2 + 1}, labels, reference="dn2", top=5).standings
    assert standings["dn2"].gain == standings["twin"].gain == (0, 0, 0)
    gain = standings["other"].gain
    assert gain.value == standings["other"].roc_auc.value - standings["dn2"].roc_auc.value
    assert gain.low < gain.value < gain.high
    # A hair worse than the reference: the two move together in every draw, so the difference hardly moves at all.
    close = scores["dn2"] + 1e-3 * np.random.default_rng(1).normal(size=N)
    near = compared({"dn2": scores["dn2"], "close": close}, labels, reference="dn2", top=5).standings["close"]
    assert near.gain.high - near.gain.low < (near.roc_auc.high - near.roc_auc.low) / 10


def test_without_labels_there_is_agreement(scores):
    found = compared(scores, np.full(N, ""), reference="dn2", top=7)
    other = found.standings["other"]
    assert other.roc_auc is None and other.gain is None and (found.good, found.defects) == (0, 0)
    assert other.correlation == pytest.approx(spearmanr(scores["dn2"], scores["other"]).statistic)
    highest = [set(np.argsort(-row)[:7]) for row in scores.values()]
    assert other.shared == len(highest[0] & highest[1])
    assert (found.standings["dn2"].correlation, found.standings["dn2"].shared) == (pytest.approx(1), 7)


def test_what_one_could_not_score_counts_for_none(scores, labels):
    holes = scores["other"].copy()
    holes[[0, 30, 59]] = np.nan  # good, defect, unlabelled
    exclude = np.zeros(N, bool)
    exclude[[1, 31, 32, 50]] = True
    found = compared({"dn2": scores["dn2"], "other": holes}, labels, exclude, reference="dn2", top=100)
    assert (found.good, found.defects, found.excluded, found.unscored) == (28, 9, 3, 3)
    assert found.positions.tolist() == [i for i in range(N) if i not in (0, 1, 30, 31, 32, 50, 59)]
    assert found.top == found.standings["other"].shared == N - 7  # never more than there are
    kept = found.positions
    again = compared({k: v[kept] for k, v in scores.items()}, labels[kept], reference="dn2", top=100)
    assert again.standings == found.standings


def test_without_the_reference_only_areas_are_there(scores, labels):
    standing = compared({"other": scores["other"]}, labels, reference="dn2", top=5).standings["other"]
    assert standing.roc_auc is not None
    assert (standing.gain, standing.correlation, standing.shared) == (None, None, 0)


def test_one_class_alone_and_nothing_at_all(scores):
    found = compared(scores, np.full(N, "good"), reference="dn2", top=1)
    assert found.good == N and found.standings["other"].roc_auc is None
    nothing = compared({"dn2": np.empty(0)}, np.empty(0, "<U6"), reference="dn2", top=3)
    assert nothing.standings["dn2"].correlation is None and nothing.top == 0
    assert compared({}, np.full(3, ""), reference="dn2", top=0).standings == {}


def test_equal_scores_rank_nothing_and_share_ranks():
    assert spearman(np.ones(5), np.arange(5)) is None
    assert spearman(np.array([1.0]), np.array([2.0])) is None
    one, other = np.array([1, 1, 2, 3]), np.array([4, 3, 3, 9])
    assert spearman(one, other) == pytest.approx(spearmanr(one, other).statistic)


def test_disagreements_by_hand():
    #                      0  1  2  3  4  5
    reference = np.array([1, 2, 3, 4, 5, 6])
    detector = np.array([6, 2, 4, 3, 5, 1])
    assert disagreements(detector, reference, np.arange(6)).tolist() == [[0, 5], [2, 3]]
    assert disagreements(detector, reference, np.arange(6), count=1).tolist() == [[0, 5]]
    assert disagreements(detector, reference, np.array([1, 3, 2])).tolist() == [[2, 3]]
    assert disagreements(reference, reference, np.arange(6)).shape == (0, 2)


def test_bad_input_is_refused(scores, labels):
    with pytest.raises(Refused, match="one score for each"):
        compared({"dn2": scores["dn2"][1:]}, labels, reference="dn2", top=1)
    with pytest.raises(Refused, match="got -1"):
        compared(scores, labels, reference="dn2", top=-1)
    with pytest.raises(Refused, match="label out of"):
        compared(scores, np.full(N, "fine"), reference="dn2", top=1)
    with pytest.raises(Refused, match="finite"):
        compared({"dn2": np.where(labels == "good", np.inf, 0)}, labels, reference="dn2", top=1)


def test_of_many_equal_rivals_rarely_one_is_called_better():
    rng = np.random.default_rng(5)
    called, draws = 0, 60
    labels = np.array(["good"] * 30 + ["defect"] * 20)
    for _ in range(draws):
        shared = rng.normal(size=50) + (labels == "defect")
        scores = {f"d{i}": shared + 0.5 * rng.normal(size=50) for i in range(19)}
        found = compared(scores, labels, reference="d0", top=5, draws=300)
        called += any(found.word(name) == "better" for name in scores)
    assert called <= 8  # 95 % each would call one better in about half of them


def test_with_few_labels_nothing_is_called_better():
    labels = np.array(["good"] * 9 + ["defect"] * 20)
    right = np.arange(29.0)
    found = compared({"dn2": -right, "other": right}, labels, reference="dn2", top=5)
    assert found.standings["other"].gain.low > 0 and found.word("other") == "open" and not found.telling
    found = compared({"dn2": -right, "other": right}, np.array(["good"] * 10 + ["defect"] * 19), reference="dn2", top=5)
    assert found.word("other") == "better" and found.word("dn2") == "open"
