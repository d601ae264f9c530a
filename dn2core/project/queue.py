"""The queue of images that people should look at, and how far they are."""

from dataclasses import dataclass

import numpy as np

from dn2core.detect import Judgement
from dn2core.project.labels import Label, labels_of
from dn2core.project.patches import PatchView, by_a_place_alone
from dn2core.project.snapshot import Snapshot

QUEUES = ("flagged", "review", "near", "unsure")


@dataclass(frozen=True)
class Queue:
    """Positions of scored images, the most unusual first; the same content stands once.

    waiting: (w,) not labelled yet ("unsure": labelled so).
    done: (d,) labelled good or defect.
    unusual: (q,) how unusual each scored image is, in this queue or not: what the order goes by.
    """

    waiting: np.ndarray
    done: np.ndarray
    unusual: np.ndarray

    @property
    def all(self) -> np.ndarray:
        """Waiting or done."""
        return np.concatenate([self.waiting, self.done])

    @property
    def total(self) -> int:
        return len(self.all)


def queue(
    view: Snapshot,
    judged: Judgement,
    known: dict[int, Label],
    which: str,
    *,
    patches: PatchView | None = None,
    share: float = 0.1,
) -> Queue:
    """Images of a kind, in the order in which they are worth a look.

    Args:
        which: "flagged" (the whole image or one of its places above its limit, the farthest beyond it first), "review"
            (between the limits), "near" (pass, but among the share of scored images nearest below the limit, nearest
            first), or "unsure" (people could not tell).
        patches: what the places say; None where they are not compared.
        share: for "near".
    """
    labels = labels_of(view.scored, known)
    decided = np.isin(labels, ("good", "defect"))
    alone = by_a_place_alone(judged, patches)
    chosen = {
        "flagged": judged.flagged | alone,
        "review": judged.verdicts == "review",
        "near": _near(judged, alone, share),
        "unsure": (labels == "unsure"),
    }[which]
    unusual = judged.scores if patches is None or which != "flagged" else _beyond_the_limits(judged, patches)
    order = np.lexsort((-judged.scores, -unusual))
    order = order[chosen[order]]
    _, first = np.unique(view.scored.image_ids[order], return_index=True)
    order = order[np.sort(first)]
    waiting = ~decided[order] if which == "unsure" else labels[order] == ""
    return Queue(waiting=order[waiting], done=order[decided[order]], unusual=unusual)


def _beyond_the_limits(judged: Judgement, patches: PatchView) -> np.ndarray:
    """(q,) how far the whole image or a place lies beyond its limit, whichever is more; -inf where none has a limit.

    In standard deviations of the good parts' scores: the two modes' scores are of different scales.
    """
    whole = _beyond(judged.scores, judged.limit, judged.reference_scores)
    place = _beyond(patches.scores, patches.limit, patches.normal_scores)
    return np.nan_to_num(np.fmax(whole, place), nan=-np.inf, posinf=np.inf, neginf=-np.inf)


def _beyond(scores: np.ndarray, limit: float, good: np.ndarray) -> np.ndarray:
    spread = np.std(good, dtype=np.float64) if len(good) else np.nan
    with np.errstate(divide="ignore", invalid="ignore"):  # of good parts that are all alike any other is infinitely far
        return (scores - np.float64(limit)) / spread


def _near(judged: Judgement, alone: np.ndarray, share: float) -> np.ndarray:
    passing = np.flatnonzero((judged.verdicts == "pass") & ~alone)
    count = int(np.ceil(share * len(passing)))
    near = np.zeros(len(judged.scores), bool)
    near[passing[np.argsort(-judged.scores[passing], kind="stable")[:count]]] = True
    return near
