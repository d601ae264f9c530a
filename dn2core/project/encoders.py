"""The encoders in memory: one each, loaded once however many ask."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from dn2core.features import load_encoder
from dn2core.features.backbones import backbone_of
from dn2core.features.patches import Layout, PatchEncoder, load_patch_encoder, patch_layout
from dn2core.features.weights import find, locate

_WHOLE_HASH = 64  # digits

_lock = threading.Lock()
_loaded: dict[tuple, object] = {}
_patch_loaded: dict[tuple, object] = {}


def encoder_for(backbone: str, preset: str, weights_dir: Path):
    """The encoder of a backbone and preset; the last two used stay in memory."""
    return _kept(
        _loaded,
        (backbone, preset, str(weights_dir)),
        lambda: load_encoder(backbone, preset=preset, weights_dir=weights_dir),
    )


def patch_encoder_for(backbone: str, tiles: int, weights_dir: Path) -> PatchEncoder:
    """The patch encoder of a backbone and number of tiles; likewise."""
    return _kept(
        _patch_loaded,
        (backbone, tiles, str(weights_dir)),
        lambda: load_patch_encoder(backbone, tiles=tiles, weights_dir=weights_dir),
    )


@dataclass(frozen=True)
class PatchReader:
    """What reading the maps of a patch encoder takes; the encoder itself serves as well, but needs its weights."""

    layout: Layout
    fingerprint: str


def patch_reader_for(backbone: str, tiles: int, weights_dir: Path) -> PatchReader:
    """How the maps of a patch encoder are read, at once; its weights need not be there where their hash is known.

    Raises:
        Refused: as `load_patch_encoder`.
        WeightsUnavailable: where only the weights themselves could tell, and they are not there.
    """
    layout, row = patch_layout(backbone, tiles), backbone_of(backbone)
    sha256 = row.weights.sha256
    if len(sha256) < _WHOLE_HASH:
        # Without a folder nothing is fetched.
        sha256 = _hash_of(backbone, weights_dir if find(row, weights_dir).path else None)
    return PatchReader(layout, PatchEncoder(row, tiles, "", Path(row.weights.file), sha256).fingerprint)


@lru_cache(maxsize=8)
def _hash_of(backbone: str, weights_dir: Path | None) -> str:
    return locate(backbone, weights_dir)[1]


def _kept(loaded: dict[tuple, object], key: tuple, load: Callable):
    with _lock:
        if key not in loaded:
            while len(loaded) >= 2:
                loaded.pop(next(iter(loaded)))
            loaded[key] = load()
        return loaded[key]
