"""Is it the part or the camera: false alarms and faults found: python benchmarks/patches/capture.py

False alarms are good pictures of which something is said about the capture, by 5 to 1,000 normals. Faults are good
pictures taken differently: a fault counts as found where it is called what it is. On the pictures of sets.py, 160 x
160, and the classes of Fashion-MNIST, 28 x 28, each class against its own normals.
"""

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "paper"))

from common import percent, plot, publish, table
from PIL import Image
from sets import SETS, normals, tests
from trial import HERE, around

from dn2core.detect.capture import GROUPS, MEASURES, Finding, Taken, capture_findings
from dn2core.detect.capture_cells import NAMES
from dn2core.explore.fashion_mnist import CLASSES, FashionMNIST, as_rgb, load_idx
from dn2core.ingest.capture import measure

NORMALS = (5, 12, 30, 120, 1_000)
DRAWS = 20  # sets of normals of one size at most, none sharing a picture
AT = 120  # normals at which faults are told set by set
FASHION = "Fashion-MNIST"
FRAMED = ("plate", "washer", FASHION)  # of a texture nothing has its place
SHIFTS = GROUPS["framing"][:4]


@dataclass(frozen=True)
class Fault:
    """`change` makes (h, w, 3) float32, 0 to 255, into a picture taken differently; `kinds` are right names for it."""

    change: Callable[[np.ndarray, np.random.Generator], np.ndarray]
    kinds: tuple[str, ...]
    file: str = "PNG, colour"


def lit(share: float) -> Callable:
    return lambda picture, rng: share * picture


def flatter(picture, rng):
    return picture.mean() + 0.5 * (picture - picture.mean())


def blurred(pixels: float) -> Callable:
    """By a Gaussian of so many pixels in 160."""
    return lambda picture, rng: gaussian_filter(picture, (*[pixels * len(picture) / 160] * 2, 0))


def reddened(share: float) -> Callable:
    return lambda picture, rng: picture * np.float32((1 + share, 1, 1))


def shifted(share: float) -> Callable:
    """To any of the four sides; what comes into the picture repeats its edge."""

    def change(picture, rng):
        by, axis = round(share * len(picture)), int(rng.integers(2))
        pads = [(by, by) if at == axis else (0, 0) for at in range(3)]
        start = 2 * by * int(rng.integers(2))
        return np.pad(picture, pads, mode="edge").take(range(start, start + len(picture)), axis)

    return change


def resized(width: float, height: float) -> Callable:
    def change(picture, rng):
        size = round(width * picture.shape[1]), round(height * picture.shape[0])
        return np.asarray(Image.fromarray(_stored(picture)).resize(size, Image.Resampling.BILINEAR), np.float32)

    return change


FAULTS: dict[str, Fault] = {
    "lamp off (1/50 of the light)": Fault(lit(0.02), ("lamp_off",)),
    "half of the light": Fault(lit(0.5), ("dark",)),
    "1.4 x the light": Fault(lit(1.4), ("bright", "burnt")),
    "half of the contrast": Fault(flatter, ("flat",)),
    "defocus, 1 px": Fault(blurred(1), ("blurred",)),
    "defocus, 2 px": Fault(blurred(2), ("blurred",)),
    "defocus, 4 px": Fault(blurred(4), ("blurred",)),
    "5 % more red": Fault(reddened(0.05), ("reddish",)),
    "10 % more red": Fault(reddened(0.1), ("reddish",)),
    "shift by 3 %": Fault(shifted(0.03), SHIFTS),
    "shift by 6 %": Fault(shifted(0.06), SHIFTS),
    "shift by 12 %": Fault(shifted(0.12), SHIFTS),
    "half as many pixels a side": Fault(resized(0.5, 0.5), ("smaller",)),
    "a fifth wider": Fault(resized(1.2, 1), ("wider",)),
    "another kind of file": Fault(lit(1), ("kind",), file="JPEG, colour"),
}


@dataclass(frozen=True)
class Pictures:
    """Of one set and seed: how its normals, other good pictures, and some of these with each fault were taken."""

    normals: Taken
    good: Taken
    faulty: dict[str, Taken]


def taken(images: list[np.ndarray], file: str = "PNG, colour") -> Taken:
    sizes = [(image.shape[1] * image.shape[0], image.shape[1] / image.shape[0]) for image in images]
    found = [vars(measure(image)) for image in images]
    values = [
        [{**one, "size": area**0.5, "aspect": aspect}[name] for name in MEASURES]
        for one, (area, aspect) in zip(found, sizes, strict=True)
    ]
    cells = [[one["cells"][name] for name in NAMES] for one in found]
    return Taken(np.array(values), np.array(cells), np.full(len(images), file))


