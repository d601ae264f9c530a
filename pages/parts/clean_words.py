"""Who stands out, and where the share of strangers comes from, in words."""

from dn2core.detect.cleaning import Cleaning
from dn2core.project.cleaning import APART, AUTOMATIC, HALF
from pages.parts.clean_draft import Draft, proposed_count
from pages.parts.look import percent
from pages.parts.text import number, t, tn


def standing_out(cleaning: Cleaning) -> str:
    """How many of the normals stand out, as the start of the answer."""
    out, n = cleaning.estimate.clump, len(cleaning.order)
    if not out:
        return t("No group among the {n} stands apart", n=number(n))
    return tn("{out} of {n} stands apart", "{out} of {n} stand apart", out, out=number(out), n=number(n))


def share_words(draft: Draft, cleaning: Cleaning) -> str:
    """What the chosen share drops, in a sentence or two."""
    if draft.how == HALF:
        return t(
            "The farther half is dropped, whatever is in it. Strangers are rarely more than that; but of clean normals "
            "it drops good parts."
        )
    if draft.how == APART:
        return _apart(cleaning) or t("No group of normals keeps to itself, so nothing is dropped by its distance.")
    if draft.how != AUTOMATIC:
        count = proposed_count(cleaning, draft.how, draft.percent)
        if count == 0:
            return t("Nothing is dropped by its distance.")
        return tn("The farthest normal is dropped.", "The {n} farthest normals are dropped.", count)
    return _estimated(cleaning)


def _estimated(cleaning: Cleaning) -> str:
    found, parts = cleaning.estimate, []
    if not cleaning.drop.any():
        return t("No normal is far enough from the others to be dropped.")
    if found.clump:
        parts.append(_apart(cleaning))
    if found.fringe:
        words = (
            tn(
                "The next one is dropped as well: it may be of their kind, or a single stranger.",
                "The next {n} are dropped as well: more of their kind and single strangers may be among them.",
                found.fringe,
            )
            if found.clump
            else tn(
                "No group keeps to itself, but single strangers may hide at the fringe: the farthest one is dropped.",
                "No group keeps to itself, but single strangers may hide at the fringe: the farthest {n} are dropped.",
                found.fringe,
            )
        )
        parts.append(words)
    parts.append(t("In all {share} of the normals.", share=percent(100 * cleaning.share)))
    return " ".join(parts)


def _apart(cleaning: Cleaning) -> str:
    """That some normals form a group of their own; "" where none do."""
    if not cleaning.estimate.clump:
        return ""
    return tn(
        "{n} normal keeps apart from all others, as strangers do.",
        "{n} normals keep to themselves, apart from all others, as strangers of a kind do.",
        cleaning.estimate.clump,
    )


def why_words(cleaning: Cleaning) -> list[str]:
    """How suspects are found and counted, paragraph by paragraph."""
    found = cleaning.estimate
    paragraphs = [
        t(
            "**Many neighbours.** Each normal is compared with its {k} nearest others here, far more than in scoring. "
            "Strangers of one kind are each other's nearest neighbours: with two neighbours they shield each other. "
            "Among more neighbours than such a group has members, they stand alone.",
            k=number(cleaning.k),
        ),
        t("**Copies.** Near-duplicates of an image do not count as its neighbours, for a copy would shield it, too."),
        t(
            "**The share.** On a clean set the farthest normals are a fringe: their nearest neighbours lie further "
            "inside. Strangers of a kind have each other for neighbours. So the farthest ones count as a group of "
            "strangers as far as they keep to themselves. Behind them more of their kind may follow, and single "
            "strangers have no group: *And the fringe* drops these, too, with some good parts. That finds more "
            "defects where the normals are many and contaminated, and makes the limit promise less."
        ),
        t(
            "**The paper's way.** DN2 drops half of the normals by the same comparison with two neighbours. Where they "
            "were clean, that costs accuracy; where strangers are alike, it misses them."
        ),
    ]
    if found.clump:
        paragraphs.insert(
            3,
            t(
                "Here {outside} of the neighbours of these {n} lie outside of the group; from {usual} on it would "
                "be no group.",
                outside=percent(100 * found.outside),
                n=number(found.clump),
                usual=percent(100 * found.usual),
            ),
        )
    return paragraphs
