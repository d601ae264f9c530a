"""Very many images: the gallery holds few cells, keys reach all of them, the canvas takes over the map."""

import re

import numpy as np
import pytest

from dn2core.project import Store
from tests.pages.app import many

pytestmark = pytest.mark.browser
SCORED = 50_000


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    root = tmp_path_factory.mktemp("data") / "dn2"
    many(Store(root), SCORED)
    return root


@pytest.fixture(scope="module")
def workers():
    return "0"  # else a new map would be drawn while the test draws on the old one


@pytest.fixture
def project(tab):
    return tab.open_project()


def test_fifty_thousand_pictures_scroll(tab, project):
    page = tab.page
    page.locator(".cell img").first.wait_for()
    assert page.locator(".cell").count() < 150
    box = page.locator(".box")
    assert page.locator(".cell").first.get_attribute("aria-setsize") == str(SCORED)
    box.focus()
    page.keyboard.press("End")
    last = page.locator(f'.cell[aria-posinset="{SCORED}"]')
    last.wait_for()
    last.locator("img").wait_for()
    assert page.locator(".cell").count() < 150
    assert box.get_attribute("aria-activedescendant") == last.get_attribute("id")
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    active = page.locator(".cell.active")
    at = int(active.get_attribute("aria-posinset"))
    assert at > 2
    page.keyboard.press("Enter")
    tab.wait_for_words(rf"{at} of 50,000")


def test_the_gallery_returns_to_where_it_was(tab, project):
    page = tab.page
    page.locator(".cell img").first.wait_for()
    page.locator(".box").evaluate("box => { box.scrollTop = 400000 }")
    page.wait_for_timeout(800)
    cell = page.locator(".cell").nth(12)
    at = cell.get_attribute("aria-posinset")
    cell.click()
    tab.wait_for_words(f"{int(at):,} of 50,000")
    page.get_by_role("button", name="Back").click()
    page.locator(f'.cell.selected[aria-posinset="{at}"]').wait_for()


def test_many_points_are_drawn_on_a_canvas_and_an_area_shows_its_images(tab, project):
    page = tab.page
    tab.go(f"/map?project={project}")
    over = page.locator("canvas.over")
    over.wait_for()
    page.wait_for_timeout(800)
    painted = page.locator(".stage canvas").first.evaluate(
        "c => { const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;"
        " let n = 0; for (let i = 3; i < d.length; i += 4) n += d[i] > 0; return n }"
    )
    assert painted > 300
    box = over.bounding_box()
    middle, reach = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2), 0.3 * box["height"]
    corners = [(middle[0] + reach * np.cos(a), middle[1] + reach * np.sin(a)) for a in np.linspace(0, 6.2, 30)]
    page.mouse.move(*corners[0])
    page.mouse.down()
    for corner in corners[1:]:
        page.mouse.move(*corner)
    page.mouse.up()
    words = tab.wait_for_words(r"[\d,]+ images chosen")
    chosen = int(re.search(r"([\d,]+) images chosen", words).group(1).replace(",", ""))
    assert 1000 < chosen <= SCORED + 60
    assert tab.param("area")
    page.locator(".cell img").first.wait_for()
    page.reload()
    tab.wait_for_words(f"{chosen:,} images chosen")
