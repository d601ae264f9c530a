"""The report from a page: made on the click, in the reader's language and zone, under a plain name."""

import logging
from datetime import UTC, datetime

import pytest

from dn2core.project.events import history
from dn2core.project.reporting import report_of
from dn2core.project.snapshot import past_snapshot
from dn2core.report import report_html
from dn2core.report.html import ENGLISH
from pages.parts import report_button as part
from pages.parts import text
from tests.pages.app import filled
from tests.pages.test_text import pseudo_language

WHEN = datetime(2026, 7, 3, 14, 5, tzinfo=UTC)


@pytest.fixture
def project(store, fake_encoder):
    return filled(store, "Bölts", 24, scored=3)


@pytest.fixture
def button(monkeypatch):
    """What the button was given."""
    given = {}
    monkeypatch.setattr("streamlit.download_button", lambda label, **more: given.update(more, label=label))
    return given


def test_the_report_is_made_on_the_click(project, button, monkeypatch):
    view = project.snapshot()
    monkeypatch.setattr(part, "report_of", lambda *args, **more: pytest.fail("made too early"))
    part.report_button(project, view, view.judge())
    assert button["file_name"] == "dn2-report-v1-k2.html" and button["mime"] == "text/html"
    monkeypatch.setattr(part, "report_of", report_of)
    page = button["data"]()
    assert "Bölts" in page.decode() and page.startswith(b"<!")


def test_a_state_of_the_past_is_in_the_name(project, button):
    entry = history(project)[0].id
    view = past_snapshot(project, entry)
    part.report_button(project, view, view.judge())
    assert button["file_name"] == f"dn2-report-v1-k2-state{entry}.html"


def test_in_english_it_is_the_librarys(project):
    view = project.snapshot()
    judged = view.judge()
    assert part.made(project, view, judged, "Ada", WHEN, "en") == report_html(
        report_of(project, view, judged, author="Ada", when=WHEN)
    )


def test_in_another_language_numbers_and_sentences_are_of_it(project, tmp_path, monkeypatch, caplog):
    name = pseudo_language(tmp_path, monkeypatch)
    view = project.snapshot()
    with caplog.at_level(logging.WARNING):
        page = part.made(project, view, view.judge(), "Ada", WHEN, name).decode()
    assert "missing ScriptRunContext" not in caplog.text
    assert f'lang="{name}"' in page and "limit 0," in page.replace("limit ", "limit ", 1)
    assert text.language() == "en"  # only inside


def test_every_fixed_word_is_there(monkeypatch):
    texts = part.report_texts()
    assert texts.keys() == ENGLISH.keys() and texts == ENGLISH
