"""Review: the queue, a decision by each button, what joining would change, two reviewers, the shelf of defects."""

import numpy as np
import pytest

from dn2core.project import Settings
from dn2core.project.claims import claim, claimed_by_others
from dn2core.project.events import history
from dn2core.project.labels import labels, set_label
from dn2core.project.normals import add_normals
from dn2core.project.queue import queue
from tests.pages.app import filled, opened, texts


@pytest.fixture
def project(store, fake_encoder):
    """24 normals and 8 scored images, of which about half lie above the limit."""
    project = filled(store, "Bolts", 24, scored=8)
    project.save_settings(Settings(budget=0.5))
    return project


@pytest.fixture
def parts(monkeypatch):
    seen = {}
    monkeypatch.setattr("pages.parts.components.gallery.gallery", lambda **given: seen.update({given["key"]: given}))
    monkeypatch.setattr("pages.parts.detail.gallery", lambda **given: None)
    monkeypatch.setattr("pages.parts.detail.compare_zoom", lambda **given: seen.update(zoom=given))
    return seen


def address(at) -> dict:
    return {name: value[0] if isinstance(value, list) else value for name, value in at.query_params.items()}


def flagged(project) -> list[int]:
    shown = project.snapshot()
    judged = shown.judge()
    order = np.argsort(-judged.scores, kind="stable")
    return shown.scored.ids[order[judged.flagged[order]]].tolist()


def shown_image(parts) -> int:
    return int(parts["zoom"]["left_url"].rsplit("/", 1)[1])


def test_the_most_unusual_comes_first_beside_its_nearest_normal(project, parts):
    at = opened("review", project=project.id)
    assert not at.exception
    assert shown_image(parts) == flagged(project)[0]
    nearest = project.snapshot().neighbours_of(flagged(project)[0], 1)[0]
    assert parts["zoom"]["right_url"].endswith(f"/{nearest.item_id}")
    at.button(key="dn2_alone").click().run()
    assert parts["zoom"]["right_url"] is None


def test_a_defect_is_kept_with_its_note_and_the_next_one_comes(project, parts):
    first, second = flagged(project)[:2]
    at = opened("review", project=project.id)
    at.text_input(key=f"dn2_note_{first}_0").set_value("a crack")
    at.button(key="dn2_say_defect").click().run()
    [label] = labels(project).values()
    assert (label.label, label.note) == ("defect", "a crack")
    assert address(at)["image"] == str(second) and shown_image(parts) == second
    assert any("1 known defect" in text for text in texts(at.main))


def test_a_false_alarm_stays_until_it_is_said_whether_it_joins(project, parts):
    first, second = flagged(project)[:2]
    at = opened("review", project=project.id)
    at.button(key="dn2_say_good").click().run()
    assert address(at)["trial"] == "join" and shown_image(parts) == first
    assert any("the limit" in text for text in texts(at.main)) and project.state().version == 1
    at.button(key="dn2_impact_go_one").click().run()
    assert not at.exception
    assert project.state().version == 2 and project.state().n == 25
    assert any("joined the normals: version 2" in text for text in texts(at.main))
    assert address(at).get("trial") is None
    at.button(key="dn2_changed_undo").click().run()
    assert project.state().n == 24 and project.state().reason == "as in version 1"
    assert second  # the queue went on


def test_the_undo_key_takes_back_the_join_first_and_then_the_label(project, parts):
    at = opened("review", project=project.id)
    at.button(key="dn2_say_good").click().run()
    at.button(key="dn2_impact_go_one").click().run()
    assert project.state().n == 25 and len(labels(project)) == 1
    at.button(key="dn2_say_undo").click().run()
    assert project.state().n == 24 and len(labels(project)) == 1
    assert not [button for button in at.button if button.key == "dn2_changed_undo"]
    at.button(key="dn2_say_undo").click().run()
    assert labels(project) == {}


def test_the_bar_of_a_change_is_not_there_in_a_state_of_the_past(project, parts):
    event = history(project)[0].id
    at = opened("review", project=project.id)
    at.button(key="dn2_say_good").click().run()
    at.button(key="dn2_impact_go_one").click().run()
    assert [button for button in at.button if button.key == "dn2_changed_undo"]
    at.query_params["state"] = str(event)
    at.switch_page("normals.py").run()
    assert not [button for button in at.button if button.key == "dn2_changed_undo"]


def test_an_image_that_the_last_decision_cleared_is_not_asked_about(project, parts):
    at = opened("review", project=project.id)
    order = flagged(project)
    at.button(key="dn2_say_defect").click().run()
    assert address(at)["image"] == str(order[1])
    project.change_settings(budget=0.001)  # nothing else is flagged any more
    assert len(flagged(project)) < len(order)
    at.run()
    if order[1] not in flagged(project):
        assert "image" not in address(at) or shown_image(parts) in flagged(project)
        assert any("All are decided" in text or "No image is flagged" in text for text in texts(at.main))


