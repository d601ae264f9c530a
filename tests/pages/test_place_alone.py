"""A pass that a place flags: every page shows it so, Review asks about it, and nothing is computed for that."""

import io
import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from dn2core.detect.baselines import DN2
from dn2core.project import comparing
from dn2core.project.comparing import compare
from dn2core.project.detector_process import Outcome
from dn2core.project.labels import set_label
from dn2core.project.lots import lots_from_folders
from dn2core.project.patches import patch_view
from dn2core.project.snapshot import Snapshot, snapshot
from dn2core.project.worker import run_job
from pages.parts import areas
from tests.pages.app import give, opened, texts
from tests.patch_stand_in import part, use_fake_patches

pytestmark = pytest.mark.usefixtures("galleries")

WORD = "flagged by a place"
ALONE, WHOLE = "lot/s3.png", "lot/s4.png"  # a spot alone; the lamp was off, and the whole image is flagged as well


def work(store) -> None:
    """All that is to be done, but for the map: drawing one takes seconds."""
    for lane in ("compute", "comparison"):
        while job := store.jobs.claim(lane):
            run_job(store, job)


def off(seed: int) -> bytes:
    """A part whose picture was taken with the lamp off."""
    out = io.BytesIO()
    Image.fromarray((np.asarray(Image.open(io.BytesIO(part(seed)))) * 0.01).astype(np.uint8)).save(out, "PNG")
    return out.getvalue()


@pytest.fixture
def encoders(monkeypatch):
    return use_fake_patches(monkeypatch)


@pytest.fixture
def whole(monkeypatch):
    """Names that the whole image flags: by default only that of the lamp."""
    names, judge = {WHOLE}, Snapshot.judge

    def told(self, *given):
        judged = judge(self, *given)
        flagged = np.array([name in names for name in self.scored.names], bool)
        return replace(judged, flagged=flagged, verdicts=np.where(flagged, "reject", "pass"))

    monkeypatch.setattr(Snapshot, "judge", told)
    return names


@pytest.fixture
def project(store, fake_encoder, encoders, whole):
    """14 normals and a lot of five: three good parts, one with a spot, one without light; places are to be compared."""
    project = store.create("Bolts")
    give(project, "normal", [part(i) for i in range(14)], name="n{i:02}.png")
    give(project, "scored", [*(part(100 + i) for i in range(3)), part(200, (2, 5)), off(201)], name="lot/s{i}.png")
    work(store)
    lots_from_folders(project)
    project.change_settings(patches="bank", budget=0.1)
    return project


@pytest.fixture
def compared(project, store):
    work(store)
    view = snapshot(project)
    assert [view.scored.names[at] for at in np.flatnonzero(patch_view(project, view).flagged)] == [ALONE, WHOLE]
    return project


def item(project, name: str) -> int:
    items = snapshot(project).scored
    return int(items.ids[items.names.index(name)])


def shown(galleries, *keys) -> dict[int, tuple[str, str]]:
    """Tone and mark of each picture in these galleries, by its item."""
    found = {}
    for key in keys:
        given = galleries[key]
        marks = given["marks"] or [""] * len(given["ids"])
        found |= dict(zip(given["ids"], zip(given["tones"], marks, strict=True), strict=True))
    return found


def words(at) -> str:
    return " ".join(texts(at.main)).replace("\u00a0", " ").replace("\u2060", "").replace("\\", "")


def everywhere(project) -> str:
    """An area of the map that holds all points."""
    table = project.map()
    (x1, y1), (x2, y2) = table.xy.min(axis=0) - 1, table.xy.max(axis=0) + 1
    return f"{table.id}.{areas.encode([np.array([[x1, y1], [x2, y1], [x2, y2], [x1, y2]])], table.xy)}"


def with_detectors(project, monkeypatch) -> None:
    """Two detectors that rank the images the other way round."""

    def run(name, normals, queries, **options):
        rank = np.arange(len(queries), dtype=np.float64)
        return Outcome(rank if name == DN2 else -rank, fit_seconds=0.1, score_seconds=0.1, memory_bytes=1, notes={})

    monkeypatch.setattr(comparing, "run_detector", run)
    compare(project, [DN2, "lof"])


def open_each(project, monkeypatch, galleries) -> dict[str, dict]:
    """Pictures as the galleries of each page show them."""
    with_detectors(project, monkeypatch)
    for name in (ALONE, WHOLE):
        set_label(project, item(project, name), "defect")
    pages = {
        "review": ({}, ["dn2_shelf_gallery"]),
        "lots": ({"lot": "lot"}, ["dn2_lot_gallery"]),
        "map": ({"area": everywhere(project)}, ["dn2_map_gallery"]),
        "capture": ({}, ["dn2_capture"]),
        "compare": ({}, ["dn2_disagree_0", "dn2_disagree_1"]),
        "evaluate": ({}, ["dn2_misses"]),
        "score": ({}, ["dn2_score_gallery"]),
    }
    found = {}
    for page, (params, keys) in pages.items():
        galleries.clear()
        at = opened(page, project=project.id, **params)
        assert not at.exception, page
        found[page] = shown(galleries, *keys)
    return found


