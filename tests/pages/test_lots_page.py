"""Lots: the answer on top, the lot whose images all pass, the list, a lot opened, and naming lots by hand."""

import shutil
from dataclasses import replace

import numpy as np
import pytest

from dn2core.detect import POOLINGS, Since
from dn2core.errors import Refused
from dn2core.project import Store, open_service, run_pending
from dn2core.project.events import history
from dn2core.project.lot_verdicts import Lot, LotVerdicts
from dn2core.project.lots import clear_lots, lots_from_folders
from dn2core.project.normals import remove_normals
from dn2core.project.reductions import submit_reduction
from dn2core.project.snapshot import forget, snapshot
from pages.parts import lot_choice
from pages.parts.lot_by_hand import image_table, matching
from pages.parts.lot_charts import lot_among_groups, lots_in_order
from pages.parts.lot_opened import drive_marks
from pages.parts.lot_table import list_order, lot_table
from pages.parts.lot_words import answer, basis, budget_line, caught, refusals, remarks, why
from tests.conftest import FakeEncoder
from tests.pages.app import give, opened, texts
from tests.project.test_lot_verdicts import plates

HOSTILE = "<img src=x> $x$ [a](b) :red[c]"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The data folder of a project with five lots, the last of them all light; made once, each test gets a copy."""
    folder = tmp_path_factory.mktemp("made") / "data"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DN2_DATA", str(folder))
        patch.setattr("dn2core.project.intake.encoder_for", lambda backbone, preset, _: FakeEncoder(backbone, preset))
        service = open_service(folder, workers=False)
        project = service.store.create("Plates")
        give(project, "normal", plates(60, 0), name="{i:02}.png")
        for lot in range(1, 5):
            give(project, "scored", plates(8, lot), name=f"lot {lot}/{{i:02}}.png")
        give(project, "scored", plates(8, 5, low=150), name="lot 5/{i:02}.png")
        run_pending(service.store)
        lots_from_folders(project)
        service.close()
    return folder, project.id


@pytest.fixture
def project(made, tmp_path, monkeypatch, fake_encoder):
    folder, project_id = made
    shutil.copytree(folder, tmp_path / "data")
    monkeypatch.setenv("DN2_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("DN2_WORKERS", "0")
    service = open_service(tmp_path / "data", workers=False)
    forget(project_id)
    yield service.store.open(project_id)
    service.close()


@pytest.fixture
def galleries(monkeypatch):
    """What each gallery was given, by its key without the project; nothing is opened."""
    seen = {}
    monkeypatch.setattr(
        "pages.parts.components.gallery.gallery", lambda **given: seen.update({given["key"].rpartition("_")[0]: given})
    )
    return seen


def page(project, **params):
    return opened("lots", project=project.id, **params)


def words(at) -> str:
    """All texts of the page, without what keeps markdown from taking them for markup."""
    return "\n".join(texts(at.main)).replace("\u2060", "").replace("\\", "")


def listed(at):
    return next(frame.value for frame in at.dataframe if "Less unusual" in frame.value)


def address(at) -> dict:
    found = {name: value[0] if isinstance(value, list) else value for name, value in at.query_params.items()}
    return {name: value for name, value in found.items() if name != "project"}


def way(at, name: str):
    at.session_state["dn2_lots_way"] = name
    return at.run()


# the page


def test_without_normals_or_lots_the_next_step_is_named(store, fake_encoder):
    assert "No project is open" in words(opened("lots"))
    project = store.create("Bolts")
    assert "No normals yet" in words(page(project))
    give(project, "normal", plates(3, 0))
    run_pending(store)
    at = page(project)
    assert not at.exception and "No images are scored yet" in words(at) and "How lots are told" not in words(at)
    give(project, "scored", plates(4, 1), name="A/{i}.png")
    run_pending(store)
    at = page(project)
    assert "No scored image belongs to a lot yet" in words(at)
    at.button(key="dn2_lots_go").click().run()
    assert not at.exception and set(snapshot(project).scored.lots) == {"A"}
    assert "No lot can be judged" in words(at) and "Expected at least 4 normal images" in words(at)


def test_the_lot_whose_images_all_pass_is_caught_and_since_when_is_told(project, galleries):
    view = snapshot(project)
    assert not view.judge().flagged.any()
    at = page(project)
    assert not at.exception and not at.error
    said = words(at)
    assert "Which lot went wrong, and since when?" in said
    assert "1 of 5 lots is flagged; the last one, lot 5" in said
    assert "In 1 of them every image passes by itself: lot 5." in said
    assert "Too few real lots among the normals: calibrated on 1,000 groups of 8 images drawn from them" in said
    table = listed(at)
    assert table["Lot"].tolist() == [f"lot {n}" for n in range(1, 6)]
    assert table["Verdict"].tolist() == ["✓ pass"] * 4 + ["▲ flagged"]
    assert table["Flagged images"].tolist() == [0] * 5 and table["Images"].tolist() == [8] * 5
    assert all(one.startswith("data:image/jpeg;base64,") for one in table["Worst"])


def test_what_is_known_of_lots_is_not_found_anew_at_each_rerun(project, galleries, monkeypatch):
    for lot in range(3):
        give(project, "scored", plates(lot + 1, 30 + lot), name=f"more {lot}/{{i:02}}.png")
    run_pending(Store(project.folder.parents[1]))
    lots_from_folders(project)
    at = page(project)
    assert not at.exception and len(listed(at)) == 8
    never = pytest.fail
    monkeypatch.setattr("dn2core.project.lot_verdicts.judge_groups", never)
    at.number_input(key="dn2_lots_in").set_value(20.0).run()  # another budget needs no scores
    assert not at.exception and "1 in 20" in words(at)
    monkeypatch.setattr("dn2core.project.lot_verdicts._lot", never)
    at.run()
    assert not at.exception and len(listed(at)) == 8


def test_with_fewer_normals_in_the_bank_all_of_them_are_counted_and_compared_with(project, galleries):
    before = page(project, order="name")
    submit_reduction(project, "coreset", 0.25)
    run_pending(Store(project.folder.parents[1]))
    view = snapshot(project)
    assert view.reduced
    at = page(project, order="name")
    assert listed(at)["How far"].tolist() == listed(before)["How far"].tolist()
    images = image_table(view)
    assert len(images) == 100 and (images["Is"] == "normal").sum() == 60
    known = next(frame.value for frame in at.dataframe if "Normals" in frame.value)
    assert known["Normals"].sum() == 60 and known["Scored"].sum() == 40


def test_looking_writes_nothing(project, galleries):
    before, told = project.generation(), len(history(project))
    page(project, lot="lot 5", lots_in="20", pool="max", sort="score")
    assert project.generation() == before and len(history(project)) == told


def test_budget_order_and_sorting_live_in_the_address(project, galleries):
    at = page(project, lots_in="4", order="name", sort="score")
    found = listed(at)
    assert found["Lot"].tolist()[0] == "lot 5" and found["How far"].is_monotonic_decreasing
    assert "At most 1 in 4 good lots is to be flagged: of 5 good lots about 1" in words(at)
    at.number_input(key="dn2_lots_in").set_value(20.0).run()
    assert address(at) == {"lots_in": "20", "order": "name", "sort": "score"}
    at.toggle(key="dn2_lots_sort").set_value(False).run()
    assert address(at) == {"lots_in": "20", "order": "name"}
    at.number_input(key="dn2_lots_in").set_value(100.0).run()
    assert address(at) == {"order": "name"}  # the project's own budget leaves no trace


@pytest.mark.parametrize("word", ["0", "1", "-3", "abc", "nan", "inf", "", "<b>"])
def test_an_impossible_budget_is_a_sentence_and_the_projects_holds(project, word):
    choice = lot_choice.read({"lots_in": word}, 0.02)
    assert choice.budget == 0.02 and "Enter a number above 1" in choice.problem


def test_what_makes_no_sense_in_the_address_counts_as_not_given():
    params = {"order": "colour", "pool": "x", "sort": "y", "lot": ""}
    assert lot_choice.read(params, 0.01) == lot_choice.Choice(0.01)


@pytest.mark.parametrize("method", POOLINGS)
def test_every_way_to_pool_gives_a_page(project, galleries, method):
    at = page(project, pool=method)
    assert not at.exception and not at.error and len(listed(at)) == 5
    assert at.radio(key="dn2_lots_pool").value == method


def test_a_lot_opened_says_why_and_shows_its_images_by_what_they_bring(project, galleries):
    at = page(project, lot="lot 5", order="name")
    assert not at.exception and not at.error
    said = words(at)
    assert "No image of it is flagged by itself; together they lie" in said and "lot 5 of 5" in said
    view = snapshot(project)
    pictures = galleries["dn2_lot_gallery"]
    own = [item for item, lot in zip(view.scored.ids.tolist(), view.scored.lots, strict=True) if lot == "lot 5"]
    assert sorted(pictures["ids"]) == own and sum("worst" in mark for mark in pictures["marks"]) == 1
    shares = [int(mark.partition(" ")[0]) for mark in pictures["marks"]]
    assert shares == sorted(shares, reverse=True) and 95 <= sum(shares) <= 105
    assert at.button(key="dn2_lot_next").disabled
    at.button(key="dn2_lot_previous").click().run()
    assert address(at) == {"lot": "lot 4", "order": "name"}
    at.button(key="dn2_lot_back").click().run()
    assert address(at) == {"order": "name"} and len(listed(at)) == 5


def test_an_image_of_a_lot_opens_and_leads_back_to_it(project, galleries):
    at = page(project, lot="lot 5")
    at.button(key="dn2_lot_worst").click().run()
    assert (not at.exception and "1 of 8" in words(at)) or "of 8" in words(at)
    assert address(at)["lot"] == "lot 5" and "image" in address(at)
    at.button(key="dn2_back").click().run()
    assert address(at) == {"lot": "lot 5"}


def test_an_unknown_lot_or_image_is_a_sentence(project, galleries):
    at = page(project, lot="lot 99")
    assert "The lot was not found" in words(at) and len(listed(at)) == 5
    assert "The image was not found" in words(page(project, image="99999"))


def test_two_normals_judge_no_lot_and_the_page_stands(project, galleries):
    remove_normals(project, snapshot(project).normals.ids[2:])
    for params in ({}, {"pool": "covariance"}, {"lot": "lot 1"}):
        at = page(project, **params)
        assert not at.exception and "Expected at least 4 normal images" in words(at)


def test_hostile_names_are_text(project, galleries):
    give(project, "scored", plates(3, 9), name=HOSTILE.replace("/", "") + "/{i}.png")
    run_pending(Store(project.folder.parents[1]))
    lots_from_folders(project)
    for params in ({}, {"lot": snapshot(project).scored.lots[-1]}):
        at = page(project, **params)
        assert not at.exception and not [one for one in texts(at.main) if "<img src=x>" in one]


# lots by hand


def test_images_chosen_by_hand_become_a_lot(project, galleries):
    clear_lots(project)
    at = way(page(project), "hand")
    at.text_input(key="dn2_hand_name").set_value("LOT 2").run()
    assert at.button(key="dn2_hand_go").disabled
    key = next(one.key for one in at.dataframe if one.key and one.key.startswith("dn2_hand_"))
    at.session_state[key] = {"selection": {"rows": [0, 1, 2], "columns": [], "cells": []}}
    at.text_input(key="dn2_hand_lot").set_value("  New *lot* ").run()
    assert at.button(key="dn2_hand_go").label == "Put 3 images into this lot"
    at.session_state["dn2_who"] = {"name": "Ada"}
    at.button(key="dn2_hand_go").click().run()
    assert not at.exception
    view = snapshot(project)
    inside = [name for name, lot in zip(view.scored.names, view.scored.lots, strict=True) if lot == "New *lot*"]
    assert inside == ["lot 2/00.png", "lot 2/01.png", "lot 2/02.png"]
    assert history(project, kinds=("lots",))[0].author == "Ada"
    assert "3 images are in the lot New *lot*." in words(at)


def test_each_delivery_can_be_a_lot(project, galleries):
    at = way(page(project), "delivery")
    at.button(key="dn2_lots_go").click().run()
    assert not at.exception and len(set(snapshot(project).scored.lots)) == 5
    assert all(" delivery " in lot for lot in snapshot(project).scored.lots)


def test_filters_by_hand_find_by_name_and_delivery(project):
    view = snapshot(project)
    images = image_table(view)
    assert len(images) == 100 and matching(images, "", 0).tolist() == list(range(100))
    rows = matching(images, "Lot 3", 0)
    assert images["name"].iloc[rows].tolist() == [f"lot 3/{at:02}.png" for at in range(8)]
    batch = int(view.scored.batches[0])
    assert set(images["name"].iloc[matching(images, "0", batch)]) == {f"lot 1/{at:02}.png" for at in range(8)}
    assert matching(images, "lot 3", batch).tolist() == []


# words and drawings


def lot(name="A", times=0.5, *, size=4, flagged_images=0, **more) -> Lot:
    positions = np.arange(size)
    made = Lot(
        name=name,
        positions=positions,
        drivers=positions,
        shares=np.full(size, 1 / size),
        worst=0,
        flagged_images=flagged_images,
        arrived=0.0,
        namesakes=0,
        inside=0,
        score=4.0 * times**2,
        limit=4.0,
        flagged=times > 1,
        p_value=0.5,
        percentile=50.0,
        calibrated_on="drawn",
        calibration_scores=np.linspace(0.04, 4.04, 100),
        calibration_size=size,
        calibration_least=size,
        few_normals=False,
        refused=None,
    )
    return replace(made, **more)


def verdicts(lots, since=None, budget=0.01) -> LotVerdicts:
    return LotVerdicts("mean", budget, "arrival", tuple(lots), since)


UNJUDGED = dict(
    refused=Refused("NORMALS_TOO_FEW", wanted=4, n=2),
    score=np.nan,
    limit=np.nan,
    flagged=False,
    calibrated_on="",
    calibration_scores=np.empty(0),
    percentile=np.nan,
)


def test_the_answer_tells_counts_and_the_run():
    good, bad = [lot(f"g{n}") for n in range(3)], [lot(f"b{n}", 1.5) for n in range(3)]
    assert answer(verdicts(good)) == "None of 3 lots is flagged"
    assert answer(verdicts([*good, *bad], Since(3, 3, 3, False))) == "3 of 6 lots are flagged; since b0 3 of 3"
    assert answer(verdicts([*good, bad[0]], Since(3, 1, 1, False))) == "1 of 4 lots is flagged; the last one, b0"
    over = answer(verdicts([bad[0], *good], Since(0, 4, 1, True)))
    assert over == "1 of 4 lots is flagged; the last run of them, from b0, is over"
    assert answer(verdicts([lot(**UNJUDGED)])) == "No lot can be judged"
    assert answer(verdicts(bad[:1], Since(0, 1, 1, False))) == "The one lot is flagged"


def test_only_lots_without_a_flagged_image_are_told_as_silent():
    lots = [lot("A", 1.2), lot("B", 1.3, flagged_images=2), lot("C")]
    assert caught(verdicts(lots)) == "In 1 of them every image passes by itself: A."
    assert caught(verdicts(lots[1:])) == ""


def test_what_verdicts_rest_on_is_told():
    drawn = " ".join(basis(verdicts([lot(), lot(size=12)])))
    assert "calibrated on 100 groups of 4 to 12 images drawn from them" in drawn
    assert "know nothing of how days or batches differ" in drawn and "cannot tell" not in drawn
    real = [lot(calibrated_on="lots", calibration_scores=np.arange(1.0, 19))]
    found = basis(verdicts(real))
    assert found[0] == "Calibrated on 18 real lots of normals."
    assert "18 good groups cannot tell 1 good lot in 100" in found[1] and "1 in 19" in found[1]
    assert len(basis(verdicts(real, budget=1 / 19))) == 1 and basis(verdicts([])) == []


def test_why_is_told_for_each_case():
    told = why(lot(times=2.1), "mean", 0.01)
    assert told == (
        "No image of it is flagged by itself; together they lie 2.1 times as far from the normals as the limit, "
        "below which 99.0 % of equal groups of normals stay."
    )
    assert why(lot(flagged_images=1), "mean", 0.01).startswith("1 of its 4 images are flagged")
    assert "All 4 images of it are flagged" in why(lot(flagged_images=4), "mean", 0.01)
    assert "differ 1.5 times as much as" in why(lot(times=1.5), "covariance", 0.01)
    assert "1.01 times" in why(lot(times=1.0001), "mean", 0.01)  # never rounded onto the limit
    assert "0.99 times" in why(lot(times=0.9999), "mean", 0.01)
    assert "95.0 % of real lots of normals" in why(
        lot(calibrated_on="lots", calibration_scores=np.arange(19.0)), "mean", 0.01
    )
    assert "; it lies 1.2 times as far" in why(lot(size=1, times=1.2), "mean", 0.01)
    alike = lot(size=1, score=0.0, limit=0.0, flagged=False)
    assert why(alike, "covariance", 0.01) == (
        "Its image is not flagged by itself; good groups of 1 all score alike, so nothing tells lots apart."
    )
    assert why(lot(**UNJUDGED), "mean", 0.01).startswith("Not judged. Expected at least 4 normal images")


def test_what_else_is_to_be_known_of_a_lot_is_told():
    assert remarks(lot(), "mean") == []
    assert "one image" in remarks(lot(size=1), "mean")[0]
    assert "3 normals belong to this lot, too" in remarks(lot(namesakes=3), "mean")[0]
    assert "only other lots are" in remarks(lot(namesakes=3, calibrated_on="lots"), "mean")[0]
    assert "2 of its images are among the normals" in remarks(lot(inside=2, namesakes=2), "mean")[0]


def test_what_a_lot_is_compared_with_is_told_where_it_is_smaller():
    smaller = dict(size=9, calibration_size=6, calibration_least=6)
    few, many = remarks(lot(**smaller, few_normals=True), "mean"), remarks(lot(**smaller), "mean")
    assert few[0].startswith("There are too few normals for groups of 9: it is compared with groups of 6. Smaller")
    assert many[0].startswith("Lots have so many sizes") and "this one of 9 is compared with groups of 6" in many[0]
    assert "flagged less often" in many[0] and "flagged more often" in remarks(lot(**smaller), "max")[0]
    real = dict(calibrated_on="lots", size=9, calibration_least=4)
    assert "count 4 to 9 images, it counts 9" in remarks(lot(**real, calibration_size=9), "mean")[0]
    assert "count 4 images, it counts 9" in remarks(lot(**real, calibration_size=4, few_normals=True), "mean")[0]
    told = " ".join(basis(verdicts([lot(), lot(**smaller)])))
    assert "1 of them are compared with groups smaller" in told
    assert "many sizes" not in " ".join(basis(verdicts([lot(), lot(**smaller, few_normals=True)])))


def test_reasons_are_told_once_with_the_lots_that_they_befell():
    reasons = refusals(verdicts([lot("A", **UNJUDGED), lot("B"), lot("C", **UNJUDGED)]))
    assert len(reasons) == 1 and reasons[0].startswith("Not judged: A, C. Expected at least 4")
    assert "fewer than 1" in budget_line(verdicts([lot()]))


def test_the_list_has_what_cannot_be_judged_last_when_sorted():
    lots = verdicts([lot("A", **UNJUDGED), lot("B", 0.4), lot("=C", 13.0)])
    assert list_order(lots, False) == [0, 1, 2] and list_order(lots, True) == [2, 1, 0]
    table = lot_table(list(lots.lots), ["data:"])
    assert table["Verdict"].tolist() == ["– not judged", "✓ pass", "▲ flagged"]
    assert table["Lot"].tolist() == ["A", "B", "'=C"] and table["Worst"].isna().tolist() == [False, True, True]
    assert table["How far"].isna().tolist() == [True, False, False]


def test_a_percentile_is_never_rounded_up_to_all():
    table = lot_table([lot(percentile=99.96), lot(percentile=100.0)], [])
    assert table["Less unusual"].tolist() == [99.9, 100.0]


def test_the_worst_image_is_marked_among_the_drivers():
    shares = np.array([0.5, 0.3, 0.2])
    assert drive_marks(lot(size=3, shares=shares, drivers=np.array([2, 0, 1]))) == ["50 %", "30 %, worst", "20 %"]


def test_the_chart_shows_each_lot_at_its_own_limit():
    lots = [lot("<b>", 0.5), lot("B", 1.5), lot("C", 13.0), lot("D", **UNJUDGED)]
    figure = lots_in_order(verdicts(lots, Since(1, 2, 2, False)), "Arrival")
    passed, flagged = figure.data[1], figure.data[2]
    assert list(passed.x) == [0] and list(passed.y) == [0.5] and list(flagged.x) == [1, 2]
    assert list(flagged.y) == [1.5, 4.0] and list(flagged.text) == ["", "↑ 13 x"]  # far ones do not squash the rest
    assert (passed.marker.symbol, flagged.marker.symbol) == ("circle", "triangle-up")
    assert "&lt;b&gt;" in figure.layout.xaxis.ticktext[0] and list(flagged.customdata) == [1, 2]
    assert {note.text for note in figure.layout.annotations} == {"limit of each lot", "since B"}
    many = lots_in_order(verdicts([lot(f"L{n}") for n in range(500)]), "Arrival")
    assert len(many.layout.xaxis.tickvals) <= 24
    nothing = lots_in_order(verdicts([lot(**UNJUDGED)]), "Arrival")
    assert len(nothing.data[1].x) == len(nothing.data[2].x) == 0


@pytest.mark.parametrize("times", [0.5, 1.2, 40.0])
def test_a_lot_stands_among_its_good_groups(times):
    one = lot(times=times)
    figure = lot_among_groups(one)
    assert sum(figure.data[0].y) == pytest.approx(100)
    above = np.asarray(figure.data[0].x) - figure.data[0].width / 2 >= 1
    good = np.sqrt(one.calibration_scores / one.limit)
    assert np.sum(np.asarray(figure.data[0].y)[above]) == pytest.approx(100 * np.mean(good > 1))
    low, high = figure.layout.xaxis.range
    assert low < min(times, good.min()) and high > max(times, good.max())


def test_equal_good_groups_are_still_drawn():
    figure = lot_among_groups(lot(calibration_scores=np.full(9, 4.0)))
    assert sum(figure.data[0].y) == pytest.approx(100)
