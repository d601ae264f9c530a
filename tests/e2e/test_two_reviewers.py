"""Review with the keyboard, by two people at once; a false alarm joins the normals by two keys."""

import pytest

from dn2core.project import Settings, Store, run_pending
from dn2core.project.events import history
from dn2core.project.labels import labels
from tests.pages.app import give, jpeg

pytestmark = pytest.mark.browser

HOSTILE = '<img src=x onerror="alert(1)"> **{i}** [x](javascript:alert(2)).jpg'


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    root = tmp_path_factory.mktemp("data") / "dn2"
    store = Store(root)
    project = store.create("Bolts")
    give(project, "normal", [jpeg(seed) for seed in range(24)])
    give(project, "scored", [jpeg(1000 + seed) for seed in range(8)], name=HOSTILE)
    run_pending(store)
    project.save_settings(Settings(budget=0.5))
    return root


@pytest.fixture(scope="module")
def workers():
    return "0"


def say_who(tab, name: str) -> None:
    field = tab.page.locator('[data-testid="stSidebar"]').get_by_label("Your name")
    field.fill(name)
    field.press("Enter")
    tab.settled()


def image(tab) -> str:
    """The number of the image shown on the left."""
    pane = tab.page.locator(".pane img").first
    pane.wait_for()
    return tab.page.locator(".pane img").first.get_attribute("src").rsplit("/", 1)[1]


def test_two_reviewers_decide_with_keys_and_never_on_the_same_image(app, data):
    project = Store(data).open(Store(data).projects()[0].id)
    ada, bob = app.tab(), app.tab()
    ada.go(f"/review?project={project.id}")
    say_who(ada, "Ada")
    first = image(ada)
    bob.go(f"/review?project={project.id}")
    say_who(bob, "Bob <b>")
    second = image(bob)
    assert first != second
    assert "looking, too: Ada" in bob.wait_for_words("looking, too")

    bob.page.keyboard.press("d")
    bob.wait_for_words("1 known defect")
    ada.page.keyboard.press("f")
    ada.wait_for_words("If it joins the normals")
    assert ada.param("trial") == "join" and image(ada) == first
    ada.page.keyboard.press("j")
    ada.wait_for_words("joined the normals: version 2")
    said = {label.author: label.label for label in labels(project).values()}
    assert said == {"Ada": "good", "Bob <b>": "defect"}
    assert history(project, kinds=("normals",))[0].author == "Ada"
    assert project.state().n == 25
    ada.page.get_by_role("button", name="Undo").first.click()
    ada.settled()
    assert project.state().n == 24

    # A letter typed in a note is no decision.
    before = len(history(project, kinds=("label",)))
    note = bob.page.get_by_placeholder("a note, kept with the decision")
    note.fill("dfuz")
    note.press("Enter")
    bob.settled()
    assert len(history(project, kinds=("label",))) == before
    bob.page.keyboard.press("Escape")
    bob.page.locator("h1").click()
    bob.page.keyboard.press("z")
    bob.settled()
    bob.wait_for_words("decided")
    assert history(project, kinds=("label",))[0].details["undone"]
    assert [label.author for label in labels(project).values()] == ["Ada"]

    # The name is remembered by the browser.
    ada.go(f"/review?project={project.id}")
    field = ada.page.locator('[data-testid="stSidebar"]').get_by_label("Your name")
    assert field.input_value() == "Ada"
    ada.close()
    bob.close()
