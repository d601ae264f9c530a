"""The detectors with a trained network, on tiny sets: stripes are normal, dots are not."""

import numpy as np
import pytest
import torch
from skimage.metrics import structural_similarity

from dn2core.detect.baselines import DETECTORS, Training, fitted
from dn2core.detect.baselines.deep import autoencoder, deep_svdd, goad, networks, prediction, reconstruction, views
from dn2core.detect.baselines.deep.training import Course, inputs, outputs, pixels
from dn2core.errors import Refused

NAMES = [name for name, detector in DETECTORS.items() if detector.trains]
CPU = torch.device("cpu")


@pytest.fixture
def brief(monkeypatch):
    """A few steps instead of hundreds."""
    for name in ("STEPS_L2", "STEPS_SSIM", "STEPS_PERCEPTUAL"):
        monkeypatch.setattr(autoencoder, name, (16, 8))
    monkeypatch.setattr(deep_svdd, "STEPS_COPYING", 4)
    monkeypatch.setattr(deep_svdd, "STEPS", 4)
    monkeypatch.setattr(goad, "STEPS", 2)
    whole = prediction.trained
    monkeypatch.setattr(
        prediction, "trained", lambda normals, training, asked, steps: whole(normals, training, asked, 8)
    )


def stripes(n: int, seed: int = 0, side: int = 32) -> np.ndarray:
    """Grey, brighter from left to right in waves, noisy: (n, side, side, 3) uint8."""
    wave = 128 + 60 * np.sin(np.arange(side) / 2)[None, None, :] + np.linspace(-50, 50, side)[None, :, None]
    grey = np.clip(wave + np.random.default_rng(seed).normal(0, 8, (n, side, side)), 0, 255)
    return np.repeat(grey[..., None], 3, axis=3).astype(np.uint8)


def strange(n: int) -> np.ndarray:
    """Nothing but coarse noise."""
    coarse = np.random.default_rng(99).integers(0, 256, (n, 8, 8, 3))
    return coarse.repeat(4, axis=1).repeat(4, axis=2).astype(np.uint8)


# Views


