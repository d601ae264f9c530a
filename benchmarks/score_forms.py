"""Features, score forms and k against each other on four data sets: python benchmarks/score_forms.py

Prints two markdown tables of mean ROC AUC in percent, losses included: ways to make a vector of an image, each with
the paper's score and with the one corrected for density; then every form at every k for the vectors of today and for
the recommended ones. All features are frozen, and what is fitted (whitening) is fitted on the normals alone.

Fashion-MNIST: one class is normal, nine are not, as in the paper. Digits: the same with scikit-learn's 8 x 8 digits.
Surfaces: the demo's three products, and photographs: tissue, stars, a retina; both cut anew with seeds that the demo
does not use, with its defects drawn in, and three sets of each. `--fashion 60000 10000` takes all of Fashion-MNIST
(default: its first 10,000 and 2,000 images); features are kept in benchmarks/.cache.
"""

import argparse
import hashlib
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import skimage.data
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from dn2core.demo import PRODUCTS
from dn2core.demo.defects import DEFECTS
from dn2core.demo.surfaces import SIDE, exposed, view
from dn2core.detect import Bank, leave_one_out
from dn2core.detect.forms import FORMS, form_scores_for_every_k
from dn2core.explore.evaluation import roc_auc
from dn2core.explore.fashion_mnist import load_idx
from dn2core.features import load_encoder
from dn2core.features.backbones import BACKBONES, Backbone

CACHE = Path(__file__).parent / ".cache" / "stages"
PART = 2_000  # images in a file of the cache
K_MAX = 50
SEEDS = (11, 12, 13)
NORMALS, GOOD, PER_DEFECT = 60, 30, 4
DIMS = {  # of the seven stages, and of the head
    "efficientnet_lite0": (16, 24, 40, 80, 112, 192, 320, 1280),
    "efficientnet_lite2": (16, 24, 48, 88, 120, 208, 352, 1280),
}


@dataclass(frozen=True)
class Task:
    """Positions of the normals and of the tested images, and which of the tested are normal."""

    normals: np.ndarray
    tested: np.ndarray
    is_normal: np.ndarray


@dataclass(frozen=True)
class Data:
    name: str
    images: list[np.ndarray]  # (h, w) or (h, w, 3) uint8
    tasks: list[Task]


def one_class(name: str, images: np.ndarray, labels: np.ndarray, train: int) -> Data:
    """Each class in turn is the normal one; the first `train` images are for normals, the rest is tested."""
    tested = np.arange(train, len(images))
    return Data(
        name,
        list(images),
        [Task(np.flatnonzero(labels[:train] == c), tested, labels[tested] == c) for c in np.unique(labels)],
    )


def fashion(folder: str, train: int, test: int) -> Data:
    data = load_idx(folder)
    images = np.concatenate([data.train_images[:train], data.test_images[:test]])
    labels = np.concatenate([data.train_labels[:train], data.test_labels[:test]])
    return one_class("Fashion-MNIST", images, labels, train)


