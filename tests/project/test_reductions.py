"""Fewer normals in the bank: what is kept apart, what the limit rests on, and that it follows every change."""

import json
from dataclasses import asdict, replace

import numpy as np
import pytest

from dn2core.detect import Bank, ScoreTable, leave_one_out
from dn2core.detect.compression import coreset, kmeans
from dn2core.errors import NotFound, Refused
from dn2core.project import progress, run_pending
from dn2core.project import snapshot as module
from dn2core.project.events import history
from dn2core.project.fewer import measurement, submit_measurement
from dn2core.project.history_words import event_words
from dn2core.project.impact import trial
from dn2core.project.labels import set_label
from dn2core.project.lots import lots_from_pattern
from dn2core.project.normals import add_normals, hold_out, remove_normals, return_normals
from dn2core.project.reductions import keep_all, reduction_of, rows_to_check, submit_reduction
from dn2core.project.settings import Settings, settings_of
from dn2core.project.snapshot import past_snapshot, tried, with_all_normals, with_apart
from dn2core.project.sweep import sweep
from dn2core.project.undo import undo
from tests.project.helpers import give, tiny


@pytest.fixture
def project(store, fake_encoder):
    project = store.create("Bolts")
    give(project, "normal", tiny(60))
    give(project, "scored", tiny(9, seed=1))
    run_pending(store)
    return project


def reduced(store, project, method="kmeans", share=0.25):
    job = submit_reduction(project, method, share, author="Ada")
    run_pending(store)
    assert store.jobs.job(job).state == "done", store.jobs.job(job).error
    return project.snapshot()


def built_anew(project):
    module.forget(project.id)
    return project.snapshot()


def everyone(view):
    return np.concatenate([view.normals.image_ids, view.checks.image_ids, view.left_out.image_ids])


@pytest.mark.parametrize("method", ["kmeans", "coreset"])
def test_every_normal_is_kept_or_checks_or_is_left_out(store, project, method):
    before = project.snapshot()
    view = reduced(store, project, method)
    assert (len(view.normals), len(view.checks), len(view.left_out)) == (15, 12, 33)
    assert sorted(everyone(view)) == sorted(before.normals.image_ids)
    assert view.bank.n == 15
    assert view.settings.reduction == 1 and view.state == before.state
    rows = np.isin(before.normals.image_ids, view.checks.image_ids)
    rest = before.bank.features[~rows]
    chosen = kmeans(rest, 15).members if method == "kmeans" else coreset(rest, 15)
    np.testing.assert_array_equal(view.bank.features, rest[np.sort(chosen)])


def test_neighbours_are_kept_pictures_and_the_limit_rests_on_the_checks(store, project):
    before = project.snapshot()
    view = reduced(store, project)
    assert list(view.references) == ["held_out"]
    judged = view.judge()
    assert judged.calibrated_on == "held_out" and judged.calibration.forecast.n == 12
    small = Bank(view.bank.features)
    rows = np.isin(before.normals.image_ids, view.checks.image_ids)
    by_hand = ScoreTable(leave_one_out(small, 2), small.search(before.bank.features[rows], 2))
    np.testing.assert_array_equal(judged.reference_scores, by_hand.scores[1])
    assert judged.limit == by_hand.scores[1].max()
    for item in (*view.scored.ids, *view.checks.ids, *view.normals.ids):
        near = view.neighbours_of(int(item), 3)
        assert {one.item_id for one in near} <= set(view.normals.ids.tolist())
        assert int(item) not in {one.item_id for one in near}


def test_it_is_one_entry_of_the_history_and_is_taken_back(store, project):
    before = project.snapshot()
    view = reduced(store, project)
    entry = history(project, newest=1)[0]
    assert entry.kind == "settings" and entry.author == "Ada"
    assert event_words(entry) == "normals compared with all → fewer (choice 1)"
    undo(project, entry.id)
    after = project.snapshot()
    assert after.settings == before.settings and not after.reduced
    np.testing.assert_array_equal(after.judge().scores, before.judge().scores)
    assert after.judge().limit == before.judge().limit
    past = past_snapshot(project, entry.id)
    np.testing.assert_array_equal(past.bank.features, view.bank.features)
    assert past.judge().limit == view.judge().limit


