"""The detectors that DN2 is compared with, all of one shape."""

from dn2core.detect.baselines.detector import FAMILIES, NOTES, Detector, Training, in_words
from dn2core.detect.baselines.table import DETECTORS, detector_of

__all__ = ["DETECTORS", "FAMILIES", "NOTES", "Detector", "Training", "detector_of", "in_words"]
