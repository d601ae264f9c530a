"""The table of networks: each builds from weights under its publisher's names, and from no others."""

import re
from dataclasses import replace

import numpy as np
import pytest
import timm
import torch
import torchvision
from PIL import Image
from torchvision import transforms

from dn2core.errors import Refused, WeightsUnavailable
from dn2core.features import BACKBONES, TOLERANCE, find, load_encoder

LITES = [name for name in BACKBONES if "lite" in name]
RESNETS = [name for name in BACKBONES if "resnet" in name]
LATER = ["_depthwise_conv", "_bn1", "_project_conv", "_bn2"]


def published(name):
    """Names -> shapes (as tensors without content) of a weights file, as its publisher wrote it."""
    with torch.device("meta"):
        if name in RESNETS:
            return torchvision.models.get_model(name, weights=None).state_dict()
        if name in LITES:
            net = timm.create_model(f"tf_{name}")
            parts = ["_conv_stem", "_bn0"]
            blocks = [stage for stage, blocks in enumerate(net.blocks) for _ in blocks]
            for number, stage in enumerate(blocks):
                inner = ["_expand_conv", "_bn0", *LATER] if stage else LATER
                parts += [f"_blocks.{number}.{part}" for part in inner]
            names = [full for part in [*parts, "_conv_head", "_bn1", "_fc"] for full in _tensors(part)]
            return dict(zip(names, net.state_dict().values(), strict=True))
        state = timm.create_model("vit_small_patch14_dinov2", num_classes=0, img_size=518).state_dict()
        return {**state, "mask_token": torch.zeros(1, 384)}


def _tensors(part):
    if "bn" in part:
        kinds = ["weight", "bias", "running_mean", "running_var", "num_batches_tracked"]
    else:
        kinds = ["weight", "bias"] if part == "_fc" else ["weight"]
    return [f"{part}.{kind}" for kind in kinds]


def zeros(name):
    return {key: torch.zeros(tensor.shape, dtype=tensor.dtype) for key, tensor in published(name).items()}


def test_the_names_of_the_bundled_file_are_those_assumed_here():
    kept = torch.load(find("efficientnet_lite0").path, map_location="cpu", weights_only=True)
    assumed = published("efficientnet_lite0")
    assert {key: tensor.shape for key, tensor in kept.items()} == {key: t.shape for key, t in assumed.items()}


@pytest.mark.parametrize("name", BACKBONES)
def test_every_network_builds_and_gives_vectors_of_its_length(name):
    row = BACKBONES[name]
    net = row.build(zeros(name.removesuffix("_two_stages")))
    assert not net.training and not any(parameter.requires_grad for parameter in net.parameters())
    assert not any(tensor.is_meta for tensor in net.state_dict().values())
    with torch.inference_mode():
        features = net.to("meta")(torch.empty((2, 3, row.input_side, row.input_side), device="meta"))
    assert features.shape == (2, row.dim)


@pytest.mark.parametrize("name", BACKBONES)
def test_every_row_is_filled_in(name):
    row = BACKBONES[name]
    assert row.name == name and row.title and row.licence and row.layer and row.pooling
    assert re.fullmatch("[0-9a-f]{64}|[0-9a-f]{8}", row.weights.sha256)
    assert row.weights.url or row.weights.package
    assert row.weights.url is None or row.weights.url.startswith("https://")
    assert (row.weights.sha256[:8] in row.weights.file) or name == "dinov2_vits14"


def test_the_patches_of_dinov2_keep_their_places():
    """Trained on 37 x 37 patches, used with 16 x 16: a ramp from left to right stays one."""
    state = zeros("dinov2_vits14")
    ramp = torch.linspace(0, 1, 37).repeat(37)
    state["pos_embed"][0, 1:] = ramp[:, None]
    state["pos_embed"][0, 0] = 7
    places = BACKBONES["dinov2_vits14"].build(state).pos_embed[0, :, 5]
    assert places[0] == 7
    rows = places[1:].reshape(16, 16)
    assert (rows.diff(dim=1) > 0).all() and torch.allclose(rows, rows[:1].expand(16, 16), atol=1e-5)