def test_every_page_shows_a_pass_that_a_place_flags_alike(compared, galleries, monkeypatch):
    pages = open_each(compared, monkeypatch, galleries)
    alone, whole = item(compared, ALONE), item(compared, WHOLE)
    for page, pictures in pages.items():
        tone, mark = pictures[alone]
        assert tone == "place" and WORD in mark.split(" · "), page
        others = {one: told for one, told in pictures.items() if one != alone}
        assert all(tone != "place" and WORD not in mark for tone, mark in others.values()), page
        assert others.get(whole, ("reject",))[0] == "reject", page


def test_a_finding_about_the_capture_stands_beside_it(compared, galleries, whole):
    whole.clear()
    opened("capture", project=compared.id)
    assert shown(galleries, "dn2_capture")[item(compared, WHOLE)] == ("place", f"{WORD} · lamp off")


def test_before_they_are_compared_pages_are_as_ever_and_begin_nothing(project, store, encoders, galleries, monkeypatch):
    before = [job.id for job in store.jobs.active()]
    encoders.clear()
    monkeypatch.setattr("dn2core.project.encoders.load_patch_encoder", lambda *_, **__: pytest.fail("it was loaded"))
    monkeypatch.setattr("dn2core.project.patch_fits._bring_up", lambda *_: pytest.fail("it was computed"))
    for page, pictures in open_each(project, monkeypatch, galleries).items():
        assert all(tone != "place" and WORD not in mark for tone, mark in pictures.values()), page
    assert [job.id for job in store.jobs.active()] == before
    at = opened("review", project=project.id)
    assert "The places of 5 images are not compared yet" in words(at)


def test_review_asks_about_it_and_says_why(compared, galleries):
    at = opened("review", project=compared.id)
    assert "0 of 2 decided" in [element.proto.text for element in at.main.get("progress")]
    assert f"{WORD}] 1 of them has one unusual place, though it passes as a whole." in words(at)
    assert "not compared yet" not in words(at)
    assert galleries["zoom"]["left_url"].endswith(f"/{item(compared, WHOLE)}")
    at.button(key="dn2_next").click().run()
    assert galleries["zoom"]["left_url"].endswith(f"/{item(compared, ALONE)}")
    assert "Found by a place alone" in words(at) and galleries["zoom"]["contours"]
    assert at.button(key="dn2_say_defect").label == "Confirmed defect"
    assert at.button(key="dn2_next").disabled and not at.button(key="dn2_previous").disabled
    at.button(key="dn2_say_defect").click().run()
    assert not at.exception and "1 of 2 decided" in [element.proto.text for element in at.main.get("progress")]
    assert galleries["zoom"]["left_url"].endswith(f"/{item(compared, WHOLE)}")


def test_an_image_from_elsewhere_finds_its_neighbours_in_the_order(compared, galleries):
    good = item(compared, "lot/s0.png")
    at = opened("review", project=compared.id, image=str(good))
    assert at.button(key="dn2_next").disabled  # it is less unusual than all in the queue
    at.button(key="dn2_previous").click().run()
    assert galleries["zoom"]["left_url"].endswith(f"/{item(compared, ALONE)}")


def test_other_queues_speak_of_no_place(compared, galleries):
    at = opened("review", project=compared.id, queue="near")
    assert WORD not in words(at) and not galleries["zoom"]["left_url"].endswith(f"/{item(compared, ALONE)}")


def test_a_known_defect_that_a_place_flags_is_not_missed(compared, galleries, whole):
    set_label(compared, item(compared, ALONE), "defect")
    set_label(compared, item(compared, "lot/s0.png"), "defect")
    assert "1 known defect passes at this limit" in words(opened("score", project=compared.id))
    assert "2 known defects · 1 passes now" in words(opened("review", project=compared.id))
    order = galleries["dn2_shelf_gallery"]["ids"]
    assert order == [item(compared, "lot/s0.png"), item(compared, ALONE)]  # what is missed stands first


def test_its_false_alarms_can_join_the_normals(compared):
    for name in (ALONE, WHOLE):
        set_label(compared, item(compared, name), "good")
    assert "2 false alarms that are not among the normals" in words(opened("review", project=compared.id))


def test_the_map_gives_it_a_sign_and_a_colour_of_its_own(compared):
    spec = json.loads(opened("map", project=compared.id).main.get("plotly_chart")[0].proto.spec)
    points, legend = spec["data"][0], spec["data"][1:]
    named = {one["name"]: (one["marker"]["color"], one["marker"]["symbol"]) for one in legend}
    assert named[WORD][1] == "triangle-up" and [sign for _, sign in named.values()].count("triangle-up") == 1
    assert len({colour for colour, _ in named.values()}) == len(named) == 4
    at = 14 + snapshot(compared).scored.names.index(ALONE)
    assert [i for i, sign in enumerate(points["marker"]["symbol"]) if sign == "triangle-up"] == [at]


def test_the_map_is_drawn_anew_once_they_are_compared(project, store):
    spec = json.loads(opened("map", project=project.id).main.get("plotly_chart")[0].proto.spec)
    assert WORD not in [one.get("name") for one in spec["data"]] and "symbol" not in spec["data"][0]["marker"]
    work(store)
    spec = json.loads(opened("map", project=project.id).main.get("plotly_chart")[0].proto.spec)
    assert WORD in [one.get("name") for one in spec["data"]]
