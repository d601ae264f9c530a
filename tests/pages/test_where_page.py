"""Where: switched on by one button, then which mode found what, the filter in the address, and what is not there."""

from dataclasses import replace

import numpy as np
import pytest

from dn2core.explore.modes import FOUND, found_by
from dn2core.project import run_pending
from dn2core.project.catalogue import write_meta
from dn2core.project.events import history
from dn2core.project.patch_cost import STEPS
from dn2core.project.patches import patch_view
from dn2core.project.snapshot import Snapshot, snapshot
from pages.parts.jobs import progress
from pages.parts.look import raw
from pages.parts.where_found import both_modes
from tests.pages.app import give, opened, texts
from tests.patch_stand_in import part, use_fake_patches


@pytest.fixture(autouse=True)
def encoders(monkeypatch):
    return use_fake_patches(monkeypatch)


@pytest.fixture(autouse=True)
def galleries(monkeypatch):
    """What the page's gallery was given last; nothing is opened."""
    seen = {}
    monkeypatch.setattr("pages.parts.components.gallery.gallery", lambda **given: seen.update(given))
    return seen


@pytest.fixture
def project(store, fake_encoder):
    """14 normals, three good parts and two with a spot; patches are not looked at yet."""
    project = store.create("Bolts")
    give(project, "normal", [part(i) for i in range(14)], name="n{i:02}.png")
    scored = [part(100 + i) for i in range(3)] + [part(200, (2, 5)), part(201, (6, 1))]
    give(project, "scored", scored, name="s{i}.png")
    run_pending(store)
    return project


@pytest.fixture
def looked(project, store):
    project.change_settings(patches="bank", budget=0.1)
    run_pending(store)
    return project


def where(project, **params):
    at = opened("where", project=project.id, **params)
    assert not at.exception
    return at


def words(at) -> str:
    return " ".join(texts(at.main)).replace("\u00a0", " ").replace("\u2060", "").replace("\\", "")


def keys(at) -> set[str]:
    return {button.key for button in at.main.button}


def kinds(project) -> np.ndarray:
    view = snapshot(project)
    return found_by(view.judge().flagged, patch_view(project, view).flagged)


def test_without_normals_the_way_leads_there(store):
    assert "No normals yet" in words(where(store.create("Empty")))


def test_one_button_begins_it(project, store):
    at = where(project)
    assert "The whole image hides small defects" in words(at) and "dn2_where_begin" in keys(at)
    (fine,) = [one for one in at.main.radio if one.label == "How finely"]
    assert "from about 1.6 px" in fine.options[0] and "64 × 64 pixels" in words(at)
    fine.set_value(2).run()
    at.button(key="dn2_where_begin").click().run()
    assert not at.exception and (project.settings().patches, project.settings().tiles) == ("bank", 2)
    assert [job.kind for job in store.jobs.active()] == ["patches"] and "Stop" in words(at)
    assert "dn2_where_go_on" not in keys(at)  # it is being done
    run_pending(store)
    assert "flagged by a place" in words(at.run())


def test_a_network_without_maps_is_a_sentence(project, monkeypatch):
    monkeypatch.setattr("dn2core.project.patches.patch_layout", no_maps)
    at = where(project)
    assert "gives no maps of places" in words(at) and "dn2_where_begin" not in keys(at)


def no_maps(*_):
    from dn2core.errors import Refused

    raise Refused("NO_PATCHES", name="DINOv2")


