"""Capture: is it the part or the camera? The answer, the filters, the opened picture, and the health of the normals."""

import csv
import io

import numpy as np
import pytest
from PIL import Image

from dn2core.detect.capture import GROUPS, MEASURES, Finding
from dn2core.project import run_pending
from dn2core.project.captures import captures, measured
from dn2core.project.snapshot import snapshot
from pages.parts.capture_gallery import capture_cells, corner_marks, counted, gravest_first, in_groups
from pages.parts.capture_words import group_word, not_judged_told, numbers, told, word, words
from pages.parts.text import JOINER
from tests.pages.app import filled, give, jpeg, opened, texts


def lit(seed: int, light: float, kind: str = "JPEG") -> bytes:
    """As the normals, in another light."""
    pixels = np.asarray(Image.open(io.BytesIO(jpeg(seed)))) * light
    out = io.BytesIO()
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(out, kind)
    return out.getvalue()


@pytest.fixture
def project(store, fake_encoder):
    """24 normals; 4 images like them, one that is darker, one of another kind of file, one with the lamp off."""
    project = filled(store, "Bolts", 24, scored=4)
    give(project, "scored", [lit(2000, 0.4), lit(2001, 1, "PNG"), lit(2002, 0.01)], name="odd {i}.jpg")
    run_pending(store)
    return project


def ids(project, *names: str) -> list[int]:
    items = snapshot(project).scored
    return [int(items.ids[items.names.index(name)]) for name in names]


def address(at) -> dict:
    return {name: value[0] if isinstance(value, list) else value for name, value in at.query_params.items()}


def plain(text: str) -> str:
    """Without what keeps Markdown from reading something into it."""
    return text.replace("\\", "").replace(JOINER, "")


def said(at, words: str) -> bool:
    return any(words in plain(text) for text in texts(at.main))


def forgotten(project) -> None:
    with project.db.write() as db:
        db.execute("DELETE FROM captures")


# the page


def test_without_normals_the_next_step_is_named(store):
    at = opened("capture", project=store.create("Bolts").id)
    assert not at.exception and said(at, "No normals yet")


def test_the_answer_and_the_gravest_first(project, galleries):
    at = opened("capture", project=project.id)
    assert not at.exception
    assert said(at, "3 of 7 images: check the capture")
    shown = galleries["dn2_capture"]
    assert shown["ids"][0] == ids(project, "odd 2.jpg")[0]
    assert shown["marks"][0] == "lamp off" and "lamp off" in shown["details"][0]
    assert sorted(shown["ids"]) == sorted(ids(project, "odd 0.jpg", "odd 1.jpg", "odd 2.jpg"))


def test_under_a_picture_stands_how_many_more_findings_there_are(project):
    items = snapshot(project).scored
    dark, soft, burnt = (Finding(kind, "brightness", strength=1.5) for kind in ("dark", "blurred", "burnt"))
    findings = [(dark,), (soft, dark, burnt), *[()] * (len(items) - 2)]
    pictures = capture_cells(items, findings, np.array([1, 0]), ["reject", "pass", *["pass"] * (len(items) - 2)])
    assert pictures.captions == ["pass · 2 more", "reject"]
    assert pictures.marks == ["blurred", "too dark"]
    assert pictures.details[0].endswith("blurred, too dark, burnt out")


def test_what_a_whole_delivery_shares_is_told_once_and_not_counted(project, store, galleries):
    give(project, "scored", [lit(2100 + seed, 1, "PNG") for seed in range(3)], name="saved {i}.png")
    run_pending(store)
    at = opened("capture", project=project.id)
    assert said(at, "3 of 10 images: check the capture")  # the PNG in a delivery of others still among them
    assert said(at, "3 new images are another kind of file than the normals: PNG, colour.")
    assert sorted(galleries["dn2_capture"]["ids"]) == sorted(ids(project, "odd 0.jpg", "odd 1.jpg", "odd 2.jpg"))


def test_what_cannot_be_judged_is_said_and_from_where_on_the_rest_is(project, galleries, monkeypatch):
    monkeypatch.setattr("dn2core.project.captures.not_judged", lambda normals: {"full": GROUPS["framing"]})
    at = opened("capture", project=project.id)
    assert said(at, "Framing is not judged here")
    brightness = at.dataframe[0].value.iloc[0]
    usual = captures(project, snapshot(project)).usual
    assert brightness["What is measured"] == "Brightness" and brightness["The normals have"] == "50 %"
    assert brightness["Told below"] == f"{100 * usual.bounds()[0][0]:.0f} %"


def test_few_normals_tell_only_large_differences(store, fake_encoder, galleries):
    at = opened("capture", project=filled(store, "Bolts", 12).id)
    assert said(at, "With 12 normals only large differences are told")


def test_filters_stand_in_the_address(project, galleries):
    at = opened("capture", project=project.id)
    at.pills(key="dn2_about").set_value(["file"]).run()
    assert address(at)["about"] == "file"
    assert galleries["dn2_capture"]["ids"] == ids(project, "odd 1.jpg")
    at = opened("capture", project=project.id, about="light,nonsense")
    assert galleries["dn2_capture"]["ids"] == ids(project, "odd 2.jpg", "odd 0.jpg")
    at.pills(key="dn2_about").set_value([]).run()
    assert "about" not in address(at)


def test_an_opened_picture_says_it_above_the_verdict(project, galleries):
    dark, off = ids(project, "odd 0.jpg", "odd 2.jpg")
    at = opened("capture", project=project.id, image=str(off))
    assert not at.exception and said(at, "1 of 3")
    notes = [one for one in at.markdown if "Check the capture: the lamp is off." in plain(one.value)]
    assert len(notes) == 1 and "Brightness 0 %; the normals have 50 %" in plain(notes[0].help)
    at = opened("score", project=project.id, image=str(dark))
    assert said(at, "Check the capture: too dark")
    good = ids(project, "000.jpg")[0]
    assert not said(opened("score", project=project.id, image=str(good)), "Check the capture")


