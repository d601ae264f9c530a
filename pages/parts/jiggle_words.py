"""What the jiggle test found, in words."""

from dn2core.explore.jiggle import LIGHT, SHIFT, TURNS, Handling, Spread
from dn2core.project.jiggle import Measured
from pages.parts.header import moment
from pages.parts.look import one_in, percent
from pages.parts.text import number, t, tn

HARDLY = 0.25  # of the budget: below, handling is no matter


def steady_words(spread: Spread) -> str:
    """Whether the verdict holds, in a sentence."""
    flips, n = number(len(spread.flipped)), number(len(spread.scores))
    if spread.holds and spread.flagged:
        return t("Stays flagged under all {n} small changes.", n=n)
    if spread.holds:
        return t("Passes under all {n} small changes as well.", n=n)
    if spread.flagged:
        return t("**Would pass under {flips} of {n}** small changes: look at it yourself.", flips=flips, n=n)
    return t("**Would be flagged under {flips} of {n}** small changes: look at it yourself.", flips=flips, n=n)


def handling_words(found: Handling, budget: float) -> str:
    """What handling adds to the flags on good parts, and on how many normals that rests; markdown."""
    added = t(
        "About {budget} good parts may be flagged. Small changes of handling flag **{added} of 100 more** "
        "(95 % interval: {low} to {high}).",
        budget=one_in(budget),
        added=number(100 * found.added.value, 1),
        low=number(100 * found.added.low, 1),
        high=number(100 * found.added.high, 1),
    )
    taken = tn(
        "{n} of {of} normals is flagged as taken",
        "{n} of {of} normals are flagged as taken",
        found.as_taken.count,
        of=number(found.n),
    )
    unsteady = tn(
        "{n} more is flagged under at least one of {changes} small changes.",
        "{n} more are flagged under at least one of {changes} small changes.",
        found.unsteady.count,
        changes=number(len(found.by_kind)),
    )
    return f"{added} {taken}; {unsteady}"


def advice_words(found: Handling, budget: float) -> str:
    """What to do about it."""
    if not found.unsteady.count:
        return t(
            "No verdict turned: handling matters little. With {n} normals up to {high} of 100 cannot be ruled out.",
            n=number(found.n),
            high=number(100 * found.added.high, 1),
        )
    if found.added.value < HARDLY * budget:
        return t("Handling takes hardly any of the budget: nothing to do.")
    worst = max(found.added_by_family, key=lambda family: found.added_by_family[family].value)
    most = {"share": number(100 * found.added_by_family[worst].value, 1)}
    cure = {
        "turned": t("Turning does most ({share} of 100): a stop or fixture that holds the parts square helps.", **most),
        "shifted": t("Shifting does most ({share} of 100): a stop or fixture that holds the parts helps.", **most),
        "lit": t("Brightness does most ({share} of 100): fix the exposure and keep daylight out.", **most),
        "blurred": t("Blur does most ({share} of 100): fix focus and distance, and clean the lens.", **most),
    }
    otherwise = t("Or add normals that lie and are lit as differently as parts do later: the limit then allows for it.")
    return f"{cure[worst]} {otherwise}"


def rests_words(measured: Measured) -> str:
    """How many normals were measured and when, and what to mind about it; markdown."""
    found, words = measured.found, []
    drawn = (
        tn("By {n} normal", "By {n} normals", found.n)
        if found.n == measured.of
        else t("By {n} of {of} normals, drawn at random", n=number(found.n), of=number(measured.of))
    )
    words.append(
        t(
            "{drawn}, {moment}; the numbers count them, the bands are 95 % intervals.",
            drawn=drawn,
            moment=moment(measured.at),
        )
    )
    if measured.lost:
        words.append(
            tn("The stored file of {n} cannot be read.", "The stored files of {n} cannot be read.", measured.lost)
        )
    if found.as_taken.count:
        share = percent(100 * found.removed.count / found.as_taken.count, 0)
        words.append(t("Those flagged as taken pass under {share} of the changes.", share=share))
    if measured.redrawn.count > found.as_taken.count:
        words.append(
            tn(
                "Turned there and back, so that it lies as it lay, {n} of {of} is flagged: so much of what turns do is "
                "not the turn.",
                "Turned there and back, so that they lie as they lay, {n} of {of} are flagged: so much of what turns "
                "do is not the turn.",
                measured.redrawn.count,
                of=number(measured.redrawn.of),
            )
        )
    if not measured.fits:
        words.append(
            t(
                "Measured on version {version} of the normals; normals, network or score changed since.",
                version=number(measured.version),
            )
        )
    return " ".join(words)


def kind_word(kind: str) -> str:
    """A small change in words."""
    if kind.startswith("turned"):
        _, way, degrees = kind.split()
        by = number(float(degrees))
        return t("turned left by {n}°", n=by) if way == "left" else t("turned right by {n}°", n=by)
    words = {
        "shifted left": t("shifted left"),
        "shifted right": t("shifted right"),
        "shifted up": t("shifted up"),
        "shifted down": t("shifted down"),
        "darker": t("darker"),
        "brighter": t("brighter"),
        "blurred": t("blurred"),
    }
    return words.get(kind, kind)


def family_word(family: str) -> str:
    """What a small change belongs to."""
    words = {"turned": t("turned"), "shifted": t("shifted"), "lit": t("brightness"), "blurred": t("blurred")}
    return words.get(family, family)


def changes_help() -> str:
    """What is done to a picture."""
    return t(
        "The picture is turned by {turns} degrees, shifted by {shift}, made {light} darker and brighter and blurred a "
        "little, one at a time; nothing of this is a defect.",
        turns=" · ".join(number(by) for by in TURNS),
        shift=percent(100 * SHIFT, 0),
        light=percent(100 * LIGHT, 0),
    )
