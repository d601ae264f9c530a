"""What people say about images: kept with who and when, never overwritten unseen, taken back step by step."""

import threading
import time

import numpy as np
import pytest

from dn2core.errors import NotFound, Refused
from dn2core.project import run_pending
from dn2core.project.claims import CLAIM_SECONDS, claim, claimed_by_others
from dn2core.project.events import history
from dn2core.project.labels import labels, labels_of, set_label, undo_label
from tests.project.helpers import give, tiny


@pytest.fixture
def project(store, fake_encoder):
    project = store.create("Bolts")
    give(project, "normal", tiny(24))
    give(project, "scored", tiny(6, seed=1))
    run_pending(store)
    return project


@pytest.fixture
def ids(project):
    return project.snapshot().scored.ids.tolist()


def test_a_label_names_who_said_what_and_when(project, ids):
    event = set_label(project, ids[2], "defect", note="  scratch at the rim ", author=" Ada   L. ")
    view = project.snapshot()
    [label] = labels(project).values()
    assert (label.label, label.note, label.author, label.event_id) == ("defect", "scratch at the rim", "Ada L.", event)
    assert label.image_id == view.scored.image_ids[2]
    assert labels_of(view.scored, labels(project)).tolist() == ["", "", "defect", "", "", ""]
    said = history(project, kinds=("label",))[0]
    assert (said.id, said.author, said.version, said.settings) == (event, "Ada L.", 1, project.settings())


def test_the_same_content_given_again_carries_its_label(store, project, ids):
    set_label(project, ids[0], "good")
    give(project, "scored", tiny(2, seed=1) + tiny(1, seed=5))
    run_pending(store)
    assert np.sum(labels_of(project.snapshot().scored, labels(project)) == "good") == 1


def test_a_label_is_taken_back_step_by_step(project, ids):
    set_label(project, ids[0], "unsure", note="blurred", author="Ada")
    second = set_label(project, ids[0], "defect", author="Bob")
    undone = undo_label(project, second, author="Bob")
    [label] = labels(project).values()
    assert (label.label, label.note) == ("unsure", "blurred")
    with pytest.raises(Refused):  # it is not the last word any more
        undo_label(project, second)
    assert undo_label(project, undone) and next(iter(labels(project).values())).label == "defect"
    set_label(project, ids[0], "")
    assert labels(project) == {}
    assert [event.details["label"] for event in history(project, kinds=("label",))] == [
        *("", "defect", "unsure", "defect", "unsure")
    ]


def test_two_people_on_one_image_do_not_overwrite_each_other(project, ids):
    set_label(project, ids[0], "defect", author="Ada", seen=0)
    with pytest.raises(Refused, match="Ada said defect"):
        set_label(project, ids[0], "good", author="Bob", seen=0)
    [label] = labels(project).values()
    assert (label.label, label.author) == ("defect", "Ada")
    set_label(project, ids[0], "good", author="Bob", seen=label.event_id)
    with pytest.raises(Refused, match="Bob said good"):
        undo_label(project, label.event_id)
    set_label(project, ids[0], "")
    with pytest.raises(Refused, match="took back"):
        set_label(project, ids[0], "good", seen=label.event_id)


def test_of_two_at_the_same_moment_one_is_told(project, ids):
    told, barrier = [], threading.Barrier(2)

    def say(author):
        barrier.wait()
        try:
            set_label(project, ids[0], "defect", author=author, seen=0)
        except Refused as error:
            told.append(str(error))

    threads = [threading.Thread(target=say, args=(author,)) for author in ("Ada", "Bob")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(told) == 1 and ("Ada said" in told[0] or "Bob said" in told[0])
    assert len(history(project, kinds=("label",))) == 1


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        ({"label": "bad"}, Refused, "good, defect, unsure, got bad"),
        ({"note": "x" * 2001}, Refused, "a note of at most 2,000 characters, got 2,001"),
        ({"author": "x" * 81}, Refused, "a name of at most 80"),
        ({"item_id": 10**9}, NotFound, "The image was not found"),
        ({"item_id": 1}, NotFound, "The image was not found"),  # a normal
    ],
)
def test_bad_input_is_a_sentence_and_changes_nothing(project, ids, change, error, match):
    with pytest.raises(error, match=match):
        set_label(project, **{"item_id": ids[0], "label": "good", **change})
    assert labels(project) == {} and history(project, kinds=("label",)) == []


def test_a_decision_on_an_image_that_was_deleted_meanwhile_is_refused(project, ids):
    with project.db.write() as db:
        db.execute("UPDATE items SET until = 1 WHERE id = ?", (ids[0],))
    with pytest.raises(NotFound):
        set_label(project, ids[0], "good")


def test_two_reviewers_never_hold_the_same_image(project, monkeypatch):
    first, second = project.snapshot().scored.image_ids[:2].tolist()
    assert claim(project, first, "tab 1", "Ada") and claim(project, first, "tab 1", "Ada")
    assert not claim(project, first, "tab 2", "Bob") and claim(project, second, "tab 2", "Bob")
    assert claimed_by_others(project, "tab 2") == {first: "Ada"}
    assert not claim(project, second, "tab 1")  # and tab 1 keeps nothing by asking in vain
    with pytest.raises(NotFound):
        claim(project, 10**9, "tab 1")
    now = time.time()
    monkeypatch.setattr("dn2core.project.claims.time.time", lambda: now + CLAIM_SECONDS + 1)
    assert claimed_by_others(project, "tab 2") == {} and claim(project, first, "tab 2")
