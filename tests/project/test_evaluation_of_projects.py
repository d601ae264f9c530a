"""Evaluation of a project: the right images count, and images that lie among the normals do not."""

from dataclasses import replace

import numpy as np
import pytest

from dn2core.errors import Refused
from dn2core.explore.curves import roc_auc
from dn2core.project import run_pending
from dn2core.project.evaluate import evaluation, in_cell, learned, lonely
from dn2core.project.labels import labels, labels_of, set_label
from tests.project.helpers import give, tiny


@pytest.fixture
def project(store, fake_encoder):
    project = store.create("Bolts")
    give(project, "normal", tiny(24))
    give(project, "scored", tiny(12, seed=1) + [(f"normal {name}", data) for name, data in tiny(2)])
    run_pending(store)
    return project


def marked(project, **words):
    """Label scored images by position; returns the snapshot and the marks."""
    view = project.snapshot()
    for label, positions in words.items():
        for at in positions:
            set_label(project, int(view.scored.ids[at]), label)
    return view, labels_of(view.scored, labels(project))


def test_images_among_the_normals_are_left_out(project):
    view, marks = marked(project, good=[0, 1, 2, 12], defect=[3, 4, 13], unsure=[5])
    judged = view.judge()
    found = evaluation(view, judged, marks)
    assert (found.good, found.defects, found.unsure, found.excluded) == (3, 2, 1, 2)
    assert found.roc_auc.value == roc_auc(judged.scores[:3], judged.scores[3:5])
    curve = learned(view, marks)
    assert (curve.n, curve.good, curve.defects) == (24, 3, 2)
    cells = [in_cell(view, judged, marks, *cell) for cell in (("good", "pass"), ("defect", "pass"), ("good", "reject"))]
    assert set(np.concatenate(cells).tolist()) <= {0, 1, 2, 3, 4}


def test_cells_hold_what_the_table_counts(project):
    view, marks = marked(project, good=range(6), defect=range(6, 12))
    judged = view.judge()
    limit = float(np.sort(judged.scores[:12])[6])
    verdicts = np.where(judged.scores > limit, "reject", "pass")
    judged = replace(judged, verdicts=verdicts)
    counts = evaluation(view, judged, marks).confusion.counts
    for row, label in enumerate(("good", "defect")):
        for column, verdict in enumerate(("pass", "review", "reject")):
            at = in_cell(view, judged, marks, label, verdict)
            assert len(at) == counts[row, column]
            assert set(marks[at]) <= {label} and set(verdicts[at]) <= {verdict}
    passed, alarms = in_cell(view, judged, marks, "defect", "pass"), in_cell(view, judged, marks, "good", "reject")
    assert len(passed) + len(alarms) > 2
    assert (np.diff(judged.scores[passed]) >= 0).all() and (np.diff(judged.scores[alarms]) <= 0).all()


def test_too_few_normals(store, fake_encoder):
    project = store.create("Two")
    give(project, "normal", tiny(1))
    run_pending(store)
    view = project.snapshot()
    assert lonely(view) is None
    with pytest.raises(Refused, match="at least 3"):
        learned(view, np.empty(0, "<U6"))
    give(project, "normal", tiny(2, seed=3))
    run_pending(store)
    view = project.snapshot()
    assert learned(view, np.empty(0, "<U6")).sizes.tolist() == [2]
    found = lonely(view)
    assert sorted(found.positions.tolist()) == [0, 1, 2] and found.visitors.tolist() == [0, 0, 0]
