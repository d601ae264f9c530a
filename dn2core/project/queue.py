"""The queue of images that people should look at, and how far they are."""

from dataclasses import dataclass

import numpy as np

from dn2core.detect import Judgement
from dn2core.project.labels import Label, labels_of
from dn2core.project.snapshot import Snapshot

QUEUES = ("flagged", "review", "near", "unsure")


@dataclass(frozen=True)
class Queue:
    """Positions of scored images, the most unusual first; the same content stands once.

    waiting: (w,) not labelled yet ("unsure": labelled so).
    done: (d,) labelled good or defect.
    """

    waiting: np.ndarray
    done: np.ndarray

    @property
    def total(self) -> int:
        return len(self.waiting) + len(self.done)


def queue(view: Snapshot, judged: Judgement, known: dict[int, Label], which: str, *, share: float = 0.1) -> Queue:
    """Images of a kind, in the order in which they are worth a look.

    Args:
        which: "flagged" (above the limit), "review" (between the limits), "near" (pass, but among the share of
            scored images nearest below the limit, nearest first), or "unsure" (people could not tell).
        share: for "near".
    """
    labels = labels_of(view.scored, known)
    decided = np.isin(labels, ("good", "defect"))
    chosen = {
        "flagged": judged.flagged,
        "review": judged.verdicts == "review",
        "near": _near(judged, share),
        "unsure": (labels == "unsure"),
    }[which]
    order = np.argsort(-judged.scores, kind="stable")
    order = order[chosen[order]]
    _, first = np.unique(view.scored.image_ids[order], return_index=True)
    order = order[np.sort(first)]
    waiting = ~decided[order] if which == "unsure" else labels[order] == ""
    return Queue(waiting=order[waiting], done=order[decided[order]])


def _near(judged: Judgement, share: float) -> np.ndarray:
    passing = np.flatnonzero(judged.verdicts == "pass")
    count = int(np.ceil(share * len(passing)))
    near = np.zeros(len(judged.scores), bool)
    near[passing[np.argsort(-judged.scores[passing], kind="stable")[:count]]] = True
    return near
