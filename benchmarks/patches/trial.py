"""What the scripts of this folder share: pictures as both networks see them, their scores and distance maps.

A script imports benchmarks/paper/common.py before, which finds dn2core.
"""

import hashlib
import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from common import CACHE, percent
from scipy.stats import t

from dn2core.detect import Bank, distance_maps, form_scores, leave_one_out, patches
from dn2core.detect.distance_maps import balanced, together
from dn2core.detect.patches import NEAREST_NORMALS, PatchBank, balanced_bank, bank_of, even_weights, thinned_bank
from dn2core.features import load_encoder
from dn2core.features.patches import Layout, load_patch_encoder
from dn2core.project import PRESETS

HERE = Path(__file__).resolve().parent
NORMALS = 120
RECOMMENDED = PRESETS["recommended"]
BACKBONE = "efficientnet_lite0"  # whose maps are the patches


@dataclass(frozen=True)
class Seen:
    """Pictures as the networks see them: vectors (n, d) float32 of the whole, packed (n, size) float16 maps."""

    vectors: np.ndarray
    packed: np.ndarray
    layout: Layout

    def __len__(self) -> int:
        return len(self.packed)

    def load(self, at: int) -> list[np.ndarray]:
        """The patches of a picture, stage by stage."""
        return self.layout.unpack(self.packed[at])

    @property
    def everywhere(self) -> np.ndarray:
        return np.ones((self.layout.grid, self.layout.grid), bool)


@cache
def whole_encoder():
    return load_encoder(RECOMMENDED.backbone, preset=RECOMMENDED.preset)


@cache
def patch_encoder(tiles: int = 1):
    return load_patch_encoder(BACKBONE, tiles=tiles)


def seen(images: Sequence[np.ndarray], tiles: int = 1) -> Seen:
    encoder = patch_encoder(tiles)
    return Seen(whole_encoder().encode(images), np.stack(list(encoder.encode(images))), encoder.layout)


def whole_scores(normals: Seen, new: Seen) -> np.ndarray:
    """(q,) scores of the whole pictures by the recommended preset."""
    bank, k = Bank(normals.vectors, normalise=RECOMMENDED.normalise), RECOMMENDED.k
    return form_scores(RECOMMENDED.form, bank.search(new.vectors, k), leave_one_out(bank, k), k)


def thinned(normals: Seen, **options) -> PatchBank:
    """The thinned bank of all normals, as a project makes it."""
    bank = thinned_bank(normals.load, range(len(normals)), normals.everywhere, normals.layout.weights, **options)
    return balanced_bank(bank, normals.load, len(normals), normals.everywhere)


def maps_by(bank: PatchBank, new: Seen) -> np.ndarray:
    """(q, rows, columns) distance maps to one bank for all."""
    return np.stack([bank.distance_map(new.load(at)) for at in range(len(new))])


def maps_by_own_normals(normals: Seen, new: Seen) -> np.ndarray:
    """(q, rows, columns) distance maps, each to the patches of the picture's own nearest normals."""
    bank = Bank(normals.vectors, normalise=RECOMMENDED.normalise)
    loaded, weights = [normals.load(at) for at in range(len(normals))], even_weights(normals.layout.weights)

    def compared(picture: list[np.ndarray], owners: np.ndarray) -> np.ndarray:
        return bank_of([loaded[at] for at in owners], owners, normals.everywhere, weights).stage_maps(picture)

    others = leave_one_out(bank, NEAREST_NORMALS).indices
    weights = balanced((compared(loaded[at], owners) for at, owners in enumerate(others)), weights)
    nearest = bank.search(new.vectors, NEAREST_NORMALS).indices
    return np.stack([together(compared(new.load(at), owners), weights) for at, owners in enumerate(nearest)])


def kept(name: str, measure: Callable[[], dict], *settings: object) -> dict:
    """What `measure` gives, from benchmarks/.cache/patches where the same was measured before.

    Settings, networks, pictures and the constants of the comparison decide what is the same.
    """
    constants = {key: value for key, value in (vars(patches) | vars(distance_maps)).items() if key.isupper()}
    constants["weights"] = patch_encoder().layout.weights
    same = [settings, whole_encoder().fingerprint, patch_encoder().fingerprint, sorted(constants.items())]
    same.append((HERE / "sets.py").read_text(encoding="utf-8"))
    file = CACHE / "patches" / f"{name}-{hashlib.sha256(repr(same).encode()).hexdigest()[:12]}.json"
    if not file.exists():
        found = json.dumps(measure())
        file.parent.mkdir(parents=True, exist_ok=True)
        unfinished = file.with_suffix(f".{os.getpid()}.part")
        unfinished.write_text(found, encoding="utf-8")
        os.replace(unfinished, file)
        print(f"{file.stem} measured", file=sys.stderr, flush=True)
    return json.loads(file.read_text(encoding="utf-8"))


def around(shares: Sequence[float], digits: int = 1) -> str:
    """Mean over the seeds in percent, with half of its 95 % interval by Student's t; the mean alone of one seed."""
    mean, n = percent(float(np.mean(shares)), digits), len(shares)
    if n == 1:
        return mean
    half = t.ppf(0.975, n - 1) * np.std(shares, ddof=1) / n**0.5
    return f"{mean} ± {percent(float(half), digits)}"
