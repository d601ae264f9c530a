"""What a detector is: a function from normals to a scoring function, and what it may ask and tell meanwhile."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from dn2core.errors import Refused

FAMILIES = ("nearest neighbours", "reconstruction", "density", "one class", "isolation", "self-supervised")

# What a training can note, as templates for a person.
NOTES = {
    "fitted_on": "fitted on {value:,} of the normals",
    "directions": "{value:,} principal directions",
    "parts": "{value:,} centres",
    "epochs": "{value:,} epochs",
    "steps": "{value:,} steps",
    "images_seen": "{value:,} images seen in training",
    "out_of_time": "ended by the time limit of {value:g} s",
    "not_converged": "not converged after {value:,} iterations",
}

Scorer = Callable[[np.ndarray], np.ndarray]


class Training:
    """What a fit is given beside the normals, and where it tells how far it is.

    Args:
        seed: of everything random; the same seed and normals give the same scores, unless time ended the training.
        seconds: the time limit. Trainings that go on for as long as they may end by themselves at it, from the
            moment this object is made; the others do not look at it.
        told: called with the share done.
    """

    def __init__(self, *, seed: int = 0, seconds: float = 120.0, told: Callable[[float], None] | None = None):
        self.seed = seed
        self.seconds = seconds
        self.notes: dict[str, float] = {}  # filled by the fit: keys of NOTES
        self._told = told
        self._ends = time.monotonic() + seconds

    def tell(self, share: float) -> None:
        """Call often, with the share done from 0 to 1. It raises what `told` raises to end the fit: let it pass."""
        if self._told:
            self._told(share)

    @property
    def out_of_time(self) -> bool:
        return time.monotonic() >= self._ends


@dataclass(frozen=True)
class Detector:
    """An anomaly detector.

    name: its key in DETECTORS, also in file names.
    title: for people.
    family: one of FAMILIES.
    sees: "features" (n, d) float32 as the encoder gives them, or "images" (n, side, side, 3) uint8 RGB.
    about: what it does, its fixed settings, and its source.
    fit: from normals and a Training to the function from (q, ...) to (q,) float64 scores, higher = more anomalous.
        It raises Refused for normals that it cannot be fitted to.
    trains: a network is trained on the normals, so that the result depends on the time limit.
    imports: modules that fit and scoring import, so that a measurement can load them before it begins.
    """

    name: str
    title: str
    family: str
    sees: Literal["features", "images"]
    about: str
    fit: Callable[[np.ndarray, Training], Scorer]
    trains: bool = False
    imports: tuple[str, ...] = ()


def fitted(detector: Detector, normals: np.ndarray, training: Training) -> Scorer:
    """Fit a detector; what is no right input or no right score is refused.

    Args:
        normals: (n, d) float32 or (n, side, side, 3) uint8, as the detector sees them; n >= 2.

    Raises:
        Refused: too few normals, a number that is not finite, normals that the detector cannot be fitted to; and
            by the scorer, scores that are not finite.
    """
    _check(normals)
    if len(normals) < 2:
        raise Refused("NORMALS_TOO_FEW", wanted=2, n=len(normals))
    scorer = detector.fit(normals, training)

    def score(queries: np.ndarray) -> np.ndarray:
        _check(queries)
        scores = np.asarray(scorer(queries), np.float64) if len(queries) else np.empty(0)
        if not np.isfinite(scores).all():
            raise Refused("DETECTOR_SCORES", count=int((~np.isfinite(scores)).sum()), of=len(scores))
        return scores

    return score


def in_words(notes: dict[str, float]) -> list[str]:
    """A training's notes in English, in the order of NOTES."""
    return [words.format(value=notes[key]) for key, words in NOTES.items() if key in notes]


def _check(images: np.ndarray) -> None:
    if images.dtype != np.uint8 and not np.isfinite(images).all():
        bad = ~np.isfinite(images).all(axis=1)
        raise Refused("VECTORS_NOT_FINITE", count=int(bad.sum()), first=int(bad.argmax()))
