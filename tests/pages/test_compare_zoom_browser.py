"""In a real browser: the heat lies over its picture, moves with it, and stays as its reader left it."""

import pytest

from tests.browser import ROOT, chromium, serving

pytestmark = pytest.mark.browser

SCRIPT = """
import sys
sys.path.insert(0, {root!r})
import streamlit as st
from pages.parts.components.compare_zoom import compare_zoom

def picture(colour):
    square = "<rect width='80' height='60' fill='" + colour + "'/>"
    return "data:image/svg+xml," + "<svg xmlns='http://www.w3.org/2000/svg' width='80' height='60'>" + square + "</svg>"

st.text_input("name")
over = st.query_params.get("over")
given = {{}}
if over:
    given = {{
        "overlay_url": "/nowhere.png" if over == "lost" else picture("red"),
        "overlay_name": "Heat",
        "legend": [(0, "#0072B2", "low"), (1, "#D55E00", "<b>high</b>")],
        "contours": [[[0.25, 0.25], [0.75, 0.25], [0.75, 0.75], [0.25, 0.25]]],
    }}
compare_zoom(key="zoom", left_url=picture("green"), right_url=picture("blue"), alt="two", **given)
st.markdown("the end")
"""


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    folder = tmp_path_factory.mktemp("app")
    script = folder / "zoom.py"
    script.write_text(SCRIPT.format(root=str(ROOT)))
    with chromium() as browser, serving(script, folder / "log") as address:
        yield browser.new_context(), address


def opened(app, query: str = ""):
    context, address = app
    tab = context.new_page()
    tab.goto(f"{address}/{query}")
    tab.get_by_text("the end").wait_for()
    tab.locator(".pane img").first.wait_for(state="attached")
    return tab


def box(tab, selector: str) -> list[int]:
    found = tab.locator(selector).first.bounding_box()
    return [round(found[name]) for name in ("x", "y", "width", "height")]


def opacity(tab) -> float:
    return float(tab.locator("img.over").evaluate("one => getComputedStyle(one).opacity"))


def test_without_heat_nothing_is_there(app):
    tab = opened(app)
    assert tab.locator("img.over, .lines").count() == 0 and not tab.locator(".heat").is_visible()


def test_the_heat_lies_over_the_left_picture_and_zooms_with_it(app):
    tab = opened(app, "?over=1")
    assert tab.locator("img.over").count() == tab.locator(".lines").count() == 1
    assert tab.locator(".words span").all_text_contents() == ["low", "<b>high</b>"]
    before = box(tab, ".pane img")
    assert box(tab, "img.over") == before
    x, y, width, height = box(tab, ".lines .light")
    assert x == pytest.approx(before[0] + before[2] / 4, abs=3) and width == pytest.approx(before[2] / 2, abs=4)
    assert y == pytest.approx(before[1] + before[3] / 4, abs=3) and height == pytest.approx(before[3] / 2, abs=4)
    tab.locator(".pair").press("+")
    after = box(tab, ".pane img")
    assert after[2] > 1.2 * before[2] and box(tab, "img.over") == after


def test_the_key_and_the_slider_hold_for_the_next_picture(app):
    tab = opened(app, "?over=1")
    assert opacity(tab) == 1
    tab.locator(".strength input").fill("0.5")
    assert opacity(tab) == 0.5
    tab.locator("body").press("h")
    assert opacity(tab) == 0 and not tab.locator(".lines").is_visible()
    again = opened(app, "?over=1")
    assert opacity(again) == 0
    again.get_by_label("name").press("h")  # a letter of a text is no key
    assert opacity(again) == 0
    again.get_by_label("name").blur()
    again.locator("body").press("h")
    assert opacity(again) == 0.5 and again.locator(".lines").is_visible()


def test_a_heat_that_does_not_come_is_said(app):
    tab = opened(app, "?over=lost")
    tab.get_by_text("The heat could not be loaded").wait_for()
    assert not tab.locator(".strength").is_visible()
