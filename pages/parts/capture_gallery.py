"""Pictures that were taken unlike the normals: which, in what order, and what stands under each."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from dn2core.detect.capture import GROUPS, Finding
from pages.parts.capture_words import group_word, word, words
from pages.parts.look import verdict
from pages.parts.results import Cells
from pages.parts.text import number, show, t


def gravest_first(findings: Sequence[tuple[Finding, ...]], groups: Sequence[str] = ()) -> np.ndarray:
    """Positions of pictures with findings (of some groups), those with the gravest finding first."""
    kinds = {kind for group in groups or GROUPS for kind in GROUPS[group]}
    strengths = np.array([max((one.strength for one in some if one.kind in kinds), default=0.0) for some in findings])
    order = np.argsort(-strengths, kind="stable")
    return order[strengths[order] > 0]


def in_groups(findings: Sequence[tuple[Finding, ...]]) -> dict[str, int]:
    """How many pictures have a finding of each group; groups without one are left out."""
    found = Counter(
        group for some in findings for group, kinds in GROUPS.items() if any(one.kind in kinds for one in some)
    )
    return {group: found[group] for group in GROUPS if found[group]}


def counted(findings: Sequence[tuple[Finding, ...]]) -> str:
    """The groups with their numbers on one line: "Light 3 · Focus 1"."""
    return " · ".join(f"{group_word(group)} {number(count)}" for group, count in in_groups(findings).items())


def capture_cells(items, findings, positions: np.ndarray, tones: Sequence[str]) -> Cells:
    """Items at these positions, the gravest finding on the corner, all in the tooltip; `tones` are those of all items.

    Under each stands only how many more there are: all of them would be cut off there.
    """
    chosen = positions.tolist()
    more = [len(findings[at]) - 1 for at in chosen]
    return Cells(
        ids=items.ids[positions].tolist(),
        captions=[
            t("{verdict} · {n} more", verdict=verdict(tones[at]).word, n=number(others))
            if others
            else verdict(tones[at]).word
            for at, others in zip(chosen, more, strict=True)
        ],
        tones=[tones[at] for at in chosen],
        details=[f"{show(items.names[at])} · {words(findings[at])}" for at in chosen],
        marks=[word(findings[at][0]) for at in chosen],
    )


def corner_marks(marks: Sequence[str], findings: Sequence[tuple[Finding, ...]]) -> list[str]:
    """What a gallery writes on its pictures: what people said, and the gravest finding about the capture."""
    return [
        " · ".join(filter(None, (mark, some and word(some[0])))) for mark, some in zip(marks, findings, strict=True)
    ]