@pytest.mark.parametrize("counted", [True, False], ids=["with counters", "without counters"])
def test_resnet18_from_a_local_file_encodes_as_torchvision_does(tmp_path, images, counted):
    """Random weights with the normalising of ImageNet. torchvision's oldest files hold no counters."""
    torch.manual_seed(0)
    net = torchvision.models.resnet18(weights=None).eval()
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.uniform_(-0.5, 0.5)
            module.running_var.uniform_(0.5, 2)
    state = {key: tensor for key, tensor in net.state_dict().items() if counted or "num_batches" not in key}
    torch.save(state, tmp_path / "resnet18.pth")
    row = replace(BACKBONES["resnet18"], weights=replace(BACKBONES["resnet18"].weights, file="resnet18.pth"))
    with pytest.raises(WeightsUnavailable, match="is not the published one"):
        load_encoder(row, weights_dir=tmp_path)

    row = replace(row, weights=replace(row.weights, sha256=""))
    normalised = transforms.Compose(
        [
            transforms.Resize(256),
            transforms.CenterCrop(224),
            transforms.ToTensor(),
            transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
        ]
    )
    some = [images[0], images[1], images[2]]
    net.fc = torch.nn.Identity()
    with torch.inference_mode():
        expected = net(torch.stack([normalised(Image.fromarray(image)) for image in some])).numpy()
    got = load_encoder(row, preset="paper", weights_dir=tmp_path, runtime="openvino").encode(some)
    assert got.shape == (3, 512)
    assert (np.linalg.norm(got - expected, axis=1) <= TOLERANCE * np.linalg.norm(expected, axis=1)).all()


def test_weights_in_half_precision_make_a_network_of_single():
    """As the published file of Wide ResNet-50-2: 69 million numbers in 138 MB."""
    state = {key: tensor.half() if tensor.is_floating_point() else tensor for key, tensor in zeros("resnet18").items()}
    state["conv1.weight"][:] = 1 / 3
    net = BACKBONES["resnet18"].build(state)
    assert {tensor.dtype for tensor in net.state_dict().values()} == {torch.float32, torch.int64}
    assert (net.conv1.weight == state["conv1.weight"].float()).all()
    assert net(torch.zeros(1, 3, 224, 224)).shape == (1, 512)


@pytest.mark.parametrize("name", RESNETS)
def test_torchvision_names_the_same_file(name):
    published = torchvision.models.get_model_weights(name).IMAGENET1K_V1
    assert BACKBONES[name].weights.url == published.url
    assert BACKBONES[name].weights.megabytes == pytest.approx(published.meta["_file_size"] * 1.048576, abs=0.06)


def test_weights_of_another_network_are_refused():
    with pytest.raises(WeightsUnavailable, match="does not fit its network") as refused:
        BACKBONES["efficientnet_lite0"].build(zeros("resnet18"))
    assert refused.value.code == "WEIGHTS_OF_ANOTHER_NETWORK"
    for name, other in (("resnet18", "efficientnet_lite0"), ("resnet50", "wide_resnet50_2"), ("resnet50", "resnet101")):
        with pytest.raises(WeightsUnavailable, match="does not fit its network"):
            BACKBONES[name].build(zeros(other))


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda state: state.pop("layer1.0.conv1.weight"), "1 parameters missing, layer1.0.conv1.weight first"),
        (lambda state: state.pop("bn1.running_mean"), "1 parameters missing, bn1.running_mean first"),
        (lambda state: state.update(extra=torch.zeros(1)), "1 parameters not known, extra first"),
        (
            lambda state: state.update({"bn1.bias": torch.zeros(65)}),
            "1 parameters of another shape, bn1.bias first",
        ),
    ],
)
def test_a_parameter_too_few_too_many_or_of_another_shape_is_named(spoil, reason):
    state = zeros("resnet18")
    spoil(state)
    with pytest.raises(WeightsUnavailable, match=re.escape(reason)):
        BACKBONES["resnet18"].build(state)


def test_an_unknown_network_is_refused_with_the_known_ones():
    with pytest.raises(Refused, match=r"a network out of efficientnet_lite0, .*dinov2_vits14, got vgg16"):
        load_encoder("vgg16")