def test_a_failure_is_said_and_the_work_is_offered_again(project, store, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("dn2core.project.patch_maps.RESERVE_BYTES", 10**18)
        project.change_settings(patches="bank")
        run_pending(store)
    at = where(project)
    assert "Free some space" in words(at) and "whole-image verdicts hold" in words(at)
    at.button(key="dn2_where_go_on").click().run()
    run_pending(store)
    assert "flagged by a place" in words(at.run())


def only_a_place(monkeypatch) -> None:
    """The whole image flags nothing."""
    judge = Snapshot.judge

    def calm(self, *given):
        judged = judge(self, *given)
        return replace(judged, flagged=np.zeros_like(judged.flagged), verdicts=np.full(len(judged.flagged), "pass"))

    monkeypatch.setattr(Snapshot, "judge", calm)


@pytest.mark.parametrize("page", ["where", "score"])
def test_a_pass_that_a_place_flags_does_not_look_like_one(looked, galleries, monkeypatch, page):
    only_a_place(monkeypatch)
    view = snapshot(looked)
    alone = patch_view(looked, view).flagged
    assert alone.sum() == 2
    at = opened(page, project=looked.id)
    by = dict(zip(galleries["ids"], zip(galleries["tones"], galleries["marks"], strict=True), strict=True))
    for item, odd in zip(view.scored.ids.tolist(), alone, strict=True):
        tone, mark = by[item]
        assert (tone, mark.startswith("flagged by a place")) == (("place", True) if odd else ("pass", False))
    if page == "score":
        assert "0 of 5 flagged · 2 more by a place alone" in words(at)
        assert galleries["captions"][0].startswith("pass · ")
        at.button(key="dn2_show_places").click().run()
        assert at.title[0].value == "Where" and at.query_params["by"] in ("patches", ["patches"])


def test_score_counts_a_place_alone_once_it_is_compared(looked, store, galleries, monkeypatch):
    only_a_place(monkeypatch)
    with looked.db.write() as db:
        kept = db.execute("SELECT * FROM patch_results").fetchall()
        db.execute("DELETE FROM patch_results")
    assert "by a place alone" not in words(opened("score", project=looked.id))
    assert set(galleries["tones"]) == {"pass"}
    with looked.db.write() as db:
        marks = ", ".join("?" * len(kept[0]))
        db.executemany(f"INSERT INTO patch_results VALUES ({marks})", [tuple(row) for row in kept])
    assert "2 more by a place alone" in words(opened("score", project=looked.id))
    assert galleries["tones"].count("place") == 2


def test_without_places_score_speaks_of_none(project, galleries):
    assert "a place alone" not in words(opened("score", project=project.id))
    assert "place" not in galleries["tones"]


def test_a_mask_in_force_stands_in_the_answer(looked, store, galleries):
    assert "of the picture is looked at" not in words(where(looked))
    looked.change_settings(mask=(("only", ((0.0, 0.0), (0.5, 0.0), (0.5, 0.5), (0.0, 0.5))),))
    run_pending(store)
    assert "by both · places: 25.0 % of the picture is looked at" in words(where(looked))


def test_the_answer_and_its_images_most_unusual_place_first(looked, galleries):
    at, view = where(looked), snapshot(looked)
    found = patch_view(looked, view)
    whole = view.judge().flagged
    assert found.flagged.sum() == 2
    assert (
        f"2 of 5 flagged by a place · {whole.sum()} by the whole image · {(whole & found.flagged).sum()} by both"
    ) in words(at)
    assert f"limit {raw(found.limit)}, set by 14 good parts" in words(at)
    order = np.argsort(-found.scores, kind="stable")
    assert galleries["ids"] == view.scored.ids[order].tolist()
    assert galleries["captions"][0].replace("\u00a0", " ").startswith(f"{found.multiples[order[0]]:.2f} x · ")
    assert galleries["tones"][:2] == ["reject", "reject"]


@pytest.mark.parametrize("chosen", [["patches"], ["both", "patches"], ["neither"], ["whole"], list(FOUND)], ids=str)
def test_the_filter_stands_in_the_address(looked, galleries, chosen):
    galleries.clear()
    at, view, by = where(looked, by=",".join(chosen)), snapshot(looked), kinds(looked)
    expected = set(view.scored.ids[np.isin(by, chosen)].tolist())
    assert set(galleries.get("ids", [])) == expected
    assert ("No image is of this kind" in words(at)) == (not expected)
    assert at.pills(key="dn2_where_by").value == [name for name in FOUND if name in chosen]


def test_a_choice_of_the_filter_goes_to_the_address_and_away(looked, galleries):
    at = where(looked)
    at.pills(key="dn2_where_by").set_value(["neither"]).run()
    assert at.query_params["by"] in ("neither", ["neither"])
    assert set(galleries["ids"]) == set(snapshot(looked).scored.ids[kinds(looked) == "neither"].tolist())
    at.pills(key="dn2_where_by").set_value([]).run()
    assert "by" not in at.query_params and len(galleries["ids"]) == 5
    assert len(where(looked, by="<script>,nonsense").pills(key="dn2_where_by").value) == 0


def test_without_scored_images_the_limit_is_set(store, fake_encoder):
    project = store.create("New")
    give(project, "normal", [part(i) for i in range(4)], name="n{i}.png")
    run_pending(store)
    project.change_settings(patches="bank", mask=(("ignore", ((0, 0), (0.5, 0), (0.5, 1), (0, 1))),))
    run_pending(store)
    assert "The limit for places is set" in (said := words(where(project)))
    assert "places: 50.0 % of the picture is looked at" in said


def test_one_normal_is_too_few_for_a_limit(store, fake_encoder, galleries):
    project = store.create("One")
    give(project, "normal", [part(0)], name="n.png")
    give(project, "scored", [part(1, (2, 5))], name="s.png")
    run_pending(store)
    project.change_settings(patches="bank")
    run_pending(store)
    said = words(where(project))
    assert "One normal is too few for a limit" in said and "No image is judged by its places yet" in said
    assert raw(patch_view(project, snapshot(project)).scores[0]) in galleries["captions"][0]
    assert "the raw distance of that place" in words(where(project)) and "in units of" not in words(where(project))


def test_what_is_not_compared_yet_is_said_and_offered(looked, store, galleries):
    with looked.db.write() as db:
        db.execute("DELETE FROM patch_results WHERE image_id = (SELECT max(image_id) FROM patch_results)")
    at = where(looked)
    assert "1 image is not compared yet" in words(at) and "not compared" in galleries["captions"][-1]
    at.button(key="dn2_where_go_on").click().run()
    run_pending(store)
    assert "not compared yet" not in words(at.run())


def test_what_was_stopped_is_said_and_goes_on(looked, store):
    looked.change_settings(tiles=2)
    at = where(looked)
    at.button(key=next(key for key in keys(at) if key.startswith("dn2_stop_"))).click().run()
    assert "Looking at places was stopped" in words(at) and at.button(key="dn2_where_go_on").label == "Go on"
    looked.change_settings(k=3)
    assert "Looking at places was stopped" in words(at.run())
    at.button(key="dn2_where_go_on").click().run()
    assert "was stopped" not in words(at)
    run_pending(store)
    assert "flagged by a place" in words(at.run())


def test_a_lost_picture_is_said_and_not_offered(project, store):
    item = project.item(int(snapshot(project).scored.ids[0]))
    next(project.folder.glob(f"originals/*/{item.sha256}*")).unlink()
    project.change_settings(patches="bank")
    run_pending(store)
    at = where(project)
    assert "1 image cannot be compared" in words(at) and "dn2_where_go_on" not in keys(at)
    assert "not compared yet" not in words(at)


def test_another_comparison_is_applied_and_it_is_switched_off(looked, store):
    at = where(looked)
    assert at.button(key="dn2_where_apply").disabled
    at.radio(key="dn2_where_method").set_value("nearest").run()
    at.button(key="dn2_where_apply").click().run()
    assert looked.settings().patches == "nearest"
    run_pending(store)
    at.run().button(key="dn2_where_end").click().run()
    assert looked.settings().patches is None and "dn2_where_begin" in keys(at)


def test_what_it_takes_is_told_before(project, store):
    assert "To be done: the features of 19 images, comparing 14 normals" in words(where(project))
    project.change_settings(patches="bank", budget=0.1)
    run_pending(store)
    at = where(project)
    assert "To be done" not in words(at)
    at.radio(key=f"dn2_where_tiles_1_{project.id}").set_value(2).run()
    said = words(at)
    assert "To be done: the features of 19 images, comparing 14 normals with each other" in said
    assert "comparing 5 scored images. How long it takes is told while it runs" in said
    with project.db.write() as db:
        names = (f"{STEPS[0]}, efficientnet_lite0", *(f"{step}, efficientnet_lite0, bank" for step in STEPS[1:]))
        write_meta(db, patches_pace=dict.fromkeys(names, 1.0))
    seconds = 4 * 19 + (576 / 320) ** 2 * (28 + 14 + 5)
    assert f"About {round(seconds / 60)} min, at the speed of the last time" in words(at.run())
    project.change_settings(tiles=2)
    run_pending(store)
    at = where(project)
    at.radio(key=f"dn2_where_tiles_2_{project.id}").set_value(1).run()
    assert "To be done: the features of 19 images. About" in words(at)  # the rest is kept from before
    at.radio(key="dn2_where_method").set_value("nearest").run()
    assert "comparing 14 normals" in words(at)


def test_the_step_of_the_work_is_told(project, store):
    project.change_settings(patches="bank")
    job = store.jobs.claim("comparison")
    store.jobs.report(job.id, stage="choosing patches", done=7, total=28, rate=0.1)
    (job,) = [one for one in store.jobs.active() if one.kind == "patches"]
    assert progress(job).startswith("step 2 of 4: choosing places of the normals · 7 of 28")
    assert progress(job, brief=True).startswith("choosing places")


def test_a_state_of_the_past_changes_nothing(looked, store, galleries):
    on, before = history(looked, newest=1)[0].id, history(looked, kinds=("delivery",))[0].id
    give(looked, "scored", [part(300)], name="late.png")
    run_pending(store)
    at = where(looked, state=str(on))
    assert "2 of 5 flagged by a place" in words(at) and len(galleries["ids"]) == 5
    assert not {key for key in keys(at) if key and key.startswith("dn2_where")}
    at = where(looked, state=str(before))
    assert "In this state of the past, places were not looked at" in words(at)
    assert not {key for key in keys(at) if key and key.startswith("dn2_where")}
    with looked.db.write() as db:
        db.execute("DELETE FROM patch_results")
        db.execute("DELETE FROM patch_fits")
    at = where(looked, state=str(on))
    assert "only where they are still kept" in words(at) and "dn2_where_go_on" not in keys(at)


def test_a_picture_opens_from_the_address(looked):
    first = int(snapshot(looked).scored.ids[3])
    at = where(looked, image=str(first))
    assert "dn2_back" in keys(at) and "flagged by a place" not in words(at)
    assert "was not found" in words(where(looked, image="999999"))


def test_hostile_names_are_shown_as_they_are(store, fake_encoder, galleries):
    project = store.create("Bolts")
    give(project, "normal", [part(i) for i in range(4)], name="n{i}.png")
    give(project, "scored", [part(9, (1, 1))], name="<b>*x*</b>{i}.png")
    run_pending(store)
    project.change_settings(patches="bank")
    run_pending(store)
    where(project)
    assert galleries["details"] == ["<b>*x*</b>0.png"]


def test_the_chart_shows_every_image_and_both_limits(looked):
    view = snapshot(looked)
    judged, found = view.judge(), patch_view(looked, view)
    figure = both_modes(view, judged, found)
    assert sum(len(trace.x) for trace in figure.data) == 5
    for axis, multiples in (
        (figure.layout.xaxis, judged.scores / judged.limit),
        (figure.layout.yaxis, found.multiples),
    ):
        low, high = axis.range
        assert low < min(1, *multiples) and high > min(4, max(1, *multiples))
    assert [one.text for one in figure.layout.annotations] == [
        f"limit {raw(judged.limit)}",
        f"limit {raw(found.limit)}",
    ]
