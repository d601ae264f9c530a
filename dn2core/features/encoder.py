"""The encoder: images in, one vector each out."""

import hashlib
import json
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from dn2core.errors import Refused
from dn2core.features import runtime as runtimes
from dn2core.features.backbones import Backbone, backbone_of
from dn2core.features.preprocess import prepare, preset_of
from dn2core.features.weights import load_state, locate

Progress = Callable[[int, int | None], None]


def load_encoder(
    name: str = "efficientnet_lite0",
    *,
    preset: str = "whole",
    precision: str = "fp32",
    runtime: str = "auto",
    weights_dir: str | Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> "Encoder":
    """The encoder of a backbone and preset, its weights found (or fetched) and checked.

    The network itself starts with the first image, so that asking for a fingerprint or a view stays cheap.

    Args:
        name: a key of BACKBONES.
        preset: a key of PRESETS.
        precision: "fp32", or "bf16" where the CPU has it (faster; its vectors are not comparable with FP32's).
        runtime: "auto" (CUDA where there is a device, else OpenVINO), "openvino", "cuda" or "torch".
        weights_dir: the folder for weights that no package carries.
        progress: called with (bytes, bytes in all) while weights are fetched.

    Raises:
        Refused: an unknown name, or something that this machine does not have.
        WeightsUnavailable: no weights; the sentence names the file and the folder.
    """
    backbone = backbone_of(name)
    preset_of(preset)
    runtime = runtimes.choose(runtime, precision)
    path, sha256 = locate(backbone, weights_dir, progress)
    return Encoder(backbone, preset, precision, runtime, path, sha256)


class Encoder:
    """Images -> vectors (n, dim) float32 that can be compared wherever fingerprints are equal.

    The same image gives the same vector, whatever batch and order: to the last bit on OpenVINO, and within
    TOLERANCE (relative to the vector's length; flat colours: see there) on torch and between the runtimes.
    Threads may share an encoder; they take turns.

    Attributes:
        name, preset, precision, runtime, dim: what it is.
        fingerprint: 16 hex digits over `describe()`. It covers weights, layer, pooling, preprocessing and
            precision. It leaves out the runtime, because OpenVINO and torch agree within TOLERANCE in FP32.
    """

    def __init__(self, backbone: Backbone, preset: str, precision: str, runtime: str, weights: Path, sha256: str):
        self.backbone = backbone
        self.name = backbone.name
        self.preset = preset
        self.precision = precision
        self.runtime = runtime
        self.dim = backbone.dim
        self.weights, self.sha256 = weights, sha256
        described = json.dumps(self.describe(), sort_keys=True, separators=(",", ":"))
        self.fingerprint = hashlib.sha256(described.encode()).hexdigest()[:16]
        self._lock = threading.Lock()
        self._network: runtimes.OpenVINO | runtimes.Torch | None = None

    @property
    def decode_side(self) -> int:
        """A decoder may give fewer pixels than the image has, as long as neither side falls below this."""
        return preset_of(self.preset).short_side(self.backbone.input_side)

    def describe(self) -> dict:
        """What the fingerprint covers, in plain values."""
        backbone = self.backbone
        return {
            "network": backbone.name,
            "weights_sha256": self.sha256,
            "layer": backbone.layer,
            "pooling": backbone.pooling,
            "input_side": backbone.input_side,
            "mean": list(backbone.mean),
            "std": list(backbone.std),
            "preset": self.preset,
            "preprocessing": preset_of(self.preset).describe(backbone.input_side),
            "precision": self.precision,
        }

    def view(self, image: np.ndarray) -> np.ndarray:
        """Exactly what the network sees of a (h, w, 3) uint8 image: (side, side, 3) uint8."""
        return prepare(image, self.preset, self.backbone.input_side)

    def encode(self, images: Iterable[np.ndarray], *, progress: Progress | None = None) -> np.ndarray:
        """(h, w, 3) uint8 images of any sizes -> (n, dim) float32, in their order.

        Images are taken from the iterable as they are needed, a few ahead, and prepared on threads.

        Args:
            progress: called with (images taken, images in all or None where the iterable has no length).

        Raises:
            Refused: an array that is no image, or a vector that is not finite.
        """
        total = len(images) if hasattr(images, "__len__") else None
        cores = runtimes.available_cores()
        with ThreadPoolExecutor(cores, thread_name_prefix="dn2-view") as pool:
            return self._run(_ahead(pool, self.view, images, 4 * cores), total, progress)

    def encode_views(self, views: Iterable[np.ndarray], *, progress: Progress | None = None) -> np.ndarray:
        """As `encode`, for pixels that `view` already prepared: (side, side, 3) uint8 each."""
        total = len(views) if hasattr(views, "__len__") else None
        return self._run(map(self._checked_view, views), total, progress)

    def _run(self, views: Iterator[np.ndarray], total: int | None, progress: Progress | None) -> np.ndarray:
        with self._lock:
            if self._network is None:
                state = load_state(self.weights, self.sha256)
                self._network = runtimes.start(self.backbone, state, self.runtime, self.precision)
            n = 0
            for n, _ in enumerate(self._network.run(views), start=1):
                if progress:
                    progress(n, total)
            features = self._network.result(n)
        broken = np.flatnonzero(~np.isfinite(features).all(axis=1))
        if len(broken):
            raise Refused("ENCODING_NOT_FINITE", name=self.name, count=len(broken), first=int(broken[0]))
        return features

    def _checked_view(self, view: np.ndarray) -> np.ndarray:
        side = self.backbone.input_side
        view = np.asarray(view)
        if view.shape != (side, side, 3) or view.dtype != np.uint8:
            raise Refused("VIEW_ARRAY", side=side, got=f"{view.shape} {view.dtype}")
        return view


def _ahead(pool: ThreadPoolExecutor, function: Callable, items: Iterable, window: int) -> Iterator:
    """`function` of each item in order, at most `window` of them begun ahead."""
    begun: deque = deque()
    for item in items:
        begun.append(pool.submit(function, item))
        if len(begun) >= window:
            yield begun.popleft().result()
    while begun:
        yield begun.popleft().result()
