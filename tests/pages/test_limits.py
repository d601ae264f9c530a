"""Limits: the promise on top, budgets on trial, what they rest on, lots, held-out normals and costs."""

import shutil
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
import streamlit as st
from hypothesis import given
from hypothesis import strategies as some

from dn2core.detect import Bank, changes, conformal_limit, flagged_of, forecast, limit_for
from dn2core.detect.costs import Prices, costs_of_labelled, costs_of_unlabelled
from dn2core.detect.lots import lots_by_pattern
from dn2core.explore import Projection, pca_map
from dn2core.project import Settings, maps, open_service, run_pending
from dn2core.project.events import history
from dn2core.project.labels import set_label
from dn2core.project.lots import lots_from_folders, set_lots
from dn2core.project.normals import add_normals, hold_out
from dn2core.project.reporting import report_of
from dn2core.project.snapshot import forget, snapshot
from pages.parts import costs as cost_parts
from pages.parts import limit_draft
from pages.parts.basis import basis_of, basis_table, difference, difference_words
from pages.parts.charts import score_histogram
from pages.parts.held_out import at_random
from pages.parts.limits import (
    about,
    budget_words,
    expected_words,
    promised,
    refusal,
    support_words,
    whole,
    workload,
)
from pages.parts.look import percent, raw
from pages.parts.lots import little_told, simple_pattern
from tests.conftest import FakeEncoder
from tests.pages.app import filled, give, jpeg, many, opened, texts
from tests.pages.test_score import shade


def quick_map(features, neighbours):
    return Projection(pca_map(features), "umap")


