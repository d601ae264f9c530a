"""Normals dropped by a cleaning: told, counted in the forecast until somebody vouches for them, and taken back."""

from dataclasses import replace

import numpy as np
import pytest

from dn2core.detect import limit_for
from dn2core.errors import NotFound, Refused
from dn2core.project import Settings, run_pending
from dn2core.project.cleaning import drop_normals
from dn2core.project.events import history
from dn2core.project.history_words import event_words
from dn2core.project.impact import trial
from dn2core.project.labels import set_label
from dn2core.project.normals import add_normals, hold_out, remove_normals, restore_normals, return_normals
from dn2core.project.snapshot import past_snapshot
from dn2core.project.undo import undo
from tests.project.helpers import give, rows, tiny


@pytest.fixture
def project(store, fake_encoder):
    project = store.create("Bolts")
    give(project, "normal", tiny(40))
    give(project, "scored", tiny(8, seed=1))
    run_pending(store)
    project.save_settings(Settings(budget=0.1))
    return project


def normals(project) -> list[int]:
    return project.snapshot().normals.ids.tolist()


def newest(project):
    return history(project, newest=1)[0]


def test_what_is_dropped_is_one_version_and_one_entry_in_words(project):
    ids = normals(project)
    state = drop_normals(project, ids[:4], copies=ids[4:6], share=0.1, author="Ada")
    assert (state.version, state.n) == (2, 34)
    assert normals(project) == ids[6:]
    entry = newest(project)
    assert entry.author == "Ada"
    words = "4 normals dropped as strangers (those that stand apart and the fringe, 10.0\u00a0%), 2 dropped as copies"
    assert event_words(entry) == f"Normals version 2: {words}; 34 normals"
    drop_normals(project, [], copies=ids[6:7], how="own", share=0.0)
    assert event_words(newest(project)) == "Normals version 3: 1 dropped as a copy; 33 normals"


def test_only_strangers_that_nobody_saw_may_be_good(project):
    ids = normals(project)
    drop_normals(project, ids[:5], seen=ids[:2], copies=ids[5:7])
    assert {row[0] for row in rows(project, "SELECT id FROM items WHERE cleaned = 1")} == set(ids[2:5])
    assert newest(project).details["cleaned"]["unseen"] == 3
    assert project.snapshot().set_aside == 3


def test_an_image_that_is_stranger_and_copy_is_a_stranger(project):
    ids = normals(project)
    state = drop_normals(project, ids[:2], copies=ids[1:3])
    assert state.n == 37
    details = newest(project).details["cleaned"]
    assert (details["strangers"], details["copies"]) == (2, 1)


def test_the_forecast_allows_for_those_dropped(project):
    ids = normals(project)
    drop_normals(project, ids[:6])
    view = project.snapshot()
    judged = view.judge()
    assert judged.calibration == limit_for(judged.reference_scores, 0.1, set_aside=6)
    assert judged.calibration.forecast.high > limit_for(judged.reference_scores, 0.1).forecast.high
    # Held-out parts were not cleaned; where there are none, the limit rests on the normals and allows for it.
    assert view.table_on("held_out").reference.set_aside == 6
    hold_out(project, normals(project)[:10])
    assert project.snapshot().table_on("held_out").reference.set_aside == 0
    assert project.snapshot().table_on("leave_one_out").reference.set_aside == 6


def test_both_limits_allow_for_those_dropped(project):
    project.save_settings(Settings(budget=0.2, reject_budget=0.1))
    drop_normals(project, normals(project)[:6])
    judged = project.snapshot().judge()
    assert judged.calibration.forecast.set_aside == judged.rejection.forecast.set_aside == 6


def test_who_is_a_normal_again_counts_no_more(project):
    ids = normals(project)
    drop_normals(project, ids[:4])
    return_normals(project, ids[:1])
    assert project.snapshot().set_aside == 3
    restore_normals(project, 1)
    assert project.snapshot().set_aside == 0
    restore_normals(project, 2)
    assert project.snapshot().set_aside == 4