def test_keep_all_goes_back(store, project):
    reduced(store, project)
    keep_all(project, author="Bob")
    assert not project.snapshot().reduced and len(project.snapshot().normals) == 60


def test_a_second_choice_is_made_from_all_normals(store, project):
    reduced(store, project, share=0.1)
    view = reduced(store, project, "coreset", 0.5)
    assert (view.settings.reduction, len(view.normals), len(view.checks)) == (2, 30, 12)


def test_what_joins_is_compared_with_and_what_leaves_is_not(store, project):
    view = reduced(store, project)
    added = view.scored.ids.tolist()[:2]
    tried_out = trial(project, view, join=added, leave=view.normals.ids[:1].tolist())
    add_normals(project, added)
    remove_normals(project, view.normals.ids[:1].tolist())
    grown = project.snapshot()
    assert len(grown.normals) == 16
    assert grown.normals.image_ids[-2:].tolist() == view.scored.image_ids[:2].tolist()
    fresh = built_anew(project)
    for other in (fresh, tried_out):
        np.testing.assert_array_equal(grown.bank.features, other.bank.features)
        np.testing.assert_array_equal(grown.held_found.distances, other.held_found.distances)
        np.testing.assert_array_equal(grown.judge().scores, other.judge().scores)
        assert grown.judge().limit == other.judge().limit
    np.testing.assert_array_equal(grown.scored_neighbours.distances, fresh.scored_neighbours.distances)


def test_who_leaves_and_comes_back_has_the_same_part(store, project):
    view = reduced(store, project)
    some = [int(items.ids[0]) for items in (view.normals, view.checks, view.left_out)]
    remove_normals(project, some)
    assert len(everyone(project.snapshot())) == 57
    return_normals(project, some)
    back = project.snapshot()
    for name in ("normals", "checks", "left_out"):
        assert set(getattr(back, name).image_ids) == set(getattr(view, name).image_ids)


def test_a_normal_out_of_the_bank_is_still_a_normal(store, project):
    view = reduced(store, project)
    names = dict(tiny(60))
    give(project, "scored", [("again.png", names[view.left_out.names[0]])])
    run_pending(store)
    after = project.snapshot()
    assert after.same_as_normal[-1]
    same = trial(project, after, join=[int(after.scored.ids[-1])])
    assert same.bank.n == after.bank.n


def test_held_out_normals_check_the_limit_alone_where_it_rests_on_them(store, project):
    hold_out(project, project.snapshot().normals.ids[:10].tolist())
    project.change_settings(calibration="held_out")
    view = reduced(store, project)
    assert (len(view.normals), len(view.checks), len(view.left_out)) == (12, 0, 38)
    assert view.judge().calibration.forecast.n == 10


def test_whole_lots_are_set_aside_where_the_limit_rests_on_lots(store, project):
    lots_from_pattern(project, "000(?)*")
    project.change_settings(calibration="lots")
    view = project.snapshot()
    lots = np.array(view.normals.lots)
    rows = rows_to_check(view)
    assert 2 <= len(set(lots[rows])) <= 3
    assert not set(lots[rows]) & set(np.delete(lots, rows))
    after = reduced(store, project, share=0.2)
    assert set(after.checks.lots) == set(lots[rows])
    assert after.judge().calibration.forecast.n_effective <= after.judge().calibration.forecast.n


def test_too_few_lots_are_refused_and_nothing_changes(store, project):
    lots_from_pattern(project, "*.(???)")
    project.change_settings(calibration="lots")
    before = project.settings()
    job = submit_reduction(project, "kmeans", 0.5)
    run_pending(store)
    assert store.jobs.job(job).error_code == "LOTS_TOO_FEW_TO_REDUCE"
    assert project.settings() == before


