"""The table of what became of each file."""

from types import SimpleNamespace

import pytest

from pages.parts.accounting import cell, outcome_table, source_word


def outcome(name, status="rejected", code="EMPTY_FILE", params=None):
    return SimpleNamespace(name=name, status=status, code=code, params=params or {})


def test_a_row_has_the_name_and_the_sentence():
    table = outcome_table([outcome("a.jpg"), outcome("b.jpg", "accepted", None)])
    assert table.to_dict("list") == {
        "File": ["a.jpg", "b.jpg"],
        "Reason": ["The file is empty (0 bytes). Copy it from its source again.", "Accepted."],
    }


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)"])
def test_names_are_no_formulas(name):
    assert cell(name) == "'" + name


def test_control_characters_are_made_visible():
    assert "\t" not in cell("\t=1") and "\u202e" not in cell("a\u202eb")


def test_an_unknown_source_is_shown_as_it_is():
    assert source_word("files") == "files" and source_word("robot arm 3") == "robot arm 3"
