"""The paper's protocol on Fashion-MNIST: one class is normal, the nine others are not."""

import gzip
import hashlib
import os
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from dn2core.detect import Bank, form_scores, leave_one_out
from dn2core.errors import NotFound, Refused
from dn2core.explore.evaluation import roc_auc

CLASSES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
_AT_ONCE = 1_000  # images between two reports of progress

Progress = Callable[[int, int], None]


class Encoder(Protocol):
    """What this protocol needs of an encoder; `dn2core.features.load_encoder` gives one."""

    fingerprint: str

    def encode(self, images) -> np.ndarray: ...


@dataclass(frozen=True)
class FashionMNIST:
    """Images (n, 28, 28) uint8 grey, labels (n,) uint8 that index CLASSES; 60,000 to train and 10,000 to test."""

    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray


@dataclass(frozen=True)
class Result:
    """ROC AUC (0 to 1) with each class as the normal one, in the order of the labels; None where undefined."""

    k: int
    normalise: bool
    per_class: tuple[float | None, ...]
    form: str = "mean"

    @property
    def mean(self) -> float | None:
        """Mean over the classes; None where one of them is undefined."""
        if not self.per_class or None in self.per_class:
            return None
        return float(np.mean(self.per_class))


def run(
    folder: str | Path,
    encoder: Encoder,
    *,
    k: int = 2,
    form: str = "mean",
    cache: str | Path | None = None,
    progress: Progress | None = None,
) -> list[Result]:
    """The whole benchmark: read, encode, judge by raw and then by unit-length features.

    Args:
        folder: where the idx files lie.
        form: of the score, a key of `FORMS`.
        cache: a folder that keeps the features for the next run; None keeps nothing.
        progress: called with (images encoded, images in all).

    Raises:
        NotFound, Refused: as `load_idx`.
    """
    data = load_idx(folder)
    total = len(data.train_images) + len(data.test_images)

    def tell(offset: int) -> Progress | None:
        return (lambda done, _: progress(offset + done, total)) if progress else None

    train = encode(data.train_images, encoder, cache=cache, progress=tell(0))
    test = encode(data.test_images, encoder, cache=cache, progress=tell(len(train)))
    return [
        one_class_against_all(train, data.train_labels, test, data.test_labels, k=k, normalise=normalise, form=form)
        for normalise in (False, True)
    ]


def encode(
    images: np.ndarray, encoder: Encoder, *, cache: str | Path | None = None, progress: Progress | None = None
) -> np.ndarray:
    """Features (n, d) float32 of (n, h, w) grey images, from the cache where these images were encoded before."""
    kept = None
    if cache is not None:
        content = hashlib.sha256(images.tobytes()).hexdigest()[:16]
        kept = Path(cache) / f"fashion-mnist-{encoder.fingerprint}-{content}.npy"
        if kept.exists():
            return np.load(kept, allow_pickle=False)
    parts = []
    for start in range(0, len(images), _AT_ONCE):
        parts.append(encoder.encode([as_rgb(image) for image in images[start : start + _AT_ONCE]]))
        if progress:
            progress(min(start + _AT_ONCE, len(images)), len(images))
    features = np.concatenate(parts)
    if kept is not None:
        kept.parent.mkdir(parents=True, exist_ok=True)
        unfinished = kept.with_suffix(".part.npy")
        np.save(unfinished, features)
        os.replace(unfinished, kept)
    return features


def report(results: list[Result]) -> str:
    """ROC AUC in percent as lines of text: a row for each class, a column for each result."""
    columns = [f"{'unit' if r.normalise else 'raw'}, k={r.k}" for r in results]
    rows = [[name, *(_percent(r.per_class[i]) for r in results)] for i, name in enumerate(CLASSES)]
    rows.append(["mean", *(_percent(r.mean) for r in results)])
    lines = [f"{'normal class':<14}" + "".join(f"{column:>12}" for column in columns)]
    lines += [f"{name:<14}" + "".join(f"{value:>12}" for value in values) for name, *values in rows]
    return "\n".join(lines)


