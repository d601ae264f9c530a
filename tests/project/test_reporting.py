"""The report of a snapshot: its numbers are the snapshot's, its pictures those that count, its texts stay texts."""

import io
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest
from PIL import Image

from dn2core.detect import PASS, conformal_limit
from dn2core.detect.calibration import forecast
from dn2core.explore.curves import roc_auc
from dn2core.project import run_pending
from dn2core.project.events import history
from dn2core.project.labels import labels, set_label, undo_label
from dn2core.project.limit_words import refusal
from dn2core.project.lots import set_lots
from dn2core.project.normals import hold_out, remove_normals
from dn2core.project.reductions import submit_reduction
from dn2core.project.reporting import known_labels, report_of
from dn2core.project.snapshot import past_snapshot
from dn2core.report import report_html
from dn2core.report.figures import CODES
from dn2core.report.say import ENGLISH
from tests.project.helpers import give, tiny

WHEN = datetime(2026, 7, 3, 14, 5, tzinfo=timezone(timedelta(hours=2)))
HOSTILE = "<img src=x onerror=alert(1)> {name} %s </script>"


@pytest.fixture
def project(store, fake_encoder, picture):
    """30 normals; 10 images like them, 4 that differ more and more; one of each is called what it is."""
    project = store.create("Bolts")
    give(project, "normal", [(f"n{i:02}.png", picture(i)) for i in range(30)])
    give(project, "scored", [(f"s{i:02}.png", picture(100 + i)) for i in range(10)])
    give(project, "scored", [(f"odd{i}.png", odd(picture, i)) for i in range(4)])
    run_pending(store)
    ids = project.snapshot().scored.ids.tolist()
    set_label(project, ids[0], "good", author="Ada")
    set_label(project, ids[10], "unsure", author="Ada")
    set_label(project, ids[10], "defect", author="Bob", note="rim")
    return project


def odd(picture, step: int) -> bytes:
    pixels = np.asarray(Image.open(io.BytesIO(picture(step)))).copy()
    pixels[:, :20] //= 2 + step
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


def made(project, view=None, **more):
    view = view or project.snapshot()
    return report_of(project, view, view.judge(), **{"when": WHEN, "author": "Cleo", **more})


def test_the_numbers_are_those_of_the_snapshot(project):
    project.save_settings(replace(project.settings(), k=3, budget=0.5, reject_budget=0.05))
    view = project.snapshot()
    judged, report = view.judge(), made(project)
    counts = report.counts
    assert counts.scored == 14 and (counts.good, counts.defect, counts.unsure) == (1, 1, 0)
    found = [int((judged.verdicts == name).sum()) for name in ("pass", "review", "reject")]
    assert [counts.passed, counts.review, counts.rejected] == found and min(found) > 0
    assert [limit.value for limit in report.limits] == [judged.limit, judged.reject_limit]
    assert [limit.name for limit in report.limits] == ["limit for review", "limit for rejects"]
    assert report.state.version == view.state.version and report.state.normals == 30
    assert report.state.fingerprint == view.state.fingerprint
    assert (report.made_at, report.author, report.project) == (WHEN, "Cleo", "Bolts")
    assert np.array_equal(report.scored_scores, judged.scores)
    assert np.array_equal(report.normal_scores, judged.normal_scores)
    assert f"{judged.flagged.sum()} of 14 flagged" in report.answer and "at k = 3" in report.answer
    assert {"k": "3", "False-alarm budget": "50.0\u00a0%", "Budget for rejects": "1 in 20"}.items() <= dict(
        report.settings
    ).items()


def test_a_limit_tells_how_it_came_about(project):
    judged, [limit] = project.snapshot().judge(), made(project).limits
    above = judged.calibration.forecast.above
    assert "The budget: 1 in 100 good parts may be flagged." in limit.sentence
    assert f"Of 30 scores of good parts (each normal against the others), {above} lie above it." in limit.sentence
    assert limit.sentence.endswith("That budget cannot be promised yet.")
    [refused] = [words for words in made(project).warnings if "cannot promise" in words]
    assert refused.startswith("30 scores of good parts cannot promise 1 in 100:")
    # They support a share of 1 - 0.05^(1/30), 1 in 10.5: what can be promised is told in whole numbers, rounded down.
    assert "they support 1 in 10 at best; 269 more are needed" in refused and refused == refusal(judged.calibration)
    project.save_settings(replace(project.settings(), budget=0.2))
    report = made(project)
    assert not report.limits[0].sentence.endswith("yet.")
    assert not any("cannot promise" in words for words in report.warnings)


def test_fewer_normals_are_told(store, project):
    assert "Compared with" not in dict(made(project).settings)
    submit_reduction(project, "coreset", 0.25)
    run_pending(store)
    report = made(project)
    assert report.state.normals == 30
    assert dict(report.settings)["Compared with"] == "8 of 30 normals, 6 set aside to check the limit"
    assert b"8 of 30 normals, 6 set aside" in report_html(report)


