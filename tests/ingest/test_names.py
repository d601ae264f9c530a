"""Labels: printable, on one line, bounded; the rest of the name stays readable."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dn2core.ingest import show


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("part 12.png", "part 12.png"),
        ("cafe\u0301.png", "café.png"),
        ("検査/画像.png", "検査/画像.png"),
        ("👩‍🔧.png", "👩‍🔧.png"),
        ("a\nb\tc\0d\x7f", "a␊b␉c␀d␡"),
        ("photo\u202egnp.exe", "photo⟨U+202E⟩gnp.exe"),
        ("a\u200eb\u2066c\ufeffd\u00ade\u2028f", "a⟨U+200E⟩b⟨U+2066⟩c⟨U+FEFF⟩d⟨U+00AD⟩e⟨U+2028⟩f"),
        ("bad\udc80byte", "bad⟨U+DC80⟩byte"),
        ("\x85\x9b31m", "⟨U+0085⟩⟨U+009B⟩31m"),
        ("-rf .hidden CON =1+1", "-rf .hidden CON =1+1"),
        ("", ""),
        ("x" * 120, "x" * 120),
        ("x" * 121, "x" * 119 + "…"),
        ("\n" * 500, "␊" * 119 + "…"),
    ],
)
def test_names_as_they_are_shown(name, shown):
    assert show(name) == shown


@given(st.text(st.characters(), max_size=400))
def test_nothing_shown_breaks_a_line_or_turns_direction(name):
    shown = show(name)
    assert len(shown) <= 120
    assert not {unicodedata.category(c) for c in shown if c not in "\u200c\u200d"} & {"Cc", "Cf", "Cs", "Zl", "Zp"}


@given(st.text(st.characters(exclude_categories=["Cc", "Cf", "Cs", "Co", "Zl", "Zp"]), max_size=30))
def test_ordinary_text_is_only_normalised(name):
    assert show(name) == unicodedata.normalize("NFC", name)
