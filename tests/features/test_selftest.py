"""The self-test passes on a network that is right and fails on one that is not."""

import hashlib

import numpy as np
import pytest

from dn2core.features import load_encoder, self_test
from dn2core.features.selftest import EXPECTED, canary


def test_the_canary_is_the_same_everywhere():
    picture = canary()
    assert picture.shape == (300, 400, 3) and picture.dtype == np.uint8
    digest = hashlib.sha256(picture.tobytes()).hexdigest()
    assert digest == "ed31d953df677f6f055aab0dc340588f04ce2763537b32345f9597d6b05a4320"


def test_the_default_network_gives_the_numbers_kept_here(encoder):
    tested = self_test(encoder)
    assert tested.ok and tested.compared_with == "kept numbers"
    assert tested.largest_difference < 1e-5 and tested.tolerance == 1e-4
    paper = self_test(load_encoder("efficientnet_lite0", preset="paper"))
    assert paper.ok and paper.compared_with == "kept numbers" and paper.largest_difference < 1e-5


def test_the_kept_numbers_are_enough_to_tell():
    assert EXPECTED
    for numbers in EXPECTED.values():
        assert len(numbers) >= 6 and min(numbers.values()) > 0.5


@pytest.mark.parametrize("spoil", [lambda view: view[:, :, ::-1], lambda view: view // 2, lambda view: view[::-1]])
def test_other_pixels_are_found(encoder, monkeypatch, spoil):
    seen = encoder.view
    monkeypatch.setattr(encoder, "view", lambda image: spoil(seen(image)))
    tested = self_test(encoder)
    assert not tested.ok and tested.largest_difference > tested.tolerance


def test_without_kept_numbers_torch_is_what_it_is_compared_with(small):
    row, folder = small()
    tested = self_test(load_encoder(row, weights_dir=folder, runtime="openvino"))
    assert tested.ok and tested.compared_with == "torch"


def test_a_runtime_that_computes_something_else_is_found(small, monkeypatch):
    row, folder = small()
    wrong = load_encoder(row, weights_dir=folder, runtime="openvino")
    monkeypatch.setattr(wrong, "encode", lambda images: np.ones((1, 3), np.float32))
    assert not self_test(wrong).ok
