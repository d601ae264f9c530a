"""The idx reader and the protocol on data of a few pixels."""

import gzip
import struct

import numpy as np
import pytest

from dn2core.errors import NotFound, Refused
from dn2core.explore.fashion_mnist import (
    CLASSES,
    Result,
    as_rgb,
    encode,
    load_idx,
    one_class_against_all,
    report,
    run,
)


def idx(array):
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def write(folder, pack=False):
    rng = np.random.default_rng(0)
    arrays = {
        "train-images-idx3-ubyte": rng.integers(0, 256, (6, 2, 3), np.uint8),
        "train-labels-idx1-ubyte": rng.integers(0, 10, 6, np.uint8),
        "t10k-images-idx3-ubyte": rng.integers(0, 256, (4, 2, 3), np.uint8),
        "t10k-labels-idx1-ubyte": rng.integers(0, 10, 4, np.uint8),
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in arrays.items():
        if pack:
            (folder / f"{name}.gz").write_bytes(gzip.compress(idx(array)))
        else:
            (folder / name).write_bytes(idx(array))
    return list(arrays.values())


@pytest.mark.parametrize("below", ["", "FashionMNIST/raw"])
@pytest.mark.parametrize("pack", [False, True])
def test_reads_debians_and_torchvisions_folders(tmp_path, below, pack):
    expected = write(tmp_path / below, pack)
    data = load_idx(tmp_path)
    read = [data.train_images, data.train_labels, data.test_images, data.test_labels]
    for a, b in zip(read, expected, strict=True):
        assert np.array_equal(a, b) and a.dtype == np.uint8


def test_a_missing_file_is_named_with_its_folder(tmp_path):
    write(tmp_path)
    (tmp_path / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(NotFound, match="t10k-labels-idx1-ubyte") as error:
        load_idx(tmp_path)
    assert str(tmp_path) in str(error.value)


@pytest.mark.parametrize(
    "damage", [lambda b: b[:-1], lambda b: b + b"x", lambda b: b[:9], lambda b: b"", lambda b: b"PK" + b]
)
def test_a_damaged_file_is_refused(tmp_path, damage):
    write(tmp_path)
    file = tmp_path / "train-images-idx3-ubyte"
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(Refused, match="train-images-idx3-ubyte is not a whole idx file"):
        load_idx(tmp_path)


@pytest.mark.parametrize("damage", [lambda b: b[:-9], lambda b: b"no gzip", lambda b: b[:12] + b"\xff" * 20 + b[32:]])
def test_a_damaged_gzip_is_refused(tmp_path, damage):
    write(tmp_path, pack=True)
    file = tmp_path / "train-images-idx3-ubyte.gz"
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(Refused, match="is not a whole idx file"):
        load_idx(tmp_path)


def test_grey_becomes_three_equal_channels():
    rgb = as_rgb(np.array([[1, 2, 3]], np.uint8))
    assert rgb.tolist() == [[[1, 1, 1], [2, 2, 2], [3, 3, 3]]] and rgb.dtype == np.uint8
    assert len(CLASSES) == 10


def test_each_class_in_turn_is_the_normal_one():
    train = np.array([[0.0], [1.0], [10.0], [11.0]])
    test = np.array([[0.5], [10.5], [4.0]])  # the third, of class 1, lies nearer to class 0
    seen = []
    result = one_class_against_all(
        train, [0, 0, 1, 1], test, [0, 1, 1], k=2, progress=lambda done, total: seen.append((done, total))
    )
    # To class 0 the scores are 0.25, 90.5 and 12.5; to class 1 they are 100.5, 0.5 and 42.5.
    assert result.per_class == (1.0, 1.0) and result.mean == 1.0
    assert seen == [(1, 2), (2, 2)]
    swapped = one_class_against_all(train, [0, 0, 1, 1], test, [1, 1, 0], k=2)
    assert swapped.per_class == (0.5, 0.5)


def test_unit_length_reaches_the_search():
    train, test = np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([[100.0, 1.0], [1.0, 1.5]])
    raw = one_class_against_all(train, [0, 1], test, [0, 1], k=1)
    unit = one_class_against_all(train, [0, 1], test, [0, 1], k=1, normalise=True)
    assert raw.per_class == (0.0, 1.0) and (raw.k, raw.normalise) == (1, False)
    assert unit.per_class == (1.0, 1.0) and (unit.k, unit.normalise) == (1, True)


def test_k_reaches_the_search():
    train, test = np.array([[0.0], [100.0], [50.0], [50.0]]), np.array([[0.0], [50.0]])
    assert one_class_against_all(train, [0, 0, 1, 1], test, [0, 1], k=1).per_class == (1.0, 1.0)
    assert one_class_against_all(train, [0, 0, 1, 1], test, [0, 1], k=2).per_class == (0.0, 1.0)


def test_a_class_without_test_images_has_no_mean():
    result = one_class_against_all(np.eye(3), [0, 1, 2], np.eye(3)[:2], [0, 1], k=1)
    assert result.per_class[2] is None and result.mean is None


class CountingEncoder:
    """A vector of four corner pixels; counts what it encodes."""

    fingerprint = "0123456789abcdef"

    def __init__(self):
        self.encoded = 0

    def encode(self, images):
        self.encoded += len(images)
        return np.array([image[[0, 0, -1, -1], [0, -1, 0, -1], 1] for image in images], np.float32)


def test_the_whole_run_encodes_once_and_keeps_the_features(tmp_path):
    write(tmp_path / "data")
    encoder, seen = CountingEncoder(), []
    first = run(tmp_path / "data", encoder, k=1, cache=tmp_path / "cache", progress=lambda *at: seen.append(at))
    assert encoder.encoded == 10 and seen == [(6, 10), (10, 10)]
    assert [result.normalise for result in first] == [False, True]
    assert run(tmp_path / "data", encoder, k=1, cache=tmp_path / "cache") == first
    assert encoder.encoded == 10 and len(list((tmp_path / "cache").iterdir())) == 2
    assert run(tmp_path / "data", encoder, k=1) == first
    assert encoder.encoded == 20


def test_other_images_or_another_network_are_encoded_anew(tmp_path):
    images = np.arange(8, dtype=np.uint8).reshape(2, 2, 2)
    encoder = CountingEncoder()
    first = encode(images, encoder, cache=tmp_path)
    assert np.array_equal(encode(images, encoder, cache=tmp_path), first) and encoder.encoded == 2
    assert not np.array_equal(encode(images + 1, encoder, cache=tmp_path), first)
    encoder.fingerprint = "another"
    encode(images, encoder, cache=tmp_path)
    assert encoder.encoded == 6


def test_the_report_has_a_row_for_each_class_and_the_mean():
    aucs = tuple(i / 10 for i in range(10))
    lines = report([Result(2, False, aucs), Result(2, True, (None,) * 10)]).splitlines()
    assert len(lines) == 12
    assert lines[0].split() == ["normal", "class", "raw,", "k=2", "unit,", "k=2"]
    assert lines[2].split() == ["Trouser", "10.00", "-"]
    assert lines[-1].split() == ["mean", "45.00", "-"]
