"""Images in, vectors out: the same vector for the same image, whatever came with it."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import skimage.data
import timm
import torch
from PIL import Image
from torchvision import transforms

from dn2core.errors import Refused
from dn2core.features import TOLERANCE, find, load_encoder


def relative(a, b):
    return np.linalg.norm(a.astype(np.float64) - b, axis=1) / np.linalg.norm(b.astype(np.float64), axis=1)


@pytest.fixture(scope="module")
def whole(encoder, images):
    """All images together, on OpenVINO."""
    return encoder.encode(images)


@pytest.fixture(scope="module")
def oracle():
    """timm's own network with the package's parameters put in by their order alone, classifier included."""
    net = timm.create_model("tf_efficientnet_lite0").eval()
    kept = torch.load(find("efficientnet_lite0").path, map_location="cpu", weights_only=True)
    net.load_state_dict(dict(zip(net.state_dict(), kept.values(), strict=True)))
    return net


def test_one_vector_an_image_in_float32(encoder, images, whole):
    assert encoder.name == "efficientnet_lite0" and encoder.dim == 1280
    assert whole.shape == (len(images), 1280) and whole.dtype == np.float32
    assert np.isfinite(whole).all()


def test_the_vectors_are_those_of_timm(oracle, reference, encoder, images, whole):
    normalised = transforms.Compose(
        [transforms.Resize((224, 224)), transforms.ToTensor(), transforms.Normalize([0.5] * 3, [0.5] * 3)]
    )
    pixels = torch.stack([normalised(Image.fromarray(np.ascontiguousarray(image))) for image in images])
    with torch.inference_mode():
        expected = oracle.forward_head(oracle.forward_features(pixels), pre_logits=True).numpy()
    assert relative(reference.encode(images), expected).max() <= TOLERANCE
    assert relative(whole, expected).max() <= TOLERANCE


def test_the_network_knows_a_cat(oracle, encoder):
    """By ImageNet's classes 281 to 285: weights, colour order and normalising fit together."""
    with torch.inference_mode():
        classes = oracle.classifier(torch.from_numpy(encoder.encode([skimage.data.chelsea()])))
    assert classes.argmax().item() in range(281, 286)


def test_an_image_alone_in_any_batch_and_order_to_the_last_bit(encoder, images, whole):
    alone = np.concatenate([encoder.encode([image]) for image in images])
    assert np.array_equal(alone, whole)
    order = np.random.default_rng(1).permutation(len(images))
    assert np.array_equal(encoder.encode([images[i] for i in order]), whole[order])
    assert np.array_equal(encoder.encode(images[:3] * 2), np.concatenate([whole[:3], whole[:3]]))


def test_an_image_alone_in_any_batch_and_order_on_torch(reference, images):
    whole = reference.encode(images)
    alone = np.concatenate([reference.encode([image]) for image in images])
    assert relative(alone, whole).max() <= TOLERANCE
    order = np.random.default_rng(1).permutation(len(images))
    assert relative(reference.encode([images[i] for i in order]), whole[order]).max() <= TOLERANCE


def test_another_start_of_the_network_gives_the_same(encoder, images, whole):
    again = load_encoder("efficientnet_lite0", runtime="openvino")
    assert again is not encoder and np.array_equal(again.encode(images[:2]), whole[:2])


@pytest.mark.parametrize("preset", ["whole", "paper"])
def test_the_view_is_what_is_encoded(preset, small, images):
    row, folder = small()
    made = load_encoder(row, preset=preset, weights_dir=folder, runtime="openvino")
    views = [made.view(image) for image in images]
    assert all(view.shape == (16, 16, 3) and view.dtype == np.uint8 for view in views)
    expected = np.array([view.reshape(-1, 3).mean(axis=0) / 255 for view in views])
    np.testing.assert_allclose(made.encode_views(views), expected, atol=1e-6)
    assert np.array_equal(made.encode_views(np.stack(views)), made.encode(images))


def test_the_view_is_what_the_real_network_encodes(encoder, images, whole):
    views = [encoder.view(image) for image in images]
    assert np.array_equal(encoder.encode_views(views), whole)
    strided = [np.asfortranarray(view) for view in views[:2]] + [views[2][::-1].copy()[::-1]]
    assert np.array_equal(encoder.encode_views(strided), whole[:3])