@pytest.fixture(autouse=True)
def quick_maps(monkeypatch):
    monkeypatch.setattr(maps, "umap_map", quick_map)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The data folder of both projects, made once; each test works on a copy."""
    folder = tmp_path_factory.mktemp("made") / "data"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DN2_DATA", str(folder))
        for module in ("intake.encoder_for", "reencode.encoder_for", "encoders.encoder_for"):
            patch.setattr(f"dn2core.project.{module}", lambda backbone, preset, _: FakeEncoder(backbone, preset))
        patch.setattr(maps, "umap_map", quick_map)
        service = open_service(folder, workers=False)
        bolts = filled(service.store, "Bolts", 60)
        scored = [shade(100 + i, 62 - 2 * i) if i > 8 else jpeg(500 + i) for i in range(24)]
        give(bolts, "scored", scored)
        days = service.store.create("Days")
        give(days, "normal", [jpeg(i) for i in range(30)], name="mon/{i:03}.jpg")
        give(days, "normal", [shade(700 + i, 20) for i in range(30)], name="tue/{i:03}.jpg")
        give(days, "scored", scored[:4], name="new {i}.jpg")
        run_pending(service.store)
        service.close()
    return folder, bolts.id, days.id


@pytest.fixture
def copied(made, tmp_path, monkeypatch, fake_encoder):
    """A store with a copy of both projects; what other tests kept of projects of the same id is forgotten."""
    folder, *ids = made
    shutil.copytree(folder, tmp_path / "data")
    monkeypatch.setenv("DN2_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("DN2_WORKERS", "0")
    service = open_service(tmp_path / "data", workers=False)
    st.cache_resource.clear()
    for project_id in ids:
        forget(project_id)
    yield service.store
    service.close()


@pytest.fixture
def project(copied, made):
    """60 normals and 24 scored images, from like them to far away."""
    return copied.open(made[1])


@pytest.fixture
def days(copied, made):
    """Normals of two days that differ, in folders, and a few scored images without one."""
    return copied.open(made[2])


@pytest.fixture
def galleries(monkeypatch):
    """What each gallery was given, by its key without the project; nothing is opened."""
    seen = {}
    monkeypatch.setattr(
        "pages.parts.components.gallery.gallery", lambda **given: seen.update({given["key"].rpartition("_")[0]: given})
    )
    return seen


def address(at) -> dict:
    found = {name: value[0] if isinstance(value, list) else value for name, value in at.query_params.items()}
    return {name: value for name, value in found.items() if name != "project"}


def words(at) -> str:
    """All texts of the page, without what keeps markdown from taking them for markup."""
    return "\n".join(texts(at.main)).replace("\u2060", "").replace("\\", "")


def test_without_normals_the_next_step_is_named(store, fake_encoder):
    assert "No project is open" in words(opened("limits"))
    at = opened("limits", project=store.create("Bolts").id)
    assert not at.exception and "No normals yet" in words(at)
    at = opened("limits", project=filled(store, "One", 1, scored=1).id)
    assert not at.exception and "One normal is too few for a limit" in words(at)
    at.button(key="dn2_limits_normals").click().run()
    assert at.title[0].value == "Normals"


def test_the_answer_is_the_forecast_of_the_limit_in_use(project, galleries):
    project.save_settings(replace(project.settings(), budget=0.1))
    judged = snapshot(project).judge()
    expected, low, high = flagged_of(forecast(judged.normal_scores, judged.limit), 1000)
    at = opened("limits", project=project.id)
    assert not at.exception and not at.error and not at.warning
    said = words(at)
    assert (
        f"About {round(expected)} of 1,000 good parts will be flagged · limit {raw(judged.limit)} at k = 2"
        f" · {judged.flagged.sum()} of 24 scored images flagged" in said
    )
    assert f"between {low} and {high} of the next 1,000" in said
    assert round(expected) == 98 and galleries == {}


def test_what_cannot_be_promised_is_refused_with_the_ways_out(project, galleries):
    at = opened("limits", project=project.id)
    [warning] = at.warning
    said = warning.value.replace("\u2060", "").replace("\\", "")
    assert "This cannot be promised" in said
    assert "60 scores of good parts cannot promise 1 in 100" in said and "239 more are needed" in said
    at.button(key="dn2_supported").click().run()
    assert address(at) == {"one_in": "20"} and not at.warning  # 59 normals support 1 in 20
    at = opened("limits", project=project.id)
    at.button(key="dn2_more_normals").click().run()
    assert at.title[0].value == "Normals"


def test_what_is_offered_instead_can_be_promised(days):
    lots_from_folders(days)
    table = snapshot(days).table_on("lots")
    for budget in (0.3, 0.1, 0.01):
        judged = table.judge(2, budget)
        n = promised(judged.reference_scores, judged.calibration.best_budget, table.reference.lots)
        assert n is None or limit_for(judged.reference_scores, 1 / n, table.reference.lots).supported
    plain = snapshot(days).table_on("leave_one_out")
    judged = plain.judge(2, 0.01)
    # 59 scores promise 1 in 20, and 62 are needed for 1 in 21: what is said, tabled and offered is that.
    assert promised(judged.reference_scores, judged.calibration.best_budget, None) == 20
    assert "they support 1 in 20 at best" in refusal(judged.calibration)
    table = basis_table([basis_of(plain, 2, 0.01)], "leave_one_out", "leave_one_out")
    assert table["Can promise"].tolist() == ["1 in 20"]


def test_a_report_says_of_a_promise_what_the_pages_say(project):
    judged = snapshot(project).judge()
    report = report_of(project, snapshot(project), judged, when=datetime.now(UTC))
    assert [one for one in report.warnings if "cannot promise" in one] == [refusal(judged.calibration)]


@given(some.floats(1e-5, 0.95))
def test_what_can_be_promised_is_never_rounded_up(best_budget):
    n = whole(best_budget)
    assert 1 / n >= best_budget * (1 - 1e-5) and 1 / (n + 1) < best_budget
    assert support_words(n) == (f"1 in {n:,}" if n > 1 else "less than 1 in 2")


def test_a_budget_is_said_in_whole_numbers():
    assert [budget_words(one) for one in (0.25, 0.01, 1 / 13.8, 1 / 24.6, 0.384)] == [
        "1 in 4",
        "1 in 100",
        "1 in 13",
        "1 in 24",
        "38.4 %",
    ]


def test_what_cannot_be_promised_may_be_flagged(project, galleries):
    assert "good parts may be flagged" in words(opened("limits", project=project.id))
    assert "good parts will be flagged" in words(opened("limits", project=project.id, one_in="20"))


def test_as_many_flagged_as_before_are_told_once(project, galleries):
    shown = snapshot(project)
    same = shown.table.judge(2, 1 / 90).flagged.sum()
    assert same == shown.judge().flagged.sum()
    said = words(opened("limits", project=project.id, one_in="90"))
    assert f"{same} of 24 scored images flagged" in said and "instead of" not in said


def test_a_budget_on_trial_shows_what_would_change_and_writes_nothing(project, galleries, monkeypatch):
    before, settings = snapshot(project).judge(), project.settings()
    at = opened("limits", project=project.id)
    monkeypatch.setattr(Bank, "search_prepared", None)  # nothing is compared anew
    at.number_input(key="dn2_one_in").set_value(4.0).run()
    assert not at.exception and not at.error
    shown = snapshot(project)
    after = shown.table.judge(2, 0.25)
    turned = changes(before, after)
    assert len(turned) > 1 and address(at) == {"one_in": "4"}
    pictures = galleries["dn2_limits_gallery"]
    assert sorted(pictures["ids"]) == sorted(shown.scored.ids[turned].tolist())
    assert all(caption.startswith("pass → reject") for caption in pictures["captions"])
    said = words(at)
    assert f"{after.flagged.sum()} of 24 scored images flagged instead of {before.flagged.sum()}" in said
    assert f"{len(turned)} images would change" in said and f"{len(turned)} would newly be flagged" in said
    assert f"limit {raw(after.limit)} at k = 2" in said
    assert project.settings() == settings


def test_apply_is_written_with_its_author_and_undone(project, galleries):
    at = opened("limits", project=project.id, one_in="4")
    at.session_state["dn2_who"] = {"name": "Ada"}
    apply = at.button(key="dn2_limits_apply")
    assert apply.label == "Apply 1 in 4" and not apply.disabled
    apply.click().run()
    assert not at.exception and project.settings() == Settings(budget=0.25) and address(at) == {}
    assert history(project, kinds=("settings",))[0].author == "Ada"
    assert at.button(key="dn2_limits_apply").disabled
    assert at.button(key="dn2_limits_undo").label == "Back to 1 in 100"
    at.button(key="dn2_limits_undo").click().run()
    assert project.settings() == Settings() and at.button(key="dn2_limits_undo").label == "Back to 1 in 4"


def test_undo_leaves_what_others_changed_meanwhile(project, galleries):
    at = opened("limits", project=project.id, one_in="4")
    at.button(key="dn2_limits_apply").click().run()
    project.save_settings(replace(project.settings(), k=5))
    at.run()
    at.button(key="dn2_limits_undo").click().run()
    assert project.settings() == Settings(k=5)


def test_quick_choices_and_keep(project, galleries):
    at = opened("limits", project=project.id)
    [quick] = [one for one in at.main.get("button_group") if one.key == "dn2_quick"]
    assert quick.value == 100
    quick.set_value(20).run()
    assert not at.exception and address(at) == {"one_in": "20"}
    at = opened("limits", project=project.id, one_in="20")
    assert at.session_state["dn2_quick"] == 20 and at.number_input(key="dn2_one_in").value == 20
    at.button(key="dn2_limits_keep").click().run()
    assert address(at) == {} and at.number_input(key="dn2_one_in").value == 100


@pytest.mark.parametrize("word", ["0", "1", "0.5", "-3", "abc", "nan", "inf", "1e999", "", "²", "<b>"])
@pytest.mark.parametrize("name", ["one_in", "reject"])
def test_an_impossible_budget_is_a_sentence(word, name):
    draft = limit_draft.read({name: word, "rest": "lots"}, Settings())
    assert "Enter a number above 1, such as 200 for 1 in 200" in draft.problem and draft.settings == Settings()


def test_with_an_impossible_budget_the_limit_stays(project, galleries):
    at = opened("limits", project=project.id, one_in="<b>")
    assert not at.exception
    [error] = at.error
    assert "Enter a number above 1, such as 200 for 1 in 200" in words(at) and "<b>" not in error.value
    judged = snapshot(project).judge()
    assert f"limit {raw(judged.limit)} at k = 2" in words(at) and at.button(key="dn2_limits_apply").disabled
    at.number_input(key="dn2_one_in").set_value(50.0).run()
    assert not at.error and address(at) == {"one_in": "50"}


def test_a_budget_typed_as_0_is_a_sentence(project, galleries):
    at = opened("limits", project=project.id)
    at.number_input(key="dn2_one_in").set_value(0.0).run()
    assert "got 0" in at.error[0].value and project.settings() == Settings()


def test_a_second_limit_parts_review_from_reject(project, galleries):
    project.save_settings(Settings(budget=0.25))
    at = opened("limits", project=project.id)
    at.toggle(key="dn2_second").set_value(True).run()
    assert address(at) == {"reject": "40"} and at.number_input(key="dn2_reject").value == 40
    at.number_input(key="dn2_reject").set_value(20.0).run()
    judged = snapshot(project).table.judge(2, 0.25, 0.05)
    scores = judged.normal_scores
    above = [(np.sum(scores > limit) + 1) * 1000 / 61 for limit in (judged.limit, judged.reject_limit)]
    assert (
        f"Of 1,000 good parts about {round(above[0] - above[1])} to review, about {round(above[1])} to reject"
        in words(at)
    )
    numbers = {metric.label.rpartition(" ")[2]: metric.value for metric in at.metric}
    assert numbers == {name: str(int((judged.verdicts == name).sum())) for name in ("pass", "review", "reject")}
    at.button(key="dn2_limits_apply").click().run()
    assert project.settings() == Settings(budget=0.25, reject_budget=0.05)
    at.toggle(key="dn2_second").set_value(False).run()
    assert address(at) == {"reject": "off"} and at.button(key="dn2_limits_apply").label == "Apply no second limit"
    at.toggle(key="dn2_second").set_value(True).run()
    assert address(at) == {}


def test_more_rejected_than_flagged_is_a_sentence(project, galleries):
    at = opened("limits", project=project.id, one_in="20", reject="10")
    assert not at.exception and "1 in 10 is more than 1 in 20" in at.error[0].value.replace("\u2060", "")
    assert at.number_input(key="dn2_reject").value == 10


def test_known_defects_that_would_be_missed_are_named(project, galleries):
    project.save_settings(Settings(budget=0.25))
    shown = snapshot(project)
    turned = changes(shown.judge(), shown.table.judge(2, 0.02))
    for at in turned[:2]:
        set_label(project, int(shown.scored.ids[at]), "defect")
    at = opened("limits", project=project.id, one_in="50")
    missed = sorted(shown.scored.ids[turned[:2]].tolist())
    assert sorted(galleries["dn2_limits_missed"]["ids"]) == missed
    said = words(at)
    assert "2 known defects would now be missed" in said
    assert all(shown.scored.names[position] in said for position in turned[:2])
    at.button(key="dn2_limits_apply").click().run()
    assert "Of 2 known defects 2 pass at this limit" in words(at)
    assert "2 known defects that pass now would be found" in words(opened("limits", project=project.id, one_in="4"))


def test_a_picture_is_opened_as_the_trial_judges_it(project, galleries, monkeypatch):
    monkeypatch.setattr("pages.parts.detail.gallery", lambda **given: None)
    shown = snapshot(project)
    turned = changes(shown.judge(), shown.table.judge(2, 0.25))
    at = opened("limits", project=project.id, one_in="4", image=str(shown.scored.ids[turned[0]]))
    assert not at.exception and "Flagged" in words(at) and galleries == {}
    at.button(key="dn2_back").click().run()
    assert address(at) == {"one_in": "4"}
    at = opened("limits", project=project.id, image="999999")
    assert not at.exception and "not found" in at.error[0].value


# what the limit rests on


def bases(at):
    return next(frame.value for frame in at.dataframe if "Rests on" in frame.value)


def test_forecasts_stand_side_by_side_and_another_is_chosen(days, galleries):
    lots_from_folders(days)
    hold_out(days, snapshot(days).normals.ids[::6])
    days.save_settings(Settings(budget=0.1))
    at = opened("limits", project=days.id)
    assert not at.exception and not at.error
    shown, table = snapshot(days), bases(at)
    expected = []
    for kind in ("leave_one_out", "lots", "held_out"):
        rests = shown.table_on(kind)
        expected.append(limit_for(rests.reference_scores[1], 0.1, rests.reference.lots))
    assert table["Limit"].tolist() == [raw(one.value) for one in expected]
    assert table["Scores"].tolist() == ["50", "50", "10"] and table["Lots"].tolist() == ["–", "2", "2"]
    assert table["In use"].tolist() == ["✓", "", ""]
    intervals = [flagged_of(one.forecast, 1000)[1:] for one in expected]
    assert table["95 % interval"].tolist() == [f"{low} – {high:,}" for low, high in intervals]
    at.radio(key="dn2_rest").set_value("lots").run()
    assert address(at) == {"rest": "lots"} and bases(at)["In use"].tolist() == ["✓", "on trial", ""]
    assert f"limit {raw(expected[1].value)} at k = 2" in words(at)
    at.button(key="dn2_limits_apply").click().run()
    assert bases(at)["In use"].tolist() == ["", "✓", ""]
    assert (
        days.settings() == Settings(budget=0.1, calibration="lots") and snapshot(days).judge().calibrated_on == "lots"
    )


def test_lots_that_differ_are_a_warning(days, galleries):
    lots_from_folders(days)
    days.save_settings(Settings(budget=0.1))
    at = opened("limits", project=days.id)
    [warning] = [one.value for one in at.warning if "lots differ" in one.value]
    shown = snapshot(days)
    limit = shown.judge().limit
    scores = shown.table_on("lots").reference_scores[1]
    share = (np.sum(scores > limit) + 1) / 61
    assert share > 0.9 and f"about {percent(100 * share)}" in warning.replace("\\", "").replace("\u2060", "")


def test_lots_that_agree_are_no_warning(store, fake_encoder, galleries):
    project = store.create("Same")
    for lot in ("mon", "tue"):
        give(project, "normal", [jpeg(hash_of(lot) + i) for i in range(30)], name=lot + "/{i}.jpg")
    run_pending(store)
    lots_from_folders(project)
    project.save_settings(Settings(budget=0.1))
    at = opened("limits", project=project.id)
    assert not at.warning and "The lots agree" in words(at)


def hash_of(lot: str) -> int:
    return 1000 * sum(map(ord, lot))


def test_a_difference_matters_beyond_the_interval_by_images():
    class Table:
        k_max, reference_scores = 1, np.arange(100, dtype=np.float32)[None]

        class reference:
            kind, lots, set_aside = "leave_one_out", None, 0

    class Lots(Table):
        reference_scores = np.concatenate([np.arange(50), np.arange(50) + 90]).astype(np.float32)[None]

        class reference:
            kind, lots, set_aside = "lots", np.repeat([0, 1], 50), 0

    image, lot = basis_of(Table, 3, 0.05), basis_of(Lots, 3, 0.05)
    found = difference(image, lot, image)
    assert found.limit == 95 and found.lots.above == 44 and found.matters
    assert "not 5.0 %" in difference_words(found) and "44.6 %" in difference_words(found)
    assert not difference(image, image, image).matters
    # Drawn at random, lots show the same: it comes of fewer normals to compare with, not of the lots.
    assert not difference(image, lot, lot).matters and "The lots agree" in difference_words(difference(image, lot, lot))


def test_a_difference_is_taken_at_as_many_neighbours_as_the_lots_leave():
    """Scores at one neighbour say nothing of a limit at two: here they lie below it, whatever the lots."""

    class Table:
        k_max, reference_scores = 2, np.stack([np.arange(100), np.arange(100) + 1000]).astype(np.float32)

        class reference:
            kind, lots, set_aside = "leave_one_out", None, 0

    class Lots(Table):
        k_max, reference_scores = 1, np.concatenate([np.arange(50), np.arange(50) + 90]).astype(np.float32)[None]

        class reference:
            kind, lots, set_aside = "lots", np.repeat([0, 1], 50), 0

    image, lot = basis_of(Table, 2, 0.05), basis_of(Lots, 2, 0.05)
    assert (image.k, image.calibration.value, lot.k) == (2, 1095, 1)
    found = difference(image, lot, lot)
    assert (found.limit, found.lots.above, found.images.above) == (95, 44, 4)


def test_what_is_chosen_and_gone_is_said(project, galleries):
    project.save_settings(Settings(budget=0.1, calibration="held_out"))
    at = opened("limits", project=project.id)
    assert not at.exception and "Chosen is held-out normals, but there are none now" in words(at)
    assert bases(at)["In use"].tolist() == ["✓"]


def test_one_lot_for_all_normals_tells_nothing(project, galleries):
    set_lots(project, dict.fromkeys(snapshot(project).normals.ids.tolist(), "A"), how="hand")
    assert "All normals belong to one lot" in words(opened("limits", project=project.id))


# lots


def way(at, name: str):
    at.session_state["dn2_lots_way"] = name
    return at.run()


def preview(at):
    return next(frame.value for frame in at.dataframe if "For instance" in frame.value)


def test_folders_become_lots_and_are_forgotten(days, galleries):
    at = opened("limits", project=days.id)
    table = preview(at)
    assert table["Lot"].tolist() == ["mon", "tue", "none"] and table["Normals"].tolist() == [30, 30, 0]
    assert table["Scored"].tolist() == [0, 0, 4] and "Finds 2 lots; 4 images belong to none." in words(at)
    at.session_state["dn2_who"] = {"name": "Ada"}
    at.button(key="dn2_lots_go").click().run()
    assert not at.exception and "Lots are named" in words(at)
    assert set(snapshot(days).normals.lots) == {"mon", "tue"}
    assert history(days, kinds=("lots",))[0].author == "Ada"
    assert "2 lots are known. 60 of 64 images belong to a lot." in words(at)
    at.button(key="dn2_lots_clear").click().run()
    assert set(snapshot(days).normals.lots) == {None}


def test_without_folders_that_is_said(project, galleries):
    at = opened("limits", project=project.id)
    assert "No image came in a folder" in words(at) and not [one for one in at.button if one.key == "dn2_lots_go"]


def test_a_pattern_is_seen_before_it_is_used(days, galleries):
    at = way(opened("limits", project=days.id), "pattern")
    assert "For instance the name mon/000.jpg" in words(at)
    at.text_input(key="dn2_lots_pattern").set_value("0(?)*").run()
    assert preview(at)["Lot"].tolist() == ["0", "1", "2", "none"]
    assert set(snapshot(days).normals.lots) == {None}
    at.button(key="dn2_lots_go").click().run()
    assert not at.exception and set(snapshot(days).normals.lots) == {"0", "1", "2"}


@pytest.mark.parametrize(
    ("pattern", "said"), [("xyz(*)", "matches none of 64 names"), ("*", "one pair of parentheses")]
)
def test_a_pattern_that_finds_nothing_is_a_sentence(days, galleries, pattern, said):
    at = way(opened("limits", project=days.id), "pattern")
    at.text_input(key="dn2_lots_pattern").set_value(pattern).run()
    assert not at.exception and said in words(at)
    assert not [one for one in at.button if one.key == "dn2_lots_go"]


def test_a_table_is_read_shown_and_used(days, galleries):
    at = way(opened("limits", project=days.id), "table")
    table = b"file,lot\nmon/000.jpg,A\n<img src=x>.jpg,A\n001.jpg,B\ntue/002.jpg,B\n"
    at.file_uploader(key="dn2_lots_table_0").set_value(("lots.csv", table, "text/csv")).run()
    assert not at.exception and not at.error
    listed = [frame.value["File"].tolist() for frame in at.dataframe if "File" in frame.value]
    assert listed == [["<img src=x>.jpg"], ["001.jpg"]]
    assert "1 file in the table is no image here" in words(at) and "is several images here" in words(at)
    assert preview(at)["Lot"].tolist() == ["A", "B", "none"]
    assert set(snapshot(days).normals.lots) == {None}
    at.button(key="dn2_lots_go").click().run()
    assert not at.exception and "Lots are named" in words(at)
    lots = dict(zip(snapshot(days).normals.names, snapshot(days).normals.lots, strict=True))
    assert (lots["mon/000.jpg"], lots["tue/002.jpg"], lots["mon/001.jpg"]) == ("A", "B", None)
    assert at.file_uploader(key="dn2_lots_table_1").value is None


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (b"name,lot\na,b\n", "columns file, lot"),
        (b"", "no line below its header"),
        (b"file,lot\nmon/000.jpg,A\nmon/000.jpg,B\n", "listed twice"),
        (b"\x00\x01\x02", "not a text table"),
    ],
)
def test_a_bad_table_is_a_sentence(days, galleries, table, said):
    at = way(opened("limits", project=days.id), "table")
    at.file_uploader(key="dn2_lots_table_0").set_value(("lots.csv", table, "text/csv")).run()
    assert not at.exception and said in words(at)


def test_a_table_of_strangers_is_a_sentence(days, galleries):
    at = way(opened("limits", project=days.id), "table")
    at.file_uploader(key="dn2_lots_table_0").set_value(("lots.csv", b"file,lot\nx.jpg,A\n", "text/csv")).run()
    assert not at.exception and at.button(key="dn2_lots_go").disabled
    assert "No file in the table names a single image of this project" in words(at)


def test_lots_that_would_tell_nothing_are_a_warning_before_they_are_used(days, galleries):
    at = way(opened("limits", project=days.id), "pattern")
    for pattern, said in (
        ("(*/*)", "as many lots as images"),
        ("(?)*", "All normals"),
        ("0(?)*", ""),
        ("(0)*", "only 1 lot"),
    ):
        at.text_input(key="dn2_lots_pattern").set_value(pattern).run()
        found = [one.value for one in at.warning if "lot" in one.value and "promise" not in one.value]
        assert len(found) == bool(said) and all(said in one for one in found), pattern


@pytest.mark.parametrize(
    ("roles", "lots", "said"),
    [
        (["normal", "normal", "scored"], ["A", "A", "A"], "only 1 lot"),
        (["normal", "normal", "scored"], ["A", "A", None], "only 1 lot"),
        (["normal", "normal", "scored"], ["A", "B", "C"], "as many lots as images"),
        (["normal", "normal", "scored"], ["A", "B", "A"], "Each normal"),
        (["normal", "normal", "scored"], ["A", "A", "B"], "All normals"),
        (["normal", "normal", "normal", "scored"], ["A", "A", "B", "B"], ""),
        (["normal", "normal", "normal", "scored"], ["A", "A", None, "B"], ""),
    ],
)
def test_lots_tell_nothing_where_there_is_one_or_each_is_an_image(roles, lots, said):
    assert said in little_told(roles, lots) and bool(said) == bool(little_told(roles, lots))


@pytest.mark.parametrize(
    ("name", "pattern"),
    [
        ("L7-01.png", "(*)-*"),
        ("mon/L7_01.png", "(*)_*"),
        ("day-1/a_b_c-d_3.png", "(*_*_*)_*"),
        ("000.jpg", ""),
        ("_1.png", ""),
        ("a_b_c_d_e_f.png", ""),
    ],
)
def test_the_pattern_shown_fits_the_first_name(name, pattern):
    assert simple_pattern(name) == pattern
    if pattern:
        stem = name.rpartition("/")[2].rpartition(".")[0]
        assert lots_by_pattern([name], pattern) == [stem[: max(stem.rfind("_"), stem.rfind("-"))]]


# held-out normals


def test_enter_does_not_hold_out_what_the_button_will(project, galleries):
    at = opened("limits", project=project.id)
    forms = []

    def walk(block):
        for child in getattr(block, "children", {}).values():
            if getattr(child, "type", "") == "form":
                forms.append(child.proto.form)
            walk(child)

    walk(at.main)
    [form] = [one for one in forms if one.form_id == "dn2_hold_out"]
    assert not form.enter_to_submit


def test_normals_are_held_out_at_random_and_taken_back(project, galleries):
    ids = snapshot(project).normals.ids
    at = opened("limits", project=project.id)
    at.number_input(key="dn2_hold_amount").set_value(25)
    at.number_input(key="dn2_hold_seed").set_value(7)
    at.button(key="dn2_hold_go").click().run()
    assert not at.exception and not at.error
    view = snapshot(project)
    wanted = at_random(ids, 15, 7)
    assert len(view.held) == 15 and len(view.normals) == 45
    assert set(view.held.names) == {f"{int(np.flatnonzero(ids == one)[0]):03}.jpg" for one in wanted}
    assert "15 normals are held out (seed 7): version 2" in words(at) and len(bases(at)) == 2
    at.button(key="dn2_take_in").click().run()
    assert len(snapshot(project).held) == 0 and project.state().n == 60


def test_a_number_of_normals_is_held_out(project, galleries):
    at = opened("limits", project=project.id)
    at.selectbox(key="dn2_hold_unit").set_value("images")
    at.number_input(key="dn2_hold_amount").set_value(3)
    at.button(key="dn2_hold_go").click().run()
    assert len(snapshot(project).held) == 3
    at.button(key="dn2_changed_undo").click().run()
    assert not at.exception and len(snapshot(project).held) == 0


def test_too_many_held_out_is_a_sentence(project, galleries):
    at = opened("limits", project=project.id)
    at.number_input(key="dn2_hold_amount").set_value(99)
    at.button(key="dn2_hold_go").click().run()
    assert not at.exception and "Expected 1 to 58 normals to be held out" in words(at)
    assert project.state().version == 1


def test_good_parts_are_given_to_be_held_out(copied, project, galleries):
    at = opened("limits", project=project.id)
    at.session_state["dn2_who"] = {"name": "Ada"}
    files = [(f"{i}.jpg", jpeg(800 + i), "image/jpeg") for i in range(3)]
    at.file_uploader(key="dn2_held_files_0").set_value(files).run()
    run_pending(copied)
    view = snapshot(project)
    assert len(view.held) == 3 and view.state.n == 60 and project.batches("normal")[0].author == "Ada"


def test_drawn_at_random_is_the_same_for_the_same_seed():
    ids = np.arange(100, 200)
    assert np.array_equal(at_random(ids, 20, 1), at_random(ids, 20, 1))
    assert not np.array_equal(at_random(ids, 20, 1), at_random(ids, 20, 2))
    assert len(set(at_random(ids, 20, 1))) == 20 and np.all(np.diff(at_random(ids, 100, 3)) == 1)
    drawn = np.bincount(np.concatenate([at_random(np.arange(10), 3, seed) for seed in range(1000)]), minlength=10)
    assert drawn.min() > 240 and drawn.max() < 360


# costs


def test_the_cheapest_limit_becomes_a_budget_on_trial(project, galleries):
    shown = snapshot(project)
    judged = shown.judge()
    every = np.ones(24, bool)
    costs = cost_parts.cost_view(judged, np.full(24, ""), every, Prices(1000, 1), 0.5).costs
    at = opened("limits", project=project.id, defects="500", escape="1000")
    assert not at.exception
    said = words(at)
    assert "An estimate without labels" in said
    assert f"At {raw(costs.best_limit)} they cost about" in said
    above = int(np.sum(judged.normal_scores > costs.best_limit))
    limit = float(np.sort(judged.normal_scores)[60 - above - 1])
    share = 100 * (above + 1) / 61
    label = f"Try {raw(limit)}: flags {percent(share, 0 if share >= 10 else 1)} of good parts"
    assert 0 < above < 60 and at.button(key="dn2_use_cheapest").label == label
    assert ("would flag" in said and "of good parts" in said) == (share > 20)
    at.button(key="dn2_use_cheapest").click().run()
    assert f"limit {raw(limit)} at k = 2" in words(at) and not at.exception
    at.button(key="dn2_limits_apply").click().run()
    assert snapshot(project).judge().limit == limit


def test_without_labels_the_share_of_defects_to_come_weighs_what_was_seen():
    rng = np.random.default_rng(1)
    normals, scores = rng.gamma(4, 0.1, 400), np.concatenate([rng.gamma(4, 0.1, 300), rng.gamma(12, 0.1, 100)])

    class Judged:
        reference_scores = normals

    Judged.scores = scores
    none, every = np.full(400, ""), np.ones(400, bool)
    same = costs_of_unlabelled(Prices(20, 1), normals, scores)
    view = cost_parts.cost_view(Judged, none, every, Prices(20, 1), same.defect_share)
    assert np.allclose(view.costs.escapes, same.escapes)
    rare = cost_parts.cost_view(Judged, none, every, Prices(20, 1), same.defect_share / 10)
    assert np.allclose(rare.costs.escapes, same.escapes / 10)
    assert np.allclose(rare.costs.cost, 20 * rare.costs.escapes + rare.costs.false_rejects)
    assert rare.costs.best == np.flatnonzero(rare.costs.cost <= rare.costs.cost.min() + 1e-6)[-1]
    # At any limit a good part is flagged as often as the forecast says, however many defects there are.
    share = forecast(normals, rare.costs.best_limit).expected
    assert rare.costs.false_rejects[rare.costs.best] == pytest.approx(1000 * (1 - same.defect_share / 10) * share)
    assert cost_parts.cost_view(Judged, none, every, Prices(1, 1), 0).costs.best_limit == max(
        scores.max(), normals.max()
    )
    for share, prices in ((0.0, Prices(1, 0)), (1.0, Prices(0, 1))):
        assert np.all(cost_parts.cost_view(Judged, none, every, prices, share).costs.cost < 1e-6)
    assert cost_parts.cost_view(Judged, none, ~every, Prices(1, 1), 0.1) is None


def test_defects_to_come_are_an_assumption_until_labels_tell(project, galleries):
    items = snapshot(project).scored.ids.tolist()
    for item in items[15:]:
        set_label(project, int(item), "defect")
    at = opened("limits", project=project.id)
    assert at.number_input(key="dn2_defects").value == 10 and "10 defects in 1,000 parts is an assumption" in words(at)
    for item in items[:3]:
        set_label(project, int(item), "good")
    at = opened("limits", project=project.id)
    assert at.number_input(key="dn2_defects").value == 750 and "9 of 12 labelled images are defects" in words(at)
    assert "is an assumption" not in words(opened("limits", project=project.id, defects="5"))


def test_labels_tell_a_share_where_they_are_enough_and_of_both_kinds():
    every = np.ones(12, bool)
    assert cost_parts.labelled_share(np.array(["defect"] * 9 + ["good"] + ["unsure", ""]), every) == (9, 10)
    for few in (["defect"] * 9 + ["unsure"] * 3, ["defect"] * 12, ["good"] * 12, ["defect", "good"] * 4 + [""] * 4):
        assert cost_parts.labelled_share(np.array(few), every) is None
    mixed = np.array(["defect", "good"] * 6)
    assert cost_parts.labelled_share(mixed, np.arange(12) != 0) == (5, 11)
    assert cost_parts.labelled_share(mixed, np.arange(12) > 4) is None


def test_known_good_images_are_no_defects_however_unusual():
    class Judged:
        reference_scores, scores = np.arange(20.0), np.concatenate([np.arange(10.0) + 5, np.full(10, 90.0)])

    unknown, every = np.full(20, ""), np.ones(20, bool)
    assert cost_parts.cost_view(Judged, unknown, every, Prices(1, 1), 0.1).seen > 0.3
    known = np.array([""] * 10 + ["good"] * 10)
    assert cost_parts.cost_view(Judged, known, every, Prices(1, 1), 0.1).seen < 0.2


def test_false_rejects_agree_with_the_headline(project, galleries):
    project.save_settings(Settings(budget=0.01))
    at = opened("limits", project=project.id)
    said = words(at)
    assert "About 16 of 1,000 good parts" in said  # 1 of 61
    assert "16 false rejects among 990 good parts" in said


def test_a_suggestion_that_flags_many_good_parts_says_so(project, galleries):
    at = opened("limits", project=project.id, defects="500", escape="100000")
    label = at.button(key="dn2_use_cheapest").label
    share = label.partition("flags ")[2].partition(" of")[0]
    assert float(share.removesuffix(" %")) > 20 and share.count(".") == 0
    assert f"would flag {share} of good parts" in words(at)


def test_all_scored_images_known_to_be_good_tell_nothing_of_defects(project, galleries):
    for item in snapshot(project).scored.ids.tolist():
        set_label(project, int(item), "good")
    at = opened("limits", project=project.id)
    assert not at.exception and "nothing tells how defects score" in words(at)


@given(some.integers(2, 300), some.data())
def test_a_suggested_budget_is_a_whole_number_where_the_limit_stays(n, data):
    class Judged:
        reference_scores = np.arange(n, dtype=np.float64)

    budget = (data.draw(some.integers(0, n - 1)) + 1) / (n + 1)
    assert conformal_limit(Judged.reference_scores, cost_parts.whole_budget(Judged, budget)) == conformal_limit(
        Judged.reference_scores, budget
    )


def test_prices_live_in_the_address(project, galleries):
    at = opened("limits", project=project.id)
    at.number_input(key="dn2_escape").set_value(7.0).run()
    assert address(at) == {"escape": "7"}
    at.number_input(key="dn2_escape").set_value(100.0).run()
    assert address(at) == {}


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"escape": "0", "false_reject": "0"}, "Expected a price of 0 or more"),
        ({"escape": "-1"}, "Expected a price of 0 or more"),
        ({"defects": "2000"}, "share from 0 to 1"),
        ({"defects": "-1"}, "share from 0 to 1"),
    ],
)
def test_impossible_prices_are_a_sentence(project, galleries, params, said):
    at = opened("limits", project=project.id, **params)
    assert not at.exception and said in words(at)


def test_enough_labelled_defects_count_by_their_own_scores(project, galleries):
    shown = snapshot(project)
    for item in shown.scored.ids[14:].tolist():
        set_label(project, int(item), "defect")
    at = opened("limits", project=project.id, defects="100")
    assert not at.exception and "defects like the 10 that are labelled" in words(at)
    judged = shown.judge()
    costs = costs_of_labelled(Prices(100, 1), judged.normal_scores, judged.scores[14:], 0.1)
    above = [forecast(judged.normal_scores, limit).expected for limit in costs.limits]
    labels = np.array([""] * 14 + ["defect"] * 10)
    view = cost_parts.cost_view(judged, labels, np.ones(24, bool), Prices(100, 1), 0.1)
    assert view.defects == 10 and np.array_equal(view.costs.escapes, costs.escapes)
    assert np.allclose(view.costs.false_rejects, 900 * np.array(above))
    assert np.allclose(view.costs.cost, 100 * view.costs.escapes + view.costs.false_rejects)
    few = cost_parts.cost_view(judged, labels, np.arange(24) != 20, Prices(100, 1), 0.1)
    assert few.defects == 0


def test_what_is_among_the_normals_does_not_count_in_costs(project, galleries):
    add_normals(project, snapshot(project).scored.ids)
    at = opened("limits", project=project.id)
    assert not at.exception and "Score images first" in words(at)


def test_the_cost_chart_has_both_limits_and_keeps_the_cheapest():
    rng = np.random.default_rng(0)
    good, bad = rng.gamma(4, 0.1, 3000), rng.gamma(9, 0.1, 3000)
    costs = costs_of_labelled(Prices(20, 1), good, bad, 0.1)
    figure = cost_parts.cost_figure(costs, Prices(20, 1), 0.7)
    assert [shape.x0 for shape in figure.layout.shapes] == [0.7, costs.best_limit]
    assert [note.text for note in figure.layout.annotations] == ["limit 0.700", f"cheapest {raw(costs.best_limit)}"]
    rejects, escapes, total = figure.data
    assert len(total.x) < 700 and np.min(total.y) == pytest.approx(costs.cost.min())
    assert total.x[np.argmin(total.y)] == pytest.approx(costs.best_limit)
    assert np.allclose(np.asarray(rejects.y) + np.asarray(escapes.y), total.y, rtol=1e-4)


def test_cost_words_name_both_limits_and_the_extremes():
    good, bad = np.array([1.0, 2, 3, 4]), np.array([3.5, 5, 6])
    costs = costs_of_labelled(Prices(10, 1), good, bad, 0.3)
    now, best = cost_parts.cost_words(costs, 4.0)
    # 0.3 of the parts are defects, one of three of them escapes at 4; at 3 one of four good parts is rejected.
    assert "(4.00) 1,000 parts cost about 1,000: 0 false rejects among 700 good parts, 100 escapes among 300" in now
    assert "At 3.00 they cost about 175: 175 false rejects, 0 escapes" in best
    assert cost_parts.cost_words(costs, 3.2)[1] == "No other limit is cheaper."
    assert len(cost_parts.cost_figure(costs, Prices(10, 1), 3.2).layout.shapes) == 1
    assert "flag every part" in cost_parts.cost_words(costs_of_labelled(Prices(1, 0), good, good, 0.5), 3.0)[1]
    assert "flag none" in cost_parts.cost_words(costs_of_labelled(Prices(0, 1), good, bad, 0.5), 3.0)[1]


# pieces


@given(some.integers(2, 400), some.data())
def test_a_budget_survives_the_address(n, data):
    above = data.draw(some.integers(0, n - 1))
    scores = np.arange(n, dtype=np.float64)
    budget = limit_draft.share(limit_draft.one_in_word((above + 1) / (n + 1)))
    assert conformal_limit(scores, budget) == n - 1 - above


@pytest.mark.parametrize(
    "params", [{}, {"rest": "moon"}, {"one_in": "100"}, {"rest": "leave_one_out", "reject": "off"}]
)
def test_what_equals_the_choice_in_use_is_no_trial(params):
    assert limit_draft.read(params, Settings()).settings == Settings()
    kept = dict(params)
    limit_draft.write(kept, Settings(), **params)
    assert set(kept) <= {"rest"} and kept.get("rest", "moon") == "moon"


def test_expected_numbers_are_said_as_people_do():
    scores = np.arange(2000, dtype=np.float64)
    assert expected_words(forecast(scores, 1999.0)) == "Fewer than 1 of 1,000 good parts will be flagged"
    assert expected_words(forecast(scores, 1989.0)) == "About 5 of 1,000 good parts will be flagged"
    assert (about(0.4), about(0.96), about(39.6)) == ("fewer than 1", "about 1", "about 40")


def test_two_limits_on_one_score_leave_nothing_to_review(store, fake_encoder):
    project = filled(store, "Few", 10)
    judged = snapshot(project).table.judge(2, 0.05, 0.01)
    assert judged.limit == judged.reject_limit and "nothing lies between them" in workload(judged)


def test_the_second_limit_is_a_line_of_its_own():
    scores = np.array([1, 1, 2, 3], np.float32)
    figure = score_histogram(scores, 2.0, 2, reject_limit=3.0)
    assert [shape.x0 for shape in figure.layout.shapes] == [2.0, 3.0]
    assert [note.text for note in figure.layout.annotations] == ["limit 2.00", "reject above 3.00"]
    for same in (2.0, float("nan"), None):
        assert len(score_histogram(scores, 2.0, 2, reject_limit=same).layout.shapes) == 1


@pytest.mark.parametrize(("n", "scored"), [(2, 0), (2, 2), (3, 2), (10, 0)])
def test_tiny_sets_are_refused_in_words(store, fake_encoder, galleries, n, scored):
    project = filled(store, "Few", n, scored=scored)
    for params in ({"one_in": "2", "reject": "3"}, {"one_in": "1000000", "rest": "lots"}):
        at = opened("limits", project=project.id, **params)
        assert not at.exception and not at.error
        assert "nan" not in words(at).lower().split()
        assert ("no images are scored yet" in words(at)) == (scored == 0)
        if params.get("one_in") != "2":
            assert f"{n} scores of good parts cannot promise" in words(at)


def test_all_equal_normals_have_a_limit_of_0(store, fake_encoder, galleries):
    project = store.create("Same")
    with_noise = [jpeg(1), jpeg(2)]
    give(project, "normal", with_noise[:1])
    run_pending(store)
    state = project.state()
    with project.db.write() as db:
        row = db.execute("SELECT * FROM items").fetchone()
        db.executemany(
            "INSERT INTO items(role, image_id, name, batch_id, added, since) VALUES ('normal', ?, ?, ?, 0, 1)",
            [(row["image_id"], f"{i}.jpg", row["batch_id"]) for i in range(29)],
        )
        db.execute("UPDATE states SET n = 30 WHERE version = ?", (state.version,))
    give(project, "scored", with_noise)
    run_pending(store)
    at = opened("limits", project=project.id, reject="1000")
    assert not at.exception and not at.error
    assert "limit 0 at k = 2 · 1 of 2 scored images flagged" in words(at)


def test_6000_scored_images(store, fake_encoder, galleries):
    project = many(store, 6_000, images=60)
    at = opened("limits", project=project.id, one_in="3")
    assert not at.exception and not at.error
    shown = snapshot(project)
    turned = changes(shown.judge(), shown.table.judge(2, 1 / 3))
    assert len(turned) > 100 and len(galleries["dn2_limits_gallery"]["ids"]) == len(turned)


def test_a_state_of_the_past_is_looked_at_only(project, galleries):
    event = history(project)[0]
    project.save_settings(Settings(budget=0.2))
    at = opened("limits", project=project.id, state=str(event.id), one_in="4")
    assert not at.exception and at.button(key="dn2_limits_apply").disabled
    assert "changed in the present state only" in words(at)
