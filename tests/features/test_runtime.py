"""What may run where, and that both runtimes compute the same."""

import subprocess
import sys

import numpy as np
import pytest
import torch

from dn2core.errors import Refused
from dn2core.features import TOLERANCE, load_encoder
from dn2core.features.runtime import available_cores, choose, has_bf16

CUDA = torch.cuda.is_available()
BF16 = has_bf16()
no_cuda = pytest.mark.skipif(not CUDA, reason="needs a CUDA device")
no_bf16 = pytest.mark.skipif(not BF16, reason="needs a CPU that computes in bfloat16")


def cosine_distances(a, b):
    a, b = a.astype(np.float64), b.astype(np.float64)
    return 1 - (a * b).sum(axis=1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)


def relative(a, b):
    """|a - b| / |b| a row, the difference that TOLERANCE bounds."""
    return np.linalg.norm(a.astype(np.float64) - b, axis=1) / np.linalg.norm(b.astype(np.float64), axis=1)


def test_openvino_agrees_with_torch(encoder, reference, images):
    ours, expected = encoder.encode(images), reference.encode(images)
    assert cosine_distances(ours, expected).max() < 1e-5
    assert relative(ours, expected).max() <= TOLERANCE
    assert len(np.unique(expected.round(3), axis=0)) == len(images)  # the pictures do differ


def test_openvino_agrees_with_torch_on_flat_colours(encoder, reference):
    colours = [
        (128, 128, 128),
        (126, 127, 128),
        (0, 0, 0),
        (255, 255, 255),
        (255, 0, 0),
        (161, 195, 237),
        (50, 242, 23),
    ]
    flat = [np.full((8, 8, 3), colour, np.uint8) for colour in colours]
    ours, expected = encoder.encode(flat), reference.encode(flat)
    assert cosine_distances(ours, expected).max() < 1e-5
    assert relative(ours, expected).max() <= 20 * TOLERANCE


@no_cuda
def test_cuda_agrees_with_torch(reference, images):
    cuda = load_encoder("efficientnet_lite0", runtime="cuda")
    assert load_encoder("efficientnet_lite0").runtime == "cuda"
    assert relative(cuda.encode(images), reference.encode(images)).max() <= TOLERANCE
    assert cuda.fingerprint == reference.fingerprint


@pytest.mark.skipif(CUDA, reason="there is a CUDA device")
def test_cuda_is_refused_where_there_is_none():
    assert load_encoder("efficientnet_lite0").runtime == "openvino"
    with pytest.raises(
        Refused, match="needs a CUDA device and a torch built for it, and there is none here"
    ) as refused:
        load_encoder("efficientnet_lite0", runtime="cuda")
    assert refused.value.code == "NO_CUDA"


@no_bf16
def test_bf16_is_near_fp32_and_not_the_same(encoder, images):
    bf16 = load_encoder("efficientnet_lite0", precision="bf16")
    assert bf16.runtime == "openvino" and bf16.fingerprint != encoder.fingerprint
    ours, exact = bf16.encode(images), encoder.encode(images)
    assert 1e-6 < cosine_distances(ours, exact).max() < 0.05


def test_bf16_is_refused_where_there_is_none(monkeypatch):
    monkeypatch.setattr("dn2core.features.runtime.has_bf16", lambda: False)
    with pytest.raises(Refused, match="a CPU that computes in bfloat16, and this machine has none") as refused:
        load_encoder("efficientnet_lite0", precision="bf16")
    assert refused.value.code == "NO_BF16"


@pytest.mark.parametrize("runtime", ["torch", "cuda"])
def test_bf16_is_for_openvino_alone(runtime, monkeypatch):
    monkeypatch.setattr("dn2core.features.runtime.has_bf16", lambda: True)
    with pytest.raises(Refused, match="bf16 needs OpenVINO"):
        choose(runtime, "bf16")
    assert choose("auto", "bf16") == choose("openvino", "bf16") == "openvino"


@pytest.mark.parametrize("there", [True, False])
def test_auto_takes_cuda_where_there_is_a_device(there, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: there)
    assert choose("auto", "fp32") == ("cuda" if there else "openvino")
    assert choose("openvino", "fp32") == "openvino" and choose("torch", "fp32") == "torch"


def test_unknown_names_are_refused_with_the_known_ones():
    with pytest.raises(Refused, match="a runtime out of auto, openvino, cuda, torch, got onnx"):
        load_encoder(runtime="onnx")
    with pytest.raises(Refused, match="a precision out of fp32, bf16, got fp16"):
        load_encoder(precision="fp16")


def test_there_is_a_core_to_run_on():
    assert available_cores() >= 1


def test_nothing_is_asked_of_a_network_and_nobody_is_told():
    """A fresh process that may open no connection: import, load, encode. OpenVINO would report its use."""
    code = """
import sys
import dn2core.features
print(sorted({"torch", "timm", "openvino", "torchvision"} & set(sys.modules)))
import socket
def forbidden(*arguments, **options):
    print("a connection was tried", arguments)
    raise OSError("no network")
socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = forbidden
encoder = dn2core.features.load_encoder("efficientnet_lite0", runtime="openvino")
features = encoder.encode([dn2core.features.selftest.canary()])
print(features.shape, features.dtype, encoder.fingerprint, sys.modules["openvino_telemetry"])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["[]", "(1, 1280) float32 83ce8f350618521f None"]