def load_idx(folder: str | Path) -> FashionMNIST:
    """Read the four idx files of a folder, plain or gzipped (Debian's folder, or torchvision's).

    Raises:
        NotFound: when a file is missing.
        Refused: when a file is cut short or no idx file.
    """
    folder = Path(folder)
    if not (folder / "train-labels-idx1-ubyte").exists() and (folder / "FashionMNIST" / "raw").is_dir():
        folder = folder / "FashionMNIST" / "raw"
    return FashionMNIST(
        train_images=_read_idx(folder, "train-images-idx3-ubyte", ndim=3),
        train_labels=_read_idx(folder, "train-labels-idx1-ubyte", ndim=1),
        test_images=_read_idx(folder, "t10k-images-idx3-ubyte", ndim=3),
        test_labels=_read_idx(folder, "t10k-labels-idx1-ubyte", ndim=1),
    )


def as_rgb(image: np.ndarray) -> np.ndarray:
    """A grey (h, w) uint8 image as three equal channels (h, w, 3), as the paper does it."""
    return np.repeat(image[:, :, None], 3, axis=2)


def one_class_against_all(
    train_features: np.ndarray,
    train_labels: np.ndarray,
    test_features: np.ndarray,
    test_labels: np.ndarray,
    *,
    k: int = 2,
    normalise: bool = False,
    form: str = "mean",
    progress: Progress | None = None,
) -> Result:
    """Each class in turn is the normal one: its training images are the bank, all test images are scored.

    Args:
        train_features, test_features: (n, d) and (m, d) float32.
        train_labels, test_labels: (n,) and (m,) whole numbers.
        k: neighbours in the score.
        normalise: compare unit-length features.
        form: of the score, a key of `FORMS`.
        progress: called with (classes done, classes in all).
    """
    train_labels, test_labels = np.asarray(train_labels), np.asarray(test_labels)
    classes = np.unique(train_labels)
    aucs = []
    for done, normal in enumerate(classes, start=1):
        bank = Bank(train_features[train_labels == normal], normalise=normalise)
        loo = leave_one_out(bank, k) if form == "density" and bank.n > 1 else None
        scores = form_scores(form, bank.search(test_features, k), loo, k)
        is_normal = test_labels == normal
        aucs.append(roc_auc(scores[is_normal], scores[~is_normal]))
        if progress:
            progress(done, len(classes))
    return Result(k=k, normalise=normalise, per_class=tuple(aucs), form=form)


def _percent(auc: float | None) -> str:
    return "-" if auc is None else f"{100 * auc:.2f}"


def _read_idx(folder: Path, name: str, *, ndim: int) -> np.ndarray:
    plain, packed = folder / name, folder / f"{name}.gz"
    if not plain.exists() and not packed.exists():
        raise NotFound("DATASET_NOT_FOUND", file=name, folder=str(folder))
    try:
        data = plain.read_bytes() if plain.exists() else gzip.decompress(packed.read_bytes())
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise Refused("DATASET_DAMAGED", file=name, reason=str(error)) from error
    # Two zero bytes, 8 for "unsigned byte", the number of axes; then each axis as a big-endian uint32.
    if data[:4] != bytes([0, 0, 8, ndim]) or len(data) < 4 + 4 * ndim:
        raise Refused("DATASET_DAMAGED", file=name, reason="its first bytes are not those of an idx file")
    shape = struct.unpack_from(f">{ndim}I", data, 4)
    pixels = np.frombuffer(data, np.uint8, offset=4 + 4 * ndim)
    if pixels.size != np.prod(shape):
        raise Refused("DATASET_DAMAGED", file=name, reason=f"expected {np.prod(shape)} bytes, got {pixels.size}")
    return pixels.reshape(shape)
