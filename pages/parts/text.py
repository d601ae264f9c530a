"""Every text on a page: translated, filled in, and safe where it lands.

The message id is the English sentence. Catalogues are the `.po` files under `locales/`; they are
read as they are (no compile step), so another language is one more folder.
"""

import html
import io
import re
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from gettext import GNUTranslations, NullTranslations
from pathlib import Path

import streamlit as st
from babel.core import Locale, UnknownLocaleError, negotiate_locale
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_decimal

from dn2core.errors import SENTENCES, DN2Error
from dn2core.ingest.names import show

__all__ = ["distinct", "language", "md", "number", "plain", "sentence", "show", "speaking", "t", "tn"]

LOCALES = Path(__file__).resolve().parents[2] / "locales"
SENTENCE = 2000  # characters; whole sentences pass here, labels are cut where they are made
JOINER = "\u2060"  # invisible and without width: keeps two characters from meaning something together
_spoken: ContextVar[str | None] = ContextVar("spoken", default=None)
PUNCTUATION = re.compile(r"([!-/:-@\[-`{-~])")
PAIRS = re.compile(r"(:|@|www(?=\.)|(?:(?<=\s)|^)[<>~-](?=[->=]))", re.IGNORECASE)


def t(message: str, /, **fields) -> str:
    """The sentence in the reader's language, with its {fields} filled in."""
    return _filled(_catalogue(language()).gettext(message), message, fields)


def tn(singular: str, plural: str, n: int, /, **fields) -> str:
    """As `t`, in the grammatical number that n asks for; {n} is n with the reader's separators."""
    fields.setdefault("n", number(n))
    text = _catalogue(language()).ngettext(singular, plural, n)
    return _filled(text, singular if n == 1 else plural, fields)


def number(value: float | int | None, places: int = 0) -> str:
    """A number with the reader's separators; "–" where there is none."""
    if value is None or value != value:
        return "–"
    pattern = "#,##0" + ("." + "0" * places if places else "")
    name = language()
    return format_decimal(value, format=pattern, locale=name if _is_locale(name) else "en")


def distinct(labels: dict) -> dict:
    """Labels of a choice, by key, the repeated ones numbered: Streamlit finds what was chosen by its label."""
    taken, told = set(labels.values()), {}
    used: set[str] = set()
    for key, label in labels.items():
        turn, name = 1, label
        while name in used or (turn > 1 and name in taken):
            turn += 1
            name = f"{label} ({turn})"
        used.add(name)
        told[key] = name
    return told


def sentence(error: DN2Error | str | None, params: dict | None = None) -> str:
    """An error, or the code and parameters that a job or an outcome kept, as a sentence (plain text)."""
    if isinstance(error, DN2Error):
        error, params = error.code, error.params
    if error not in SENTENCES:
        return t("Something unexpected happened. The details are in the log of the server.")
    return t(SENTENCES[error], **{name: _printable(value) for name, value in (params or {}).items()})


def md(text: object) -> str:
    """Text that Streamlit's markdown shows letter by letter: no markup, link, maths, icon or HTML."""
    text = show(str(text), SENTENCE).replace("\n", " ")
    stripped = text.lstrip(" ")
    text = "\u00a0" * (len(text) - len(stripped)) + stripped
    return PUNCTUATION.sub(r"\\\1", PAIRS.sub(r"\1" + JOINER, text))


def plain(text: object) -> str:
    """Text that plotly shows letter by letter: HTML escaped, and $ kept from starting maths."""
    return html.escape(show(str(text)), quote=True).replace("$", "&#36;")


def language() -> str:
    """The best language we have for this reader: ?lang=, else the browser's, else English."""
    return _spoken.get() or _best(_asked(), LOCALES)


@contextmanager
def speaking(name: str):
    """All texts inside are in this language: for what is made where there is no reader to ask."""
    before = _spoken.set(name)
    try:
        yield
    finally:
        _spoken.reset(before)


def _asked() -> tuple[str, ...]:
    try:
        return tuple(filter(None, (st.query_params.get("lang"), st.context.locale)))
    except Exception:  # outside a page (tests, command line) there is no reader to ask
        return ()


@lru_cache(maxsize=256)
def _best(asked: tuple[str, ...], folder: Path) -> str:
    known = sorted(path.parents[1].name for path in folder.glob("*/LC_MESSAGES/dn2.po"))
    for wish in asked:
        found = negotiate_locale([wish.replace("-", "_")], known) if wish.isprintable() else None
        if found:
            return found
    return "en"


@lru_cache(maxsize=32)
def _read(folder: Path, name: str) -> NullTranslations:
    path = folder / name / "LC_MESSAGES" / "dn2.po"
    if not path.exists():
        return NullTranslations()
    with path.open("rb") as file:
        catalogue = read_po(file, locale=name if _is_locale(name) else None)
    for message in list(catalogue):
        if message.id and not all([message.string] if isinstance(message.string, str) else message.string):
            catalogue.delete(message.id)  # not translated yet: English
    compiled = io.BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    return GNUTranslations(compiled)


def _catalogue(name: str) -> NullTranslations:
    return _read(LOCALES, name)


def _is_locale(name: str) -> bool:
    try:
        Locale.parse(name)
    except (UnknownLocaleError, ValueError):
        return False
    return True


def _filled(text: str, english: str, fields: dict) -> str:
    if not fields:
        return text
    try:
        return text.format(**fields)
    except (KeyError, IndexError, ValueError):  # a slip in a translation must not take the page down
        return english.format(**fields)


def _printable(value):
    return show(value) if isinstance(value, str) else value
