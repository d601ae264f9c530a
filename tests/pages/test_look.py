"""Numbers as people read them, verdicts never by colour alone."""

import numpy as np
import plotly.graph_objects as go
import pytest

from pages.parts import look, text


@pytest.fixture(autouse=True)
def english(monkeypatch):
    monkeypatch.setattr(text, "_asked", lambda: ("en-US",))


@pytest.mark.parametrize(
    ("value", "shown"),
    [(99.6, "99.6 %"), (99.97, "99.9 %"), (100, "100 %"), (0, "0.0 %"), (float("nan"), "–"), (None, "–")],
)
def test_percent_never_rounds_up_to_all(value, shown):
    assert look.percent(value) == shown


@pytest.mark.parametrize(("value", "shown"), [(2.34, "2.3 x"), (1234.5, "1,234 x"), (float("nan"), "–")])
def test_times(value, shown):
    assert look.times(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0, "0"), (0.00451, "0.0045"), (0.4213, "0.421"), (1.237, "1.24"), (12.34, "12.3"), (1234.5, "1,234")],
)
def test_raw_has_the_digits_that_matter(value, shown):
    assert look.raw(value) == shown


def test_the_smallest_scores_do_not_read_as_zero():
    assert look.raw(0.0000123) == "1.23e-05"


def test_numbers_follow_the_language(monkeypatch):
    monkeypatch.setattr(text, "language", lambda: "de")
    assert text.number(1234567.8, 1) == "1.234.567,8"


@pytest.mark.parametrize("name", ["pass", "review", "reject", "normal", "plain"])
def test_a_verdict_is_a_colour_an_icon_and_a_word(name):
    shown = look.verdict(name)
    assert shown.colour.startswith("#") and shown.icon.startswith(":material/") and shown.word


def test_verdicts_differ_in_each_of_the_three():
    shown = [look.verdict(name) for name in ("pass", "review", "reject")]
    for part in ("colour", "icon", "word"):
        assert len({getattr(verdict, part) for verdict in shown}) == 3


def test_the_limit_is_drawn_where_there_is_one():
    figure = look.limit_line(go.Figure(), 0.42)
    assert figure.layout.shapes[0].x0 == 0.42
    assert figure.layout.annotations[0].text == "limit 0.420"
    assert not look.limit_line(go.Figure(), float("nan")).layout.shapes


def test_the_icon_of_the_tab_is_drawn_here():
    pixels = np.asarray(look.favicon())
    assert pixels.shape == (64, 64, 4) and len(np.unique(pixels.reshape(-1, 4), axis=0)) > 3
