"""Fixtures that many tests share: a store in a temporary folder and an encoder without a network."""

import hashlib
import io
import os

os.environ.setdefault("DN2_WORKERS", "0")
if "PYTEST_XDIST_WORKER" in os.environ:  # the cores are shared out among these already
    os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import pytest
from PIL import Image

from dn2core.project import Store, encoders


class FakeEncoder:
    """Sixteen block means of the picture, every other one as its darkness: quick, and it sees differences.

    Brightness so turns the vector, and shows at unit length, too.
    """

    dim = 16
    decode_side = 8
    side = 8

    def __init__(self, name="efficientnet_lite0", preset="whole"):
        self.name = name
        self.preset = preset
        self.fingerprint = hashlib.sha256(f"fake {name} {preset}".encode()).hexdigest()[:16]
        self.encoded = 0

    def view(self, image):
        return np.asarray(Image.fromarray(image).resize((self.side, self.side), Image.Resampling.BOX))

    def encode_views(self, views):
        views = np.asarray(views)
        self.encoded += len(views)
        blocks = views.reshape(len(views), 4, 2, 4, 2, 3).mean(axis=(2, 4, 5))
        means = blocks.reshape(len(views), 16) / 255
        means[:, 1::2] = 1 - means[:, 1::2]
        return means.astype(np.float32)

    def encode(self, images, *, progress=None):
        return self.encode_views([self.view(image) for image in images])


@pytest.fixture
def fake_encoder(monkeypatch):
    """Every project in this test encodes by `FakeEncoder`; the dict holds one for each (backbone, preset)."""
    made = {}

    def load(backbone, preset, weights_dir):
        return made.setdefault((backbone, preset), FakeEncoder(backbone, preset))

    for module in ("intake", "reencode"):
        monkeypatch.setattr(f"dn2core.project.{module}.encoder_for", load)
    monkeypatch.setattr(encoders, "encoder_for", load)
    return made


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "data")


@pytest.fixture
def picture():
    """picture(seed, shade=..., format=...) -> the bytes of a small image file, the same for the same arguments."""

    def make(seed: int, *, shade: int = 128, size=(40, 32), format: str = "PNG") -> bytes:
        noise = np.random.default_rng(seed).integers(-20, 21, (size[1], size[0], 3))
        buffer = io.BytesIO()
        Image.fromarray(np.clip(shade + noise, 0, 255).astype(np.uint8)).save(buffer, format)
        return buffer.getvalue()

    return make
