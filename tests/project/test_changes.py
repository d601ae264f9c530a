"""Normals that join, leave and are held out: what serves afterwards equals what a fresh build gives."""

import numpy as np
import pytest

from dn2core.detect import FORMS, PASS
from dn2core.errors import NotFound, Refused, StorageError
from dn2core.project import Settings, intake, judging, run_pending, snapshot
from dn2core.project.events import history
from dn2core.project.history_words import event_words
from dn2core.project.impact import impact
from dn2core.project.labels import labels, set_label
from dn2core.project.lots import set_lots
from dn2core.project.normals import (
    add_normals,
    hold_out,
    remove_normals,
    restore_normals,
    return_normals,
    take_in,
)
from dn2core.project.snapshot import forget, past_snapshot
from tests.project.helpers import give, tiny


@pytest.fixture
def project(store, fake_encoder):
    project = store.create("Bolts")
    give(project, "normal", tiny(60))
    give(project, "scored", tiny(40, seed=1))
    run_pending(store)
    project.save_settings(Settings(budget=0.3))  # so that some are flagged
    return project


def afresh(project):
    forget(project.id)
    return project.snapshot()


def assert_same(one, other):
    for name in ("ids", "image_ids", "names"):
        assert np.array_equal(getattr(one.normals, name), getattr(other.normals, name))
    assert np.array_equal(one.bank.features, other.bank.features)
    for mine, theirs in ((one.loo, other.loo), (one.found, other.found), (one.held_found, other.held_found)):
        assert np.array_equal(mine.distances, theirs.distances) and np.array_equal(mine.indices, theirs.indices)
    mine, theirs = one.judge(), other.judge()
    assert mine.limit == theirs.limit and np.array_equal(mine.verdicts, theirs.verdicts)


@pytest.mark.parametrize("form", list(FORMS))
def test_a_long_story_of_changes_ends_as_a_fresh_build(project, form):
    project.save_settings(Settings(form=form, k=3, budget=0.1))
    chance = np.random.default_rng(0)
    for _ in range(6):
        view = project.snapshot()
        add_normals(project, chance.choice(view.scored.ids, 2, replace=False))
        remove_normals(project, chance.choice(project.snapshot().normals.ids, 3, replace=False))
        hold_out(project, project.snapshot().normals.ids[:2])
        kept = project.snapshot()
        assert_same(kept, afresh(project))


def test_the_preview_is_what_then_happens(project):
    view = project.snapshot()
    join, leave = view.scored.ids[:2].tolist(), view.normals.ids[5:8].tolist()
    foreseen = impact(project, view, {}, join=join, leave=leave)
    assert project.state().version == 1  # nothing was written
    add_normals(project, join)
    remove_normals(project, leave)
    now = project.snapshot().judge()
    assert foreseen.before.limit == view.judge().limit and foreseen.after.limit == now.limit
    assert np.array_equal(foreseen.after.scores, now.scores)
    others = np.arange(2, 40)
    changed = others[view.judge().flagged[others] != now.flagged[others]]
    assert sorted([*foreseen.cleared, *foreseen.appearing]) == changed.tolist()


def test_a_known_defect_that_would_be_missed_is_named(project):
    view = project.snapshot()
    flagged = np.flatnonzero(view.judge().flagged)
    assert len(flagged) > 2
    first, other = (int(view.scored.ids[at]) for at in flagged[:2])
    set_label(project, first, "defect")
    # To join the defect itself would hide it, but that is not counted: it is what is asked about.
    assert not len(impact(project, view, labels(project), join=[first]).missed)
    # With all flagged images among the normals the limit rises above everything.
    rest = [int(view.scored.ids[at]) for at in flagged[1:]]
    foreseen = impact(project, view, labels(project), join=rest)
    after = foreseen.after.verdicts[flagged[0]]
    assert foreseen.missed.tolist() == ([flagged[0]] if after == PASS else [])
    assert other not in view.scored.ids[foreseen.cleared].tolist()


def test_a_removed_normal_shows_the_flags_that_it_hid(project):
    view = project.snapshot()
    flagged = int(view.scored.ids[np.argmax(view.judge().scores)])
    add_normals(project, [flagged])
    grown = project.snapshot()
    [twin] = grown.normals.ids[grown.normals.image_ids == grown.scored.image_ids[grown.scored.position(flagged)]]
    foreseen = impact(project, grown, {}, leave=[int(twin)])
    assert grown.scored.position(flagged) in foreseen.appearing
    assert np.array_equal(foreseen.after.scores, view.judge().scores)


