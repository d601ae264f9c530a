"""The opened picture: verdict and reason, neighbours in order, the way along the list."""

import numpy as np
import pytest

from dn2core.project import run_pending
from dn2core.project.snapshot import snapshot
from pages.parts import results
from pages.parts.results import Judged, reason
from tests.pages.app import filled, give, jpeg, opened, texts


@pytest.fixture
def project(store, fake_encoder):
    return filled(store, "Bolts", 24, scored=5)


@pytest.fixture
def parts(monkeypatch):
    """What gallery and zoom of the panel were given."""
    seen = {"gallery": {}, "zoom": {}}
    monkeypatch.setattr("pages.parts.components.gallery.gallery", lambda **given: None)
    monkeypatch.setattr("pages.parts.detail.gallery", lambda **given: seen.update(gallery=given))
    monkeypatch.setattr("pages.parts.detail.compare_zoom", lambda **given: seen.update(zoom=given))
    return seen


def address(at) -> dict:
    return {name: value[0] if isinstance(value, list) else value for name, value in at.query_params.items()}


def order_of(project) -> list[int]:
    shown = snapshot(project)
    return shown.scored.ids[np.argsort(-shown.judge().scores, kind="stable")].tolist()


def test_neighbours_come_in_order_with_multiple_and_distance(project, parts):
    from pages.parts.look import raw, times

    shown = snapshot(project)
    item = order_of(project)[0]
    opened("score", project=project.id, image=str(item))
    near = shown.neighbours_of(item, 2)
    assert parts["gallery"]["ids"] == [one.item_id for one in near]
    assert parts["gallery"]["captions"] == [f"{times(one.times)} · {raw(one.distance)}" for one in near]
    assert near[0].distance <= near[1].distance


def test_previous_and_next_walk_along_the_list(project, parts):
    order = order_of(project)
    at = opened("score", project=project.id, image=str(order[0]))
    assert at.button(key="dn2_previous").disabled and not at.button(key="dn2_next").disabled
    at.button(key="dn2_next").click().run()
    assert address(at)["image"] == str(order[1])
    assert any("2 of 5" in text for text in texts(at.main))
    at.button(key="dn2_previous").click().run()
    assert address(at)["image"] == str(order[0])
    at = opened("score", project=project.id, image=str(order[-1]))
    assert at.button(key="dn2_next").disabled


def test_back_returns_to_the_page_and_keeps_the_filters(project, parts):
    at = opened("score", project=project.id, image=str(order_of(project)[0]), name="jpg", saw="1")
    at.button(key="dn2_back").click().run()
    assert address(at) == {"project": project.id, "name": "jpg"}
    assert any("of 5 flagged" in text for text in texts(at.main))


def test_the_gallery_returns_to_the_picture_that_was_open(project, parts, monkeypatch):
    seen = {}
    monkeypatch.setattr("pages.parts.components.gallery.gallery", lambda **given: seen.update(given))
    item = order_of(project)[3]
    at = opened("score", project=project.id, image=str(item))
    at.button(key="dn2_back").click().run()
    assert seen["selected"] == item


def test_side_by_side_with_a_chosen_normal(project, parts):
    item = order_of(project)[0]
    second = snapshot(project).neighbours_of(item, 2)[1]
    at = opened("score", project=project.id, image=str(item))
    assert parts["zoom"]["right_url"] is None
    at.button(key="dn2_beside").click().run()
    first = snapshot(project).neighbours_of(item, 2)[0]
    assert address(at)["against"] == str(first.item_id)
    opened("score", project=project.id, image=str(item), against=str(second.item_id))
    assert parts["zoom"]["left_url"].endswith(f"/{item}")
    assert parts["zoom"]["right_url"].endswith(f"/{second.item_id}")
    assert parts["gallery"]["selected"] == second.item_id
    assert second.name in parts["zoom"]["alt"]
    # any other image of the project is no neighbour and is not shown beside it
    opened("score", project=project.id, image=str(item), against=str(order_of(project)[1]))
    assert parts["zoom"]["right_url"] is None


def test_what_the_network_saw_is_one_switch_away(project, parts):
    item = order_of(project)[0]
    at = opened("score", project=project.id, image=str(item))
    assert parts["zoom"]["left_url"].startswith("/dn2/image/")
    at.toggle(key="dn2_saw").set_value(True).run()
    assert parts["zoom"]["left_url"].startswith("/dn2/saw/") and address(at)["saw"] == "1"


@pytest.mark.parametrize(("form", "corrected"), [("mean", False), ("density", True)])
def test_the_score_is_explained_by_the_form_in_force(project, parts, form, corrected):
    project.change_settings(form=form)
    at = opened("score", project=project.id, image=str(order_of(project)[0]))
    [score] = [one for one in at.metric if one.label == "Score"]
    assert score.help.startswith("How unusual = mean of the squared distances to the k nearest normals")
    assert ("divided by the square root" in score.help) == corrected and "at k = 2" in score.help