def test_flagged_pictures_come_most_unusual_first_with_what_was_said_and_is_near(project):
    view = project.snapshot()
    judged, report = view.judge(), made(project)
    flagged = np.flatnonzero(judged.flagged)
    order = flagged[np.argsort(-judged.scores[flagged])]
    assert [one.name for one in report.flagged] == [view.scored.names[at] for at in order]
    assert report.flagged_total == len(flagged) >= 4
    for one, at in zip(report.flagged, order, strict=True):
        item = int(view.scored.ids[at])
        assert one.jpeg == project.thumbnails([item])[0] and one.jpeg.startswith(b"\xff\xd8\xff")
        assert (one.score, one.percentile, one.multiple) == (
            judged.scores[at],
            judged.percentiles[at],
            judged.multiples[at],
        )
        near = view.neighbours_of(item, judged.k)
        assert [(n.name, n.distance, n.times) for n in one.neighbours] == [(n.name, n.distance, n.times) for n in near]
        assert [n.jpeg for n in one.neighbours] == project.thumbnails([n.item_id for n in near])
    bob = next(one for one in report.flagged if one.name == "odd0.png")
    assert (bob.label, bob.note, bob.author) == ("defect", "rim", "Bob")
    assert next(one for one in report.flagged if one.name == "odd3.png").label == ""
    assert [one.name for one in made(project, most=2).flagged] == [view.scored.names[at] for at in order[:2]]
    assert made(project, most=2).flagged_total == len(flagged)


def test_a_known_defect_that_passes_is_named_first(project):
    view = project.snapshot()
    passing = int(np.flatnonzero(view.judge().verdicts == PASS)[0])
    set_label(project, int(view.scored.ids[passing]), "defect", author="Ada")
    report = made(project)
    assert [one.name for one in report.missed] == [view.scored.names[passing]] and report.missed_total == 1
    assert report.warnings[0] == "1 known defect passes."
    assert made(project, replace(view, settings=view.settings)).missed_total == 1


def test_each_reference_has_its_forecast_of_the_limit_in_force(project):
    view = project.snapshot()
    set_lots(project, {item: f"lot {i % 3}" for i, item in enumerate(view.normals.ids.tolist())}, how="test")
    hold_out(project, view.normals.ids[:6].tolist())
    view = project.snapshot()
    judged, report = view.judge(), made(project)
    names = ["Each normal against the others", "Each normal against other lots", "Held-out normals"]
    assert [one.name for one in report.forecasts] == names
    for one, kind in zip(report.forecasts, ("leave_one_out", "lots", "held_out"), strict=True):
        reference = view.references[kind]
        scores = reference.found.distances[:, :2].mean(axis=1)
        ahead = forecast(scores, judged.limit, reference.lots)
        assert (one.expected, one.low, one.high) == pytest.approx((ahead.expected, ahead.low, ahead.high))
    assert [one.sentence.endswith("The limit rests on these.") for one in report.forecasts] == [True, False, False]
    assert dict(report.settings)["Held-out normals"] == "6" and dict(report.settings)["Lots of the normals"] == "3"


@pytest.mark.parametrize("rests_on", ["leave_one_out", "held_out"])
def test_a_forecast_by_small_lots_is_taken_at_as_many_neighbours_as_they_leave(project, rests_on):
    """The larger of two lots has the four of the other to be compared with: no limit at k = 20 says anything of it."""
    project.save_settings(replace(project.settings(), k=20, budget=0.2, calibration=rests_on))
    hold_out(project, project.snapshot().normals.ids[-6:].tolist())
    ids = project.snapshot().normals.ids.tolist()
    set_lots(project, {item: "A" if i < 4 else "B" for i, item in enumerate(ids)}, how="test")
    view = project.snapshot()
    assert view.judge().k == 20
    near = {kind: one.found.distances[:, :4].mean(axis=1) for kind, one in view.references.items()}
    limit = conformal_limit(near[rests_on], 0.2)
    assert limit < view.judge().limit
    report = made(project)
    by_lots = next(one for one in report.forecasts if one.name == "Each normal against other lots")
    ahead = forecast(near["lots"], limit, view.references["lots"].lots)
    assert (by_lots.expected, by_lots.low, by_lots.high) == pytest.approx((ahead.expected, ahead.low, ahead.high))
    (words,) = (words for words in report.warnings if words.startswith("The lots differ"))
    assert f"about {ENGLISH.percent(100 * ahead.expected)} of" in words


