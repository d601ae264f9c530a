"""Taking back what was decided: by a new entry, and only while nothing newer stands on it."""

from dataclasses import replace

import pytest

from dn2core.errors import NotFound, Refused
from dn2core.project import run_pending
from dn2core.project.events import history
from dn2core.project.labels import labels, set_label
from dn2core.project.lots import clear_lots
from dn2core.project.normals import add_normals, remove_normals
from dn2core.project.undo import undo, undoable
from tests.project.helpers import give, tiny


@pytest.fixture
def project(store, fake_encoder):
    project = store.create("Bolts")
    give(project, "normal", tiny(24))
    give(project, "scored", tiny(4, seed=1))
    run_pending(store)
    return project


def offered(project) -> set[int]:
    return undoable(history(project), project.settings())


def newest(project):
    return history(project, newest=1)[0]


def test_nothing_of_the_beginning_can_be_taken_back(project):
    assert offered(project) == set()
    for entry in history(project):  # the first normals, the delivery
        with pytest.raises(Refused, match="cannot be taken back"):
            undo(project, entry.id)
    clear_lots(project)
    with pytest.raises(Refused, match="cannot be taken back"):
        undo(project, newest(project).id)
    with pytest.raises(NotFound):
        undo(project, 999)


def test_the_last_word_on_each_image_goes_back_to_the_one_before(project):
    one, other = project.snapshot().scored.ids.tolist()[:2]
    first = set_label(project, one, "unsure", note="blurred", author="Ada")
    second = set_label(project, one, "defect", author="Bob")
    third = set_label(project, other, "good")
    assert offered(project) == {second, third}
    undo(project, second, author="Cleo")
    assert {(label.label, label.note) for label in labels(project).values()} == {("unsure", "blurred"), ("good", "")}
    assert (newest(project).author, newest(project).details["undone"]) == ("Cleo", second)
    assert offered(project) == {newest(project).id, third}
    with pytest.raises(Refused):
        undo(project, first)


def test_the_newest_version_of_the_normals_goes_back_to_the_one_before(project):
    view = project.snapshot()
    before = set(view.normals.image_ids.tolist())
    add_normals(project, view.scored.ids[:2].tolist())
    added = newest(project)
    remove_normals(project, view.normals.ids[:3].tolist())
    removed = newest(project)
    assert offered(project) == {removed.id}
    with pytest.raises(Refused, match="newer entry"):
        undo(project, added.id)
    undo(project, removed.id, author="Ada")
    joined = set(view.scored.image_ids[:2].tolist())
    assert set(project.snapshot().normals.image_ids.tolist()) == before | joined
    assert (newest(project).author, newest(project).version) == ("Ada", 4)
    undo(project, newest(project).id)  # an undo is an entry like the others
    assert project.state().n == 23


def test_settings_go_back_while_they_stand(project):
    first = project.settings()
    project.save_settings(replace(first, k=5, budget=0.05))
    k = newest(project)
    project.save_settings(replace(project.settings(), reject_budget=0.01), author="Ada")
    reject = newest(project)
    assert offered(project) == {k.id, reject.id}
    undo(project, k.id, author="Bob")  # what others changed meanwhile stays
    assert project.settings() == replace(first, reject_budget=0.01)
    assert newest(project).author == "Bob" and newest(project).details["before"]["k"] == 5
    with pytest.raises(Refused, match="newer entry"):
        undo(project, k.id)
    undo(project, reject.id)
    assert project.settings() == first


def test_another_network_is_not_taken_back(store, project):
    project.save_settings(replace(project.settings(), k=5))
    k = newest(project)
    project.change_backbone("efficientnet_lite0", "paper")
    run_pending(store)
    before = project.state()
    with pytest.raises(Refused, match="encoded anew"):
        undo(project, history(project, kinds=("normals",))[0].id)
    assert project.state() == before
    undo(project, k.id)
    assert (project.settings().k, project.settings().preset) == (2, "paper")
