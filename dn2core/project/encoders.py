"""The encoders in memory: one each, loaded once however many ask."""

import threading
from pathlib import Path

from dn2core.features import load_encoder

_lock = threading.Lock()
_loaded: dict[tuple, object] = {}


def encoder_for(backbone: str, preset: str, weights_dir: Path):
    """The encoder of a backbone and preset; the last two used stay in memory."""
    key = (backbone, preset, str(weights_dir))
    with _lock:
        if key not in _loaded:
            while len(_loaded) >= 2:
                _loaded.pop(next(iter(_loaded)))
            _loaded[key] = load_encoder(backbone, preset=preset, weights_dir=weights_dir)
        return _loaded[key]
