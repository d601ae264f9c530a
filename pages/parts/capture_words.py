"""Findings about the capture in the reader's language, by the library's own words; and why they are told."""

from dn2core.detect.capture import Finding
from dn2core.project import capture_words
from pages.parts.history_words import SAY
from pages.parts.text import t

ICON = ":material/photo_camera:"


def group_word(group: str) -> str:
    """What a group of findings is called."""
    words = {
        "light": t("Light"),
        "focus": t("Focus"),
        "colour": t("Colour"),
        "framing": t("Framing"),
        "file": t("File"),
    }
    return words[group]


def word(finding: Finding) -> str:
    """A finding in two words (plain text)."""
    return capture_words.word(finding, SAY)


def words(findings) -> str:
    """All findings of a picture on one line, the gravest first."""
    return capture_words.words(findings, SAY)


def told(findings) -> str:
    """The findings of a picture as a sentence (plain text)."""
    return capture_words.told(findings, SAY)


def numbers(finding: Finding) -> str:
    """What was measured, what is usual, and from where on it is told (plain text)."""
    return capture_words.numbers(finding, SAY)


def why() -> str:
    """What this rests on, behind a help."""
    return t(
        "Every picture is compared with how the normals were taken, and what none of them comes near is told. The "
        "camera and its light change all of a picture, so a defect on a small part of it is not taken for them; one on "
        "most of it, such as another colour all over, looks the same and is told as well. The verdict stays what it is."
    )
