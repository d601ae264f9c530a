"""The measured trade-off: every row against the same thing worked out step by step, and the advice by hand."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import spearmanr

from dn2core.detect import Bank, ScoreTable, compression, conformal_limit, knn_scores, leave_one_out
from dn2core.detect.compression import coreset, kmeans
from dn2core.explore import fewer as module
from dn2core.explore.bootstrap import Estimate
from dn2core.explore.curves import roc_auc
from dn2core.explore.fewer import QUICK, Kept, advice, fewer

RNG = np.random.default_rng(0)
NORMALS = RNG.normal(size=(200, 6)).astype(np.float32)
GOOD, BAD = RNG.normal(size=(20, 6)).astype(np.float32), (1.4 * RNG.normal(size=(30, 6)) + 1).astype(np.float32)
QUERIES = np.concatenate([GOOD, BAD])
LABELS = np.array(["good"] * 20 + ["defect"] * 30)
CHECKS = np.arange(0, 200, 5)
BANK = Bank(NORMALS)
JUDGED = ScoreTable(leave_one_out(BANK, 50), BANK.search(QUERIES, 50)).judge(2, 0.05)


def measured(**more):
    return fewer(BANK, QUERIES, JUDGED, CHECKS, labels=LABELS, **more)


@pytest.fixture(scope="module")
def found():
    return measured()


def test_all_first_then_each_share_by_both_ways(found):
    assert [(one.method, one.n) for one in found] == [
        ("all", 200),
        *(("kmeans", n) for n in (10, 20, 50)),  # 1 % would be 2 normals: not more than k
        *(("coreset", n) for n in (10, 20, 50)),
    ]
    assert [one.nbytes for one in found[:2]] == [2 * 200 * 6 * 4, 2 * 10 * 6 * 4]
    assert all(one.seconds > 0 for one in found)


def test_all_is_what_is_in_use(found):
    first = found[0]
    assert (first.flagged, first.changed, first.share) == (int(JUDGED.flagged.sum()), 0, 1.0)
    assert first.correlation == pytest.approx(1)
    assert first.roc_auc.value == roc_auc(JUDGED.scores[:20], JUDGED.scores[20:])


@pytest.mark.parametrize("at, choose", [(2, lambda x: kmeans(x, 20).members), (6, lambda x: coreset(x, 50))])
def test_a_smaller_bank_step_by_step(found, at, choose):
    rest = np.delete(NORMALS, CHECKS, axis=0)
    small = Bank(rest[choose(rest)])
    scores = knn_scores(small.search(QUERIES, 2).distances)
    limit = conformal_limit(knn_scores(small.search(NORMALS[CHECKS], 2).distances), 0.05)
    flagged = scores > np.float32(limit)
    one = found[at]
    assert one.n == small.n
    assert one.roc_auc.value == roc_auc(scores[:20], scores[20:])
    assert one.correlation == pytest.approx(spearmanr(scores, JUDGED.scores).statistic)
    assert (one.flagged, one.changed) == (int(flagged.sum()), int((flagged != JUDGED.flagged).sum()))


def test_held_out_parts_check_the_limit_too():
    held = 3 * GOOD
    without, with_them = measured(shares=(0.25,)), measured(shares=(0.25,), more_checks=held)
    assert with_them[1].flagged < without[1].flagged  # far good parts raise the limit
    alone = fewer(BANK, QUERIES, JUDGED, np.empty(0, np.int64), held, shares=(0.25,))
    assert alone[1].n == 50 and alone[1].roc_auc is None


def test_nothing_scored_and_no_share_that_serves():
    judged = ScoreTable(leave_one_out(BANK, 50), BANK.search(QUERIES[:0], 50)).judge(2, 0.05)
    found = fewer(BANK, QUERIES[:0], judged, CHECKS)
    assert len(found) == 7 and np.isnan(found[1].correlation) and found[1].flagged == 0
    assert [one.method for one in measured(shares=(0.001, 0.99))] == ["all"]


def test_tells_how_far_it_is():
    told = []
    measured(shares=(0.1, 0.25), tell=lambda *at: told.append(at))
    assert told == [(1, 5), (2, 5), (3, 5), (4, 5)]


def test_every_long_step_beats_and_can_be_ended(monkeypatch):
    """K-means and coreset tell in their own steps, searches in parts: none of them is one long silence."""

    class Ended(Exception):
        pass

    def ends_at(count):
        beats = []

        def beat():
            beats.append(1)
            if len(beats) == count:
                raise Ended

        return beat

    monkeypatch.setattr(module, "_PART", 25)
    beats = []
    found = measured(shares=(0.25,), beat=lambda: beats.append(1))
    rounds, chosen = [], []
    rest = np.delete(NORMALS, CHECKS, axis=0)
    kmeans(rest, 50, tell=lambda *at: rounds.append(at))
    coreset(rest, 50, tell=lambda *at: chosen.append(at))
    assert rounds and len(beats) == len(rounds) + len(chosen) + 2 * (2 + 2 + 2)  # 50 normals, 50 images, 40 checks
    for count in (1, len(rounds) + 1, len(beats)):
        with pytest.raises(Ended):
            measured(shares=(0.25,), beat=ends_at(count))
    monkeypatch.undo()
    assert [(one.flagged, one.correlation) for one in found] == [
        (one.flagged, one.correlation) for one in measured(shares=(0.25,))
    ]


def test_kmeans_of_too_many_is_not_tried(monkeypatch):
    monkeypatch.setattr(compression, "KMEANS_UP_TO", 160 * 20 * 6)
    told = []
    found = measured(tell=lambda *at: told.append(at))
    assert [(one.method, one.n) for one in found[1:]] == [
        ("kmeans", 10),
        ("kmeans", 20),
        *(("coreset", n) for n in (10, 20, 50)),
    ]
    assert told[-1] == (5, 6)


@pytest.mark.parametrize("few", ["good", "defect"])
def test_below_ten_labels_of_a_class_no_bank_is_judged_by_labels(few):
    places = np.flatnonzero(LABELS == few)
    for count, judged in ((10, True), (9, False)):
        marks = LABELS.copy()
        marks[places[count:]] = ""
        found = fewer(BANK, QUERIES, JUDGED, CHECKS, labels=marks, shares=(0.25,))
        assert all((one.roc_auc is not None) == judged for one in found)


def kept(method, n, seconds, area=None, correlation=1.0, changed=0):
    estimate = None if area is None else Estimate(area, area - 0.1, area + 0.1)
    return Kept(method, n / 1000, n, seconds, 0, estimate, correlation, 5, changed)


def test_advice():
    slow = kept("all", 1000, 10 * QUICK, area=0.95)
    quick = replace(slow, seconds=QUICK)
    small, middle = kept("kmeans", 10, QUICK / 9, area=0.93), kept("coreset", 100, QUICK, area=0.941)
    assert advice([quick, small]).kind == "quick"
    assert advice([slow, small]).kind == "none" and advice([slow, small]).take == slow
    assert advice([slow, small, middle]) == advice([slow, middle]) and advice([slow, middle]).take == middle
    assert advice([slow]).kind == "none"


def test_labels_alone_do_not_make_another_order_the_same():
    slow, other = kept("all", 1000, 10 * QUICK, area=1.0), kept("kmeans", 10, QUICK, area=1.0, correlation=0.3)
    assert advice([slow, other]).kind == "none"


def test_advice_without_labels_goes_by_the_order():
    slow = kept("all", 1000, 10 * QUICK)
    off, same = kept("kmeans", 10, QUICK, correlation=0.97), kept("kmeans", 50, QUICK, correlation=0.981, changed=3)
    steadier = kept("coreset", 50, QUICK, correlation=0.99, changed=1)
    assert advice([slow, off]).kind == "none"
    assert advice([slow, off, same, steadier]).take == steadier
    assert advice([slow, replace(off, correlation=float("nan"))]).kind == "none"