def pictures(
    before: list[np.ndarray], good: list[np.ndarray], seed: int, *, faulty: int, framed: bool = True
) -> Pictures:
    """The first `faulty` of the good ones get each fault."""
    rng = np.random.default_rng([seed, 3])
    faults = {name: one for name, one in FAULTS.items() if framed or one.kinds != SHIFTS}
    changed = {
        name: taken([_stored(one.change(image.astype(np.float32), rng)) for image in good[:faulty]], one.file)
        for name, one in faults.items()
    }
    return Pictures(taken(before), taken(good), changed)


def made(name: str, seed: int, *, n: int, good: int, faulty: int) -> Pictures:
    """Of a set of sets.py."""
    new = [one.image for one in tests(name, seed, good=good, each=0)]
    return pictures(normals(name, n, seed), new, seed, faulty=faulty, framed=name in FRAMED)


def worn(data: FashionMNIST, label: int, seed: int, *, n: int, good: int, faulty: int) -> Pictures:
    """Of a class of Fashion-MNIST: normals out of its training images, the others out of its test images."""
    rng = np.random.default_rng([seed, label])

    def some(images: np.ndarray, labels: np.ndarray, count: int) -> list[np.ndarray]:
        return [as_rgb(images[at]) for at in rng.permutation(np.flatnonzero(labels == label))[:count]]

    before = some(data.train_images, data.train_labels, n)
    return pictures(before, some(data.test_images, data.test_labels, good), seed, faulty=faulty)


@dataclass(frozen=True)
class Rates:
    """Shares of pictures by the number of normals: false alarms; faults called what they are; faults noticed at all."""

    alarms: dict[int, float]
    named: dict[str, dict[int, float]]
    noticed: dict[str, dict[int, float]]


def rates(of: Pictures) -> Rates:
    """The mean over sets of normals that share no picture, as many as there are, DRAWS at most."""
    alarms, named, noticed = {}, {name: {} for name in of.faulty}, {name: {} for name in of.faulty}
    for n in (n for n in NORMALS if n <= len(of.normals)):
        draws = [of.normals[at : at + n] for at in range(0, len(of.normals) - n + 1, n)[:DRAWS]]
        alarms[n] = float(np.mean([said(capture_findings(some, of.good)) for some in draws]))
        for name, pictures in of.faulty.items():
            found = [capture_findings(some, pictures) for some in draws]
            named[name][n] = float(np.mean([said(one, FAULTS[name].kinds) for one in found]))
            noticed[name][n] = float(np.mean([said(one) for one in found]))
    return Rates(alarms, named, noticed)


def said(found: list[tuple[Finding, ...]], kinds: tuple[str, ...] | None = None) -> float:
    """The share of pictures with a finding, of certain kinds where asked for."""
    return float(np.mean([any(kinds is None or one.kind in kinds for one in findings) for findings in found]))