def test_every_change_is_a_version_with_its_author_and_can_be_undone(project):
    before = project.snapshot()
    state = add_normals(project, before.scored.ids[:3], author="Ada")
    assert (state.version, state.n, state.reason) == (2, 63, "3 images joined the normals")
    assert [event.author for event in history(project, kinds=("normals",))] == ["Ada", ""]
    assert add_normals(project, before.scored.ids[:3]).version == 2  # they are there already
    remove_normals(project, before.normals.ids[:4])
    back = restore_normals(project, 1, author="Bob")
    assert (back.version, back.n, back.reason) == (4, 60, "as in version 1")
    now = project.snapshot()
    assert sorted(now.normals.image_ids) == sorted(before.normals.image_ids)
    assert np.allclose(now.judge().scores, before.judge().scores, atol=0)
    assert restore_normals(project, 1).version == 4
    with pytest.raises(NotFound, match="Version 99"):
        restore_normals(project, 99)


def test_reasons_count_what_changed(project):
    ids = project.snapshot().scored.ids
    add_normals(project, ids[:1])
    assert add_normals(project, ids[:3]).reason == "2 images joined the normals"
    gone = project.snapshot().normals.ids[:1].tolist()
    assert remove_normals(project, [*gone, 10**6]).reason == "1 image taken out of the normals"
    with pytest.raises(Refused, match="at least one"):
        hold_out(project, project.snapshot().normals.ids)


def test_what_is_held_out_already_does_not_join_in_a_preview_either(store, project):
    batch = project.new_batch("normal", "test", held=True)
    project.stage_many(batch, tiny(1, seed=1))  # the first scored image
    project.submit(batch)
    run_pending(store)
    view = project.snapshot()
    assert len(view.held) == 1
    foreseen = impact(project, view, {}, join=[int(view.scored.ids[0])])
    assert foreseen.changed == 0 and len(foreseen.after.normal_scores) == 60
    assert add_normals(project, view.scored.ids[:1]).version == view.state.version


def test_an_image_that_joins_while_it_is_taken_in_is_a_normal_once(store, project, monkeypatch):
    batch = give(project, "normal", tiny(3, seed=1))  # the first three scored images
    real = intake._finish

    def meanwhile(*args):
        add_normals(project, project.snapshot().scored.ids[:1])
        return real(*args)

    monkeypatch.setattr(intake, "_finish", meanwhile)
    run_pending(store)
    view = project.snapshot()
    assert len(view.normals) == 63 == len(set(view.normals.image_ids))
    assert [outcome.status for outcome in project.outcomes(batch)].count("duplicate") == 1


def test_a_delivery_is_noted_under_the_state_that_judged_it(store, project, monkeypatch):
    give(project, "scored", tiny(2, seed=4))
    real, calls = judging.generation_in, []

    def meanwhile(db, project_id):
        calls.append(1)
        if len(calls) == 1:  # somebody took out a normal after the images were judged
            return (*real(db, project_id), "changed")
        return real(db, project_id)

    monkeypatch.setattr(judging, "generation_in", meanwhile)
    run_pending(store)
    event = history(project, kinds=("delivery",))[0]
    assert len(calls) == 2 and event.version == event.details["version"]


def test_a_delivery_of_known_and_refused_files_says_so(store, project):
    known = tiny(3, seed=5)
    give(project, "scored", known)
    give(project, "scored", [*known, ("broken.png", b"?")])
    run_pending(store)
    again, first = history(project, kinds=("delivery",))[:2]
    assert event_words(again) == "No new image scored: 3 files known already, 1 file rejected"
    assert event_words(first).startswith("3 images scored: ")


def test_a_restore_refuses_when_something_newer_came(project):
    remove_normals(project, project.snapshot().normals.ids[:1])
    add_normals(project, project.snapshot().scored.ids[:1])
    with pytest.raises(Refused):
        restore_normals(project, 1, newest=2)
    assert project.state().version == 3


def test_with_damaged_vectors_a_change_holds_and_the_snapshot_tells(project):
    ids = project.snapshot().normals.ids
    for path in project.vectors_dir.iterdir():
        path.write_bytes(b"damaged")
    forget(project.id)
    assert remove_normals(project, ids[:1]).version == 2
    project.change_settings(k=5)
    assert project.settings().k == 5
    with pytest.raises(StorageError, match="damaged"):
        project.snapshot()


def test_of_two_people_neither_undoes_the_others_setting(project):
    mine = project.settings()
    project.change_settings(k=7, author="Ada")
    project.change_settings(budget=0.2, author="Bob")
    assert (project.settings().k, project.settings().budget) == (7, 0.2) and mine.k == 2


