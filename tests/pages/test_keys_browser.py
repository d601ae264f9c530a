"""In a real browser: the keys of buttons, while something else on the page has the focus."""

import pytest

from tests.browser import ROOT, chromium, serving

pytestmark = pytest.mark.browser

SCRIPT = """
import sys
sys.path.insert(0, {root!r})
import streamlit as st
from pages.parts.components.who import who

st.session_state.setdefault("pressed", [])
who()
st.toggle("Switch")
st.checkbox("Box")
st.radio("Choice", ["one", "two", "three"], index=1)
st.slider("Number", 0, 10, 5)
st.text_input("Words")
for key in ("N", "7", "Left", "Right"):
    st.button(f"Press {{key}}", shortcut=key, on_click=st.session_state["pressed"].append, args=(key,))
st.markdown("pressed: " + " ".join(st.session_state["pressed"]) + ".")
"""


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    folder = tmp_path_factory.mktemp("app")
    script = folder / "keys.py"
    script.write_text(SCRIPT.format(root=str(ROOT)))
    with chromium() as browser, serving(script, folder / "log") as address:
        yield browser.new_context(), address


@pytest.fixture
def tab(app):
    context, address = app
    one = context.new_page()
    one.goto(address)
    one.get_by_text("pressed: .").wait_for()
    one.get_by_text("Your name").wait_for()  # the component is there
    one.get_by_role("button", name="Press Right").wait_for()
    one.wait_for_selector('[data-testid="stApp"][data-test-script-state="notRunning"]')
    one.wait_for_timeout(500)  # a button listens for its key a moment after it is drawn
    yield one
    one.close()


def press(tab, *keys: str) -> str:
    """What the buttons heard, once the page has settled."""
    for key in keys:
        tab.keyboard.press(key)
        tab.wait_for_timeout(300)
        tab.wait_for_selector('[data-testid="stApp"][data-test-script-state="notRunning"]')
    return tab.get_by_text("pressed:").inner_text().removeprefix("pressed:").strip(" .")


@pytest.mark.parametrize("name", ["Switch", "Box"])
def test_a_switch_passes_on_what_it_needs_not(tab, name):
    box = tab.get_by_label(name)
    box.focus()
    assert press(tab, "n", "7", "ArrowRight", "ArrowLeft") == "N 7 Right Left"
    assert not box.is_checked()
    assert press(tab, "Space") == "N 7 Right Left" and box.is_checked()
    assert press(tab, "n") == "N 7 Right Left N"


def test_choices_and_sliders_keep_their_arrows(tab):
    radio, slider = tab.get_by_label("two"), tab.locator("input[type=range]")
    radio.focus()
    assert press(tab, "n", "ArrowRight", "ArrowDown") == "N" and not radio.is_checked()
    slider.focus()
    assert press(tab, "n", "7", "ArrowRight") == "N N 7" and slider.input_value() == "6"


def test_what_is_typed_is_typed(tab):
    words = tab.get_by_label("Words")
    words.focus()
    assert press(tab, "n", "7", "ArrowLeft") == "" and words.input_value() == "n7"


def test_with_other_keys_held_down_it_is_the_browsers(tab):
    tab.get_by_label("Switch").focus()
    assert press(tab, "Alt+n") == ""
