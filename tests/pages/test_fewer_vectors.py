"""Tune, fewer vectors: measured on demand, applied by a job, taken back by a click."""

from types import SimpleNamespace

import pytest

from dn2core.detect import bank
from dn2core.detect.bank import Recall
from dn2core.explore.bootstrap import Estimate
from dn2core.explore.fewer import Advice, Kept
from dn2core.project import run_pending
from dn2core.project.events import history
from dn2core.project.fewer import submit_measurement
from dn2core.project.normals import hold_out
from dn2core.project.reductions import submit_reduction
from dn2core.project.snapshot import forget
from pages.parts.fewer import advice_words, choice_words, milliseconds, table_of
from pages.parts.header import recall_words
from tests.pages.app import filled, opened, texts


@pytest.fixture
def project(store, fake_encoder):
    return filled(store, "Bolts", 60, scored=5)


@pytest.fixture(autouse=True)
def plain_slider(monkeypatch):
    monkeypatch.setattr("pages.parts.components.k_slider.k_slider", lambda **given: None)


def plain(text: str) -> str:
    return text.replace("\\", "")


def section(at):
    return next(one for one in at.expander if one.label == "Fewer vectors")


def said(at) -> str:
    return "\n".join(texts(section(at)))


def test_nothing_is_measured_unasked(store, project):
    at = opened("tune", project=project.id)
    assert not at.exception
    assert not section(at).dataframe
    assert not store.jobs.active(project.id)
    assert "the more normals there are" in said(at)


def test_measured_on_demand_and_kept(store, project):
    at = opened("tune", project=project.id)
    at.button(key="dn2_fewer_measure").click().run()
    assert [job.kind for job in store.jobs.active(project.id)] == ["fewer"]
    assert at.button(key="dn2_fewer_measure").disabled
    run_pending(store)
    at = opened("tune", project=project.id)
    table = section(at).dataframe[0].value
    assert table.iloc[:, 0].tolist()[:2] == ["all 60 normals", "K-means, 5 %: 3 normals"]
    assert "60 normals are searched in" in said(at) and "keep them all" in said(at)
    assert "changed since" not in said(at)
    assert not store.jobs.active(project.id)


def test_applied_by_a_job_and_taken_back(store, project):
    submit_measurement(project)
    run_pending(store)
    at = opened("tune", project=project.id)
    at.selectbox(key="dn2_fewer_choice").select_index(5).run()
    at.button(key="dn2_fewer_apply").click().run()
    assert [job.args["method"] for job in store.jobs.active(project.id)] == ["coreset"]
    run_pending(store)
    at = opened("tune", project=project.id)
    assert not at.exception
    assert "compared with **15 of 60 normals** (coreset). 12 normals are set aside" in said(at)
    entry = history(project, newest=1)[0]
    at.button(key="dn2_keep_all").click().run()
    assert project.settings().reduction is None
    assert "compared with **" not in said(at)
    assert history(project, newest=1)[0].id > entry.id


def test_a_refusal_is_a_sentence(store, project):
    submit_measurement(project)
    submit_reduction(project, "coreset", 0.01)
    run_pending(store)
    at = opened("tune", project=project.id)
    assert "more than k = 2" in plain("\n".join(one.value for one in section(at).error))


def test_a_measurement_of_before_says_so(store, project):
    submit_measurement(project)
    run_pending(store)
    project.change_settings(k=1)
    assert "changed since" in said(opened("tune", project=project.id))


def test_a_choice_that_no_longer_serves_says_so(store, project):
    submit_reduction(project, "kmeans", 0.25)
    run_pending(store)
    next((project.folder / "reductions").iterdir()).unlink()
    project.change_settings(k=1)  # the kept snapshot is made anew
    forget(project.id)
    at = opened("tune", project=project.id)
    assert "no longer serves" in said(at)
    at.button(key="dn2_keep_all").click().run()
    assert "no longer serves" not in said(at)


def test_in_a_state_of_the_past_nothing_can_be_changed(store, project):
    submit_reduction(project, "kmeans", 0.25)
    run_pending(store)
    entry = history(project, newest=1)[0]
    project.change_settings(reduction=None)
    at = opened("tune", project=project.id, state=str(entry.id))
    assert not at.exception
    assert "15 of 60 normals" in said(at)
    assert not [one for one in section(at).button if one.key in ("dn2_keep_all", "dn2_fewer_measure")]


def test_a_handful_of_normals_needs_nothing(store, fake_encoder):
    project = filled(store, "Few", 5)
    assert "nothing to leave out" in said(opened("tune", project=project.id))


def test_an_approximate_search_is_told(store, project, monkeypatch):
    monkeypatch.setattr(bank, "EXACT_UP_TO", 55)
    forget(project.id)
    at = opened("tune", project=project.id)
    assert "of 100 true neighbours" in said(at) and "measured on 60" in said(at)
    assert sum("of 100 true neighbours" in one for one in texts(at)) == 2  # once where the limit is explained


def kept(method, n, seconds, area=None, changed=0):
    estimate = area and Estimate(area, area - 0.011, area + 0.009)
    return Kept(method, n / 6000, n, seconds, 2 * n * 5120, estimate, 0.9876, 12, changed)


