"""How good it is, as far as the labels tell, and whether the normals are enough."""

import numpy as np

from dn2core.detect import Judgement
from dn2core.explore.collecting import LeastCovered, least_covered
from dn2core.explore.evaluation import Evaluation, evaluate
from dn2core.explore.learning import LearningCurve, learning_curve
from dn2core.project.labels import DEFECT
from dn2core.project.snapshot import Snapshot


def evaluation(view: Snapshot, judged: Judgement, marks: np.ndarray) -> Evaluation:
    """What the labels say of a judgement of the scored images; those that lie among the normals, too, are left out.

    Args:
        marks: (q,) as `labels_of` gives them.
    """
    return evaluate(judged.scores, judged.verdicts, marks, view.same_as_normal)


def in_cell(view: Snapshot, judged: Judgement, marks: np.ndarray, label: str, verdict: str) -> np.ndarray:
    """(.,) int64 positions of the images with this label and verdict that an evaluation counts.

    What is most likely wrong comes first: defects from the lowest score up, good parts from the highest down.
    """
    at = np.flatnonzero((marks == label) & (judged.verdicts == verdict) & ~view.same_as_normal)
    order = judged.scores[at] if label == DEFECT else -judged.scores[at]
    return at[np.argsort(order, kind="stable")]


def learned(view: Snapshot, marks: np.ndarray) -> LearningCurve:
    """What fewer normals would have done, at the k, the budget and the vectors' length in use.

    Raises:
        Refused: NORMALS_TOO_FEW below three.
    """
    return learning_curve(
        view.bank.features,  # of unit length already, where they are compared so
        view.scored_features,
        np.where(view.same_as_normal, "", marks),
        k=view.settings.k,
        budget=view.settings.budget,
    )


def lonely(view: Snapshot, count: int = 12) -> LeastCovered | None:
    """The normals that lie most alone at the k in use; None below two normals."""
    if view.loo is None:
        return None
    return least_covered(view.loo.distances, view.found.indices, k=view.settings.k, count=count)
