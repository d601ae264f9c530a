"""Findings about the capture in words: two on a picture, a sentence beside it, and the numbers behind them."""

from collections.abc import Sequence

from dn2core.detect.capture import GROUPS, Finding
from dn2core.report.say import ENGLISH, Say


def word(finding: Finding, say: Say = ENGLISH) -> str:
    """A finding in two words (plain text)."""
    t = say.t
    words = {
        "lamp_off": t("lamp off"),
        "dark": t("too dark"),
        "bright": t("too bright"),
        "burnt": t("burnt out"),
        "flat": t("low contrast"),
        "blurred": t("blurred"),
        "grainy": t("grainy"),
        "reddish": t("reddish"),
        "greenish": t("greenish"),
        "yellowish": t("yellowish"),
        "bluish": t("bluish"),
        "left": t("shifted left"),
        "right": t("shifted right"),
        "up": t("shifted up"),
        "down": t("shifted down"),
        "closer": t("closer"),
        "farther": t("farther away"),
        "smaller": t("fewer pixels"),
        "larger": t("more pixels"),
        "taller": t("taller"),
        "wider": t("wider"),
        "kind": t("other kind of file"),
    }
    if finding.kind in GROUPS["framing"][:4]:
        return f"{words[finding.kind]} {_percent(abs(finding.value - finding.usual), 0, say)}"
    return words[finding.kind]


def words(findings: Sequence[Finding], say: Say = ENGLISH) -> str:
    """All findings of a picture on one line, the gravest first."""
    return ", ".join(word(finding, say) for finding in findings)


def told(findings: Sequence[Finding], say: Say = ENGLISH) -> str:
    """The findings of a picture as a sentence (plain text)."""
    first = say.t("the lamp is off") if findings[0].kind == "lamp_off" else word(findings[0], say)
    rest = (word(finding, say) for finding in findings[1:])
    return say.t("Check the capture: {findings}.", findings=", ".join([first, *rest]))


def numbers(finding: Finding, say: Say = ENGLISH) -> str:
    """What was measured, what is usual, and from where on it is told (plain text)."""
    t = say.t
    if finding.kind == "kind":
        return t("No normal is such a file: another format, or grey where the normals have colour.")
    value, usual, bound = (_shown(finding, one, say) for one in (finding.value, finding.usual, finding.bound))
    fields = {"measure": _measure(finding.measure, say), "value": value, "usual": usual, "bound": bound}
    if finding.value < finding.usual:
        return t("{measure} {value}; the normals have {usual}, and down to {bound} nothing is said.", **fields)
    return t("{measure} {value}; the normals have {usual}, and up to {bound} nothing is said.", **fields)


def _measure(name: str, say: Say) -> str:
    t = say.t
    names = {
        "brightness": t("Brightness"),
        "contrast": t("Contrast"),
        "sharpness": t("Sharpness"),
        "dark": t("Black part"),
        "burnt": t("Burnt-out part"),
        "grain": t("Grain"),
        "redness": t("Red over green"),
        "greenness": t("Green over red"),
        "yellowness": t("Yellow over blue"),
        "blueness": t("Blue over yellow"),
        "centre_x": t("Middle of what is seen, from the left"),
        "centre_y": t("Middle of what is seen, from the top"),
        "extent": t("Extent of what is seen"),
        "size": t("Pixels along a side"),
        "aspect": t("Width over height"),
    }
    return names[name]


def _shown(finding: Finding, value: float, say: Say) -> str:
    if finding.measure == "size":
        return say.number(value)
    if finding.measure in ("aspect", "sharpness", "grain"):
        return say.number(value, 2)
    return _percent(value, 1 if finding.kind in GROUPS["colour"] else 0, say)


def _percent(share: float, places: int, say: Say) -> str:
    return say.t("{value} %", value=say.number(100 * share, places))
