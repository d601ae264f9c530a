"""Findings about the capture in words: two on a picture, a sentence beside it, and the numbers behind them."""

from collections.abc import Sequence

import numpy as np

from dn2core.detect.capture import GROUPS, LEAST_NORMALS, MEASURES, Finding, Usual
from dn2core.report.say import ENGLISH, Say

_COLOURS = ("redness", "greenness", "yellowness", "blueness")


def word(finding: Finding, say: Say = ENGLISH) -> str:
    """A finding in two words (plain text)."""
    words = _kind_word(finding.kind, say)
    if finding.kind in GROUPS["framing"][:4]:
        return f"{words} {_percent(abs(finding.value - finding.usual), 0, say)}"
    return words


def _kind_word(kind: str, say: Say) -> str:
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
    return words[kind]


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
    value, usual, bound = (_shown(finding.measure, one, say) for one in (finding.value, finding.usual, finding.bound))
    fields = {"measure": _measure(finding.measure, say), "value": value, "usual": usual, "bound": bound}
    if finding.value < finding.usual:
        return t("{measure} {value}; the normals have {usual}, and down to {bound} nothing is said.", **fields)
    return t("{measure} {value}; the normals have {usual}, and up to {bound} nothing is said.", **fields)


def files_told(files: dict[str, int], say: Say = ENGLISH) -> str:
    """What kinds of file whole deliveries are of that no normal is, in a sentence each (plain text)."""
    return " ".join(
        say.tn(
            "{n} new image is another kind of file than the normals: {file}.",
            "{n} new images are another kind of file than the normals: {file}.",
            count,
            file=file_word(kind, say),
        )
        for kind, count in files.items()
    )


def file_word(kind: str, say: Say = ENGLISH) -> str:
    """A kind of file, such as "PNG, grey"."""
    format, _, colour = kind.partition(", ")
    return f"{format}, {say.t('grey') if colour == 'grey' else say.t('colour')}"


def not_judged_told(reasons: dict[str, tuple[str, ...]], say: Say = ENGLISH) -> list[str]:
    """What cannot be told beside these normals and why, a sentence a reason (plain text)."""
    t = say.t
    told = {
        "few": t("With fewer than {n} normals only a lamp that is off can be told.", n=say.number(LEAST_NORMALS)),
        "full": t(
            "Framing is not judged here: what is seen fills the normals from edge to edge, so nothing shows a shift."
        ),
        "wide": t(
            "Not judged here: {findings}. In this the normals differ so much that no picture could stand out.",
            findings=", ".join(_kind_word(kind, say) for kind in reasons.get("wide", ())),
        ),
        "files": t("The kind of file is not judged here: the normals are of many kinds."),
    }
    return [told[reason] for reason in reasons]


def ranges(usual: Usual, say: Say = ENGLISH) -> list[tuple[str, str, str, str]]:
    """(measure, what the normals have, told below, told above) of each measure that is looked at; "" for no limit."""
    looked_at = np.isfinite([usual.below, usual.above]).any(axis=0)
    numbers = np.column_stack([usual.medians(), *usual.bounds()])
    return [
        (_measure(name, say), *("" if value != value else _shown(name, value, say) for value in three))
        for name, three in zip(np.array(list(MEASURES))[looked_at].tolist(), numbers[looked_at].tolist(), strict=True)
    ]


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


def _shown(measure: str, value: float, say: Say) -> str:
    if measure == "size":
        return say.number(value)
    if measure in ("aspect", "sharpness", "grain"):
        return say.number(value, 2)
    return _percent(value, 1 if measure in _COLOURS else 0, say)


def _percent(share: float, places: int, say: Say) -> str:
    return say.t("{value} %", value=say.number(100 * share, places))
