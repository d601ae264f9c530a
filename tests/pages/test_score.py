"""Score: the answer on top, the most unusual first, filters in the address."""

import csv
import io

import numpy as np
import pytest
import streamlit as st
from PIL import Image

from dn2core.project import run_pending
from dn2core.project.snapshot import snapshot
from tests.pages.app import filled, give, jpeg, opened, texts


def shade(seed: int, level: int) -> bytes:
    """A JPEG like the normals', but for a darker left half."""
    pixels = np.random.default_rng(seed).integers(0, 255, (30, 40, 3), dtype=np.uint8)
    pixels[:, :20] = pixels[:, :20] // 4 + level
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "JPEG", quality=90)
    return out.getvalue()


@pytest.fixture
def project(store, fake_encoder):
    """24 normals; 6 images like them and 3 that are darker and darker on the left."""
    project = filled(store, "Bolts", 24, scored=6)
    give(project, "scored", [shade(1, 40), shade(2, 20), shade(3, 0)], source="folder", name="dark/{i}.jpg")
    run_pending(store)
    return project


@pytest.fixture
def galleries(monkeypatch):
    """What the page's gallery was given last; nothing is opened."""
    seen = {}
    monkeypatch.setattr("pages.parts.components.gallery.gallery", lambda **given: seen.update(given))
    return seen


def test_without_a_project_or_normals_the_next_step_is_named(store):
    assert any("No project is open" in text for text in texts(opened("score").main))
    at = opened("score", project=store.create("Bolts").id)
    assert not at.exception
    assert any("No normals yet" in text for text in texts(at.main))
    at.button(key="dn2_empty_go").click().run()
    assert at.title[0].value == "Normals"


def test_with_normals_alone_new_images_are_asked_for(store, fake_encoder):
    at = opened("score", project=filled(store, "Bolts", 24).id)
    assert not at.exception
    assert any("compared with 24 normals" in text for text in texts(at.main))
    assert at.main.get("file_uploader")


def test_the_uploader_stays_while_another_tab_adds_normals(store, fake_encoder):
    project = filled(store, "Bolts", 24)
    give(project, "normal", [jpeg(99)])
    at = opened("score", project=project.id)
    assert any("You can leave this page" in text for text in texts(at.main))
    assert at.main.get("file_uploader")


def test_dropped_images_are_scored(store, fake_encoder, galleries):
    project = filled(store, "Bolts", 24)
    at = opened("score", project=project.id)
    files = [(f"{i}.jpg", jpeg(500 + i), "image/jpeg") for i in range(3)]
    at.file_uploader(key="dn2_score_files_0").set_value(files).run()
    assert not at.exception
    run_pending(store)
    at = opened("score", project=project.id)
    assert len(galleries["ids"]) == 3
    batch = project.batches("scored")[0]
    assert (batch.role, batch.accepted) == ("scored", 3)


def test_the_answer_is_that_of_the_snapshot(project, galleries):
    from pages.parts.look import raw

    judged = snapshot(project).judge()
    flagged = int(judged.flagged.sum())
    assert 0 < flagged < 9
    words = " ".join(texts(opened("score", project=project.id).main))
    assert f"{flagged} of 9 flagged" in words
    assert f"limit {raw(judged.limit)} at k = 2" in words
    assert "judged by normals version 1" in words
    assert "About 4.0 % of good parts like the normals are flagged as well (between 0.0 % and 14.2 %)." in words
    assert "24 scores of good parts cannot promise 1 in 100" in words and "275 more are needed" in words


def test_the_most_unusual_comes_first_with_its_verdict(project, galleries):
    opened("score", project=project.id)
    shown = snapshot(project)
    judged = shown.judge()
    by_id = dict(zip(shown.scored.ids.tolist(), range(9), strict=True))
    at = [by_id[i] for i in galleries["ids"]]
    assert sorted(at) == list(range(9))
    assert np.all(np.diff(judged.scores[at]) <= 0)
    assert galleries["tones"] == judged.verdicts[at].tolist()
    assert galleries["details"] == [shown.scored.names[i] for i in at]
    assert galleries["captions"][0].startswith("reject · 100 % · ")


