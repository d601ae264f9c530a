"""What runs a network: OpenVINO on the CPU, torch on a CUDA device, torch on the CPU as the reference."""

import os
import sys
import warnings
from collections.abc import Iterable, Iterator
from itertools import islice

import numpy as np

from dn2core.errors import Refused
from dn2core.features.backbones import Backbone

RUNTIMES = ("auto", "openvino", "cuda", "torch")
PRECISIONS = ("fp32", "bf16")

# Two FP32 vectors of one picture, whatever runtime, batch and order: |a - b| <= TOLERANCE * |a|. On a single flat
# colour rounding errors add up over all pixels instead of cancelling out: there it is up to 20 times that.
TOLERANCE = 1e-5

_BLOCK = 1 << 21  # numbers of the result that are set aside at once


def choose(runtime: str, precision: str) -> str:
    """The runtime that "auto" means here, or the one asked for where it can run.

    Raises:
        Refused: unknown, or not to be had on this machine.
    """
    if runtime not in RUNTIMES:
        raise Refused("UNKNOWN_RUNTIME", name=runtime, known=", ".join(RUNTIMES))
    if precision not in PRECISIONS:
        raise Refused("UNKNOWN_PRECISION", name=precision, known=", ".join(PRECISIONS))
    if precision == "bf16":
        if runtime not in ("auto", "openvino") or not has_bf16():
            raise Refused("NO_BF16")
        return "openvino"
    if runtime in ("auto", "cuda"):
        import torch

        if torch.cuda.is_available():
            return "cuda"
        if runtime == "cuda":
            raise Refused("NO_CUDA")
        return "openvino"
    return runtime


def start(backbone: Backbone, state: dict, runtime: str, precision: str) -> "OpenVINO | Torch":
    """The network with these weights, ready to run; `runtime` as `choose` gave it."""
    network = _from_pixels(backbone, backbone.build(state))
    if runtime == "openvino":
        return OpenVINO(network, backbone, precision)
    return Torch(network, backbone, "cuda" if runtime == "cuda" else "cpu")


def has_bf16() -> bool:
    """Whether this CPU computes in bfloat16 by itself."""
    return "BF16" in openvino().Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def openvino():
    """The package, imported with its telemetry shut out.

    OpenVINO reports its very import, and every conversion, to a web address by way of the package
    `openvino_telemetry`, and asks nobody where no consent file lies in the home folder. Where that
    package cannot be imported it uses an empty stand-in: so it never is.
    """
    if "openvino" not in sys.modules:
        for name in [name for name in sys.modules if name.partition(".")[0] == "openvino_telemetry"]:
            del sys.modules[name]
        sys.modules["openvino_telemetry"] = None
    import openvino

    return openvino


class OpenVINO:
    """One image a request, one thread a request, as many requests at once as there are cores.

    An image never shares a computation with others, so its vector cannot depend on them, to the last bit.
    """

    name = "openvino"

    def __init__(self, network, backbone: Backbone, precision: str):
        import torch

        side = backbone.input_side
        ov = openvino()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = ov.convert_model(network, example_input=torch.zeros((1, side, side, 3), dtype=torch.uint8))
        model.reshape([1, side, side, 3])
        cores = available_cores()
        compiled = ov.Core().compile_model(
            model,
            "CPU",
            {
                "INFERENCE_PRECISION_HINT": {"fp32": "f32", "bf16": "bf16"}[precision],
                "NUM_STREAMS": cores,
                "INFERENCE_NUM_THREADS": cores,
            },
        )
        self.dim = backbone.dim
        self._rows = max(1, _BLOCK // self.dim)
        self.queue = ov.AsyncInferQueue(compiled, 2 * cores)
        self.queue.set_callback(self._keep)
        self._blocks: list[np.ndarray] = []

    def run(self, views: Iterable[np.ndarray]) -> Iterator[None]:
        """(side, side, 3) uint8 each; yields once for each view taken. `result` then has them all."""
        self._blocks = []
        try:
            for position, view in enumerate(views):
                if position % self._rows == 0:
                    self._blocks.append(np.full((self._rows, self.dim), np.nan, np.float32))
                self.queue.start_async({0: view[None]}, position)
                yield
        finally:
            self.queue.wait_all()

    def result(self, n: int) -> np.ndarray:
        blocks, self._blocks = self._blocks, []
        return np.concatenate([*blocks, np.empty((0, self.dim), np.float32)])[:n]

    def _keep(self, request, position: int) -> None:
        block, row = divmod(position, self._rows)
        self._blocks[block][row] = request.get_output_tensor(0).data[0]


class Torch:
    """Eager torch in batches of one fixed size (the last is filled up), in full FP32."""

    def __init__(self, network, backbone: Backbone, device: str):
        self.name = {"cuda": "cuda", "cpu": "torch"}[device]
        self.network, self.device, self.dim = network.to(device), device, backbone.dim
        self.batch = 64 if device == "cuda" else 8
        self._parts: list[np.ndarray] = []

    def run(self, views: Iterable[np.ndarray]) -> Iterator[None]:
        """As `OpenVINO.run`."""
        import torch

        self._parts = []
        views = iter(views)
        while batch := list(islice(views, self.batch)):
            filled = np.stack(batch + [np.zeros_like(batch[0])] * (self.batch - len(batch)))
            # cuDNN would use TF32 on its own, which keeps 10 of FP32's 23 bits.
            with torch.inference_mode(), torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
                features = self.network(torch.from_numpy(filled).to(self.device)).float().cpu().numpy()
            self._parts.append(features[: len(batch)])
            yield from (None for _ in batch)

    def result(self, n: int) -> np.ndarray:
        parts, self._parts = self._parts, []
        return np.concatenate([*parts, np.empty((0, self.dim), np.float32)])[:n]


def available_cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _from_pixels(backbone: Backbone, module):
    """A module from (n, side, side, 3) uint8 pixels to (n, dim) features: normalising is part of the network."""
    import torch

    class FromPixels(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.module = module
            self.register_buffer("mean", torch.tensor(backbone.mean).view(1, 3, 1, 1))
            self.register_buffer("std", torch.tensor(backbone.std).view(1, 3, 1, 1))

        def forward(self, pixels):
            return self.module((pixels.permute(0, 3, 1, 2).float() / 255 - self.mean) / self.std)

    return FromPixels().eval()
