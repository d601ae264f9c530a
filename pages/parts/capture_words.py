"""How findings about the capture read: two words on a picture, a sentence beside it, numbers behind a help."""

from dn2core.detect.capture import GROUPS, Finding
from pages.parts.look import percent
from pages.parts.text import number, t

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
        return f"{words[finding.kind]} {percent(100 * abs(finding.value - finding.usual), 0)}"
    return words[finding.kind]


def words(findings) -> str:
    """All findings of a picture on one line, the gravest first."""
    return ", ".join(map(word, findings))


def told(findings) -> str:
    """The findings of a picture as a sentence (plain text)."""
    first = t("the lamp is off") if findings[0].kind == "lamp_off" else word(findings[0])
    return t("Check the capture: {findings}.", findings=", ".join([first, *map(word, findings[1:])]))


def numbers(finding: Finding) -> str:
    """What was measured, what is usual, and from where on it is told (plain text)."""
    if finding.kind == "kind":
        return t("No normal is such a file: another format, or grey where the normals have colour.")
    value, usual, bound = (_shown(finding, one) for one in (finding.value, finding.usual, finding.bound))
    fields = {"measure": _measure(finding.measure), "value": value, "usual": usual, "bound": bound}
    if finding.value < finding.usual:
        return t("{measure} {value}; the normals have {usual}, and down to {bound} nothing is said.", **fields)
    return t("{measure} {value}; the normals have {usual}, and up to {bound} nothing is said.", **fields)


def why() -> str:
    """What this rests on, behind a help."""
    return t(
        "Every picture is compared with how the normals were taken, and what none of them comes near is told. The "
        "camera and its light change all of a picture, so a defect on a small part of it is not taken for them; one on "
        "most of it, such as another colour all over, looks the same and is told as well. The verdict stays what it is."
    )


def _measure(name: str) -> str:
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


def _shown(finding: Finding, value: float) -> str:
    if finding.measure == "size":
        return number(value)
    if finding.measure in ("aspect", "sharpness", "grain"):
        return number(value, 2)
    return percent(100 * value, 1 if finding.kind in GROUPS["colour"] else 0)
