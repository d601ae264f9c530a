"""The queue with places looked at: what only a place gives away is in it, where it belongs."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

from dn2core.project.labels import Label
from dn2core.project.patches import by_a_place_alone
from dn2core.project.queue import queue


def seen(scores, limit, *, good=(0, 2), image_ids=None):
    """A snapshot and its judgement, as far as the queue looks at them: whole images at these scores."""
    scores = np.asarray(scores, np.float32)
    ids = np.arange(len(scores)) + 10 if image_ids is None else np.asarray(image_ids)
    flagged = scores > limit
    return (
        SimpleNamespace(scored=Scored(ids)),
        SimpleNamespace(
            scores=scores,
            limit=limit,
            reference_scores=np.array(good, np.float32),
            flagged=flagged,
            verdicts=np.where(flagged, "reject", "pass"),
        ),
    )


class Scored:
    def __init__(self, image_ids):
        self.image_ids = np.asarray(image_ids, np.int64)

    def __len__(self):
        return len(self.image_ids)


def compared(scores, limit, good=(0, 20)):
    scores = np.asarray(scores, np.float64)
    return SimpleNamespace(scores=scores, limit=limit, flagged=scores > limit, normal_scores=np.array(good, float))


def label(image_id, word):
    return {image_id: Label(image_id, word, "", "", 0.0, 1)}


NAN = math.nan


def test_a_place_alone_is_a_pass_as_a_whole_that_a_place_flags():
    _, judged = seen([1, 1, 3, 3], 2.0)
    patches = compared([9, 1, 9, NAN], 4.0)
    assert by_a_place_alone(judged, patches).tolist() == [True, False, False, False]
    assert by_a_place_alone(judged, compared([9, 9, 9, 9], NAN)).tolist() == [False] * 4
    assert by_a_place_alone(judged, None).tolist() == [False] * 4


def test_each_stands_by_how_far_it_lies_beyond_its_own_limit():
    # Good parts scatter by 1 as a whole, by 10 in places: beyond the limits by 1, -1, 4, -0.2, 0.4 as a whole, ...
    view, judged = seen([3, 1, 6, 1.8, 2.4], 2.0)
    patches = compared([5, 25, 5, 9, 40], 10.0)  # ... by -0.5, 1.5, -0.5, -0.1, 3 in their places
    assert queue(view, judged, {}, "flagged", patches=patches).waiting.tolist() == [2, 4, 1, 0]
    assert queue(view, judged, {}, "flagged").waiting.tolist() == [2, 0, 4]


def test_pages_find_the_place_of_any_image_in_the_order():
    view, judged = seen([3, 1, 6], 2.0)
    lined_up = queue(view, judged, {}, "flagged", patches=compared([5, 25, NAN], 10.0))
    assert lined_up.unusual.tolist() == [1, 1.5, 4]
    assert queue(view, judged, {}, "flagged").unusual.tolist() == [3, 1, 6]
    assert queue(view, judged, {}, "near", patches=compared([5, 20, NAN], 10.0)).unusual.tolist() == [3, 1, 6]


def test_what_is_decided_counts_as_done():
    view, judged = seen([1, 1, 3], 2.0)
    patches = compared([9, 8, 1], 4.0, good=(0, 2))
    lined_up = queue(view, judged, label(10, "defect"), "flagged", patches=patches)
    assert (lined_up.waiting.tolist(), lined_up.done.tolist(), lined_up.total) == ([1, 2], [0], 3)
    assert sorted(lined_up.all.tolist()) == [0, 1, 2]


def test_it_is_not_among_those_that_pass_near_the_limit():
    view, judged = seen([1.9, 1.8, 1.0, 0.5], 2.0)
    near = {"share": 0.25}
    assert queue(view, judged, {}, "near", **near).waiting.tolist() == [0]
    assert queue(view, judged, {}, "near", patches=compared([9, 1, 1, 1], 4.0), **near).waiting.tolist() == [1]


def test_the_same_content_stands_once():
    view, judged = seen([1, 1, 3], 2.0, image_ids=[7, 7, 8])
    assert queue(view, judged, {}, "flagged", patches=compared([9, 9, 1], 4.0, good=(0, 2))).waiting.tolist() == [0, 2]


@pytest.mark.parametrize(
    ("whole", "good", "place", "good_places", "order"),
    [
        (0.0, (0, 0), 4.0, (1, 4), [2, 0, 1]),  # infinitely far beyond; equally far ones by the whole image
        (2.0, (1, 2), 0.0, (0, 0), [0, 1, 2]),
        (NAN, (), 4.0, (1, 4), [0]),  # a place without a limit of the whole image
        (2.0, (1, 2), NAN, (), [2]),
        (NAN, (), NAN, (), []),
    ],
)
def test_limits_that_say_little_break_nothing(whole, good, place, good_places, order):
    view, judged = seen([1, 0.5, 3], whole, good=good)
    lined_up = queue(view, judged, {}, "flagged", patches=compared([9, 1, 0], place, good_places))
    assert lined_up.waiting.tolist() == order and not np.isnan(lined_up.unusual).any()
