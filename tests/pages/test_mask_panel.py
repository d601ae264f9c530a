"""The panel of the mask: a draft until Apply, what it says of it, what it refuses; the browser's side is played."""

from types import SimpleNamespace

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from dn2core.project.events import history
from pages.parts.text import md
from tests.pages.app import filled, texts

PAGE = """
from pages.parts.mask import mask_panel
from pages.parts.service import current_project, snapshot

project = current_project()
mask_panel(project, snapshot(project))
"""
LEFT = ("ignore", ((0.0, 0.0), (0.25, 0.0), (0.25, 1.0), (0.0, 1.0)))
RIGHT = ("ignore", ((0.5, 0.0), (1.0, 0.0), (1.0, 1.0), (0.5, 1.0)))
SLIT = ("only", ((0.0, 0.0), (1 / 32, 0.0), (1 / 32, 1.0), (0.0, 1.0)))
ALL = ("ignore", ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)))


class Browser:
    """What the component was given last, and what it reports: each drawing under a number of its own, as lists."""

    def __init__(self):
        self.given, self.drawn, self.opened = {}, None, None

    def draw(self, *shapes):
        n = self.drawn["n"] + 1 if self.drawn else 1
        self.drawn = {"n": n, "shapes": [[kind, [list(point) for point in points]] for kind, points in shapes]}


@pytest.fixture
def browser(monkeypatch):
    one = Browser()

    def component(**given):
        one.given = given["data"]
        return SimpleNamespace(drawn=one.drawn)  # the state of a component stays from run to run

    def gallery(**given):
        one.pictures = given
        return one.opened

    monkeypatch.setattr("pages.parts.components.mask_draw._mask_draw", component)
    monkeypatch.setattr("pages.parts.mask.gallery", gallery)
    return one


@pytest.fixture
def project(store, fake_encoder):
    return filled(store, "Bolts", 24)


def opened(project, **params) -> AppTest:
    at = AppTest.from_string(PAGE, default_timeout=60)
    for name, value in {"project": project.id, **params}.items():
        at.query_params[name] = value
    at.session_state["dn2_who"] = SimpleNamespace(name="Ada")
    return at.run()


def words(at) -> str:
    assert not at.exception
    return " ".join(texts(at))


def test_what_is_drawn_holds_once_it_is_applied(project, browser):
    at = opened(project)
    assert "#### 100" in words(at) and at.button(key="dn2_mask_apply").disabled
    browser.draw(LEFT)
    said = words(at.run())
    assert f"#### {md('75.0')}" in said and md("1 area ignored") in said and md("In force: none") in said
    at.run()
    assert browser.given["shapes"] == (LEFT,) and browser.given["answered"] == 1
    assert project.settings().mask == ()
    at.button(key="dn2_mask_apply").click().run()
    assert project.settings().mask == (LEFT,)
    assert history(project, kinds=("settings",))[0].author == "Ada"
    assert md("In force") not in words(at) and at.button(key="dn2_mask_apply").disabled


def test_the_ways_back(project, browser):
    project.change_settings(mask=(LEFT,))
    at = opened(project)
    assert browser.given["shapes"] == (LEFT,) and at.button(key="dn2_mask_back").disabled
    at.button(key="dn2_mask_none").click().run()
    assert browser.given["shapes"] == () and not at.button(key="dn2_mask_apply").disabled
    browser.draw(RIGHT)
    at.run()
    at.button(key="dn2_mask_back").click().run()  # what was drawn before is not taken a second time
    assert browser.given["shapes"] == (LEFT,) and at.button(key="dn2_mask_apply").disabled
    assert project.settings().mask == (LEFT,)


def test_a_mask_that_hides_everything_cannot_be_applied(project, browser):
    at = opened(project)
    browser.draw(ALL)
    assert "hides the whole picture" in words(at.run())
    assert at.button(key="dn2_mask_apply").disabled and not at.button(key="dn2_mask_back").disabled


def test_a_mask_that_leaves_little_is_warned_of_before_it_is_applied(project, browser):
    at = opened(project)
    assert "It holds for places only" in words(at)
    browser.draw(SLIT)
    assert any(f"Only {md('3.1')}" in one.value for one in at.run().warning)
    assert not at.button(key="dn2_mask_apply").disabled
    for shapes in ([RIGHT], [ALL]):  # enough, and nothing at all: that is refused
        browser.draw(*shapes)
        assert not at.run().warning


@pytest.mark.parametrize("shapes", [[["hide", []]], "<b>", [["ignore", [[0, 0], [1, 0], [0, "x"]]]]])
def test_what_is_no_mask_is_a_sentence_and_the_draft_stays(project, browser, shapes):
    at = opened(project)
    browser.draw(LEFT)
    at.run()
    browser.drawn = {"n": 2, "shapes": shapes}
    assert at.run().error[0].value.startswith("Expected") and not at.exception
    at.run()
    assert not at.error and browser.given["shapes"] == (LEFT,)


def test_a_state_of_the_past_is_only_shown(project, browser):
    project.change_settings(mask=(LEFT,))
    then = history(project, kinds=("settings",))[0]
    project.change_settings(mask=(RIGHT,))
    at = opened(project)
    at.button(key="dn2_mask_none").click().run()  # on trial in the present
    at.query_params["state"] = str(then.id)
    at.run()
    assert browser.given["shapes"] == (LEFT,) and browser.given["fixed"]
    assert "present state only" in words(at) and not at.button
    browser.draw(RIGHT)
    at.run()
    assert browser.given["shapes"] == (LEFT,)


def test_the_most_usual_normal_is_drawn_on_until_another_is_chosen(project, browser):
    shown = project.snapshot()
    usual = shown.normals.ids[np.argsort(shown.judge().normal_scores, kind="stable")].tolist()
    at = opened(project)
    assert browser.pictures["ids"] == usual[:12] and browser.given["url"].endswith(f"/{usual[0]}")
    browser.opened = usual[3]
    at.run()
    assert browser.pictures["selected"] == usual[3] and browser.given["url"].endswith(f"/{usual[3]}")


def test_one_normal_is_enough_to_draw_on(store, fake_encoder, browser):
    project = filled(store, "One", 1)
    opened(project)
    assert browser.given["url"].endswith(f"/{project.snapshot().normals.ids[0]}")
