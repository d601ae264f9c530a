"""Small convolutional networks for square images of 32 or 64 pixels, quick enough to train on a CPU."""

from itertools import pairwise

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

WIDTH = 16
CORNER = 4  # pixels a side of the last map


def encoder(side: int, out: int, *, width: int = WIDTH, bias: bool = True) -> nn.Sequential:
    """(b, 3, side, side) -> (b, out): strided convolutions down to 4 x 4 pixels, then one linear layer.

    Args:
        bias: whether any layer can add a constant; without, the batch norms only scale to unit variance around zero.
    """
    widths = _widths(side, width)
    blocks = [
        layer
        for ins, outs in pairwise([3, *widths])
        for layer in (nn.Conv2d(ins, outs, 3, stride=2, padding=1, bias=False), *_norm(outs, bias))
    ]
    return nn.Sequential(*blocks, nn.Flatten(), nn.Linear(widths[-1] * CORNER**2, out, bias=bias))


def decoder(side: int, latent: int, *, width: int = WIDTH) -> nn.Sequential:
    """(b, latent) -> (b, 3, side, side) from 0 to 1: the encoder's way back, each step to twice the pixels."""
    widths = _widths(side, width)[::-1]
    blocks = [
        layer
        for ins, outs in pairwise(widths)
        for layer in (nn.ConvTranspose2d(ins, outs, 4, stride=2, padding=1, bias=False), *_norm(outs, True))
    ]
    return nn.Sequential(
        nn.Linear(latent, widths[0] * CORNER**2, bias=False),
        nn.Unflatten(1, (widths[0], CORNER, CORNER)),
        *_norm(widths[0], True),
        *blocks,
        nn.ConvTranspose2d(widths[-1], 3, 4, stride=2, padding=1),
        nn.Sigmoid(),
    )


def initialised(module: nn.Module, generator: torch.Generator) -> nn.Module:
    """The same module with weights drawn anew by the generator (He et al. 2015) and biases of zero."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            nn.init.kaiming_normal_(layer.weight, a=0.1, generator=generator)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    return module


def folded(trained: nn.Sequential) -> nn.Sequential:
    """An encoder in eval mode for scoring: its batch norms are part of the convolutions, which takes half the time."""
    layers: list[nn.Module] = []
    for layer in trained:
        if isinstance(layer, nn.BatchNorm2d):
            layer = fuse_conv_bn_eval(layers.pop(), layer)
        layers.append(layer)
    return nn.Sequential(*layers)


def _widths(side: int, width: int) -> list[int]:
    """Channels after each halving of the side."""
    return [width, 2 * width, 4 * width] if side == 32 else [width // 2, width, 2 * width, 4 * width]


def _norm(channels: int, bias: bool) -> tuple[nn.Module, nn.Module]:
    return nn.BatchNorm2d(channels, affine=bias), nn.LeakyReLU(0.1)
