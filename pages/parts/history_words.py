"""Entries of the history in the reader's language: who, what, and the sign of each kind."""

from dn2core.project.events import Event
from dn2core.project.history_words import event_words
from dn2core.report.say import Say
from pages.parts.look import one_in, percent, raw
from pages.parts.text import number, t, tn

SAY = Say(t=t, tn=tn, number=number, raw=raw, percent=percent, one_in=one_in)
ICONS = {
    "label": ":material/rule:",
    "normals": ":material/grid_view:",
    "settings": ":material/tune:",
    "lots": ":material/inventory_2:",
    "delivery": ":material/fact_check:",
}


def kind_word(kind: str) -> str:
    """A kind of entries, as people say it."""
    return {
        "label": t("Labels"),
        "normals": t("Normals"),
        "settings": t("Settings"),
        "lots": t("Lots"),
        "delivery": t("Deliveries"),
    }[kind]


def who_word(author: str) -> str:
    """A name as it was given; words where none was. Plain text."""
    return author or t("no name")


def what_words(event: Event) -> str:
    """What happened, as plain text of one line."""
    return event_words(event, SAY)
