"""All detectors by name, in the order in which a table shows them."""

from dn2core.detect.baselines.detector import Detector
from dn2core.errors import Refused

DETECTORS: dict[str, Detector] = {}


def detector_of(name: str) -> Detector:
    """The table's row of that name."""
    if name not in DETECTORS:
        raise Refused("UNKNOWN_DETECTOR", name=name, known=", ".join(DETECTORS))
    return DETECTORS[name]