def test_refusals(store, project):
    with pytest.raises(Refused, match="out of kmeans, coreset, got magic"):
        submit_reduction(project, "magic", 0.1)
    for share in (0, 1, -0.1, float("nan")):
        with pytest.raises(Refused):
            submit_reduction(project, "coreset", share)
    jobs = [submit_reduction(project, "coreset", share) for share in (0.01, 0.9)]
    run_pending(store)
    few, many = map(store.jobs.job, jobs)
    assert few.error_code == "NORMALS_TOO_FEW_TO_REDUCE" and "at least 3 normals" in few.error
    assert many.error_code == "MORE_MEANS_THAN_IMAGES"
    assert project.settings().reduction is None


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 no file", None])
def test_a_choice_that_cannot_be_read_leaves_all_normals_in(store, project, damage):
    reduced(store, project)
    file = next((project.folder / "reductions").iterdir())
    file.unlink() if damage is None else file.write_bytes(damage)
    view = built_anew(project)
    assert not view.reduced and len(view.normals) == 60
    assert reduction_of(project, 1) is None


def test_a_choice_without_checks_leaves_all_normals_in(store, project):
    view = reduced(store, project)
    remove_normals(project, view.checks.ids[:11].tolist())
    after = project.snapshot()
    assert not after.reduced and len(after.normals) == 49
    assert after.judge().calibrated_on == "leave_one_out"


def test_other_vectors_on_trial_keep_the_choice(store, project):
    view = reduced(store, project)
    raw = tried(project, view, replace(view.settings, normalise=False))
    project.change_settings(normalise=False)
    after = project.snapshot()
    np.testing.assert_array_equal(raw.bank.features, after.bank.features)
    assert raw.judge().limit == after.judge().limit and len(after.checks) == 12


def test_settings_of_before_are_read_and_those_of_today_come_back():
    old = asdict(Settings())
    del old["reduction"]
    assert settings_of(json.dumps(old)) == Settings()
    now = Settings(reduction=3)
    assert settings_of(json.dumps(asdict(now))) == now


def test_files_that_the_catalogue_names_are_not_swept(store, project, monkeypatch):
    reduced(store, project)
    stray = project.folder / "reductions" / "stray.npz"
    stray.write_bytes(b"")
    monkeypatch.setattr("dn2core.project.sweep.UNFINISHED_SECONDS", -1)
    sweep(store)
    assert len(list((project.folder / "reductions").iterdir())) == 1
    assert built_anew(project).reduced


def test_a_stopped_job_changes_nothing(store, project):
    job = submit_reduction(project, "coreset", 0.25)
    store.jobs.cancel(job)
    run_pending(store)
    assert store.jobs.job(job).state == "cancelled"
    assert project.settings().reduction is None and not (project.folder / "reductions").exists()


def test_the_measurement_is_kept_and_knows_when_it_no_longer_fits(store, project):
    assert measurement(project, project.snapshot()) is None
    submit_measurement(project)
    run_pending(store)
    found = measurement(project, project.snapshot())
    assert found.fits
    smaller = [(method, n) for method in ("kmeans", "coreset") for n in (3, 6, 15)]
    assert [(one.method, one.n) for one in found.found] == [("all", 60), *smaller]
    assert found.found[0].roc_auc is None
    reduced(store, project)
    assert measurement(project, project.snapshot()).fits
    ids = project.snapshot().scored.ids.tolist()
    set_label(project, ids[0], "defect")
    set_label(project, ids[1], "good")
    assert not measurement(project, project.snapshot()).fits
    submit_measurement(project)
    run_pending(store)
    anew = measurement(project, project.snapshot())
    assert anew.fits and anew.found[0].n == 60
    set_label(project, ids[0], "")  # no label is newer than those that were there
    assert not measurement(project, project.snapshot()).fits


def test_a_measurement_rests_on_the_lots(store, project):
    submit_measurement(project)
    run_pending(store)
    lots_from_pattern(project, "000(?)*")
    assert not measurement(project, project.snapshot()).fits


def test_work_on_smaller_banks_leaves_the_lane_of_intakes_free(store, project):
    submit_measurement(project)
    submit_reduction(project, "coreset", 0.25)
    give(project, "scored", tiny(1, seed=5))
    assert store.jobs.claim("compute").kind == "intake"
    assert store.jobs.claim("compute") is None