def test_an_unknown_picture_is_named(project, galleries):
    assert said(opened("capture", project=project.id, image="99999"), "The image was not found")


def test_normals_alone(store, fake_encoder, galleries):
    at = opened("capture", project=filled(store, "Bolts", 24).id)
    assert not at.exception
    assert said(at, "No new images yet") and said(at, "All 24 normals were taken alike")


def test_one_normal(store, fake_encoder, galleries):
    project = filled(store, "Bolts", 1, scored=1)
    give(project, "scored", [lit(2002, 0.01)])
    run_pending(store)
    at = opened("capture", project=project.id)
    assert not at.exception
    assert said(at, "1 of 2 images: check the capture") and said(at, "With fewer than 5 normals")


def test_odd_normals_are_shown_and_open(project, store, galleries):
    give(project, "normal", [lit(3000, 0.01)], name="odd.jpg")
    run_pending(store)
    at = opened("capture", project=project.id)
    assert said(at, "1 of 25 was taken unlike the others: Light 1.")
    [odd] = galleries["dn2_capture_normals"]["ids"]
    at = opened("capture", project=project.id, image=str(odd))
    assert not at.exception and said(at, "Check the capture: the lamp is off.") and said(at, "1 of 1")


def test_images_of_an_older_project_are_measured_on_request(project, store, galleries):
    forgotten(project)
    at = opened("capture", project=project.id)
    assert said(at, "Of 31 images it is not known how they were taken") and said(at, "That cannot be told yet")
    assert not said(at, "taken alike")
    at.button(key="dn2_measure").click().run()
    run_pending(store)
    at = opened("capture", project=project.id)
    assert measured(project) == 31
    assert said(at, "3 of 7 images: check the capture") and not said(at, "it is not known")


# the Score page


def test_score_says_how_many_and_shows_them(project, galleries):
    at = opened("score", project=project.id)
    assert said(at, "3 images: check the capture.")
    gallery = galleries["dn2_score_gallery"]
    assert dict(zip(gallery["ids"], gallery["marks"], strict=True))[ids(project, "odd 2.jpg")[0]] == "lamp off"
    assert gallery["marks"].count("") == 4
    at.button(key="dn2_show_capture").click().run()
    assert address(at)["capture"] == "1"
    assert sorted(galleries["dn2_score_gallery"]["ids"]) == sorted(ids(project, "odd 0.jpg", "odd 1.jpg", "odd 2.jpg"))
    at.text_input(key="dn2_f_name").set_value("2").run()  # another filter keeps it
    assert address(at)["capture"] == "1" and galleries["dn2_score_gallery"]["ids"] == ids(project, "odd 2.jpg")
    at.button(key="dn2_show_capture").click().run()
    assert "capture" not in address(at) and len(galleries["dn2_score_gallery"]["ids"]) == 7


def test_score_says_nothing_where_all_is_as_usual(store, fake_encoder, galleries):
    assert not said(opened("score", project=filled(store, "Bolts", 24, scored=4).id), "check the capture")


def test_the_csv_has_what_is_unusual_last(project):
    from dn2core.report import results_csv

    view = snapshot(project)
    found = captures(project, view).scored
    data = results_csv(view, view.judge(), positions=[6, 0], findings=found)
    rows = list(csv.DictReader(io.StringIO(data.decode())))
    assert list(rows[0])[-1] == "capture"
    assert [row["capture"] for row in rows] == ["lamp_off", ""]


# words and order


def test_every_finding_has_its_words():
    for measure, one in MEASURES.items():
        for kind in filter(None, (one.low, one.high)):
            finding = Finding(kind, measure, 0.3, 0.5, 0.4, 1.5)
            assert word(finding) and numbers(finding) and told([finding]).startswith("Check the capture: ")
    assert all(map(group_word, GROUPS))
    assert numbers(Finding("kind", "kind")).startswith("No normal is such a file")


def test_a_shift_says_how_far():
    left = Finding("left", "centre_x", 0.38, 0.5, 0.45, 2.4)
    assert word(left) == "shifted left 12 %"
    assert numbers(left).endswith("38 %; the normals have 50 %, and down to 45 % nothing is said.")
    right = Finding("right", "centre_x", 0.62, 0.5, 0.55, 2.4)
    assert numbers(right).endswith("62 %; the normals have 50 %, and up to 55 % nothing is said.")


def test_what_is_not_judged_has_its_words():
    reasons = {"few": (), "full": GROUPS["framing"], "wide": ("dark", "blurred"), "files": ("kind",)}
    told = not_judged_told(reasons)
    assert len(told) == 4 and told[2].startswith("Not judged here: too dark, blurred.")
    assert not_judged_told({}) == []


def test_order_and_counts():
    dark, soft = Finding("dark", "brightness", strength=1.5), Finding("blurred", "sharpness", strength=3.0)
    burnt = Finding("burnt", "burnt", strength=1.2)
    found = [(dark,), (), (soft, dark), (soft,), (dark, burnt)]
    assert gravest_first(found).tolist() == [2, 3, 0, 4]
    assert gravest_first(found, ["light"]).tolist() == [0, 2, 4]
    assert gravest_first([]).tolist() == []
    assert in_groups(found) == {"light": 3, "focus": 2}
    assert counted(found) == "Light 3 · Focus 2"
    assert words(found[4]) == "too dark, burnt out"
    assert corner_marks(["", "", "defect", "", ""], found) == [
        "too dark",
        "",
        "defect · blurred",
        "blurred",
        "too dark",
    ]