def test_not_now_leaves_the_normals_alone_and_goes_on(project, parts):
    at = opened("review", project=project.id)
    second = flagged(project)[1]
    at.button(key="dn2_say_good").click().run()
    at.button(key="dn2_impact_no_one").click().run()
    assert shown_image(parts) == second and project.state().version == 1


def test_undo_brings_back_the_last_decision_and_its_image(project, parts):
    first = flagged(project)[0]
    at = opened("review", project=project.id)
    assert at.button(key="dn2_say_undo").disabled
    at.button(key="dn2_say_unsure").click().run()
    assert labels(project) and shown_image(parts) != first
    at.button(key="dn2_say_undo").click().run()
    assert labels(project) == {} and shown_image(parts) == first
    assert len(history(project, kinds=("label",))) == 2


def test_what_another_person_said_meanwhile_is_not_overwritten(project, parts):
    first = flagged(project)[0]
    at = opened("review", project=project.id, image=str(first))
    set_label(project, first, "defect", author="Ada")
    at.button(key="dn2_say_good").click().run()
    assert [label.label for label in labels(project).values()] == ["defect"]
    assert any("Ada said defect" in error.value.replace("\u2060", "") for error in at.error)


def test_two_reviewers_get_different_images(project, parts):
    first, second = flagged(project)[:2]
    image = int(project.snapshot().scored.image_ids[project.snapshot().scored.position(first)])
    assert claim(project, image, "another tab", "Ada")
    at = opened("review", project=project.id)
    assert shown_image(parts) == second
    assert any("Ada" in element.proto.text for element in at.main.get("progress"))
    assert len(claimed_by_others(project, "nobody")) == 2
    at = opened("review", project=project.id, image=str(first))
    assert any("Ada looks at this image, too" in info.value for info in at.info)


def test_previous_and_next_walk_the_queue(project, parts):
    order = flagged(project)
    at = opened("review", project=project.id)
    assert at.button(key="dn2_previous").disabled
    at.button(key="dn2_next").click().run()
    assert shown_image(parts) == order[1]
    at.button(key="dn2_previous").click().run()
    assert shown_image(parts) == order[0]


def test_an_empty_queue_says_so(project, parts):
    for item in flagged(project):
        set_label(project, item, "defect")
    at = opened("review", project=project.id)
    assert any("All are decided" in text for text in texts(at.main))
    at = opened("review", project=project.id, queue="near")
    assert shown_image(parts) not in flagged(project)


def test_known_defects_that_pass_stand_first_on_the_shelf(project, parts):
    shown = project.snapshot()
    judged = shown.judge()
    passing = int(shown.scored.ids[np.argmin(judged.scores)])
    set_label(project, flagged(project)[0], "defect")
    set_label(project, passing, "defect")
    at = opened("review", project=project.id)
    assert any("2 known defects · 1 passes now" in text for text in texts(at.main))
    assert parts[f"dn2_shelf_gallery_{project.id}"]["ids"] == [passing, flagged(project)[0]]


def test_several_false_alarms_join_at_once(project, parts):
    for item in flagged(project)[:2]:
        set_label(project, item, "good")
    at = opened("review", project=project.id)
    assert any("2 false alarms that are not among the normals" in text for text in texts(at.main))


def test_without_anything_to_review_the_next_step_is_named(store, fake_encoder, parts):
    at = opened("review", project=store.create("Empty").id)
    assert any("Nothing to review yet" in text for text in texts(at.main))
    at = opened("review", project=filled(store, "Normals", 5).id)
    at.button(key="dn2_empty_go").click().run()
    assert at.title[0].value == "Score"


@pytest.mark.parametrize("n", [1, 2, 3])
def test_with_hardly_any_normals_nothing_breaks(store, fake_encoder, parts, n):
    at = opened("review", project=filled(store, "Few", n, scored=3).id)
    assert not at.exception


def test_a_queue_shows_the_same_content_once(project):
    shown = project.snapshot()
    with project.db.write() as db:
        db.execute(
            "INSERT INTO items(role, image_id, name, batch_id, added)"
            " SELECT role, image_id, 'again.jpg', batch_id, added FROM items WHERE role = 'scored'"
        )
    twice = project.snapshot()
    assert len(twice.scored) == 2 * len(shown.scored)
    once = queue(twice, twice.judge(), {}, "flagged")
    assert len(once.waiting) == len(flagged(project)) / 2 == once.total


def test_an_outlier_that_would_set_the_limit_alone_is_told(project, parts):
    project.save_settings(Settings())  # 24 normals: the limit is the largest of their scores
    shown = project.snapshot()
    odd = int(shown.scored.ids[np.argmax(shown.judge().scores)])
    set_label(project, odd, "good")
    at = opened("review", project=project.id, image=str(odd), trial="join")
    add_normals(project, [odd])
    raised = project.snapshot().judge().limit > shown.judge().limit
    assert raised == any("set by this image alone" in warning.value for warning in at.warning)
