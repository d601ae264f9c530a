"""The one loop in which every network here is trained, and the one in which it scores."""

import math
import time
from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import nn

from dn2core.detect.baselines.detector import Training

BATCH = 128
LEARNING_RATE = 2e-3
WARM_UP = 0.05  # share of a training in which the learning rate rises
PATIENCE = 0.1  # share of the time after which a training looks whether it is on schedule
AT_ONCE = 1_024  # images that a network sees at once when it scores


class Course:
    """A seeded training of one detector: where it computes, what it draws, how far it is.

    device: CUDA where there is a device, else the CPU.
    generator: of everything random, on the CPU.
    n: how many normals there are.
    """

    def __init__(self, normals: np.ndarray, training: Training):
        self.training, self.n = training, len(normals)
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.generator = torch.Generator().manual_seed(training.seed)
        self._steps = self._seen = 0

    def train(
        self,
        network: nn.Module,
        loss: Callable[[torch.Tensor], torch.Tensor],
        *,
        steps: int,
        batch: int = BATCH,
        views: int = 1,
        rate: float = LEARNING_RATE,
        decay: float = 1e-4,
        part: tuple[float, float] = (0.0, 1.0),
    ) -> None:
        """Adam with decoupled weight decay; the learning rate rises, then falls along a cosine to zero.

        Where the time does not suffice for all steps, the learning rate follows the time instead, so that it ends
        at zero, too. The network is left in eval mode.

        Args:
            loss: from (batch,) int64 rows of normals to a scalar.
            steps: mini-batches, if there is time.
            views: how many views the loss makes of each row.
            part: from and to which share of the whole training this is.
        """
        network.to(self.device).train()
        optimiser = torch.optim.AdamW(network.parameters(), lr=rate, weight_decay=decay)
        begin, end = part
        rows, started, step = self._batches(batch), time.monotonic(), 0
        while (done := self._done(step / steps, started, end - begin)) < 1:
            self.training.tell(begin + (end - begin) * done)
            for group in optimiser.param_groups:
                group["lr"] = rate * _scale(done)
            optimiser.zero_grad()
            loss(next(rows)).backward()
            optimiser.step()
            step += 1
        if step < steps:
            self.training.notes["out_of_time"] = self.training.seconds
        self._steps += step
        self._seen += step * batch * views
        self.training.notes |= {"steps": self._steps, "images_seen": self._seen}
        self.training.tell(end)
        network.eval()

    def draw(self, high: int, shape: tuple[int, ...]) -> torch.Tensor:
        """Whole numbers from 0 to high - 1."""
        return torch.randint(high, shape, generator=self.generator)

    def _batches(self, batch: int) -> Iterator[torch.Tensor]:
        """Rows without end: all normals in random order, again and again, so that few normals fill a batch, too."""
        rest = torch.empty(0, dtype=torch.int64)
        while True:
            while len(rest) < batch:
                rest = torch.cat([rest, torch.randperm(self.n, generator=self.generator)])
            yield rest[:batch]
            rest = rest[batch:]

    def _done(self, share: float, started: float, part: float) -> float:
        """The share of the steps, or that of the time where it is ahead."""
        if self.training.out_of_time:
            return 1.0
        spent = (time.monotonic() - started) / (self.training.seconds * part)
        return max(share, spent) if spent > PATIENCE else share


def pixels(images: np.ndarray) -> torch.Tensor:
    """A copy of (n, side, side, 3) uint8 images as a tensor."""
    return torch.from_numpy(np.array(images, order="C"))


def inputs(images: torch.Tensor, device: torch.device) -> torch.Tensor:
    """(b, side, side, 3) uint8 -> (b, 3, side, side) float32 from 0 to 1."""
    return (images.to(device).float() / 255).permute(0, 3, 1, 2)


def outputs(images: np.ndarray, function: Callable[[torch.Tensor], torch.Tensor], *, views: int = 1) -> np.ndarray:
    """(q, ...) float32: `function` of (b, side, side, 3) uint8 images, AT_ONCE views of them at a time.

    Args:
        views: how many views `function` makes of an image.
    """
    size = max(1, AT_ONCE // views)
    with torch.inference_mode():
        parts = [function(pixels(images[at : at + size])).cpu().numpy() for at in range(0, len(images), size)]
    return np.concatenate(parts)


def _scale(done: float) -> float:
    return min(done / WARM_UP, 1.0) * 0.5 * (1 + math.cos(math.pi * done))
