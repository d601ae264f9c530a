"""The patch encoder: an image in, grids of feature vectors out, each of a small part of it.

Maps of a network's middle stages, as PatchCore (Roth et al. 2022) and SPADE (Cohen & Hoshen 2020) take them. Each
stage is averaged over 3 x 3 cells, evened by a power and brought to unit length, so that no stage and no bright place
decides alone. That hides what is only darker or brighter than anything normal, a black scratch among dark blades; so
the picture's own colours come first, as a stage of their own. Stages, weights, input and power were chosen by
measurement: benchmarks/patches.
"""

import hashlib
import json
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np

from dn2core.errors import Refused
from dn2core.features import runtime as runtimes
from dn2core.features.backbones import Backbone, backbone_of
from dn2core.features.preprocess import prepare
from dn2core.features.weights import load_state, locate

SIDE = 320  # pixels of a tile, as the network sees it
OVERLAP = 64  # pixels that neighbouring tiles share: what lies at the edge of one is well inside the other
STRIDE = 8  # pixels of the network's input between two cells of the grid
TILES = (1, 2, 3, 4)  # along each side
POWER = 0.7
AVERAGED = 3  # cells along each side
COLOURS = 9  # channels of the first stage: mean, largest and smallest of red, green and blue in a cell
COLOUR_WEIGHT = 0.8
BLURRED = 3  # pixels along each side over which colours are averaged before, so that noise makes no extremes
AT_ONCE = 16  # tiles whose maps are in memory together


@dataclass(frozen=True)
class Layout:
    """How the maps of an image lie in one vector: per stage (side, channels), and how much it counts."""

    stages: tuple[tuple[int, int], ...]
    weights: tuple[float, ...]

    @property
    def grid(self) -> int:
        """Cells along each side of the finest stage."""
        return self.stages[0][0]

    @property
    def size(self) -> int:
        """Numbers of one image."""
        return sum(side * side * channels for side, channels in self.stages)

    def split(self, packed: np.ndarray) -> list[np.ndarray]:
        """(size,) -> per stage (side, side, channels)."""
        ends = np.cumsum([side * side * channels for side, channels in self.stages])
        return [
            part.reshape(side, side, channels)
            for part, (side, channels) in zip(np.split(packed, ends[:-1]), self.stages, strict=True)
        ]

    def unpack(self, packed: np.ndarray) -> list[np.ndarray]:
        """(size,) float16 -> each stage's patches, (side, side, channels) float32: colours, then the finest first."""
        return [stage.astype(np.float32) for stage in self.split(packed)]


