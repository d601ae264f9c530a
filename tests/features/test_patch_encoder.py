"""Images in, grids of patch features out: where each number lies, tiles, runtimes, and what the fingerprint covers."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import skimage.data
import timm
import torch
import torchvision

from dn2core.errors import Refused
from dn2core.features import BACKBONES, find, patches
from dn2core.features.patches import (
    TILES,
    Layout,
    load_patch_encoder,
    patch_layout,
    smallest_seen,
    view_side,
)

STAGES = ((8, 3, 1.0), (16, 3, 0.5))


class Colour(torch.nn.Module):
    def __init__(self, gain):
        super().__init__()
        self.gain = torch.nn.Parameter(gain)

    def forward(self, pixels):
        return torch.nn.functional.avg_pool2d(pixels, 8) * self.gain.view(1, 3, 1, 1)


class Colours(torch.nn.Module):
    """Mean colours of 8 x 8 pixels, then of 16 x 16: what it gives is known by hand, and no padding is in it."""

    def __init__(self, gain):
        super().__init__()
        self.first, self.second = Colour(gain), torch.nn.AvgPool2d(2)


@pytest.fixture
def colours(small):
    """colours(tiles, gain, **changes of the row) -> a patch encoder of `Colours`."""

    def make(tiles: int = 1, gain: float = 1.0, *, runtime: str = "torch", **changes):
        options = {
            "module": lambda state, file: Colours(state["gain"]),
            "trunk": lambda net: [net.first, net.second],
            "patch_stages": STAGES,
        }
        row, folder = small(gain, **options | changes)
        return load_patch_encoder(row, tiles=tiles, runtime=runtime, weights_dir=folder)

    return make


def noise(seed: int, height: int = 70, width: int = 90) -> np.ndarray:
    return np.random.default_rng(seed).integers(20, 236, (height, width, 3)).astype(np.uint8)


def evened(maps: np.ndarray) -> np.ndarray:
    """(rows, columns, c) as the module evens them: 3 x 3 averages, the power, unit length."""
    around = np.pad(maps, ((1, 1), (1, 1), (0, 0)), mode="edge")
    rows, columns = maps.shape[:2]
    maps = sum(around[y : y + rows, x : x + columns] for y in range(3) for x in range(3)) / 9
    maps = np.sign(maps) * np.abs(maps) ** 0.7
    return maps / np.linalg.norm(maps, axis=2, keepdims=True)


def coloured(pixels: np.ndarray) -> np.ndarray:
    """(side, side, 3) -> mean, largest and smallest in each cell of 8 x 8, of what is averaged over 3 x 3 before."""
    around, side = np.pad(pixels, ((1, 1), (1, 1), (0, 0)), mode="edge"), len(pixels)
    soft = sum(around[y : y + side, x : x + side] for y in range(3) for x in range(3)) / 9
    cells = soft.reshape(side // 8, 8, side // 8, 8, 3)
    return np.concatenate([cells.mean((1, 3)), cells.max((1, 3)), cells.min((1, 3))], axis=2)


def by_hand(view: np.ndarray) -> list[np.ndarray]:
    """Colours, then both stages of `Colours`, over a whole view."""
    side = len(view)
    return [coloured(view / 255)] + [
        evened(view.reshape(side // cell, cell, side // cell, cell, 3).mean(axis=(1, 3)) / 255) for cell in (8, 16)
    ]


# where each number lies


def test_a_packed_image_is_its_stages_one_after_the_other():
    layout = Layout(((2, 3), (1, 2)), (1.0, 0.5))
    assert (layout.grid, layout.size) == (2, 14)
    fine, coarse = layout.split(np.arange(14))
    assert fine.tolist() == [[[0, 1, 2], [3, 4, 5]], [[6, 7, 8], [9, 10, 11]]] and coarse.tolist() == [[[12, 13]]]
    unpacked = layout.unpack(np.arange(14, dtype=np.float16))
    assert all(stage.dtype == np.float32 for stage in unpacked)
    assert np.array_equal(unpacked[0], fine) and np.array_equal(unpacked[1], coarse)


@pytest.mark.parametrize("tiles", TILES)
def test_tiles_are_joined_to_the_maps_of_the_whole(colours, tiles):
    """What has no wide view is the same in a tile as in the whole, so no seam may show."""
    made, image = colours(tiles), noise(0, 300, 200)
    (packed,) = made.encode([image])
    assert packed.dtype == np.float16 and packed.shape == (made.layout.size,)
    view = made.view(image)
    assert view.shape == (view_side(tiles), view_side(tiles), 3)
    for got, expected in zip(made.layout.split(packed), by_hand(view), strict=True):
        np.testing.assert_allclose(got, expected, atol=1e-3)


def test_many_images_in_their_order(colours):
    """More than are in memory together, with one tile and with many."""
    for tiles, count in ((1, patches.AT_ONCE + 3), (3, 3)):
        made, images = colours(tiles), [noise(seed) for seed in range(count)]
        alone = [next(made.encode([image])) for image in images]
        np.testing.assert_array_equal(list(made.encode(images)), alone)
        np.testing.assert_array_equal(list(made.encode_views(map(made.view, images))), alone)
    assert list(made.encode([])) == []


def test_a_picture_of_any_shape_is_brought_to_the_square(colours):
    made = colours()
    for image in (noise(0, 7, 900), noise(1, 900, 7), noise(2, 1, 1)):
        (packed,) = made.encode([image])
        for got, expected in zip(made.layout.split(packed), by_hand(made.view(image)), strict=True):
            np.testing.assert_allclose(got, expected, atol=1e-3)


def test_both_runtimes_give_the_same(colours):
    images = [noise(seed) for seed in range(3)]
    one, other = (list(colours(2, runtime=runtime).encode(images)) for runtime in ("torch", "openvino"))
    np.testing.assert_allclose(np.float32(one), np.float32(other), atol=1e-3)


def test_two_threads_share_an_encoder(colours):
    made, images = colours(), [noise(seed) for seed in range(8)]
    expected = list(made.encode(images))
    with ThreadPoolExecutor(2) as pool:
        for got in pool.map(lambda part: list(made.encode(part)), [images] * 4):
            np.testing.assert_array_equal(got, expected)


# how much is seen


def test_the_view_grows_by_what_a_tile_adds():
    assert [view_side(tiles) for tiles in TILES] == [320, 576, 832, 1088]


def test_the_smallest_defect_is_one_cell_in_pixels_of_the_picture():
    assert smallest_seen(1600, 1200, 1) == 40 == smallest_seen(1200, 1600, 1)
    assert smallest_seen(1088, 100, 4) == 8
    cells = {tiles: patch_layout("efficientnet_lite0", tiles).grid for tiles in TILES}
    assert all(smallest_seen(1000, 1000, tiles) == pytest.approx(1000 / cells[tiles]) for tiles in TILES)


@pytest.mark.parametrize("name", [row.name for row in BACKBONES.values() if row.trunk])
def test_the_layout_of_each_network_is_known_without_its_weights(name):
    for tiles in TILES:
        layout = patch_layout(name, tiles)
        cells = view_side(tiles) // 8
        assert [side for side, _ in layout.stages] == [cells, cells, *[cells // 2] * (len(layout.stages) - 2)]
        assert len(layout.weights) == len(layout.stages)


# what is refused


def test_a_network_without_maps_is_refused():
    for ask in (load_patch_encoder, lambda name: patch_layout(name, 1)):
        with pytest.raises(Refused, match="DINOv2 ViT-S/14 gives no maps of places") as refused:
            ask("dinov2_vits14")
        assert refused.value.code == "NO_PATCHES"


@pytest.mark.parametrize("tiles", [0, 5, -1])
def test_tiles_out_of_range_are_refused(tiles):
    with pytest.raises(Refused, match=f"1 to 4 tiles along each side, got {tiles}") as refused:
        load_patch_encoder("efficientnet_lite0", tiles=tiles)
    assert refused.value.code == "TILES_OUT_OF_RANGE"


@pytest.mark.parametrize("tiles", [1, 2])
def test_maps_that_are_not_finite_are_refused_with_the_image_that_gave_them(colours, tiles):
    class Darkness(torch.nn.Module):
        def forward(self, x):
            return x / x.amax(dim=(1, 2, 3), keepdim=True)  # of black: 0 / 0

    made = colours(tiles, trunk=lambda net: [torch.nn.Sequential(net.first, Darkness()), net.second])
    views = [made.view(noise(seed)) for seed in range(20)]
    views[17] = np.zeros_like(views[0])
    with pytest.raises(Refused, match="the first at position 17") as refused:
        list(made.encode_views(views))
    assert refused.value.code == "ENCODING_NOT_FINITE" and refused.value.params["count"] == 1
    assert len(list(made.encode_views(views[:3]))) == 3


# the fingerprint


def test_equal_settings_have_equal_fingerprints(colours):
    assert colours().fingerprint == colours().fingerprint and len(colours().fingerprint) == 16


def test_what_does_not_change_the_maps_does_not_change_the_fingerprint(colours):
    assert colours(runtime="torch").fingerprint == colours(runtime="openvino").fingerprint
    assert colours(title="Another title", licence="MIT").fingerprint == colours().fingerprint
    assert colours(patch_stages=((8, 3, 1.0), (16, 3, 0.6))).fingerprint == colours().fingerprint  # another weight


def test_what_changes_the_maps_changes_the_fingerprint(colours, monkeypatch):
    prints = [
        colours().fingerprint,
        colours(gain=2.0).fingerprint,
        colours(name="other").fingerprint,
        colours(mean=(0, 0, 0.1)).fingerprint,
        colours(std=(1, 1, 2)).fingerprint,
        colours(patch_stages=((8, 3, 1.0), (16, 4, 0.5))).fingerprint,
        *(colours(tiles).fingerprint for tiles in TILES[1:]),
    ]
    for name, value in (("SIDE", 640), ("OVERLAP", 128), ("POWER", 0.5), ("AVERAGED", 5), ("BLURRED", 5)):
        with monkeypatch.context() as patch:
            patch.setattr(patches, name, value)
            prints.append(colours().fingerprint)
    assert len(set(prints)) == len(prints)


def test_the_fingerprint_of_the_default_never_changes_unnoticed():
    """Another one makes all maps useless that were ever stored, so it may only change on purpose."""
    assert load_patch_encoder("efficientnet_lite0", runtime="torch").fingerprint == "4be92a1f0428d1f6"


# real networks


@pytest.fixture(scope="module")
def real():
    return load_patch_encoder("efficientnet_lite0", runtime="openvino")


@pytest.fixture(scope="module")
def pictures():
    return [skimage.data.chelsea(), np.repeat(skimage.data.brick()[:, :, None], 3, axis=2)]


@pytest.fixture(scope="module")
def expected(real, pictures):
    """The stages by timm's own network, with the package's parameters put in by their order alone."""
    net = timm.create_model("tf_efficientnet_lite0").eval()
    kept = torch.load(find("efficientnet_lite0").path, map_location="cpu", weights_only=True)
    net.load_state_dict(dict(zip(net.state_dict(), kept.values(), strict=True)))
    x = torch.from_numpy(np.stack([real.view(image) for image in pictures])).permute(0, 3, 1, 2) / 127.5 - 1
    stages = []
    with torch.inference_mode():
        x = net.bn1(net.conv_stem(x))
        for at, block in enumerate(net.blocks[:5]):
            x = block(x)
            if at >= 2:
                stages.append(x.permute(0, 2, 3, 1).numpy())
    colours = [coloured(real.view(image) / 127.5 - 1) for image in pictures]
    return [[colours[at], *(evened(stage[at]) for stage in stages)] for at in range(len(pictures))]


def close(made, packed, expected) -> bool:
    """In half precision, of numbers up to 1."""
    parts = made.layout.split(np.float32(packed))
    return all(np.abs(part - by).max() < 1e-3 for part, by in zip(parts, expected, strict=True))


def test_the_maps_are_those_of_timm_on_both_runtimes(real, pictures, expected):
    torch_one = load_patch_encoder("efficientnet_lite0", runtime="torch")
    assert real.fingerprint == torch_one.fingerprint
    for made in (real, torch_one):
        assert all(map(close, [made] * 2, made.encode(pictures), expected))
    assert [part.shape for part in expected[0]] == [(40, 40, 9), (40, 40, 40), (20, 20, 80), (20, 20, 112)]
    assert not close(real, next(real.encode(pictures[:1])), expected[1])  # the pictures do differ


def test_two_stages_of_the_whole_image_have_the_same_patches(real, pictures, expected):
    two = load_patch_encoder("efficientnet_lite0_two_stages", runtime="torch")
    assert close(two, next(two.encode(pictures[:1])), expected[0]) and two.fingerprint != real.fingerprint


def test_tiles_of_the_real_network_show_what_the_whole_would():
    """Away from the seams colours and its finest stage see nothing of what lies beyond a tile; the others faintly."""
    made = load_patch_encoder("efficientnet_lite0", tiles=2, runtime="torch")
    view = made.view(np.repeat(skimage.data.gravel()[:, :, None], 3, axis=2))
    parts = made.layout.split(next(made.encode_views([view])).astype(np.float32))
    network = patches._maps(made.backbone, made.backbone.build(patches.load_state(made.weights, made.sha256)))
    with torch.inference_mode():
        pixels = torch.from_numpy(view[None].copy()).permute(0, 3, 1, 2) / 127.5 - 1
        whole = made.layout.split(network(pixels)[0].numpy())
    differs = [np.linalg.norm(part - by, axis=2) for part, by in zip(parts, whole, strict=True)]
    seam = np.abs(np.arange(72) - 35.5) < 4
    assert differs[0].max() < 0.01 and differs[1][~seam][:, ~seam].max() < 0.01
    assert [float(np.median(part)) < 0.05 and part.mean() < 0.1 for part in differs] == [True] * 4, differs


def test_a_resnet_gives_the_stages_of_patchcore(tmp_path):
    torch.manual_seed(0)
    net = torchvision.models.resnet18(weights=None).eval()
    torch.save(net.state_dict(), tmp_path / "resnet.pth")
    sha256 = hashlib.sha256((tmp_path / "resnet.pth").read_bytes()).hexdigest()
    row = BACKBONES["resnet18"]
    row = replace(row, weights=replace(row.weights, file="resnet.pth", sha256=sha256))
    made = load_patch_encoder(row, runtime="torch", weights_dir=tmp_path)
    image = skimage.data.coffee()
    (packed,) = made.encode([image])
    extract = torchvision.models.feature_extraction.create_feature_extractor(net, ["layer2", "layer3"])
    pixels = torchvision.transforms.functional.normalize(
        torch.from_numpy(made.view(image).copy()).permute(2, 0, 1)[None] / 255,
        (0.485, 0.456, 0.406),
        (0.229, 0.224, 0.225),
    )
    with torch.inference_mode():
        found = extract(pixels)
    expected = [evened(found[name][0].permute(1, 2, 0).numpy()) for name in ("layer2", "layer3")]
    expected = [coloured(pixels[0].permute(1, 2, 0).numpy()), *expected]
    assert close(made, packed, expected) and [channels for _, channels in made.layout.stages] == [9, 128, 256]
