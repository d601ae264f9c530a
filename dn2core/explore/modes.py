"""Two ways to look at the same images, the whole and its places: which found what, and what labels say of both."""

from dataclasses import dataclass

import numpy as np

from dn2core.explore.bootstrap import Estimate, bootstrap
from dn2core.explore.curves import roc_auc
from dn2core.explore.evaluation import labelled

FOUND = ("both", "patches", "whole", "neither")


@dataclass(frozen=True)
class ModeCounts:
    """How many images of a kind each mode flags."""

    both: int
    patches: int  # by a place alone
    whole: int  # by the whole image alone
    neither: int

    @property
    def of(self) -> int:
        return self.both + self.patches + self.whole + self.neither

    @property
    def by_whole(self) -> int:
        return self.both + self.whole

    @property
    def by_patches(self) -> int:
        return self.both + self.patches

    @property
    def by_either(self) -> int:
        return self.of - self.neither


@dataclass(frozen=True)
class BothModes:
    """What labels say of two modes on the same images: those that both of them judge."""

    defects: ModeCounts
    good: ModeCounts
    whole_auc: Estimate | None  # ROC AUC; None where a class is missing
    patches_auc: Estimate | None
    uncompared: int  # labelled images that count but have no score of their patches: left out here


def found_by(whole: np.ndarray, patches: np.ndarray) -> np.ndarray:
    """(q,) words of FOUND: which of two modes flags each image.

    Args:
        whole, patches: (q,) bool, flagged by that mode.
    """
    return np.select([whole & patches, patches, whole], FOUND[:3], FOUND[3])


def both_by_labels(
    whole_scores: np.ndarray,
    whole_flagged: np.ndarray,
    patch_scores: np.ndarray,
    patch_flagged: np.ndarray,
    labels: np.ndarray,
    exclude: np.ndarray | None = None,
    *,
    draws: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> BothModes:
    """Both modes by the labels, on the same images and the same draws of the bootstrap.

    Args:
        whole_scores, patch_scores: (q,) higher = more anomalous; those of patches NaN where they are not compared.
        whole_flagged, patch_flagged: (q,) bool, above the mode's limit.
        labels, exclude, draws, seed, level: as `evaluate`.

    Raises:
        Refused: as `evaluate`.
    """
    known = ~np.isnan(patch_scores)
    found = found_by(whole_flagged, patch_flagged)
    kinds = labelled(labels, exclude, len(whole_scores))[:2]
    good, defects = (kind[known[kind]] for kind in kinds)
    options = {"draws": draws, "seed": seed, "level": level}
    return BothModes(
        defects=_counts(found[defects]),
        good=_counts(found[good]),
        whole_auc=bootstrap(roc_auc, whole_scores[good], whole_scores[defects], **options),
        patches_auc=bootstrap(roc_auc, patch_scores[good], patch_scores[defects], **options),
        uncompared=sum(int((~known[kind]).sum()) for kind in kinds),
    )


def _counts(found: np.ndarray) -> ModeCounts:
    return ModeCounts(**{name: int((found == name).sum()) for name in FOUND})
