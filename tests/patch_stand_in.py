"""A patch encoder without a network: colours and contrasts of small squares, so that places are known by hand."""

import hashlib
import io

import numpy as np
from PIL import Image

from dn2core.features.patches import Layout, patch_layout

WEIGHTS = (1.0, 0.5)
CELLS = 8  # along each side of a picture, with one tile


class FakePatchEncoder:
    """Two stages: colour and contrast of each cell, and of 2 x 2 cells; the more tiles, the more cells."""

    def __init__(self, backbone: str, tiles: int):
        patch_layout(backbone, tiles)  # refuses what the real one does
        grid = CELLS * tiles
        self.layout = Layout(((grid, 4), (grid // 2, 4)), WEIGHTS)
        self.fingerprint = hashlib.sha256(f"patches {backbone} {tiles}".encode()).hexdigest()[:16]
        self.decode_side = self.side = 4 * grid
        self.encoded = 0

    def view(self, image):
        return np.asarray(Image.fromarray(image).resize((self.side, self.side), Image.Resampling.BOX))

    def encode_views(self, views):
        for view in views:
            self.encoded += 1
            yield np.concatenate([self._stage(view / 255, side).ravel() for side, _ in self.layout.stages]).astype(
                np.float16
            )

    @staticmethod
    def _stage(view, side):
        size = len(view) // side
        blocks = view.reshape(side, size, side, size, 3)
        return np.concatenate([blocks.mean((1, 3)), blocks.std((1, 3, 4))[:, :, None]], axis=2)


def use_fake_patches(monkeypatch) -> dict[tuple, FakePatchEncoder]:
    """Every project looks at patches by the stand-in; returns those made, by (backbone, tiles)."""
    made = {}

    def load(name, *, tiles, weights_dir):
        return made.setdefault((name, tiles), FakePatchEncoder(name, tiles))

    def reader(name, tiles, weights_dir):
        return load(name, tiles=tiles, weights_dir=weights_dir)

    monkeypatch.setattr("dn2core.project.encoders.load_patch_encoder", load)
    monkeypatch.setattr("dn2core.project.patch_fits.patch_reader_for", reader)
    monkeypatch.setattr("dn2core.project.encoders._patch_loaded", {})
    return made


def part(seed: int, spot: tuple[int, int] | None = None) -> bytes:
    """A noisy grey PNG of 64 x 64 pixels, with a white spot in one of its 8 x 8 cells (row, column)."""
    pixels = 128 + np.random.default_rng(seed).integers(-20, 21, (64, 64, 3))
    if spot:
        row, column = (8 * at for at in spot)
        pixels[row + 1 : row + 7, column + 1 : column + 7] = 250
    out = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(out, "PNG")
    return out.getvalue()