def digits() -> Data:
    from sklearn.datasets import load_digits

    data = load_digits()
    return one_class("digits", (data.images * 15.9).astype(np.uint8), data.target, len(data.target) // 2)


def materials(name: str, cuts: list[tuple[Callable, object]]) -> Data:
    """Of each material and seed: normals from one part of a photograph, good and defective images from the other.

    cuts: for each material a function (part, rng) -> (SIDE, SIDE, 3) float32, and the defects' ground.
    """
    images, tasks = [], []
    for number, (cut, ground) in enumerate(cuts):
        for seed in SEEDS:
            rng = np.random.default_rng([seed, number])
            start = len(images)
            images += [exposed(cut("normal", rng), rng) for _ in range(NORMALS)]
            images += [exposed(cut("new", rng), rng) for _ in range(GOOD)]
            for defect in DEFECTS.values():
                images += [exposed(defect(cut("new", rng), rng, ground), rng) for _ in range(PER_DEFECT)]
            tested = np.arange(start + NORMALS, len(images))
            tasks.append(Task(np.arange(start, start + NORMALS), tested, tested < start + NORMALS + GOOD))
    return Data(name, images, tasks)


def surfaces() -> Data:
    return materials("surfaces", [(lambda part, rng, p=p: view(p.surface, part, rng), p.ground) for p in PRODUCTS])


def photographs() -> Data:
    retina = skimage.data.retina()[300:1100, 300:1100]
    sources = ((skimage.data.immunohistochemistry(), 160), (skimage.data.hubble_deep_field(), 200), (retina, 240))

    def cut_of(photograph: np.ndarray, side: int) -> Callable:
        def cut(part: str, rng: np.random.Generator) -> np.ndarray:
            height, width = photograph.shape[:2]
            edge = int(0.59 * width)
            left, right = (0, edge) if part == "normal" else (edge, width)
            x, y = rng.integers(left, right - side + 1), rng.integers(0, height - side + 1)
            crop = Image.fromarray(photograph[y : y + side, x : x + side]).resize(
                (SIDE, SIDE), Image.Resampling.BICUBIC
            )
            return np.asarray(crop, np.float32)

        return cut

    grounds = [product.ground for product in PRODUCTS]
    return materials(
        "photographs", [(cut_of(*source), ground) for source, ground in zip(sources, grounds, strict=True)]
    )


def every_stage(name: str) -> Backbone:
    """EfficientNet-Lite that gives the averages over each of its seven stages, and its head's, side by side."""
    row = BACKBONES[name]

    def module(state: dict, file: str):
        import torch

        class Stages(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.net = row.module(state, file)

            def forward(self, pixels):
                x = self.net.bn1(self.net.conv_stem(pixels))
                averages = []
                for stage in self.net.blocks:
                    x = stage(x)
                    averages.append(x.mean((2, 3)))
                x = self.net.bn2(self.net.conv_head(x))
                return torch.cat([*averages, x.mean((2, 3))], 1)

        return Stages()

    return replace(row, dim=sum(DIMS[name]), layer="average of every stage", module=module)


class Features:
    """The stages' features of a data set by network and way of seeing, encoded where they are not kept."""

    def __init__(self, data: Data):
        self.data = data
        self.of = cache(self._of)

    def _of(self, network: str, preset: str = "whole", mirrored: bool = False) -> list[np.ndarray]:
        encoder = load_encoder(every_stage(network), preset=preset)
        parts = [
            _kept(self.data.images[start : start + PART], encoder, mirrored)
            for start in range(0, len(self.data.images), PART)
        ]
        return np.split(np.concatenate(parts), np.cumsum(DIMS[network])[:-1], axis=1)

    def stage(self, number: int, **seen) -> np.ndarray:
        """The average over stage 1 to 7; 8 is the head."""
        return self.of("efficientnet_lite0", **seen)[number - 1]

    def head(self, network: str = "efficientnet_lite0", **seen) -> np.ndarray:
        return self.of(network, **seen)[-1]


def _kept(images: list[np.ndarray], encoder, mirrored: bool) -> np.ndarray:
    if mirrored:
        images = [np.ascontiguousarray(image[:, ::-1]) for image in images]
    content = hashlib.sha256(b"".join(image.tobytes() for image in images)).hexdigest()[:16]
    kept = CACHE / f"{encoder.fingerprint}-{content}.npy"
    if kept.exists():
        return np.load(kept, allow_pickle=False)
    print(f"encoding {len(images):,} images, {encoder.name}, {encoder.preset}", file=sys.stderr, flush=True)
    features = encoder.encode([image if image.ndim == 3 else np.stack([image] * 3, axis=2) for image in images])
    CACHE.mkdir(parents=True, exist_ok=True)
    unfinished = kept.with_suffix(".part.npy")
    np.save(unfinished, features)
    unfinished.rename(kept)
    return features


def unit(features: np.ndarray) -> np.ndarray:
    return features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)


def power(features: np.ndarray, exponent: float = 0.5) -> np.ndarray:
    """Each number to this power, its sign kept, then unit length. With the root: Hellinger's distance."""
    return unit(np.sign(features) * np.abs(features) ** exponent)


def mirror_mean(f: Features, stage: int = 8) -> np.ndarray:
    """Twice the mean, which unit length forgets; of the head (8) or a stage."""
    return f.stage(stage) + f.stage(stage, mirrored=True)


def beside(*parts: np.ndarray) -> np.ndarray:
    return np.hstack(parts)


def whitened(shrink: float, exponent: float) -> Callable:
    """Axes of the normals' spread, each divided by its variance (shrunk to the mean one) to that power."""

    def fit(normals: np.ndarray) -> Callable:
        mean = normals.mean(axis=0)
        spread, axes = np.linalg.svd(normals - mean, full_matrices=False)[1:]
        variance = spread**2 / len(normals)
        weights = (variance + shrink * variance.mean()) ** -exponent
        return lambda features: (features - mean) @ axes.T * weights

    return fit


@dataclass(frozen=True)
class Way:
    """`passes`: what encoding costs, in passes of EfficientNet-Lite0. `fit`: normals -> a function of features."""

    name: str
    passes: float
    vectors: Callable[[Features], np.ndarray]
    fit: Callable | None = None


def two_stages(head: np.ndarray, stage: np.ndarray, exponent: float = 0.7, weight: float = 1.5) -> np.ndarray:
    return beside(power(head, exponent), weight * power(stage, exponent))


TODAY, RECOMMENDED = "unit length", "power 0.7, stage 4 beside at 1.5"
LITE2 = "efficientnet_lite2"
WAYS = (
    Way("raw", 1, lambda f: f.head()),
    Way(TODAY, 1, lambda f: unit(f.head())),
    Way("paper's crop, unit length", 1, lambda f: unit(f.head(preset="paper"))),
    Way("mean with the mirror image, unit length", 2, lambda f: unit(mirror_mean(f))),
    Way("whitened (shrink 0.1), of unit length", 1, lambda f: unit(f.head()), whitened(0.1, 0.5)),
    Way("half whitened (shrink 1), of unit length", 1, lambda f: unit(f.head()), whitened(1, 0.25)),
    Way("stage 3 beside, unit length each", 1, lambda f: beside(unit(f.head()), unit(f.stage(3)))),
    Way("stage 4 beside, unit length each", 1, lambda f: beside(unit(f.head()), unit(f.stage(4)))),
    Way("stage 5 beside, unit length each", 1, lambda f: beside(unit(f.head()), unit(f.stage(5)))),
    Way("stage 7 beside, unit length each", 1, lambda f: beside(unit(f.head()), unit(f.stage(7)))),
    Way("power 0.7", 1, lambda f: power(f.head(), 0.7)),
    Way("root", 1, lambda f: power(f.head())),
    Way("power 0.35", 1, lambda f: power(f.head(), 0.35)),
    Way("root, half whitened (shrink 1)", 1, lambda f: power(f.head()), whitened(1, 0.25)),
    Way("root, mean with the mirror image", 2, lambda f: power(mirror_mean(f))),
    Way("root, stage 3 beside", 1, lambda f: beside(power(f.head()), power(f.stage(3)))),
    Way("root, stage 4 beside", 1, lambda f: beside(power(f.head()), power(f.stage(4)))),
    Way("root, stage 5 beside", 1, lambda f: beside(power(f.head()), power(f.stage(5)))),
    Way("root, stage 4 beside at 1.5", 1, lambda f: two_stages(f.head(), f.stage(4), 0.5)),
    Way("power 0.7, stage 4 beside", 1, lambda f: two_stages(f.head(), f.stage(4), weight=1)),
    Way(RECOMMENDED, 1, lambda f: two_stages(f.head(), f.stage(4))),
    Way("power 0.7, stage 4 beside at 2", 1, lambda f: two_stages(f.head(), f.stage(4), weight=2)),
    Way(
        "power 0.7, stage 4 beside at 1.5, paper's crop",
        1,
        lambda f: two_stages(f.head(preset="paper"), f.stage(4, preset="paper")),
    ),
    Way(
        "power 0.7, stage 4 beside at 1.5, mean with the mirror image",
        2,
        lambda f: two_stages(mirror_mean(f), mirror_mean(f, 4)),
    ),
)
TWO_NETWORKS = (
    Way("lite2 alone, unit length", 2.4, lambda f: unit(f.head(LITE2))),
    Way("lite2 beside lite0, unit length each", 3.4, lambda f: beside(unit(f.head()), unit(f.head(LITE2)))),
    Way("lite2 beside lite0, root", 3.4, lambda f: beside(power(f.head()), power(f.head(LITE2)))),
)


def measure(way: Way, features: Features) -> dict[str, np.ndarray]:
    """ROC AUC (0 to 1), mean over the tasks, of each form for k = 1 ... K_MAX."""
    vectors = way.vectors(features).astype(np.float32)
    aucs = {form: [] for form in FORMS}
    for task in features.data.tasks:
        normals, tested = vectors[task.normals], vectors[task.tested]
        if way.fit:
            fitted = way.fit(normals)
            normals, tested = fitted(normals), fitted(tested)
        bank = Bank(normals)
        found, loo = bank.search(tested, K_MAX), leave_one_out(bank, K_MAX)
        for form in FORMS:
            scores = form_scores_for_every_k(form, found, loo).T
            aucs[form].append([roc_auc(row[task.is_normal], row[~task.is_normal]) for row in scores])
    return {form: np.mean(rows, axis=0) for form, rows in aucs.items()}


def percent(auc: float) -> str:
    return f"{100 * auc:.2f}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="/usr/share/datasets/fashion-mnist", help="folder with the idx files")
    parser.add_argument("--fashion", type=int, nargs=2, default=(10_000, 2_000), metavar=("TRAIN", "TEST"))
    parser.add_argument("--two-networks", action="store_true", help="also with EfficientNet-Lite2, if installed")
    parser.add_argument("--only", nargs="+", choices=("fashion", "digits", "surfaces", "photographs"))
    parser.add_argument("--short", action="store_true", help="only today's vectors and the recommended ones")
    args = parser.parse_args()

    makers = {
        "fashion": lambda: fashion(args.data, *args.fashion),
        "digits": digits,
        "surfaces": surfaces,
        "photographs": photographs,
    }
    sets = [Features(makers[name]()) for name in args.only or makers]
    ways = WAYS + (TWO_NETWORKS if args.two_networks else ())
    if args.short:
        ways = [way for way in ways if way.name in (TODAY, RECOMMENDED)]
    names = [features.data.name for features in sets]

    print(f"Fashion-MNIST: {args.fashion[0]:,} images for normals, {args.fashion[1]:,} tested. In each cell: mean at")
    print("k = 2; density at k = 10 and k = 20. Passes: cost of encoding, EfficientNet-Lite0 at 224 being 1.\n")
    print("| Vectors | Passes | " + " | ".join(names) + " |")
    print("|---|---|" + "---|" * len(names))
    kept = {}
    for way in ways:
        cells = []
        for features in sets:
            aucs = measure(way, features)
            if way.name in (TODAY, RECOMMENDED):
                kept[way.name, features.data.name] = aucs
            cells.append(f"{percent(aucs['mean'][1])}; {percent(aucs['density'][9])}, {percent(aucs['density'][19])}")
        print(f"| {way.name} | {way.passes:g} | " + " | ".join(cells) + " |", flush=True)

    ks = (1, 2, 3, 5, 8, 10, 15, 20, 30, 50)
    print("\n| Vectors | Data | Form | " + " | ".join(f"k={k}" for k in ks) + " |")
    print("|---|---|---|" + "---|" * len(ks))
    for (vectors, name), aucs in kept.items():
        for form in FORMS:
            row = [percent(aucs[form][k - 1]) for k in ks]
            print(f"| {vectors} | {name} | {form} | " + " | ".join(row) + " |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
