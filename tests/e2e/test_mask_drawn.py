"""A mask drawn with a mouse and by keys in a real browser, applied, and there again after a reload."""

import numpy as np
import pytest

from dn2core.project import Store, run_pending
from tests.browser import ROOT, serving
from tests.e2e.conftest import App
from tests.pages.app import give, jpeg

pytestmark = pytest.mark.browser

APP = """
import sys
sys.path.insert(0, {root!r})
import streamlit as st
from pages.parts.routes import ROUTES
app = st.App("panel.py", routes=ROUTES)
"""
PANEL = """
import streamlit as st
from pages.parts.mask import mask_panel
from pages.parts.service import current_project, snapshot
project = current_project()
mask_panel(project, snapshot(project))
"""


@pytest.fixture(scope="module")
def project(data):
    store = Store(data)
    project = store.create("Bolts")
    give(project, "normal", [jpeg(seed, 160, 120) for seed in range(12)])
    run_pending(store)
    return project


@pytest.fixture
def tab(browser, project, data, tmp_path):
    """The panel alone, on a page of its own."""
    (tmp_path / "app.py").write_text(APP.format(root=str(ROOT)))
    (tmp_path / "panel.py").write_text(PANEL)
    with serving(tmp_path / "app.py", tmp_path / "log", DN2_DATA=str(data), DN2_WORKERS="0") as address:
        one = App(browser, address).tab()
        one.go(f"/?project={project.id}")
        yield one
        one.close()


def test_areas_are_drawn_moved_taken_back_and_applied(tab, project):
    page = tab.page
    page.locator(".stage img").evaluate("async img => img.decode()")
    svg = page.locator(".stage svg")

    def at(x, y):
        svg.scroll_into_view_if_needed()
        box = svg.bounding_box()
        return box["x"] + x * box["width"], box["y"] + y * box["height"]

    def drag(start, end):
        page.mouse.move(*at(*start))
        page.mouse.down()
        page.mouse.move(*at(*end), steps=4)
        page.mouse.up()

    drag((0.2, 0), (0.5, 1))
    tab.wait_for_words(r"(69|70)\.\d.% of the picture is looked at")
    page.get_by_role("button", name="Polygon").click()
    page.get_by_role("button", name="Look only here").click()
    for corner in [(0.005, 0.005), (0.995, 0.005), (0.995, 0.995)]:  # to the edge, as it is near
        page.mouse.click(*at(*corner))
    page.keyboard.press("Enter")
    tab.wait_for_words(r"39\.\d.% of the picture is looked at")  # 1 / 2 - (0.5 ** 2 - 0.2 ** 2) / 2
    page.get_by_role("button", name="Select").click()
    drag((0.3, 0.9), (0.6, 0.9))
    tab.wait_for_words(r"30\.\d.% of the picture is looked at")  # 1 / 2 - (0.8 ** 2 - 0.5 ** 2) / 2
    page.keyboard.press("Control+z")
    tab.wait_for_words(r"39\.\d.% of the picture is looked at")
    page.get_by_role("button", name="Rectangle").click()
    page.mouse.move(*at(0.6, 0.1))
    page.mouse.down()
    page.mouse.move(*at(0.9, 0.3))
    page.keyboard.press("Escape")
    page.mouse.up()
    assert project.settings().mask == ()
    page.get_by_role("button", name="Apply").click()
    page.wait_for_function("[...document.querySelectorAll('button')].find(b => b.innerText.includes('Apply')).disabled")
    (ignored, rectangle), (only, triangle) = project.settings().mask
    assert (ignored, only) == ("ignore", "only") and triangle == ((0, 0), (1, 0), (1, 1))
    assert np.allclose(rectangle, [(0.2, 0), (0.5, 0), (0.5, 1), (0.2, 1)], atol=0.01)
    page.reload()
    tab.wait_for_words(r"39\.\d.% of the picture is looked at")
    page.locator(".stage .area").nth(1).wait_for()