@pytest.mark.parametrize("side", (32, 64))
def test_the_72_transformations_differ_and_those_that_shift_nothing_lose_nothing(side):
    sources = views.geometric(side).sources.numpy()
    assert len(np.unique(sources, axis=0)) == len(sources) == 72
    whole = [set(row) == set(range(side * side)) for row in sources]
    assert sum(whole) == 8  # mirrored or not, four rotations
    assert whole == [move % 36 // 4 == 4 for move in range(72)]  # the middle one of 3 x 3 shifts


def test_a_view_is_mirrored_then_shifted_then_rotated():
    image = np.random.default_rng(3).integers(0, 256, (32, 32, 3)).astype(np.uint8)
    shown = views.geometric(32).all_of(torch.from_numpy(image)[None]).numpy()
    assert np.array_equal(shown[16], image)
    assert np.array_equal(shown[17], np.rot90(image))
    assert np.array_equal(shown[36 + 18], np.rot90(image[:, ::-1], 2))
    # Down by 8: the old top row stands in row 8, and what is above it is mirrored there.
    assert np.array_equal(shown[28][8:], image[:24])
    assert np.array_equal(shown[28][7], image[1])
    assert np.array_equal(shown[20][:, 8:], image[:, :24])


def test_rotations_come_back_to_where_they_began():
    turns = views.rotations(32)
    image = torch.from_numpy(stripes(1))
    quarter = torch.tensor([1])
    turned = [image]
    for _ in range(4):
        turned.append(turns.of(turned[-1], quarter))
    assert [torch.equal(each, image) for each in turned] == [True, False, False, False, True]


def test_three_heads_ask_for_every_combination_once():
    asked = views.three_heads(32)
    assert asked.classes == (4, 3, 3)
    assert len(torch.unique(asked.labels, dim=0)) == len(torch.unique(asked.sources, dim=0)) == 36
    assert asked.labels.max(0).values.tolist() == [3, 2, 2]
    still = (asked.labels == torch.tensor([0, 1, 1])).all(1).nonzero().item()
    assert torch.equal(asked.sources[still], torch.arange(32 * 32))


def test_all_views_are_the_single_ones():
    images, many = torch.from_numpy(strange(3)), views.geometric(32)
    one_by_one = [many.of(images[i : i + 1], torch.tensor([j]))[0] for i in range(3) for j in range(72)]
    assert torch.equal(many.all_of(images), torch.stack(one_by_one))


# Losses


@pytest.mark.parametrize("side", (32, 64))
def test_ssim_is_scikit_images(side):
    rng = np.random.default_rng(1)
    x = rng.random((4, side, side, 3))
    y = np.clip(x + rng.normal(0, 0.2, x.shape), 0, 1)
    expected = [
        structural_similarity(a, b, win_size=11, channel_axis=2, data_range=1, use_sample_covariance=False)
        for a, b in zip(x, y, strict=True)
    ]
    ours = reconstruction.ssim(*(torch.from_numpy(z).permute(0, 3, 1, 2).float() for z in (x, y)))
    np.testing.assert_allclose(ours.numpy(), expected, atol=1e-5)


@pytest.mark.parametrize("name", ("l2", "dissimilarity", "perceptual"))
def test_a_reconstruction_is_the_worse_the_further_it_is(name):
    x = inputs(torch.from_numpy(stripes(2)), CPU)
    distance = reconstruction.perceptual(x) if name == "perceptual" else getattr(reconstruction, name)
    noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
    none, little, much = (distance(x, (x + scale * noise).clamp(0, 1)) for scale in (0, 0.02, 0.3))
    assert none.tolist() == pytest.approx([0, 0], abs=1e-6)
    assert (none < little).all() and (little < much).all()


def test_a_perceptual_score_does_not_depend_on_the_other_images():
    x = inputs(torch.from_numpy(np.concatenate([stripes(1), strange(3)])), CPU)
    y = inputs(torch.from_numpy(stripes(4, seed=1)), CPU)
    distance = reconstruction.perceptual(y)
    np.testing.assert_allclose(distance(x, y)[:1], distance(x[:1], y[:1]), rtol=1e-5)


def test_centre_triplet_by_hand():
    centres = torch.tensor([[0.0, 0.0], [2.0, 0.0], [0.0, 9.0]])
    embeddings = torch.tensor([[[0.0, 0.0], [1.5, 0.0], [0.0, 5.0]]])
    # Right minus nearest wrong, plus 1: 0 - 4 + 1; 0.25 - 2.25 + 1; 16 - 25 + 1: all below 0.
    assert goad.centre_triplet(embeddings, centres).item() == 0
    embeddings[0, 1, 0] = 0.9  # 1.21 - 0.81 + 1 = 1.4, a third of it on average
    assert goad.centre_triplet(embeddings, centres).item() == pytest.approx(1.4 / 3, abs=1e-5)


def test_the_centre_of_deep_svdd_is_nowhere_near_zero():
    found = np.array([[0.01, -0.02, 0.0, 3.0, -2.0], [0.03, -0.04, 0.0, 3.0, -4.0]], np.float32)
    np.testing.assert_allclose(deep_svdd.centre_of(found), [0.1, -0.1, 0.1, 3, -3])


def test_the_network_of_deep_svdd_can_add_no_constant():
    encoder = networks.encoder(32, 8, bias=False).train()
    assert [name for name, _ in encoder.named_parameters() if name.endswith("bias")] == []
    assert encoder(torch.zeros(4, 3, 32, 32)).abs().max() == 0


# Training


def test_a_training_takes_every_normal_equally_often_and_its_rate_ends_at_zero():
    shown, shares = [], []
    course = Course(stripes(5), Training(told=shares.append))
    layer = torch.nn.Linear(1, 1)

    def loss(rows):
        shown.extend(rows.tolist())
        return layer(torch.ones(1, 1)).sum()

    before = []
    course.train(layer, lambda rows: before.append(layer.weight.item()) or loss(rows), steps=40, batch=8)
    assert np.bincount(shown).tolist() == [64] * 5
    assert shares == sorted(shares) and shares[0] == 0 and shares[-1] == 1 and len(shares) == 41
    moves = np.abs(np.diff(before))
    assert moves[-1] < moves.max() / 50
    assert moves[0] == 0 and 0 < moves[1] < 0.7 * moves.max()
    assert not layer.training
    assert course.training.notes == {"steps": 40, "images_seen": 320}


def test_where_time_is_short_the_rate_falls_with_the_time(monkeypatch):
    clock = iter(np.arange(0, 1000, 0.5))
    monkeypatch.setattr("time.monotonic", lambda: next(clock))
    training = Training(seconds=40)
    moved, layer = [], torch.nn.Linear(1, 1)

    def loss(rows):
        moved.append(layer.weight.item())
        return layer(torch.ones(1, 1)).sum()

    Course(stripes(5), training).train(layer, loss, steps=100_000, batch=4)
    assert training.notes["out_of_time"] == 40
    assert 0 < training.notes["steps"] < 80
    moves = np.abs(np.diff(moved))
    assert moves[-1] < moves.max() / 5


def test_outputs_do_not_depend_on_how_many_are_computed_at_once(monkeypatch):
    images = strange(7)
    network = networks.initialised(networks.encoder(32, 4), torch.Generator().manual_seed(1)).eval()
    at_once = outputs(images, lambda x: network(inputs(x, CPU)))
    monkeypatch.setattr("dn2core.detect.baselines.deep.training.AT_ONCE", 6)
    seen = []
    piecewise = outputs(images, lambda x: seen.append(len(x)) or network(inputs(x, CPU)), views=3)
    assert seen == [2, 2, 2, 1]
    np.testing.assert_allclose(piecewise, at_once, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("bias", (True, False))
def test_a_folded_encoder_computes_the_same(bias):
    images = inputs(pixels(strange(16)), CPU)
    encoder = networks.initialised(networks.encoder(32, 4, bias=bias), torch.Generator().manual_seed(1)).train()
    encoder(images)  # moves the norms' means and variances
    expected = encoder.eval()(images)
    np.testing.assert_allclose(networks.folded(encoder)(images).detach(), expected.detach(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("side", (32, 64))
def test_what_is_encoded_to_few_numbers_comes_back_as_an_image(side):
    images = inputs(pixels(stripes(2, side=side)), CPU)
    copied = autoencoder.network(side)(images)
    assert copied.shape == images.shape
    assert 0 <= copied.min() and copied.max() <= 1


# Every detector


@pytest.mark.parametrize("name", NAMES)
def test_noise_is_stranger_than_normals_and_a_seed_gives_the_same_scores(brief, name):
    queries = np.concatenate([stripes(6, seed=5), strange(4)])
    training = Training(seed=1)
    scores = fitted(DETECTORS[name], stripes(24), training)(queries)
    assert scores.shape == (10,) and scores.dtype == np.float64
    assert scores[:6].max() < scores[6:].min()
    assert training.notes["steps"] > 0 and "out_of_time" not in training.notes
    assert np.array_equal(scores, fitted(DETECTORS[name], stripes(24), Training(seed=1))(queries))
    assert not np.array_equal(scores, fitted(DETECTORS[name], stripes(24), Training(seed=2))(queries))


@pytest.mark.parametrize("name", NAMES)
def test_five_normals_and_no_time_still_give_scores(name):
    training = Training(seconds=0)
    scores = fitted(DETECTORS[name], stripes(5), training)(strange(3))
    assert np.isfinite(scores).all()
    assert training.notes["out_of_time"] == 0


@pytest.mark.parametrize("name", NAMES)
def test_whoever_is_told_can_stop_it(brief, name):
    class Stop(Exception):
        pass

    def told(share):
        if share > 0.3:
            raise Stop

    with pytest.raises(Stop):
        fitted(DETECTORS[name], stripes(5), Training(told=told))


@pytest.mark.parametrize("name", NAMES)
def test_one_image_is_refused_in_a_sentence(name):
    with pytest.raises(Refused, match="at least 2 normal images"):
        fitted(DETECTORS[name], stripes(1), Training())


@pytest.mark.parametrize("name", NAMES)
def test_normals_that_are_all_alike_give_finite_scores(brief, name):
    alike = np.full((4, 32, 32, 3), 128, np.uint8)
    assert np.isfinite(fitted(DETECTORS[name], alike, Training())(np.concatenate([alike, strange(2)]))).all()


def test_the_callers_random_numbers_are_left_alone(brief):
    normals = stripes(5)
    fitted(DETECTORS["goad"], normals, Training(seed=3))
    torch.manual_seed(7)
    expected = fitted(DETECTORS["goad"], normals, Training(seed=3))(strange(2))
    torch.manual_seed(8)
    assert np.array_equal(fitted(DETECTORS["goad"], normals, Training(seed=3))(strange(2)), expected)
