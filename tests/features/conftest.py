"""Networks start once for the whole folder. `small` is a network of a few numbers, for what needs no real one."""

import hashlib
from dataclasses import replace

import numpy as np
import pytest
import skimage.data
import torch

from dn2core.features import BACKBONES, load_encoder
from dn2core.features.selftest import canary


@pytest.fixture(scope="session")
def encoder():
    return load_encoder("efficientnet_lite0", runtime="openvino")


@pytest.fixture(scope="session")
def reference():
    return load_encoder("efficientnet_lite0", runtime="torch")


@pytest.fixture(scope="session")
def images():
    """Eleven pictures of many sizes: more than one batch of torch, and the last batch is not full."""
    noise = np.random.default_rng(0).integers(0, 256, (61, 47, 3)).astype(np.uint8)
    flat = np.full((300, 200, 3), 90, np.uint8)
    cat, cup, brick = skimage.data.chelsea(), skimage.data.coffee(), skimage.data.brick()
    parts = [cat, cup, canary(), noise, flat, np.repeat(brick[:, :, None], 3, axis=2)]
    return [*parts, cat[:, ::-1], cup[50:250, 100:300], noise[:7, :1], 255 - cat, cup[:9]]


@pytest.fixture
def small(tmp_path):
    """small(**changes of the row) -> (row of a tiny network with weights, the folder where they are).

    Its vector is the mean colour, times `gain`: one number a channel, so that answers are known by hand.
    """

    def make(gain: float = 1.0, **changes):
        torch.save({"gain": torch.full((3,), gain)}, tmp_path / "small.pth")
        sha256 = hashlib.sha256((tmp_path / "small.pth").read_bytes()).hexdigest()
        weights = replace(BACKBONES["resnet18"].weights, file="small.pth", sha256=sha256)
        row = replace(
            BACKBONES["resnet18"],
            **{
                "name": "small",
                "dim": 3,
                "input_side": 16,
                "mean": (0, 0, 0),
                "std": (1, 1, 1),
                "weights": weights,
                "module": lambda state, file: MeanColour(state["gain"]),
                **changes,
            },
        )
        return row, tmp_path

    return make


class MeanColour(torch.nn.Module):
    def __init__(self, gain):
        super().__init__()
        self.gain = torch.nn.Parameter(gain)

    def forward(self, pixels):
        return pixels.mean(dim=(2, 3)) * self.gain