def test_a_dropped_image_that_is_called_a_defect_counts_no_more(store, project):
    give(project, "scored", tiny(3))  # the same images as the first normals
    run_pending(store)
    drop_normals(project, normals(project)[:4])
    view = project.snapshot()
    assert view.set_aside == 4
    same = view.scored.ids[np.isin(view.scored.names, [name for name, _ in tiny(3)])]
    event = newest(project).id
    set_label(project, int(same[-1]), "defect")
    assert project.snapshot().set_aside == 3
    assert past_snapshot(project, event).set_aside == 4
    called = newest(project).id
    set_label(project, int(same[-1]), "good")
    assert project.snapshot().set_aside == 4
    assert past_snapshot(project, called).set_aside == 3  # whatever is said later
    set_label(project, int(same[-1]), "")
    assert past_snapshot(project, called).set_aside == 3


def test_who_was_put_back_and_taken_out_by_hand_counts_no_more(project):
    ids = normals(project)
    drop_normals(project, ids[:4])
    dropped = newest(project).id
    return_normals(project, ids[:2])
    back = [one for one in normals(project) if one not in ids]
    remove_normals(project, back[:1])
    assert project.snapshot().set_aside == 2
    assert past_snapshot(project, dropped).set_aside == 4
    undo(project, newest(project).id)
    restore_normals(project, 2)  # as the cleaning left them
    assert project.snapshot().set_aside == 4


def test_a_change_tells_what_it_did_itself(project):
    ids, scored = normals(project), project.snapshot().scored.ids.tolist()
    drop_normals(project, ids[:3])
    made = drop_normals(project, ids[:5])  # somebody who still sees all of them
    assert (made.before, made.version, made.count, made.n) == (2, 3, 2, 35)
    made = drop_normals(project, ids[:5])
    assert (made.before, made.version, made.count) == (3, 3, 0)
    made = add_normals(project, scored[:2])
    assert (made.before, made.version, made.count) == (3, 4, 2)


def test_a_trial_takes_out_those_it_was_given_in_any_order(project):
    view = project.snapshot()
    ids = view.normals.ids.tolist()
    tried = trial(project, view, leave=[ids[30], ids[2], ids[17]], join=view.scored.ids[[5, 1]].tolist())
    assert tried.normals.ids[:37].tolist() == [one for one in ids if one not in (ids[30], ids[2], ids[17])]
    assert set(tried.normals.ids[37:]) == set(view.scored.ids[[5, 1]])
    again = trial(project, replace(view, normals=view.normals.some(np.arange(40)[::-1])), leave=ids[:3])
    assert again.normals.ids.tolist() == ids[:2:-1]
    with pytest.raises(NotFound):
        trial(project, view, leave=[ids[0], 10**6])


def test_the_past_counts_what_was_dropped_then(project):
    ids = normals(project)
    first = newest(project).id
    drop_normals(project, ids[:2])
    second = newest(project).id
    drop_normals(project, ids[2:5])
    assert past_snapshot(project, first).set_aside == 0
    assert past_snapshot(project, second).set_aside == 2
    assert project.snapshot().set_aside == 5


def test_undo_brings_all_back(project):
    before = project.snapshot()
    ids = normals(project)
    drop_normals(project, ids[:4], copies=ids[4:6])
    undo(project, newest(project).id)
    after = project.snapshot()
    assert sorted(after.normals.image_ids) == sorted(before.normals.image_ids)
    assert after.judge().calibration == before.judge().calibration
    drop_normals(project, [])  # nothing is no version
    assert project.state().version == 3


def test_what_is_refused_changes_nothing(store, project):
    ids = normals(project)
    with pytest.raises(Refused, match="at least 3 normals"):
        drop_normals(project, ids[:20], copies=ids[20:])
    with pytest.raises(Refused, match="automatic, apart, half, own"):
        drop_normals(project, ids[:2], how="most")
    with pytest.raises(NotFound, match="no normals yet"):
        drop_normals(store.create("Empty"), [1])
    assert (project.state().version, normals(project)) == (1, ids)
    assert rows(project, "SELECT count(*) FROM items WHERE cleaned = 1") == [(0,)]
    remove_normals(project, ids[:2])
    assert drop_normals(project, ids[:2]).version == 2  # none of these is a normal now
    assert project.snapshot().set_aside == 0