def test_a_measurement_is_stopped_on_the_way(store, project, monkeypatch):
    """Stopped while the first k-means is at it, as a person would."""
    job = submit_measurement(project)
    monkeypatch.setattr(progress, "REPORT_SECONDS", 0)

    def kmeans_for_hours(features, m, *, seed, tell):
        store.jobs.cancel(job)
        for _ in range(3):
            tell(1, 25)
        raise AssertionError("it went on")

    monkeypatch.setattr("dn2core.explore.fewer.kmeans", kmeans_for_hours)
    run_pending(store)
    assert store.jobs.job(job).state == "cancelled" and measurement(project, project.snapshot()) is None


def test_kmeans_of_too_many_is_refused(store, project, monkeypatch):
    monkeypatch.setattr("dn2core.detect.compression.KMEANS_UP_TO", 1)
    job = submit_reduction(project, "kmeans", 0.25)
    run_pending(store)
    assert "48 normals with 15 means" in store.jobs.job(job).error
    assert not project.snapshot().reduced
    reduced(store, project, "coreset")


def test_who_had_a_say_does_not_check_the_limit(store, project):
    """Held out after the choice, and by an undo before it: kept normals lie far from each other."""
    view = reduced(store, project)
    some = [int(items.ids[0]) for items in (view.normals, view.checks, view.left_out)]
    with pytest.raises(Refused, match="Go back to all normals"):
        hold_out(project, some)
    keep_all(project)
    hold_out(project, some)
    project.change_settings(reduction=1)
    after = project.snapshot()
    assert len(after.held) == 3 and (len(after.normals), len(after.checks), len(after.left_out)) == (14, 11, 32)
    assert sorted(after.checking.image_ids) == sorted(view.checks.image_ids)
    assert after.judge().calibration.forecast.n == 12
    assert len(after.held_features) == len(after.held_found.distances) == 12
    assert after.references["held_out"].lots is None
    new = set(tiny(3, seed=8))
    batch = project.new_batch("normal", "test", held=True)
    project.stage_many(batch, sorted(new))
    project.submit(batch)
    run_pending(store)
    assert len(project.snapshot().checking) == 15  # these had no say


def test_normals_out_of_the_bank_can_be_looked_at(store, project, monkeypatch):
    monkeypatch.setattr(module, "READ_AT_ONCE", 7)
    assert with_apart(project, project.snapshot()).apart_found is None
    before = project.snapshot()
    plain = reduced(store, project)
    view = with_apart(project, plain)
    assert view.apart.ids.tolist() == [*view.checks.ids, *view.left_out.ids] and len(view.apart) == 45
    rows = [before.normals.position(one) for one in view.apart.ids]
    by_hand = Bank(view.bank.features).search(before.bank.features[rows], 50)
    np.testing.assert_array_equal(view.apart_found.distances, by_hand.distances)
    np.testing.assert_array_equal(view.apart_found.indices, by_hand.indices)
    out = int(view.left_out.ids[0])
    near = view.neighbours_of(out, 3)
    assert [one.item_id for one in near] == view.normals.ids[by_hand.indices[12, :3]].tolist()
    assert plain.neighbours_of(out, 3) == []
    assert tried(project, view, replace(view.settings, normalise=False)).apart_found is None


def test_a_normal_out_of_the_bank_is_taken_out_as_foreseen(store, project):
    view = reduced(store, project)
    for items in (view.checks, view.left_out):
        now = project.snapshot()
        gone = items.ids[:1].tolist()
        foreseen = trial(project, now, leave=gone)
        remove_normals(project, gone)
        after = project.snapshot()
        for name in ("normals", "checks", "left_out", "checking"):
            assert getattr(foreseen, name).ids.tolist() == getattr(after, name).ids.tolist()
        np.testing.assert_array_equal(foreseen.held_found.distances, after.held_found.distances)
        assert foreseen.judge().limit == after.judge().limit
    with pytest.raises(NotFound):
        trial(project, project.snapshot(), leave=[10**6])


def test_all_normals_again_is_the_bank_of_before(store, project):
    before = project.snapshot()
    reduced(store, project)
    whole = with_all_normals(project)
    assert not whole.reduced
    np.testing.assert_array_equal(whole.bank.features, before.bank.features)
    assert whole.generation != project.snapshot().generation