@pytest.mark.parametrize(("form", "told"), [("mean", False), ("kth", True), ("density", True)])
def test_galleries_by_score_say_that_multiples_need_not_fall(project, parts, form, told):
    project.change_settings(form=form)
    for page in ("score", "normals"):
        at = opened(page, project=project.id)
        shown = [*at.caption, *at.markdown]
        assert any("the multiples need not fall" in f"{one.value} {one.help}" for one in shown) == told


def test_what_a_crop_left_out_is_outlined(store, project, parts):
    item = order_of(project)[0]
    opened("score", project=project.id, image=str(item))
    assert parts["zoom"]["outline"] is None
    project.change_backbone("efficientnet_lite0", "paper")
    run_pending(store)
    opened("score", project=project.id, image=str(item))
    left, top, right, bottom = parts["zoom"]["outline"]
    assert left + right == pytest.approx(1, abs=0.01) and right - left == pytest.approx(224 / 341)
    assert top == pytest.approx(16 / 256) and bottom == pytest.approx(240 / 256)
    opened("score", project=project.id, image=str(item), saw="1")
    assert parts["zoom"]["outline"] is None


def test_normals_open_in_the_same_panel(project, parts):
    shown = snapshot(project)
    item = int(shown.normals.ids[0])
    at = opened("normals", project=project.id, image=str(item))
    assert not at.exception
    assert any(text.startswith("A normal") for text in texts(at.main))
    assert item not in parts["gallery"]["ids"] and len(parts["gallery"]["ids"]) == 2


def test_hostile_names_stay_literal(store, fake_encoder, parts):
    project = filled(store, "Bolts", 24)
    give(project, "scored", [jpeg(900)], name="[x](javascript:alert(1)) <b>.jpg")
    run_pending(store)
    at = opened("score", project=project.id, image=str(order_of(project)[0]))
    assert not any("](javascript:" in text or "<b>" in text for text in texts(at.main) if "x" in text)


def judged(**change):
    given = {
        "item_id": 1,
        "name": "a.jpg",
        "role": "scored",
        "verdict": "reject",
        "score": 1.0,
        "percentile": 99.6,
        "multiple": 2.34,
        "beyond": True,
        "same_as_normal": False,
    }
    return Judged(**{**given, **change})


@pytest.mark.parametrize(
    ("one", "k", "sentence"),
    [
        (
            judged(),
            2,
            "Flagged: farther from its 2 nearest normals than 99.6 % of the normals are from theirs; "
            "2.3 x the usual spacing.",
        ),
        (
            judged(percentile=100.0),
            5,
            "Flagged: farther from its 5 nearest normals than every normal is from its own; 2.3 x the usual spacing.",
        ),
        (
            judged(verdict="pass", percentile=40.0),
            1,
            "Passed: farther from its nearest normal than 40.0 % of the normals are from theirs; "
            "2.3 x the usual spacing.",
        ),
        (
            judged(role="normal", verdict="normal", percentile=0.0, beyond=False),
            2,
            "A normal within the limit: as near to its 2 nearest normals as the nearest of the normals "
            "to theirs; 2.3 x the usual spacing.",
        ),
        (
            judged(verdict="review", percentile=float("nan"), multiple=float("nan")),
            2,
            "Not judged: with a single normal there is nothing to compare its distance with.",
        ),
    ],
)
def test_the_reason_in_one_sentence(one, k, sentence):
    assert reason(one, k) == sentence


def test_many_numbers_read_as_single_ones_do():
    from pages.parts.look import percent, times

    values = np.array([0, 0.04, 50.05, 99.94, 99.96, 99.999, 100, np.nan, 3.14159, 12.25])
    assert results.percents(values) == [percent(value) for value in values]
    spreads = np.array([0, 0.96, 2.25, 99.94, 100.4, 1234.5, np.nan])
    assert results.many_times(spreads) == [times(value) for value in spreads]
    assert results.percents(np.array([])) == []


def test_cells_of_any_images_equal_those_of_each(project):
    shown = snapshot(project)
    judgement = shown.judge()
    ids = np.array([shown.scored.ids[2], shown.normals.ids[5], 10**9, shown.scored.ids[0]])
    cells = results.item_cells(shown, judgement, ids)
    assert cells.ids == [ids[0], ids[1], ids[3]]
    assert cells.tones == [judgement.verdicts[2], "normal", judgement.verdicts[0]]
    assert cells.details == [shown.scored.names[2], shown.normals.names[5], shown.scored.names[0]]
    scored = results.cells(shown, judgement, np.array([2, 0]))
    assert [cells.captions[0], cells.captions[2]] == scored.captions