def load_patch_encoder(
    name: str = "efficientnet_lite0",
    *,
    tiles: int = 1,
    runtime: str = "auto",
    weights_dir: str | Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> "PatchEncoder":
    """The patch encoder of a backbone; as `load_encoder`.

    Args:
        tiles: tiles along each side that a picture is cut into, with overlap, so that small defects survive.

    Raises:
        Refused: an unknown name or number of tiles, NO_PATCHES for a network without maps.
        WeightsUnavailable: no weights.
    """
    backbone = backbone_of(name)
    patch_layout(backbone, tiles)
    return PatchEncoder(backbone, tiles, runtimes.choose(runtime, "fp32"), *locate(backbone, weights_dir, progress))


def patch_layout(name: "str | Backbone", tiles: int) -> Layout:
    """How the maps of an image lie, by this backbone; known without its weights.

    Raises:
        Refused: as `load_patch_encoder`.
    """
    backbone = backbone_of(name)
    if backbone.trunk is None:
        raise Refused("NO_PATCHES", name=backbone.title)
    if tiles not in TILES:
        raise Refused("TILES_OUT_OF_RANGE", most=TILES[-1], got=tiles)
    tile = _layout_of_tile(backbone)
    return Layout(tuple((_stitched(side, tiles), channels) for side, channels in tile.stages), tile.weights)


class PatchEncoder:
    """Images -> grids of patch features, one a stage, comparable wherever fingerprints are equal. Threads take turns.

    Attributes:
        layout: how an image's packed maps become its grids.
        side: pixels of the square that a picture is brought to.
        fingerprint: 16 hex digits over all that decides the features.
    """

    def __init__(self, backbone: Backbone, tiles: int, runtime: str, weights: Path, sha256: str):
        self.backbone, self.tiles, self.runtime = backbone, tiles, runtime
        self.weights, self.sha256 = weights, sha256
        self.side = view_side(tiles)
        self._tile = _layout_of_tile(backbone)
        self.layout = patch_layout(backbone, tiles)
        described = json.dumps(self.describe(), sort_keys=True, separators=(",", ":"))
        self.fingerprint = hashlib.sha256(described.encode()).hexdigest()[:16]
        self._lock = threading.Lock()
        self._network = None

    @property
    def decode_side(self) -> int:
        return self.side

    def describe(self) -> dict:
        """What the fingerprint covers, in plain values."""
        return {
            "patches": 1,
            "network": self.backbone.name,
            "weights_sha256": self.sha256,
            "mean": list(self.backbone.mean),
            "std": list(self.backbone.std),
            "stages": self.layout.stages,
            "tiles": self.tiles,
            "side": SIDE,
            "overlap": OVERLAP,
            "power": POWER,
            "averaged": AVERAGED,
            "blurred": BLURRED,
        }

    def view(self, image: np.ndarray) -> np.ndarray:
        """What the network sees of a (h, w, 3) uint8 image, all tiles together: (side, side, 3) uint8."""
        return prepare(image, "whole", self.side)

    def encode(self, images: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """(h, w, 3) uint8 images -> (layout.size,) float16 each, in their order."""
        return self.encode_views(map(self.view, images))

    def encode_views(self, views: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """As `encode`, for pixels that `view` already prepared."""
        views, count, done = iter(views), self.tiles**2, 0
        while some := list(islice(views, max(1, AT_ONCE // count))):
            maps = self._run([tile for view in some for tile in _cut(view, self.tiles)])
            self._check(maps.reshape(len(some), -1), done)
            maps, done = maps.astype(np.float16), done + len(some)
            for at in range(len(some)):
                yield self._joined(maps[at * count : (at + 1) * count])

    def _run(self, tiles: list[np.ndarray]) -> np.ndarray:
        with self._lock:
            if self._network is None:
                self._network = _start(self.backbone, load_state(self.weights, self.sha256), self._tile, self.runtime)
            for _ in self._network.run(tiles):
                pass
            return self._network.result(len(tiles))

    def _check(self, maps: np.ndarray, before: int) -> None:
        broken = np.flatnonzero(~np.isfinite(maps).all(axis=1))
        if len(broken):
            name, first = self.backbone.name, before + int(broken[0])
            raise Refused("ENCODING_NOT_FINITE", name=name, count=len(broken), first=first)

    def _joined(self, maps: np.ndarray) -> np.ndarray:
        """The maps of an image's tiles as those of the whole: of what two tiles share, each gives its nearer half."""
        if self.tiles == 1:
            return maps[0]
        split = [self._tile.split(one) for one in maps]
        whole = []
        for stage, (side, _) in enumerate(self._tile.stages):
            rows = []
            for row in range(self.tiles):
                parts = [split[row * self.tiles + column][stage] for column in range(self.tiles)]
                parts = [part[:, _kept(column, self.tiles, side)] for column, part in enumerate(parts)]
                rows.append(np.concatenate(parts, axis=1)[_kept(row, self.tiles, side)])
            whole.append(np.concatenate(rows, axis=0).ravel())
        return np.concatenate(whole)


def view_side(tiles: int) -> int:
    """Pixels of the square that a picture is brought to before it is cut into tiles."""
    return tiles * (SIDE - OVERLAP) + OVERLAP


def smallest_seen(width: int, height: int, tiles: int) -> float:
    """About how wide a defect must be to show, in pixels of a picture of this size: one cell of the grid."""
    return STRIDE * max(width, height) / view_side(tiles)


def _cut(view: np.ndarray, tiles: int) -> Iterator[np.ndarray]:
    pitch = SIDE - OVERLAP
    for row in range(tiles):
        for column in range(tiles):
            yield view[row * pitch : row * pitch + SIDE, column * pitch : column * pitch + SIDE]


def _stitched(side: int, tiles: int) -> int:
    """Cells along the whole picture, of a stage with `side` cells along a tile."""
    return side * view_side(tiles) // SIDE


def _kept(at: int, tiles: int, side: int) -> slice:
    """Which cells of the tile at this place stay: half of the overlap is left to each neighbour."""
    margin = side * OVERLAP // SIDE // 2
    return slice(0 if at == 0 else margin, side if at == tiles - 1 else side - margin)


def _layout_of_tile(backbone: Backbone) -> Layout:
    strides, channels, weights = zip((STRIDE, COLOURS, COLOUR_WEIGHT), *backbone.patch_stages, strict=True)
    return Layout(tuple((SIDE // s, c) for s, c in zip(strides, channels, strict=True)), weights)


def _start(backbone: Backbone, state: dict, layout: Layout, runtime: str):
    """The runtime of a network from a tile's pixels to its packed maps."""
    row = replace(
        backbone, input_side=SIDE, dim=layout.size, module=lambda state, file: _maps(backbone, backbone.build(state))
    )
    return runtimes.start(row, state, runtime, "fp32")


def _maps(backbone: Backbone, network):
    """A module from (n, 3, SIDE, SIDE) to (n, size): colours, then the stages, evened, channels last, in one row."""
    import torch
    from torch.nn import functional

    def averaged(x, cells: int):
        return functional.avg_pool2d(functional.pad(x, (cells // 2,) * 4, mode="replicate"), cells, stride=1)

    class Maps(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.stages = torch.nn.ModuleList(backbone.trunk(network))

        def forward(self, x):
            parts = [self._colours(x).permute(0, 2, 3, 1).flatten(1)]
            for stage in self.stages:
                x = stage(x)
                parts.append(self._evened(x).permute(0, 2, 3, 1).flatten(1))
            return torch.cat(parts, dim=1)

        @staticmethod
        def _colours(x):
            x = averaged(x, BLURRED)
            largest, smallest = (functional.max_pool2d(x, STRIDE), -functional.max_pool2d(-x, STRIDE))
            return torch.cat([functional.avg_pool2d(x, STRIDE), largest, smallest], dim=1)

        @staticmethod
        def _evened(x):
            x = averaged(x, AVERAGED)
            x = torch.sign(x) * torch.abs(x) ** POWER
            return x / torch.clamp(torch.linalg.vector_norm(x, dim=1, keepdim=True), min=1e-6)

    return Maps()
