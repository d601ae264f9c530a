"""Texts: every one is in the template, another language needs no page change, hostile ones stay literal."""

import ast
from pathlib import Path

import pytest
from babel.messages.pofile import read_po, write_po

from dn2core.errors import SENTENCES, NotFound
from pages.parts import text

ROOT = Path(__file__).parents[2]
POT = ROOT / "locales" / "dn2.pot"


def template():
    with POT.open("rb") as file:
        return read_po(file)


def texts_in_pages():
    """(file:line, singular, plural or None) of each call of t and tn; None where it is not a literal."""
    for path in sorted((ROOT / "pages").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            name = getattr(node.func, "id", "") if isinstance(node, ast.Call) else ""
            if name in ("t", "tn"):
                count = 1 if name == "t" else 2
                words = [arg.value if isinstance(arg, ast.Constant) else None for arg in node.args[:count]]
                yield f"{path.relative_to(ROOT)}:{node.lineno}", words


def test_every_text_of_the_pages_and_every_error_is_in_the_template():
    known = set()
    for message in template():
        known.update([message.id] if isinstance(message.id, str) else message.id)
    found = list(texts_in_pages())
    assert len(found) > 80
    missing = {
        where: word
        for where, words in found
        for word in words
        if word not in known and not where.startswith("pages/parts/text.py")
    }
    assert missing == {}, "run `python -m locales.extract`"
    assert set(SENTENCES.values()) <= known, "run `python -m locales.extract`"


@pytest.fixture
def pseudo(tmp_path, monkeypatch):
    """A made-up language: each text in brackets, three plural forms as Polish has."""
    return pseudo_language(tmp_path, monkeypatch)


def pseudo_language(folder, monkeypatch, name="pl"):
    catalogue = template()
    catalogue.locale = name
    for message in list(catalogue):
        if not message.id:
            continue
        if isinstance(message.id, str):
            message.string = f"⟦{message.id}⟧"
        else:
            message.string = tuple(f"⟦{message.id[1]}⟧{form}" for form in ("a", "b", "c"))
    path = folder / name / "LC_MESSAGES" / "dn2.po"
    path.parent.mkdir(parents=True)
    with path.open("wb") as file:
        write_po(file, catalogue)
    monkeypatch.setattr(text, "LOCALES", folder)
    return name


def speak(monkeypatch, *wishes):
    monkeypatch.setattr(text, "_asked", lambda: wishes)


def test_a_language_is_one_file_more(pseudo, monkeypatch):
    speak(monkeypatch, "pl-PL")
    assert text.language() == "pl"
    assert text.t("Home") == "⟦Home⟧"
    assert [text.tn("{n} normal", "{n} normals", n) for n in (1, 3, 1234)] == [
        "⟦1 normals⟧a",
        "⟦3 normals⟧b",
        "⟦1\u00a0234 normals⟧b",
    ]
    assert text.sentence(NotFound("NOT_FOUND", what="X")).startswith("⟦X was not found")


def test_unknown_languages_and_untranslated_texts_are_english(pseudo, monkeypatch):
    for wish in ("xx", "../../etc", "de-DE", "\x00", ""):
        speak(monkeypatch, wish)
        assert text.t("Home") == "Home"
    speak(monkeypatch, "pl")
    assert text.t("a text that no catalogue has, {n}", n=3) == "a text that no catalogue has, 3"


def test_the_address_outranks_the_browser(pseudo, monkeypatch):
    speak(monkeypatch, "pl", "en-GB")
    assert text.language() == "pl"
    speak(monkeypatch, "xx", "pl")
    assert text.language() == "pl"


def test_a_slip_in_a_translation_falls_back_to_english(tmp_path, monkeypatch):
    pseudo_language(tmp_path, monkeypatch)
    path = tmp_path / "pl" / "LC_MESSAGES" / "dn2.po"
    path.write_text(path.read_text().replace("⟦version {version}⟧", "⟦wersja {wersion}⟧"))
    speak(monkeypatch, "pl")
    assert text.t("version {version}", version=3) == "version 3"


def test_plurals_of_an_untranslated_catalogue_are_english(monkeypatch):
    speak(monkeypatch, "en-US")
    assert text.tn("{n} normal", "{n} normals", 1) == "1 normal"
    assert text.tn("{n} normal", "{n} normals", 1234) == "1,234 normals"


@pytest.mark.parametrize("code", sorted(SENTENCES))
def test_every_error_code_makes_a_sentence(code):
    import string

    fields = {name for _, name, _, _ in string.Formatter().parse(SENTENCES[code]) if name}
    made = text.sentence(code, dict.fromkeys(fields, 3))
    assert made and "{" not in made and "Traceback" not in made


def test_an_unknown_code_is_a_sentence_too():
    assert "log of the server" in text.sentence("NO_SUCH_CODE", {"x": 1})
    assert "log of the server" in text.sentence(None)


@pytest.mark.parametrize("bad", ["<img src=x onerror=alert(1)>", "a\u202egpj.exe", "tab\there"])
def test_names_in_sentences_are_printable(bad):
    made = text.sentence("NOT_FOUND", {"what": bad})
    assert "\u202e" not in made and "\t" not in made


HOSTILE = {
    "<b>": r"\<b\>",
    "[x](javascript:alert(1))": "\\[x\\]\\(javascript\\:\u2060alert\\(1\\)\\)",
    "$\\href{u}{x}$": r"\$\\href\{u\}\{x\}\$",
    ":material/home:": "\\:\u2060material\\/home\\:\u2060",
    ":red[x]": "\\:\u2060red\\[x\\]",
    "www.x.org": "www\u2060\\.x\\.org",
    "a@b.c": "a\\@\u2060b\\.c",
    "a -> b": "a \\-\u2060\\> b",
    "    code": "\u00a0\u00a0\u00a0\u00a0code",
    "plain words 12": "plain words 12",
}


@pytest.mark.parametrize("given", HOSTILE)
def test_md_leaves_nothing_for_markdown_to_find(given):
    assert text.md(given) == HOSTILE[given]


def test_md_joins_lines():
    assert "\n" not in text.md("a\nb\r\nc")


def test_plain_is_safe_for_plotly():
    assert text.plain('<a href="x">$x$ & y</a>') == "&lt;a href=&quot;x&quot;&gt;&#36;x&#36; &amp; y&lt;/a&gt;"


def test_repeated_labels_of_a_choice_are_numbered():
    from pages.parts.text import distinct

    assert distinct({1: "a", 2: "b", 3: "a", 4: "a"}) == {1: "a", 2: "b", 3: "a (2)", 4: "a (3)"}
    tricky = distinct({1: "A", 2: "A", 3: "A (2)"})
    assert tricky == {1: "A", 2: "A (3)", 3: "A (2)"}


def test_long_sentences_are_shown_whole():
    from dn2core.errors import SENTENCES
    from pages.parts.text import JOINER, md

    longest = max(SENTENCES.values(), key=len)
    assert len(longest) > 150
    assert md(longest).replace("\\", "").replace(JOINER, "") == longest
