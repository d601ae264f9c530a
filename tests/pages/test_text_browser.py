"""In a real browser: hostile text stays text in every place where a label may stand."""

import pytest

from tests.browser import ROOT, chromium, serving

HOSTILE = [
    "<img src=x onerror=alert(1)>",
    "[click](javascript:alert(1))",
    "![x](http://evil.example/x.png)",
    "http://evil.example/a www.evil.example me@evil.example",
    "$\\href{http://evil.example}{x}$ $$y$$",
    ":material/home: :smile: :red[x] :red-background[y] :small[z] :streamlit:",
    "**b** _i_ ~~s~~ `c` # h",
    "# heading",
    "- item",
    "1. item",
    "    code",
    "> quote",
    "a -> b <- c <-> d -- e >= f <= g ~= h",
    "<!-- x --> &lt; &amp; &#36; \\* | a | b |",
    "[^1] [x]: http://evil.example",
    "---",
]

SCRIPT = """
import sys
sys.path.insert(0, {root!r})
import streamlit as st
from pages.parts.text import md
for i, text in enumerate({hostile!r}):
    st.markdown(md(text))
    st.caption(md(text))
    st.button(md(text), key=f"b{{i}}")
    st.expander(md(text))
    st.metric(md(text), i)
st.markdown("the end")
"""


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("app")
    script = folder / "hostile.py"
    script.write_text(SCRIPT.format(root=str(ROOT), hostile=HOSTILE))
    with chromium() as browser, serving(script, folder / "log") as address:
        tab = browser.new_page()
        tab.outside, tab.dialogs = [], []
        tab.on("request", lambda request: tab.outside.append(request.url) if "evil" in request.url else None)
        tab.on("dialog", lambda dialog: (tab.dialogs.append(dialog.message), dialog.dismiss()))
        tab.goto(address)
        tab.get_by_text("the end").wait_for()
        for selector in PLACES.values():
            tab.locator(selector).nth(len(HOSTILE) - 1).wait_for()
        yield tab


def seen(tab, selector: str) -> list[str]:
    words = tab.locator(selector).evaluate_all("all => all.map(one => one.textContent)")
    return [word.replace("\u2060", "").replace("\u00a0", " ").strip() for word in words]


PLACES = {
    "markdown": '[data-testid="stMarkdown"] p',
    "caption": '[data-testid="stCaptionContainer"] p',
    "button": '[data-testid="stButton"] p',
    "expander": '[data-testid="stExpander"] summary p',
    "metric": '[data-testid="stMetricLabel"] p',
}


@pytest.mark.browser
@pytest.mark.parametrize("place", PLACES)
def test_hostile_text_is_shown_letter_by_letter(page, place):
    shown = list(dict.fromkeys(seen(page, PLACES[place])))
    assert shown[: len(HOSTILE)] == [text.strip() for text in HOSTILE]


@pytest.mark.browser
def test_hostile_text_makes_no_element_request_or_dialog(page):
    inside = '[data-testid="stMain"] '
    for element in (
        "a[href]",
        "img",
        ".katex",
        "code",
        "h1",
        "h2",
        "li",
        "em",
        "del",
        "table",
        "blockquote",
        "hr",
    ):
        assert page.locator(inside + element).count() == 0, element
    assert page.outside == [] and page.dialogs == []