@pytest.mark.parametrize(
    ("params", "keep"),
    [
        ({"verdict": "reject"}, lambda judged, names: judged.flagged),
        ({"verdict": "pass,reject"}, lambda judged, names: np.ones(9, bool)),
        ({"from": "50"}, lambda judged, names: judged.percentiles >= 50),
        ({"to": "50"}, lambda judged, names: judged.percentiles <= 50),
        ({"name": "DARK/"}, lambda judged, names: np.array(["dark/" in name for name in names])),
        ({"name": "dark", "verdict": "pass"}, lambda judged, names: np.zeros(9, bool)),
        ({"from": "bad", "to": "1e99", "batch": "²", "verdict": "x"}, lambda judged, names: np.ones(9, bool)),
    ],
)
def test_filters_in_the_address_choose_the_pictures(project, galleries, params, keep):
    shown = snapshot(project)
    at = opened("score", project=project.id, **params)
    assert not at.exception
    wanted = shown.scored.ids[keep(shown.judge(), shown.scored.names)]
    if len(wanted):
        assert sorted(galleries["ids"]) == sorted(wanted.tolist())
    else:
        assert galleries == {} and any("No image passes" in text for text in texts(at.main))
        at.button(key="dn2_show_all").click().run()
        assert len(galleries["ids"]) == 9


def test_the_delivery_is_a_filter(project, galleries):
    batch = project.batches("scored")[0]
    opened("score", project=project.id, batch=str(batch.id))
    assert len(galleries["ids"]) == batch.accepted == 3
    assert opened("score", project=project.id, batch="99999").exception == []


def test_widgets_write_the_address_and_a_reload_brings_them_back(project, galleries):
    at = opened("score", project=project.id)
    at.text_input(key="dn2_f_name").set_value(" dark ").run()
    at.slider(key="dn2_f_share").set_value((20.0, 100.0)).run()
    at.selectbox(key="dn2_f_batch").select_index(1).run()
    assert at.query_params["name"] in (["dark"], "dark")
    given = {name: value[0] if isinstance(value, list) else value for name, value in at.query_params.items()}
    assert given["from"] == "20" and "to" not in given
    again = opened("score", **given)
    assert again.text_input(key="dn2_f_name").value == "dark"
    assert again.slider(key="dn2_f_share").value == (20.0, 100.0)
    assert len(galleries["ids"]) == 3


def test_a_picture_in_the_address_is_opened(project, galleries, monkeypatch):
    seen = {}
    monkeypatch.setattr("pages.parts.detail.gallery", lambda **given: seen.update(given))
    shown = snapshot(project)
    worst = int(shown.scored.ids[shown.judge().scores.argmax()])
    at = opened("score", project=project.id, image=str(worst))
    assert not at.exception and galleries == {}
    assert any("Flagged" in text for text in texts(at.main))
    assert len(seen["ids"]) == 2


def test_a_picture_that_is_not_there_is_a_sentence(project, galleries):
    for image in ("999999", "9" * 18):
        at = opened("score", project=project.id, image=image)
        assert not at.exception and "not found" in at.error[0].value
        assert len(galleries["ids"]) == 9


def test_each_delivery_keeps_who_judged_it(store, project, galleries):
    give(project, "normal", [jpeg(3000 + i) for i in range(4)])
    run_pending(store)
    give(project, "scored", [jpeg(4000)])
    run_pending(store)
    at = opened("score", project=project.id)
    table = next(frame.value for frame in at.dataframe if "Judged by" in frame.value)
    assert table["Judged by"].tolist() == [
        "normals version 2 (28)",
        "normals version 1 (24)",
        "normals version 1 (24)",
    ]
    assert any("judged by normals version 2" in text for text in texts(at.main))


def test_the_csv_holds_what_is_shown_in_its_order(project, galleries, monkeypatch):
    given = {}
    monkeypatch.setattr(st, "download_button", lambda label, **kwargs: given.update(kwargs))
    opened("score", project=project.id, name="dark")
    rows = list(csv.DictReader(io.StringIO(given["data"]().decode("utf-8-sig"), newline="")))
    shown = snapshot(project)
    judged = shown.judge()
    order = [i for i in np.argsort(-judged.scores, kind="stable") if shown.scored.names[i].startswith("dark/")]
    assert [row["file"] for row in rows] == [shown.scored.names[i] for i in order]
    assert given["file_name"].isascii() and given["file_name"].endswith(".csv")


@pytest.mark.parametrize("n", [1, 2])
def test_few_normals_give_no_nonsense(store, fake_encoder, galleries, n):
    at = opened("score", project=filled(store, "Few", n, scored=2).id)
    assert not at.exception
    words = texts(at.main)
    assert any("unreliable" in text for text in words) == (n > 1)
    assert not any("nan" in text.lower().split() for text in words)
    if n == 1:
        assert any("too few for a limit" in text for text in words)
        assert galleries["tones"] == ["review", "review"]


def test_a_photograph_becomes_a_delivery(project, galleries):
    at = opened("score", project=project.id)
    at.session_state["dn2_camera_open"] = True
    at.run()
    at.camera_input(key="dn2_camera_0").set_value(("photo.jpg", jpeg(7), "image/jpeg")).run()
    assert not at.exception
    newest = project.batches("scored")[0]
    assert newest.source == "camera"