def test_kmeans_that_was_not_tried_is_told(store, project, monkeypatch):
    submit_measurement(project)
    run_pending(store)
    assert "takes too long" not in said(opened("tune", project=project.id))
    monkeypatch.setattr("dn2core.detect.compression.KMEANS_UP_TO", 1)
    submit_measurement(project)
    run_pending(store)
    at = opened("tune", project=project.id)
    assert "a coreset alone was tried" in said(at)
    assert not any("K-means" in row for row in section(at).dataframe[0].value.iloc[:, 0])


@pytest.fixture
def few(store, project, monkeypatch):
    """15 of 60 normals are compared with; and what the gallery was given."""
    submit_reduction(project, "coreset", 0.25)
    run_pending(store)
    seen = {}
    monkeypatch.setattr("pages.parts.components.gallery.gallery", lambda **given: seen.update(given))
    return project.snapshot(), seen


def test_normals_that_nothing_is_compared_with_are_shown_and_open(few, project):
    view, seen = few
    at = opened("normals", project=project.id)
    assert not at.exception and len(seen["ids"]) == 60
    marks = dict(zip(seen["ids"], seen["marks"], strict=True))
    for items, mark in (
        (view.normals, "in use"),
        (view.checks, "checks the limit"),
        (view.left_out, "not compared with"),
    ):
        assert {marks[one] for one in items.ids.tolist()} == {mark}
    assert {one.label: one.value for one in at.metric}["Normals"] == "60"
    assert "compared with **15 of 60 normals**" in plain("\n".join(texts(at.main)))
    scores = dict(zip(view.checks.ids.tolist(), view.judge().reference_scores, strict=True))
    checks = [one for one in seen["ids"] if one in scores]
    assert [scores[one] for one in checks] == sorted(scores.values(), reverse=True)
    left_out = int(view.left_out.ids[3])
    at = opened("normals", project=project.id, image=str(left_out))
    assert not at.exception and not at.error
    assert "that nothing is compared with" in plain("\n".join(texts(at.main)))
    at.button(key="dn2_take_out").click().run()
    at.button(key="dn2_impact_go_one").click().run()
    assert not at.exception and project.state().n == 59


def test_the_map_says_which_normals_it_leaves_out(few, project):
    at = opened("map", project=project.id)
    assert not at.exception and "45 normals that images are not compared with" in "\n".join(texts(at.main))


def test_nothing_is_held_out_of_fewer_normals(few, store, project):
    at = opened("limits", project=project.id)
    assert not at.exception and "had a say in which" in "\n".join(texts(at.main))
    assert not [one for one in at.main.get("number_input") if one.key == "dn2_hold_amount"]
    project.change_settings(reduction=None)
    hold_out(project, few[0].normals.ids[:3].tolist())
    assert "had a say" not in "\n".join(texts(opened("limits", project=project.id).main))
    project.change_settings(reduction=1)
    assert "3 of them had a say" in "\n".join(texts(opened("limits", project=project.id).main))


def test_advice_in_words():
    everything, small = kept("all", 6000, 0.0003), kept("kmeans", 600, 0.00004, changed=2)
    assert advice_words(Advice("quick", everything, everything)) == (
        "6,000 normals are searched in 0.30 ms an image: keep them all."
    )
    assert "no smaller bank judges as well" in advice_words(Advice("none", everything, everything))
    assert advice_words(Advice("fewer", small, everything)) == (
        "Take K-means, 10 %: 600 normals: searched in 0.04 ms an image instead of 0.30 ms; 2 flags change."
    )
    by_labels = advice_words(Advice("fewer", kept("coreset", 600, 0.00004, 0.951), kept("all", 6000, 0.02, 0.954)))
    assert by_labels.endswith("searched in 0.04 ms an image instead of 20 ms, ROC AUC 95.1 % instead of 95.4 %.")


def test_table():
    labelled = table_of([kept("all", 6000, 0.0003, 0.954), kept("coreset", 60, 0.00001, 0.93, 7)])
    assert labelled.columns.tolist() == [
        "Compared with",
        "Search an image",
        "Memory",
        "ROC AUC, 95 % interval",
        "Same order",
        "Flagged",
        "Flags that change",
    ]
    assert labelled.iloc[1].tolist() == [
        "coreset, 1 %: 60 normals",
        "0.01 ms",
        "0.6 MB",
        "93.0 % (91.9 – 93.9)",
        "0.988",
        "12",
        "7",
    ]
    assert table_of([kept("all", 6000, 0.0003)]).iloc[0]["Same order"] == "0.988"


def test_recall_in_words():
    assert "of 100 true neighbours 99.3 are found (measured on 500" in recall_words(Recall(0.9932, 50, 500))
    assert "neighbours 99.9 are" in recall_words(Recall(0.99996, 50, 500))
    assert "neighbours 100.0 are" in recall_words(Recall(1.0, 50, 500))


def test_short_times():
    assert [milliseconds(s) for s in (0.0000001, 0.00034, 0.0042, 0.123)] == ["0.01 ms", "0.34 ms", "4.2 ms", "123 ms"]
    assert choice_words(SimpleNamespace(method="kmeans", share=0.05, n=300)) == "K-means, 5 %: 300 normals"
