"""The history as its page lists it: by kind, author and text, a page at a time. All of it lives in the address."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import streamlit as st

from dn2core.project.events import KINDS, Event
from pages.parts.history_words import what_words, who_word

PAGE = 25  # entries shown at once
TEXT_LENGTH = 200


@dataclass(frozen=True)
class Entry:
    """An event with its words (plain text)."""

    event: Event
    who: str
    what: str


@dataclass(frozen=True)
class Wanted:
    """Which entries are shown; the default shows the newest of all."""

    kinds: tuple[str, ...] = ()  # none chosen: all
    author: str | None = None  # "" for entries without a name
    text: str = ""  # contained in the words or the name, whatever its case
    page: int = 1

    @property
    def any(self) -> bool:
        return replace(self, page=1) != Wanted()


def told(events: Sequence[Event]) -> list[Entry]:
    """Events with their words, in the order given."""
    return [Entry(event, who_word(event.author), what_words(event)) for event in events]


def read(params) -> Wanted:
    """What the address asks for; what makes no sense there counts as not given."""
    kinds, page = params.get("kind", "").split(","), params.get("sheet", "")
    return Wanted(
        kinds=tuple(kind for kind in KINDS if kind in kinds),
        author=params["by"] if "by" in params else None,
        text=params.get("text", "")[:TEXT_LENGTH],
        page=int(page) if page.isascii() and page.isdecimal() and 0 < len(page) < 7 and int(page) else 1,
    )


def write(wanted: Wanted) -> None:
    """Put it in the address; what is as by default leaves no trace there."""
    words = {
        "kind": ",".join(wanted.kinds) or None,
        "by": wanted.author,
        "text": wanted.text or None,
        "sheet": str(wanted.page) if wanted.page > 1 else None,
    }
    for name, word in words.items():
        if word is not None:
            st.query_params[name] = word
        else:
            st.query_params.pop(name, None)


def matching(entries: Sequence[Entry], wanted: Wanted) -> list[Entry]:
    """The entries that pass the filters, all pages of them."""
    text = wanted.text.casefold()
    return [
        entry
        for entry in entries
        if (not wanted.kinds or entry.event.kind in wanted.kinds)
        and (wanted.author is None or entry.event.author == wanted.author)
        and (not text or text in entry.what.casefold() or text in entry.who.casefold())
    ]


def pages(count: int) -> int:
    """How many pages that many entries fill; one at least."""
    return max(1, -(-count // PAGE))