def mean_of(some: list[Rates]) -> Rates:
    """Over the classes of a data set."""

    def mean(dicts: list[dict[int, float]]) -> dict[int, float]:
        return {n: float(np.mean([one[n] for one in dicts])) for n in dicts[0]}

    named, noticed = (
        {name: mean([getattr(one, what)[name] for one in some]) for name in some[0].named}
        for what in ("named", "noticed")
    )
    return Rates(mean([one.alarms for one in some]), named, noticed)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", nargs="+", choices=[*SETS, FASHION], default=[*SETS, FASHION])
    parser.add_argument("--data", default="/usr/share/datasets/fashion-mnist", help="folder with the idx files")
    parser.add_argument("--seeds", nargs="+", type=int, default=[2, 3, 4])
    parser.add_argument("--good", type=int, default=300, help="good pictures of each set and class")
    parser.add_argument("--faulty", type=int, default=40, help="of these with each fault")
    parser.add_argument("--out", type=Path, default=HERE, help="folder for the page and the plot")
    args = parser.parse_args()
    options = {"n": max(NORMALS), "good": args.good, "faulty": args.faulty}

    @cache
    def data() -> FashionMNIST:
        return load_idx(args.data)

    found: dict[str, list[Rates]] = {name: [] for name in args.sets}
    classes: dict[str, list[Rates]] = {}
    for seed in args.seeds:
        for name in args.sets:
            if name in SETS:
                found[name].append(rates(made(name, seed, **options)))
                continue
            labels = np.unique(data().train_labels).tolist()
            each = [rates(worn(data(), label, seed, **options)) for label in labels]
            found[name].append(mean_of(each))
            for label, one in zip(labels, each, strict=True):
                classes.setdefault(CLASSES[label], []).append(one)
        print(f"seed {seed} measured", file=sys.stderr, flush=True)
    counts, shown = list(next(iter(found.values()))[0].alarms), len(args.seeds) * args.good
    body = "\n\n".join(
        [
            "## False alarms",
            "Good pictures of which something is said, %, by the number of normals.",
            alarm_table(found, classes, counts),
            "## Faults found",
            f"Pictures whose fault is called what it is, %, by {AT} normals; in the last column those of which anything"
            " is said, the mean over the sets.",
            fault_table(found, min(AT, max(counts))),
            "The same by the number of normals, the mean over the sets.",
            few_table(found, counts),
            f"{args.good} good pictures of each set and class for every seed, of which {args.faulty} were given each"
            f" fault; up to {DRAWS} sets of normals of each size that share no picture. ± is half of the 95 % interval"
            f" of the mean over the seeds by Student's t; where none of {shown:,} good pictures is an alarm, up to"
            f" {percent(1 - 0.025 ** (1 / shown))} % may be in truth. Pictures of a set are cut from one photograph and"
            f" may overlap; those of {FASHION} are different objects, and their rates are means over its classes.",
            notes(),
        ]
    )
    with plot(args.out, "capture", "normals", "false alarms (%)") as axes:
        for at, (name, some) in enumerate(found.items()):
            axes.plot(counts, [100 * np.mean([one.alarms[n] for one in some]) for n in counts], "osD^vP"[at] + "-")
            axes.lines[-1].set_label(name)
        axes.set_xscale("log")
        axes.set_xticks(counts, [f"{n:,}" for n in counts])
        axes.minorticks_off()
        axes.set_ylim(bottom=0)
        axes.figure.legend(loc="outside upper right", frameon=False, ncols=len(found), fontsize=8)
    publish(
        args.out,
        "capture",
        title="The part or the camera",
        body=body,
        seeds=f"{', '.join(map(str, args.seeds))}: each draws normals, good pictures and the sides of shifts",
        folder="patches",
    )


def alarm_table(found: dict[str, list[Rates]], classes: dict[str, list[Rates]], counts: list[int]) -> str:
    rows = [[name, *(around([one.alarms[n] for one in some], 2) for n in counts)] for name, some in found.items()]
    if classes:
        worst = [max(classes, key=lambda name: np.mean([one.alarms[n] for one in classes[name]])) for n in counts]
        rows.append(
            [
                f"worst class of {FASHION}",
                *(
                    f"{percent(float(np.mean([one.alarms[n] for one in classes[name]])))} ({name})"
                    for n, name in zip(counts, worst, strict=True)
                ),
            ]
        )
    return table(["set", *(f"{n:,} normals" for n in counts)], rows)


def fault_table(found: dict[str, list[Rates]], n: int) -> str:
    rows = []
    for fault in FAULTS:
        there = {name: some for name, some in found.items() if fault in some[0].named}
        cells = [around([one.named[fault][n] for one in there[name]]) if name in there else "-" for name in found]
        noticed = [one.noticed[fault][n] for some in there.values() for one in some]
        rows.append([fault, *cells, percent(float(np.mean(noticed)), 1) if noticed else "-"])
    return table(["fault", *found, "anything said"], rows)


def few_table(found: dict[str, list[Rates]], counts: list[int]) -> str:
    rows = []
    for fault in FAULTS:
        there = [one.named[fault] for some in found.values() for one in some if fault in one.named]
        rows.append([fault, *(percent(float(np.mean([one[n] for one in there])), 1) if there else "-" for n in counts)])
    return table(["fault", *(f"{n:,} normals" for n in counts)], rows)


def notes() -> str:
    return (
        "- Light, contrast and colour are changed on the stored scale, 0 to 255. Defocus is a Gaussian whose standard"
        " deviation is given in pixels of 160; on 28 x 28 it is so much smaller. Shifts go to any of the four sides, in"
        " shares of the side, rounded to whole pixels; a texture has no outline that could shift.\n"
        "- A fault is told where it is larger than what the normals differ by themselves, and fewer normals leave more"
        " room. Pictures of sets.py differ by 5 % of light and a little noise, parts by 3 pixels of place; the objects"
        f" of {FASHION} are any in light, detail and place."
    )


def _stored(picture: np.ndarray) -> np.ndarray:
    return picture.round().clip(0, 255).astype(np.uint8)


if __name__ == "__main__":
    main()
