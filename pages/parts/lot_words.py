"""How lots read: which went wrong and since when, on what that rests, and why it was found of one."""

import math

from dn2core.detect import ENOUGH_LOTS
from dn2core.project.lot_verdicts import Lot, LotVerdicts
from pages.parts.limits import budget_words
from pages.parts.look import percent
from pages.parts.text import number, sentence, show, t, tn


def short(name: str, length: int = 40) -> str:
    """A lot's name as it is shown: visible, and its end where it is long, for there names differ."""
    name = show(name)
    return name if len(name) <= length else "…" + name[-(length - 1) :]


def verdict_of(lot: Lot) -> str:
    """The verdict by its name, as `look.verdict` knows it."""
    if not lot.judged:
        return "plain"
    return "reject" if lot.flagged else "pass"


def answer(found: LotVerdicts) -> str:
    """Which lot went wrong, and since when (plain text)."""
    judged, flagged = len(found.judged), len(found.flagged)
    if not judged:
        return t("No lot can be judged")
    if not flagged:
        return tn("The one lot passes", "None of {n} lots is flagged", judged)
    counts = tn("{flagged} of {n} lot is flagged", "{flagged} of {n} lots are flagged", judged, flagged=number(flagged))
    if judged == 1:
        return t("The one lot is flagged")
    if flagged == 1:
        counts = t("1 of {n} lots is flagged", n=number(judged))
    return f"{counts}; {_since_words(found)}"


def _since_words(found: LotVerdicts) -> str:
    since = found.since
    name = short(found.lots[since.lot].name)
    if since.over:
        return t("the last run of them, from {lot}, is over", lot=name)
    if since.lots == 1:
        return t("the last one, {lot}", lot=name)
    return t("since {lot} {flagged} of {n}", lot=name, flagged=number(since.flagged), n=number(since.lots))


def caught(found: LotVerdicts) -> str:
    """Lots that only the look at the whole finds; "" where there is none."""
    silent = [lot for lot in found.flagged if not lot.flagged_images]
    if not silent:
        return ""
    return tn(
        "In {n} of them every image passes by itself: {names}.",
        "In {n} of them every image passes by itself: {names}.",
        len(silent),
        names=listed([lot.name for lot in silent]),
    )


def listed(names: list[str], most: int = 5) -> str:
    """Names one behind the other, the first few of them."""
    words = ", ".join(short(name) for name in names[:most])
    return t("{names} and more", names=words) if len(names) > most else words


def basis(found: LotVerdicts) -> list[str]:
    """On what the verdicts rest, and what that cannot tell (plain text, a sentence each)."""
    judged = found.judged
    if not judged:
        return []
    groups = len(judged[0].calibration_scores)
    if judged[0].calibrated_on == "lots":
        words = [tn("Calibrated on {n} real lot of normals.", "Calibrated on {n} real lots of normals.", groups)]
    else:
        sizes = sorted({lot.calibration_size for lot in judged})
        size = number(sizes[0])
        if len(sizes) > 1:
            size = t("{least} to {most}", least=size, most=number(sizes[-1]))
        words = [
            t(
                "Too few real lots among the normals: calibrated on {n} groups of {size} images drawn from them, "
                "which know nothing of how days or batches differ.",
                n=number(groups),
                size=size,
            ),
            t(
                "So a good lot of another day may be flagged more often than the budget says. Name {n} lots of "
                "normals or more, and verdicts rest on those.",
                n=number(ENOUGH_LOTS),
            ),
        ]
    grouped = [lot for lot in judged if not lot.few_normals and lot.calibration_size < lot.size]
    if grouped:
        words.append(
            t(
                "Lots have many sizes: {n} of them are compared with groups smaller than they are, which vary "
                "more, so they are flagged less often than the budget says.",
                n=number(len(grouped)),
            )
        )
    least = min(len(lot.calibration_scores) for lot in judged)
    if least + 1 < 1 / found.budget - 1e-6:
        words.append(
            t(
                "{n} good groups cannot tell 1 good lot in {budget}: the limit is the farthest of them, which about "
                "1 in {told} good lots exceed.",
                n=number(least),
                budget=number(1 / found.budget),
                told=number(least + 1),
            )
        )
    return words


def why(lot: Lot, method: str, budget: float) -> str:
    """The verdict and why, in one sentence (plain text)."""
    if not lot.judged:
        return t("Not judged. {reason}", reason=sentence(lot.refused))
    if math.isnan(lot.times_limit):
        return t(
            "{images}; good groups of {n} all score alike, so nothing tells lots apart.",
            images=_images_words(lot),
            n=number(lot.size),
        )
    kept = percent(100 * min(1 - budget, 1 - 1 / (len(lot.calibration_scores) + 1)))
    if lot.calibrated_on == "lots":
        good = t("real lots of normals")
    elif lot.calibration_size == lot.size:
        good = t("equal groups of normals")
    else:
        good = t("groups of {size} normals", size=number(lot.calibration_size))
    return t(
        "{images}; {together} the limit, below which {share} of {good} stay.",
        images=_images_words(lot),
        together=_together(lot, method),
        share=kept,
        good=good,
    )


