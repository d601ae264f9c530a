"""Images -> feature vectors by a pretrained network.

Importing this package is cheap: torch, timm and OpenVINO are loaded when an encoder is asked to encode.
"""

from dn2core.features.backbones import BACKBONES, Backbone, Weights
from dn2core.features.encoder import Encoder, load_encoder
from dn2core.features.preprocess import PRESETS, Preset, prepare
from dn2core.features.runtime import TOLERANCE
from dn2core.features.selftest import SelfTest, self_test
from dn2core.features.weights import WeightsStatus, fetch, find

__all__ = [
    "BACKBONES",
    "PRESETS",
    "TOLERANCE",
    "Backbone",
    "Encoder",
    "Preset",
    "SelfTest",
    "Weights",
    "WeightsStatus",
    "fetch",
    "find",
    "load_encoder",
    "prepare",
    "self_test",
]