def test_a_decoder_may_give_as_few_pixels_as_the_view_needs(encoder):
    assert encoder.decode_side == 224
    assert load_encoder("efficientnet_lite0", preset="paper").decode_side == 256


def test_two_threads_share_an_encoder(encoder, images, whole):
    halves = [images[:6], images[6:]] * 3
    expected = [whole[:6], whole[6:]] * 3
    with ThreadPoolExecutor(2) as pool:
        got = list(pool.map(encoder.encode, halves))
    assert all(np.array_equal(one, other) for one, other in zip(got, expected, strict=True))


def test_two_threads_start_one_network(small, images, monkeypatch):
    row, folder = small()
    made = load_encoder(row, weights_dir=folder, runtime="torch")
    alone = load_encoder(row, weights_dir=folder, runtime="torch").encode(images)
    begun = []
    start = made.backbone.module
    object.__setattr__(made.backbone, "module", lambda *arguments: begun.append(1) or start(*arguments))
    with ThreadPoolExecutor(4) as pool:
        got = list(pool.map(made.encode, [images] * 8))
    assert len(begun) == 1 and all(np.array_equal(one, alone) for one in got)


@pytest.mark.parametrize("runtime", ["openvino", "torch"])
class TestSmall:
    """What holds for either runtime, on a network whose answers are known by hand."""

    @pytest.fixture
    def small_encoder(self, small, runtime):
        row, folder = small()
        return load_encoder(row, weights_dir=folder, runtime=runtime)

    @pytest.fixture
    def shades(self):
        return [np.full((5, 9, 3), shade, np.uint8) for shade in range(21)]

    @pytest.fixture
    def expected(self):
        return np.repeat(np.arange(21)[:, None] / 255, 3, axis=1)

    def test_many_in_their_order(self, small_encoder, shades, expected, monkeypatch):
        monkeypatch.setattr("dn2core.features.runtime._BLOCK", 4)
        np.testing.assert_allclose(small_encoder.encode(shades), expected, atol=1e-6)
        np.testing.assert_allclose(small_encoder.encode(shades[::-1]), expected[::-1], atol=1e-6)

    def test_none_at_all(self, small_encoder):
        for nothing in ([], iter(()), np.empty((0, 4, 4, 3), np.uint8)):
            features = small_encoder.encode(nothing)
            assert features.shape == (0, 3) and features.dtype == np.float32

    def test_progress_counts_every_image(self, small_encoder, shades):
        told = []
        small_encoder.encode(shades, progress=lambda *done: told.append(done))
        assert told == [(n, 21) for n in range(1, 22)]
        told.clear()
        small_encoder.encode(iter(shades), progress=lambda *done: told.append(done))
        assert told == [(n, None) for n in range(1, 22)]

    def test_images_are_taken_when_they_are_needed(self, small_encoder, monkeypatch):
        monkeypatch.setattr("dn2core.features.runtime.available_cores", lambda: 2)
        taken, ahead = 0, []

        def endless():
            nonlocal taken
            for _ in range(200):
                taken += 1
                yield np.zeros((3, 3, 3), np.uint8)

        small_encoder.encode(endless(), progress=lambda done, _: ahead.append(taken - done))
        assert taken == 200 and max(ahead) <= 8 + 8  # four a core prepared, and one batch of torch

    def test_an_array_that_is_no_image_ends_the_call_and_not_the_encoder(self, small_encoder, shades, expected):
        with pytest.raises(Refused, match="Expected an image as a") as refused:
            small_encoder.encode([*shades[:15], np.zeros((4, 4), np.uint8), *shades])
        assert refused.value.code == "IMAGE_ARRAY"
        np.testing.assert_allclose(small_encoder.encode(shades), expected, atol=1e-6)

    @pytest.mark.parametrize(
        "wrong",
        [
            np.zeros((16, 17, 3), np.uint8),
            np.zeros((3, 16, 16), np.uint8),
            np.zeros((16, 16), np.uint8),
            np.zeros((16, 16, 3), np.float32),
            [1, 2],
            None,
        ],
        ids=lambda wrong: f"{np.asarray(wrong).shape}{np.asarray(wrong).dtype}",
    )
    def test_pixels_that_no_view_made_are_refused(self, small_encoder, wrong):
        good = np.zeros((16, 16, 3), np.uint8)
        with pytest.raises(Refused, match=r"prepared pixels as a \(16, 16, 3\) uint8 array") as refused:
            small_encoder.encode_views([good, wrong])
        assert refused.value.code == "VIEW_ARRAY" and str(np.asarray(wrong).dtype) in str(refused.value)
        assert len(small_encoder.encode_views([good])) == 1

    def test_a_caller_that_stops_in_the_middle_leaves_the_encoder_whole(self, small_encoder, shades, expected):
        def stop(done, _):
            if done == 5:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            small_encoder.encode(shades, progress=stop)
        np.testing.assert_allclose(small_encoder.encode(shades), expected, atol=1e-6)

    def test_vectors_that_are_not_finite_are_refused(self, small, runtime, shades):
        row, folder = small(gain=np.inf)
        broken = load_encoder(row, weights_dir=folder, runtime=runtime)
        message = "network small, but 21 images gave NaN or infinity, the first at position 0"
        with pytest.raises(Refused, match=message) as refused:
            broken.encode([*shades[:0], *shades[1:], shades[1]])
        assert refused.value.code == "ENCODING_NOT_FINITE"