def test_lots_that_differ_are_warned_of_and_others_are_not(store, fake_encoder, picture):
    project = store.create("Bolts")
    give(project, "normal", [(f"n{i:02}.png", picture(i, shade=90 + 40 * (i % 3))) for i in range(60)])
    run_pending(store)
    project.save_settings(replace(project.settings(), budget=0.05, normalise=False))
    ids = project.snapshot().normals.ids.tolist()
    for lot_of, warned in ((lambda i: i % 3, True), (lambda i: i // 20, False)):
        set_lots(project, {item: f"lot {lot_of(i)}" for i, item in enumerate(ids)}, how="test")
        assert any(words.startswith("The lots differ") for words in made(project).warnings) == warned


def test_lots_that_only_leave_fewer_to_compare_with_are_not_warned_of(store, fake_encoder, picture):
    """Each normal has a twin; a third of the twins share a lot, fewer than if lots were drawn at random."""
    project = store.create("Bolts")
    files = [(f"n{i:02}{twin}.png", picture(i, shade=40 + 4 * i + twin)) for i in range(40) for twin in (0, 1)]
    give(project, "normal", files)
    run_pending(store)
    project.save_settings(replace(project.settings(), k=1, budget=0.1, normalise=False))
    ids = project.snapshot().normals.ids.tolist()
    lots = [twin if i % 3 else i % 2 for i in range(40) for twin in (0, 1)]
    set_lots(project, {item: f"lot {lot}" for item, lot in zip(ids, lots, strict=True)}, how="test")
    report = made(project)
    images, by_lots = report.forecasts
    assert by_lots.expected > images.high
    assert not any(words.startswith("The lots differ") for words in report.warnings)


def test_the_map_shows_every_image_by_its_verdict(project):
    view = project.snapshot()
    points = made(project).map
    assert points.xy.shape == (44, 2)
    assert [CODES[code] for code in points.codes] == ["normal"] * 30 + view.judge().verdicts.tolist()
    assert np.array_equal(points.xy, project.map(view).xy)


def test_the_evaluation_comes_with_labels_of_both_classes(project):
    view = project.snapshot()
    scores = view.judge().scores
    values = dict(made(project).evaluation)
    assert values["Good parts and defects that count"] == "1 · 1"
    area = 100 * roc_auc(scores[[0]], scores[[10]])
    assert values["ROC AUC"].startswith(f"{area:.0f}")
    assert values["Missed defects"].startswith("0 of 1: 0\u00a0% (95 % interval 0\u00a0% to 97.5\u00a0%")
    undo_label(project, history(project, kinds=("label",))[0].id)
    assert made(project).evaluation == ()


def test_the_history_is_told_in_words(project):
    report = made(project)
    assert len(report.history) == len(history(project))
    first = report.history[0]
    assert (first.who, first.what) == ("Bob", "odd0.png: confirmed defect – “rim”")
    assert first.when == datetime.fromtimestamp(history(project)[0].at, UTC)
    names = [name for name, _ in report.software]
    assert names[:2] == ["DN2", "Python"] and "numpy" in names


def without_time(said) -> dict:
    """Labels; the entry of the history and the label were written a moment apart."""
    return {image: replace(label, at=0) for image, label in said.items()}


def test_a_state_of_the_past_gives_the_report_of_then(project):
    then, entry = made(project), history(project)[0]
    said = labels(project)
    view = project.snapshot()
    set_label(project, int(view.scored.ids[0]), "unsure")
    set_label(project, int(view.scored.ids[10]), "")
    set_label(project, int(view.scored.ids[3]), "defect")
    project.save_settings(replace(project.settings(), k=9, budget=0.3))
    remove_normals(project, view.normals.ids[:9].tolist())
    past = past_snapshot(project, entry.id)
    again = made(project, past)
    assert again.warnings == (f"This is a state of the past: entry {entry.id} of the history.", *then.warnings)
    assert without_time(known_labels(project, past)) == without_time(said)
    one, other = (report_html(replace(report, warnings=())) for report in (then, again))
    assert one == other
    assert report_html(replace(made(project), warnings=())) != one


def test_hostile_names_and_notes_stay_texts(store, fake_encoder, picture):
    project = store.create(HOSTILE)
    give(project, "normal", [(f"{HOSTILE} n{i}.png", picture(i)) for i in range(24)])
    give(project, "scored", [(f"{HOSTILE} odd.png", odd(picture, 3))])
    run_pending(store)
    set_label(project, int(project.snapshot().scored.ids[0]), "defect", note=HOSTILE, author=HOSTILE)
    page = report_html(made(project, author=HOSTILE)).decode()
    assert page.count("&lt;img src=x onerror=alert(1)&gt; {name} %s") >= 5
    assert "<img src=x" not in page and "</script>" not in page


@pytest.mark.parametrize("normals", [1, 2, 3])
def test_tiny_sets_have_a_report(store, fake_encoder, normals):
    project = store.create("Bolts")
    give(project, "normal", tiny(normals))
    run_pending(store)
    assert b"Bolts" in report_html(made(project))  # nothing is scored yet
    give(project, "scored", tiny(2, seed=1))
    run_pending(store)
    report = made(project)
    assert b"Bolts" in report_html(report)
    assert report.counts.scored == 2 and len(report.limits) == (normals > 1)
    if normals == 1:
        assert "too few for a limit" in report.answer and report.forecasts == () and report.counts.review == 2


def test_a_picture_that_is_lost_is_left_empty(project):
    view = project.snapshot()
    item = project.item(int(view.scored.ids[13]))
    for path in (
        *project.folder.glob(f"thumbs/**/{item.sha256}*"),
        *project.folder.glob(f"originals/**/{item.sha256}*"),
    ):
        path.unlink()
    found = {one.name: one.jpeg for one in made(project).flagged}
    assert found["odd3.png"] == b"" and found["odd2.png"]
    assert report_html(made(project))
