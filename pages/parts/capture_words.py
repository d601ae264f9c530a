"""Findings about the capture in the reader's language, by the library's own words; and why they are told."""

import pandas as pd

from dn2core.detect.capture import Finding, Usual
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


def files_told(files: dict[str, int]) -> str:
    """What kinds of file whole deliveries are of that no normal is (plain text)."""
    return capture_words.files_told(files, SAY)


def not_judged_told(reasons: dict[str, tuple[str, ...]]) -> list[str]:
    """What cannot be told beside these normals and why (plain text)."""
    return capture_words.not_judged_told(reasons, SAY)


def range_table(usual: Usual) -> pd.DataFrame:
    """From where on each measure is told."""
    columns = t("What is measured"), t("The normals have"), t("Told below"), t("Told above")
    return pd.DataFrame(capture_words.ranges(usual, SAY), columns=columns)


def why() -> str:
    """What this rests on, behind a help."""
    return t(
        "Every picture is compared with how the normals were taken, and what none of them comes near is told. The "
        "camera and its light change all of a picture, so light, colour, contrast and sharpness are told only where "
        "they hold in nearly every place; a defect on a part of the picture, even a large one, is not taken for them. "
        "One that covers it nearly all over looks the same and is told as well. The verdict stays what it is."
    )