def _images_words(lot: Lot) -> str:
    if lot.flagged_images == 0:
        return tn("Its image is not flagged by itself", "No image of it is flagged by itself", lot.size)
    if lot.flagged_images == lot.size:
        return tn("Its image is flagged by itself", "All {n} images of it are flagged by themselves", lot.size)
    return t(
        "{flagged} of its {n} images are flagged by themselves", flagged=number(lot.flagged_images), n=number(lot.size)
    )


def _together(lot: Lot, method: str) -> str:
    times = _times(lot.times_limit)
    if method == "covariance":
        return t("together they differ {times} times as much as", times=times)
    return tn(
        "it lies {times} times as far from the normals as",
        "together they lie {times} times as far from the normals as",
        lot.size,
        times=times,
    )


def _times(times: float) -> str:
    """A multiple of the limit; never rounded onto the limit or over it."""
    if times > 1:
        return number(max(times, 1.01), 2 if times < 1.1 else 1 if times < 100 else 0)
    return number(min(times, 0.99) if times < 1 else 1, 2 if times < 1 else 0)


def remarks(lot: Lot, method: str) -> list[str]:
    """What is to be known of a lot besides, pooled that way (plain text)."""
    words = []
    if lot.size == 1:
        words.append(t("A lot of one image is judged like a single image, only against groups of one."))
    if lot.judged and lot.calibration_least < lot.size:
        words.append(_smaller_groups(lot, method))
    if lot.inside:
        words.append(
            tn(
                "{n} of its images is among the normals, too; it is left out of what the lot is compared with.",
                "{n} of its images are among the normals, too; they are left out of what the lot is compared with.",
                lot.inside,
            )
        )
    elif lot.namesakes and lot.calibrated_on == "lots":
        words.append(
            tn(
                "{n} normal belongs to this lot, too. The verdict is on its scored images alone, and only other lots "
                "are what they are compared with.",
                "{n} normals belong to this lot, too. The verdict is on its scored images alone, and only other lots "
                "are what they are compared with.",
                lot.namesakes,
            )
        )
    elif lot.namesakes:
        words.append(
            tn(
                "{n} normal belongs to this lot, too. The verdict is on its scored images alone.",
                "{n} normals belong to this lot, too. The verdict is on its scored images alone.",
                lot.namesakes,
            )
        )
    return words


def _smaller_groups(lot: Lot, method: str) -> str:
    """Of what size the groups are that a lot is compared with, why, and what follows."""
    size, got = number(lot.size), number(lot.calibration_size)
    if lot.calibrated_on == "lots":
        if lot.calibration_least < lot.calibration_size:
            got = t("{least} to {most}", least=number(lot.calibration_least), most=got)
        found = t(
            "The real lots of normals that it is compared with count {got} images, it counts {size}.",
            got=got,
            size=size,
        )
    elif lot.few_normals:
        found = t(
            "There are too few normals for groups of {size}: it is compared with groups of {got}.", size=size, got=got
        )
    else:
        found = t(
            "Lots have so many sizes that not each has groups of its own: this one of {size} is compared with groups "
            "of {got}.",
            size=size,
            got=got,
        )
    if method == "max":
        return t(
            "{found} The largest values of fewer images are smaller, so it is flagged more often than the budget says.",
            found=found,
        )
    return t("{found} Smaller groups vary more, so it is flagged less often than the budget says.", found=found)


def refusals(found: LotVerdicts) -> list[str]:
    """Why lots have no verdict, each reason once with the lots that it befell (plain text)."""
    reasons: dict[str, list[str]] = {}
    for lot in found.lots:
        if lot.refused is not None:
            reasons.setdefault(sentence(lot.refused), []).append(lot.name)
    return [
        reason
        if len(names) == len(found.lots)
        else t("Not judged: {lots}. {reason}", lots=listed(names), reason=reason)
        for reason, names in reasons.items()
    ]


def budget_line(found: LotVerdicts) -> str:
    """What the budget means for as many lots (plain text)."""
    expected = len(found.judged) * found.budget
    return tn(
        "At most {budget} good lots is to be flagged: of {n} good lot {expected}.",
        "At most {budget} good lots is to be flagged: of {n} good lots {expected}.",
        len(found.judged),
        budget=budget_words(found.budget),
        expected=t("fewer than 1") if expected < 0.95 else t("about {n}", n=number(round(expected))),
    )