# the fingerprint


@pytest.fixture
def fingerprint(small):
    def of(changes=(), gain=1.0, **options):
        row, folder = small(gain, **dict(changes))
        return load_encoder(row, weights_dir=folder, **{"runtime": "openvino", **options}).fingerprint

    return of


def test_the_fingerprint_of_the_default_never_changes_unnoticed(encoder):
    """Another one makes all vectors useless that were ever stored, so it may only change on purpose."""
    assert encoder.fingerprint == "83ce8f350618521f"
    assert load_encoder("efficientnet_lite0", preset="paper").fingerprint == "c4e2feaeb16f2486"


def test_equal_settings_have_equal_fingerprints(fingerprint):
    assert fingerprint() == fingerprint()


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "other"},
        {"layer": "layer3"},
        {"pooling": "maximum"},
        {"input_side": 32},
        {"mean": (0, 0, 0.1)},
        {"std": (1, 1, 2)},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_what_changes_the_vectors_changes_the_fingerprint(fingerprint, changes):
    assert fingerprint(changes) != fingerprint()


def test_weights_preset_and_precision_change_the_fingerprint(fingerprint, monkeypatch):
    monkeypatch.setattr("dn2core.features.runtime.has_bf16", lambda: True)
    prints = {fingerprint(), fingerprint(gain=2.0), fingerprint(preset="paper"), fingerprint(precision="bf16")}
    assert len(prints) == 4


def test_what_does_not_change_the_vectors_does_not_change_the_fingerprint(fingerprint):
    """The runtimes agree within TOLERANCE; titles and licences are for people."""
    assert fingerprint(runtime="torch") == fingerprint(runtime="openvino")
    assert fingerprint({"title": "Another title", "licence": "MIT"}) == fingerprint()


def test_two_stages_hold_the_plain_vector_evened_and_the_finer_stage_beside_it(encoder, images):
    two = load_encoder("efficientnet_lite0_two_stages", runtime="openvino")
    some = [images[0], images[2], images[5]]
    plain, vectors = encoder.encode(some), two.encode(some)
    evened = np.abs(plain) ** 0.7 * np.sign(plain)
    evened /= np.linalg.norm(evened, axis=1, keepdims=True)
    np.testing.assert_allclose(vectors[:, :1280], evened, atol=1e-5)
    assert np.linalg.norm(vectors[:, 1280:], axis=1) == pytest.approx(1.5, abs=1e-5)
    net = timm.create_model("tf_efficientnet_lite0").eval()
    kept = torch.load(find("efficientnet_lite0").path, weights_only=True)
    net.load_state_dict(dict(zip(net.state_dict(), kept.values(), strict=True)))
    with torch.inference_mode():
        views = torch.from_numpy(np.stack([two.view(image) for image in some])).permute(0, 3, 1, 2) / 127.5 - 1
        x = net.bn1(net.conv_stem(views))
        for stage in net.blocks[:4]:
            x = stage(x)
        fine = x.mean((2, 3)).numpy()
    fine = np.abs(fine) ** 0.7 * np.sign(fine)
    fine *= 1.5 / np.linalg.norm(fine, axis=1, keepdims=True)
    np.testing.assert_allclose(vectors[:, 1280:], fine, atol=1e-4)
    assert two.fingerprint != encoder.fingerprint
