"""The whole image and its places beside each other: which found what, and what labels say of both."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from dn2core.errors import Refused
from dn2core.explore.modes import FOUND, ModeCounts, both_by_labels, found_by

# Five defects and four good parts, one unsure, one unlabelled; the whole image's limit is 10, that for places 1.
LABELS = np.array(["defect"] * 5 + ["good"] * 4 + ["unsure", ""])
WHOLE = np.array([12, 4, 11, 3, 13, 2, 11, 5, 9, 99, 99.0])
PATCHES = np.array([1.5, 1.4, 0.9, 0.8, np.nan, 0.5, 0.7, 1.1, np.nan, 9, 9.0])


def by_labels(whole=WHOLE, patches=PATCHES, labels=LABELS, exclude=None):
    return both_by_labels(whole, whole > 10, patches, patches > 1, labels, exclude, draws=50)


def test_each_of_two_modes_finds_an_image_or_not():
    whole, patches = np.array([1, 0, 1, 0], bool), np.array([1, 1, 0, 0], bool)
    assert found_by(whole, patches).tolist() == list(FOUND) == ["both", "patches", "whole", "neither"]


def test_known_defects_and_good_parts_are_counted_by_who_flags_them():
    found = by_labels()
    assert found.defects == ModeCounts(both=1, patches=1, whole=1, neither=1)
    assert found.good == ModeCounts(both=0, patches=1, whole=1, neither=1)
    assert found.uncompared == 2  # a defect and a good part without a score for places


def test_counts_add_up():
    counts = ModeCounts(both=8, patches=4, whole=2, neither=1)
    assert (counts.of, counts.by_whole, counts.by_patches, counts.by_either) == (15, 10, 12, 14)


def test_areas_are_those_of_the_same_images():
    found = by_labels()
    # Whole image: defects 12, 4, 11, 3 against 2, 11, 5: 3 + 1 + 2.5 + 1 of 12 pairs. Places: 3 + 3 + 2 + 2 of 12.
    assert found.whole_auc.value == pytest.approx(7.5 / 12) and found.patches_auc.value == pytest.approx(10 / 12)
    assert found.whole_auc.low <= found.whole_auc.value <= found.whole_auc.high


def test_images_among_the_normals_do_not_count():
    found = by_labels(exclude=np.arange(len(LABELS)) == 0)
    assert found.defects == ModeCounts(both=0, patches=1, whole=1, neither=1) and found.uncompared == 2


def test_without_a_class_there_is_no_area():
    found = by_labels(labels=np.where(LABELS == "good", "", LABELS))
    assert found.whole_auc is None and found.patches_auc is None and found.good.of == 0 and found.defects.of == 4


def test_nothing_compared_counts_nothing():
    found = by_labels(patches=np.full(len(LABELS), np.nan))
    assert found.defects.of == found.good.of == 0 and found.uncompared == 9 and found.whole_auc is None


def test_an_unknown_label_is_refused():
    with pytest.raises(Refused, match="label"):
        by_labels(labels=np.where(LABELS == "", "perhaps", LABELS))


@given(st.lists(st.tuples(st.sampled_from(["good", "defect"]), st.integers(0, 20), st.integers(0, 20)), min_size=2))
def test_it_agrees_with_counting_one_by_one(images):
    labels, whole, patches = (np.array(column) for column in zip(*images, strict=True))
    found = by_labels(whole.astype(float), patches / 10, labels)
    for kind, counts in (("defect", found.defects), ("good", found.good)):
        mine = [(w > 10, p > 10) for label, w, p in images if label == kind]
        assert counts.of == len(mine)
        assert counts.by_whole == sum(w for w, _ in mine) and counts.by_patches == sum(p for _, p in mine)
        assert counts.by_either == sum(w or p for w, p in mine)
    if len(set(labels)) == 2:
        assert found.patches_auc.value == pytest.approx(roc_auc_score(labels == "defect", patches))
