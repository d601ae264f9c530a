"""What a change of the normals would do to all verdicts, before it is made."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from dn2core.detect import PASS, Judgement
from dn2core.detect.update import updated, updated_own
from dn2core.errors import NotFound
from dn2core.project.labels import DEFECT, Label, labels_of
from dn2core.project.snapshot import Items, Snapshot

if TYPE_CHECKING:
    from dn2core.project.project import Project


@dataclass(frozen=True)
class Impact:
    """Verdicts before and after; the arrays hold positions of scored images, those that join the normals left out."""

    before: Judgement
    after: Judgement
    cleared: np.ndarray  # flagged before, not any more
    appearing: np.ndarray  # not flagged before, flagged after
    missed: np.ndarray  # known defects that did not pass before and would now
    caught: np.ndarray  # known defects that passed before and no longer do
    stands_alone: bool = False  # an image that joins sets a higher limit by itself, for no other normal is like it

    @property
    def changed(self) -> int:
        return len(self.cleared) + len(self.appearing)


def impact(
    project: "Project",
    view: Snapshot,
    known: dict[int, Label],
    *,
    join: Sequence[int] = (),
    leave: Sequence[int] = (),
) -> Impact:
    """What would change if scored images joined the normals and normals left them. Nothing is written.

    Args:
        known: the labels in force.
        join: item ids of scored images.
        leave: item ids of normals.

    Raises:
        NotFound: for an image that is not in the snapshot, or when no normal would be left.
    """
    after = trial(project, view, join=join, leave=leave)
    counted = ~np.isin(view.scored.image_ids, _image_ids(view.scored, join))
    found = compared(view.judge(), after.judge(), labels_of(view.scored, known), counted)
    joined = np.isin(after.normals.image_ids, _image_ids(view.scored, join))
    own = found.after.normal_scores[joined] if len(found.after.normal_scores) else np.empty(0)
    alone = found.after.limit > found.before.limit and bool((own >= found.after.limit).any())
    return replace(found, stands_alone=alone)


def compared(before: Judgement, after: Judgement, labels: np.ndarray, counted: np.ndarray | None = None) -> Impact:
    """Two judgements of the same scored images.

    Args:
        labels: (q,) as `labels_of` gives them.
        counted: (q,) bool; the others are not looked at.
    """
    counted = np.ones(len(labels), bool) if counted is None else counted
    defect = (labels == DEFECT) & counted
    passed, passes = before.verdicts == PASS, after.verdicts == PASS
    return Impact(
        before=before,
        after=after,
        cleared=np.flatnonzero(counted & before.flagged & ~after.flagged),
        appearing=np.flatnonzero(counted & ~before.flagged & after.flagged),
        missed=np.flatnonzero(defect & ~passed & passes),
        caught=np.flatnonzero(defect & passed & ~passes),
    )


def trial(project: "Project", view: Snapshot, *, join: Sequence[int] = (), leave: Sequence[int] = ()) -> Snapshot:
    """The snapshot as it would be with other normals; their neighbours follow the change without a new search."""
    _positions(view.normals.and_then(view.apart), leave)
    keep, checks, left_out, checking = (
        ~np.isin(items.ids, leave) for items in (view.normals, view.checks, view.left_out, view.checking)
    )
    joining = _image_ids(view.scored, join)
    there = (view.normals, view.apart, view.held)
    joining = joining[~np.isin(joining, np.concatenate([items.image_ids for items in there]))]
    if not keep.any() and not len(joining):
        raise NotFound("NO_NORMALS")
    added = project.features(joining.tolist(), view.state.fingerprint) if len(joining) else None
    bank = view.bank.changed(keep, added)
    held_features = view.held_features[checking]
    return replace(
        view,
        generation=(*view.generation, "trial", tuple(joining.tolist()), tuple(map(int, leave))),
        normals=_joined(view, keep, joining),
        checks=view.checks.some(checks),
        left_out=view.left_out.some(left_out),
        checking=view.checking.some(checking),
        apart_found=None,
        bank=bank,
        held_features=held_features,
        own_neighbours=updated_own(view.own_neighbours, bank, keep),
        scored_neighbours=updated(view.scored_neighbours, view.scored_features, bank, keep),
        held_found=bank.search_prepared(held_features, view.held_found.k_asked),
    )


def _joined(view: Snapshot, keep: np.ndarray, joining: np.ndarray) -> Items:
    """The normals that stay, and behind them the scored images that join."""
    images, first = np.unique(view.scored.image_ids, return_index=True)
    return view.normals.some(keep).and_then(view.scored.some(first[np.searchsorted(images, joining)]))


def _image_ids(items: Items, item_ids: Sequence[int]) -> np.ndarray:
    return np.unique(items.image_ids[_positions(items, item_ids)])


def _positions(items: Items, item_ids: Sequence[int]) -> np.ndarray:
    """Where these items stand, in their order."""
    wanted = np.array(item_ids, np.int64)
    if not np.isin(wanted, items.ids).all():
        raise NotFound("NOT_FOUND", what="The image")
    order = np.argsort(items.ids, kind="stable")
    return order[np.searchsorted(items.ids, wanted, sorter=order)]
