"""How far a reconstruction is from its image: per image, by pixels, by structure, or by a network's features.

Each takes two (b, 3, side, side) float32 tensors from 0 to 1 and gives (b,), 0 for equal ones.
"""

from collections.abc import Callable

import torch
from torch import nn

WINDOW = 11  # pixels a side
K1, K2 = 0.01, 0.03
STAGES = 2  # of EfficientNet-Lite0; two halvings of the side, 24 channels

Distance = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def l2(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Mean squared difference of the pixels."""
    return ((x - y) ** 2).mean((1, 2, 3))


def ssim(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Structural similarity of each channel, mean over all whole windows (Wang et al. 2004; uniform windows)."""
    windows = _windows(x.shape[-1], x.device)
    mean_x, mean_y, xx, yy, xy = (windows @ product @ windows.T for product in (x, y, x * x, y * y, x * y))
    c1, c2 = K1**2, K2**2
    covariance = xy - mean_x * mean_y
    variances = xx - mean_x**2 + yy - mean_y**2
    similar = (2 * mean_x * mean_y + c1) * (2 * covariance + c2)
    return (similar / ((mean_x**2 + mean_y**2 + c1) * (variances + c2))).mean((1, 2, 3))


def dissimilarity(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """1 - SSIM (Bergmann et al. 2019)."""
    return 1 - ssim(x, y)


def perceptual(normals: torch.Tensor) -> Distance:
    """Mean squared difference of frozen features after the network's stem and each of its first stages, added up.

    Johnson et al. 2016 take a VGG's features; here they are the bundled EfficientNet-Lite0's. Each map counts in units
    of its mean square over `normals` (b, 3, side, side), some of them.
    """
    from dn2core.features.backbones import backbone_of
    from dn2core.features.weights import load_state, locate

    device, backbone = normals.device, backbone_of("efficientnet_lite0")
    network = backbone.build(load_state(*locate(backbone))).to(device)
    stem = nn.Sequential(network.conv_stem, network.bn1)
    stages = [stem, *network.blocks[:STAGES]]
    mean, std = (torch.tensor(values, device=device).view(1, 3, 1, 1) for values in (backbone.mean, backbone.std))

    def maps(x: torch.Tensor) -> list[torch.Tensor]:
        x = (x - mean) / std
        return [x := stage(x) for stage in stages]

    with torch.no_grad():
        units = [(usual**2).mean() for usual in maps(normals)]

    def distance(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            wanted = maps(x)
        return sum(l2(a, b) / unit for a, b, unit in zip(wanted, maps(y), units, strict=True))

    return distance


def _windows(side: int, device: torch.device) -> torch.Tensor:
    """(side - WINDOW + 1, side): each row averages over one window; a product is quicker than pooling."""
    count = side - WINDOW + 1
    near = torch.arange(side, device=device) - torch.arange(count, device=device)[:, None]
    return ((near >= 0) & (near < WINDOW)).float() / WINDOW
