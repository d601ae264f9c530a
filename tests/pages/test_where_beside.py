"""Places on the pages that speak of the whole image: both modes by the labels, and the ways to Where."""

import pytest

from dn2core.explore.modes import BothModes, ModeCounts, both_by_labels
from dn2core.project import run_pending
from dn2core.project.labels import labels, labels_of, set_label
from dn2core.project.patches import patch_view
from dn2core.project.snapshot import snapshot
from pages.parts.where_beside import beside_words
from tests.pages.app import give, opened, texts
from tests.patch_stand_in import part, use_fake_patches


@pytest.fixture(autouse=True)
def encoders(monkeypatch):
    return use_fake_patches(monkeypatch)


@pytest.fixture
def project(store, fake_encoder):
    """14 normals, three known good parts and two known defects."""
    project = store.create("Bolts")
    give(project, "normal", [part(i) for i in range(14)], name="n{i:02}.png")
    scored = [part(100 + i) for i in range(3)] + [part(200, (2, 5)), part(201, (6, 1))]
    give(project, "scored", scored, name="s{i}.png")
    run_pending(store)
    for at, item in enumerate(snapshot(project).scored.ids.tolist()):
        set_label(project, item, "good" if at < 3 else "defect", author="me")
    return project


@pytest.fixture
def looked(project, store):
    project.change_settings(patches="bank", budget=0.1)
    run_pending(store)
    return project


def words(page: str, project) -> str:
    at = opened(page, project=project.id)
    assert not at.exception
    linked = [one.proto.label for one in at.main.get("page_link")]
    return " ".join([*texts(at.main), *linked]).replace("\u00a0", " ").replace("\u2060", "").replace("\\", "")


def found_in(project):
    view = snapshot(project)
    judged, patches = view.judge(), patch_view(project, view)
    marks = labels_of(view.scored, labels(project))
    return both_by_labels(judged.scores, judged.flagged, patches.scores, patches.flagged, marks)


def test_both_modes_stand_beside_each_other_on_evaluate(looked):
    found, seen = found_in(looked), words("evaluate", looked)
    assert found.defects.by_patches == 2 and found.patches_auc.value == 1
    assert "By the whole image and by places" in seen
    assert "| Places | 2 of 2 (100 %) | 0 of 3 (0.0 %) | 1.000 (1.000 to 1.000) |" in seen
    assert f"| Whole image | {found.defects.by_whole} of 2" in seen
    assert beside_words(found) in seen


def test_what_is_not_compared_is_left_out_and_said(looked):
    with looked.db.write() as db:
        db.execute("DELETE FROM patch_results WHERE image_id = (SELECT max(image_id) FROM patch_results)")
    seen = words("evaluate", looked)
    assert "1 labelled image is left out here" in seen and "| Places | 1 of 1 (100 %)" in seen


def test_before_places_are_compared_evaluate_is_as_it_was(project, store):
    project.change_settings(patches="bank")
    assert "By the whole image and by places" not in words("evaluate", project)


def test_where_defects_are_missed_and_places_not_looked_at_the_way_there_is_shown(project):
    assert (snapshot(project).judge().verdicts == ["pass"] * 3 + ["reject"] * 2).all()
    assert "look at places, too" not in words("evaluate", project)
    set_label(project, int(snapshot(project).scored.ids[0]), "defect", author="me")
    assert "look at places, too" in words("evaluate", project)


@pytest.mark.parametrize("page", ["tune", "limits"])
def test_tune_and_limits_say_that_they_speak_of_the_whole_image(project, store, page):
    assert "of the whole image. Places" not in words(page, project)
    project.change_settings(patches="bank")
    run_pending(store)
    assert "of the whole image. Places" in words(page, project)


def counts(both=0, patches=0, whole=0, neither=0) -> ModeCounts:
    return ModeCounts(both, patches, whole, neither)


@pytest.mark.parametrize(
    ("defects", "said"),
    [
        (counts(both=3), "Both find the same known defects."),
        (counts(both=3, patches=1), "1 known defect is found by a place alone."),
        (
            counts(patches=4, whole=2, neither=1),
            "4 known defects are found by a place alone. 2 known defects are found by the whole image alone. "
            "1 known defect is missed by both.",
        ),
        (counts(neither=2), "2 known defects are missed by both."),
        (counts(), "No known defect counts here."),
    ],
)
def test_which_mode_finds_what_the_other_misses(defects, said):
    found = BothModes(defects=defects, good=counts(), whole_auc=None, patches_auc=None, uncompared=0)
    assert beside_words(found).replace("\u00a0", " ") == said
