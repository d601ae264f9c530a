"""The encoders in memory: one each, loaded once however many ask."""

import threading
from collections.abc import Callable
from pathlib import Path

from dn2core.features import load_encoder
from dn2core.features.patches import PatchEncoder, load_patch_encoder

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


def _kept(loaded: dict[tuple, object], key: tuple, load: Callable):
    with _lock:
        if key not in loaded:
            while len(loaded) >= 2:
                loaded.pop(next(iter(loaded)))
            loaded[key] = load()
        return loaded[key]