def test_a_past_state_keeps_the_lots_that_it_was_judged_by(store, project):
    ids = project.snapshot().normals.ids
    set_lots(project, {int(i): "A" if at % 2 else "B" for at, i in enumerate(ids)}, how="hand")
    project.change_settings(calibration="lots")
    give(project, "scored", tiny(2, seed=8))
    run_pending(store)
    event = history(project, kinds=("delivery",))[0]
    before = project.snapshot()
    set_lots(project, {int(i): "A" if at < 5 else "C" for at, i in enumerate(ids)}, how="hand")
    set_lots(project, {int(ids[0]): None}, how="hand")
    assert project.snapshot().judge().limit != before.judge().limit
    past = past_snapshot(project, event.id)
    assert past.normals.lots == before.normals.lots and past.judge().limit == event.details["limit"]


def test_held_out_normals_set_the_limit_and_nothing_else(project):
    before = project.snapshot()
    state = hold_out(project, before.normals.ids[:20], author="Ada")
    assert (state.version, state.n) == (2, 40)
    view = project.snapshot()
    assert len(view.held) == 20 and set(view.held.image_ids) == set(before.normals.image_ids[:20])
    project.save_settings(Settings(calibration="held_out"))
    judged = project.snapshot().judge()
    distances = ((view.held_features[:, None] - view.bank.features[None]) ** 2).sum(-1)
    own = np.sort(distances, axis=1)[:, :2].mean(axis=1)
    assert judged.calibrated_on == "held_out" and judged.limit == pytest.approx(own.max(), rel=1e-5)
    assert len(judged.reference_scores) == 20 and len(judged.normal_scores) == 40
    assert view.neighbours_of(int(view.held.ids[0]), 2)[0].distance == pytest.approx(
        distances[0].min() ** 0.5, rel=1e-4
    )
    assert take_in(project, view.held.ids).n == 60
    assert project.snapshot().judge().calibrated_on == "leave_one_out"  # nothing is held out any more


def test_normals_can_be_given_to_be_held_out(store, project):
    batch = project.new_batch("normal", "test", held=True, author="Ada")
    project.stage_many(batch, tiny(8, seed=3))
    project.submit(batch)
    run_pending(store)
    view = project.snapshot()
    assert len(view.held) == 8 and view.state.n == 60 and project.batches("normal")[0].author == "Ada"
    assert history(project, kinds=("normals",))[0].author == "Ada"


def test_put_back_held_or_not_as_it_was(project):
    ids = project.snapshot().normals.ids
    hold_out(project, ids[:2])
    held = project.snapshot().held.ids
    remove_normals(project, held)
    return_normals(project, held)
    assert len(project.snapshot().held) == 2 and project.state().n == 58


def test_a_past_state_is_opened_as_it_was(store, project):
    before = project.snapshot()
    event = history(project, kinds=("delivery",))[0]
    project.save_settings(Settings())
    before = project.snapshot()
    assert project.batches("scored")[0].judged["event"] == event.id
    remove_normals(project, before.normals.ids[:30])
    project.save_settings(Settings(k=7, budget=0.2))
    give(project, "scored", tiny(5, seed=9))
    run_pending(store)
    assert len(project.snapshot().scored) == 45
    past = past_snapshot(project, event.id)
    assert_same(past, before)
    assert past.settings == before.settings and np.array_equal(past.scored.ids, before.scored.ids)
    with pytest.raises(NotFound):
        past_snapshot(project, 10**6)


def test_the_last_normal_does_not_leave_in_a_preview(project):
    view = project.snapshot()
    with pytest.raises(NotFound, match="no normals"):
        impact(project, view, {}, leave=view.normals.ids.tolist())
    with pytest.raises(NotFound):
        impact(project, view, {}, join=[10**9])


def test_one_normal_changes_without_a_search_of_all(project, monkeypatch):
    view = project.snapshot()
    monkeypatch.setattr(snapshot, "neighbour_table", _none_of_many)
    monkeypatch.setattr(snapshot, "own_neighbour_table", _none_of_many)
    add_normals(project, view.scored.ids[:1])
    remove_normals(project, view.normals.ids[:1])
    assert project.snapshot().state.version == 3


def _none_of_many(bank, queries, *rest):
    if isinstance(queries, int) or len(queries):
        raise AssertionError("everything was searched for again")
    from dn2core.detect.update import neighbour_table

    return neighbour_table(bank, queries, *rest)
