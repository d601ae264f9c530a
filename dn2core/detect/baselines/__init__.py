"""The detectors that DN2 is compared with, all of one shape."""

from dn2core.detect.baselines.detector import FAMILIES, NOTES, Detector, Training, fitted, in_words
from dn2core.detect.baselines.table import DETECTORS, DN2, DN2_PAPER, detector_of

__all__ = [
    "DETECTORS",
    "DN2",
    "DN2_PAPER",
    "FAMILIES",
    "NOTES",
    "Detector",
    "Training",
    "detector_of",
    "fitted",
    "in_words",
]
