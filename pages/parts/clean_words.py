"""Where the share of strangers comes from, in words."""

from dn2core.project.cleaning import AUTOMATIC, HALF
from pages.parts.look import percent
from pages.parts.text import number, t, tn


def estimate_words(draft, cleaning) -> str:
    """One sentence on the share that is chosen."""
    n = len(cleaning.order)
    if draft.how == HALF:
        return t(
            "The farther half is dropped, whatever is in it. That is safe where up to a third or so are strangers, "
            "but of clean normals it drops good parts."
        )
    if draft.how != AUTOMATIC:
        count = round(draft.percent * n / 100)
        if count == 0:
            return t("Nothing is dropped by its distance.")
        return tn("The farthest normal is dropped.", "The {n} farthest normals are dropped.", count)
    found = cleaning.estimate
    if not found.observed:
        return t("No normal lies farther from the others than good parts scatter, so none is proposed to be dropped.")
    words = tn(
        "{n} normal ({share}) lies farther from the others than good parts scatter.",
        "{n} normals ({share}) lie farther from the others than good parts scatter.",
        found.observed,
        share=percent(100 * cleaning.share),
    )
    if found.expected < 1:
        return words
    return f"{words} {t('About {n} of them may be good parts.', n=number(round(found.expected)))}"


def why_words(cleaning) -> list[str]:
    """How suspects are found and counted, paragraph by paragraph."""
    found = cleaning.estimate
    return [
        t(
            "**Many neighbours.** Each normal is compared with its {k} nearest others here, far more than in scoring. "
            "Strangers of one kind are each other's nearest neighbours: with two neighbours they shield each other. "
            "Among more neighbours than such a clump has members, they stand alone.",
            k=number(cleaning.k),
        ),
        t("**Copies.** Near-duplicates of an image do not count as its neighbours, for a copy would shield it, too."),
        t(
            "**The share.** The half of the normals that lies nearest shows how good parts scatter: by a factor of "
            "{spread} in squared distance. Good parts scatter alike on the far side. {limit} such steps from the "
            "middle hardly one is left, and what lies beyond counts as a stranger: {n} here.",
            spread=number(found.spread, 2),
            limit=number(3),
            n=number(found.observed),
        ),
        t(
            "**The paper's way.** DN2 drops half of the normals by the same comparison with two neighbours. Where they "
            "were clean, that costs accuracy; where strangers are alike, it misses them."
        ),
    ]
