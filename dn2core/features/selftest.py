"""Does this machine compute the numbers that it should?"""

from dataclasses import dataclass

import numpy as np

from dn2core.features import runtime as runtimes
from dn2core.features.encoder import Encoder
from dn2core.features.weights import load_state

# Weights (first hash digits) and preset -> position -> number: the largest of the canary's vector, by torch in FP32.
EXPECTED: dict[tuple[str, str], dict[int, float]] = {
    ("57934424", "whole"): {245: 2.671048, 287: 3.228437, 949: 2.86944, 989: 2.604538, 1115: 2.900124, 1189: 3.348226},
    ("57934424", "paper"): {245: 4.308253, 548: 3.235905, 897: 3.101608, 1115: 3.241139, 1189: 4.11562, 1219: 2.882496},
}


@dataclass(frozen=True)
class SelfTest:
    """largest_difference: the largest |got - expected| among the numbers compared, relative to the largest expected.

    compared_with: "kept numbers", or "torch" where none are kept for these weights.
    """

    ok: bool
    largest_difference: float
    tolerance: float
    compared_with: str


def canary() -> np.ndarray:
    """A (300, 400, 3) uint8 picture of waves and edges, from whole-number arithmetic alone: the same everywhere."""
    y, x = np.mgrid[:300, :400].astype(np.int64)
    red = (x * x + 3 * y * y) // 211 % 256
    green = (x * y // 37 + 40 * ((x // 25 + y // 30) % 2)) % 256
    blue = abs((5 * x - 7 * y) % 511 - 255)
    return np.stack([red, green, blue], axis=2).astype(np.uint8)


def self_test(encoder: Encoder) -> SelfTest:
    """Encode the canary and compare: with numbers kept here, else with torch on the CPU."""
    got = encoder.encode([canary()])[0]
    kept = EXPECTED.get((encoder.sha256[:8], encoder.preset))
    if kept is not None:
        got, expected = got[list(kept)], np.array(list(kept.values()))
    else:
        state = load_state(encoder.weights, encoder.sha256)
        reference = runtimes.start(encoder.backbone, state, "torch", "fp32")
        n = sum(1 for _ in reference.run([encoder.view(canary())]))
        expected = reference.result(n)[0].astype(np.float64)
    difference = float(np.abs(got - expected).max() / np.abs(expected).max())
    tolerance = {"fp32": 1e-4, "bf16": 0.1}[encoder.precision]
    return SelfTest(difference <= tolerance, difference, tolerance, "torch" if kept is None else "kept numbers")
