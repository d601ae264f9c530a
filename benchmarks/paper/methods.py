"""Every method that the paper sets DN2 against: python benchmarks/paper/methods.py

One class of Fashion-MNIST against all, the same training images for all methods. Those of features see EfficientNet-
Lite0's; those that train a network see the images, 28 x 28 in a black frame of 32 x 32, and get --seconds for each
training. Each runs in a process of its own, as the app does it.

What was measured is kept in benchmarks/.cache/methods, one file a method and class, so that it can be measured in
pieces (--detectors, --classes); the page shows the methods that are there for all of --classes.
"""

import json
import os
from pathlib import Path

import numpy as np
from common import CACHE, arguments, features, percent, plot, publish, table

from dn2core.detect.baselines import DETECTORS, DN2, Detector, in_words
from dn2core.explore import roc_auc
from dn2core.explore.fashion_mnist import CLASSES, load_idx
from dn2core.project.detector_process import run_detector

NAME = "methods"
PATIENT = 3600.0  # seconds for methods that end by themselves
PROCESSOR = "one thread of a processor"
FRAME = 2


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--detectors", nargs="*", default=list(DETECTORS), choices=[*DETECTORS, []], metavar="NAME")
    parser.add_argument("--classes", nargs="*", type=int, default=list(range(10)), metavar="CLASS", help="0 to 9")
    parser.add_argument("--train", type=int, default=2_000, help="training images of the normal class")
    parser.add_argument("--seconds", type=float, default=300.0, help="for each training of a network")
    args = parser.parse_args()
    sets = {}
    for name in args.detectors:
        for normal in args.classes:
            kept = _kept(DETECTORS[name], normal, args)
            if not kept.exists():
                _measure(DETECTORS[name], normal, args, sets, kept)
    report(args)


def _measure(detector: Detector, normal: int, args, sets: dict, kept: Path) -> None:
    """One method with one class as the normal one; a failure is told and not kept."""
    if detector.sees not in sets:
        sets[detector.sees] = _features(args.data) if detector.sees == "features" else _images(args.data)
    train, train_labels, test, test_labels = sets[detector.sees]
    got = run_detector(
        detector.name,
        train[train_labels == normal][: args.train],
        test,
        seconds=args.seconds if detector.trains else PATIENT,
        threads=int(os.environ.get("OMP_NUM_THREADS", 1)),
    )
    if got.error:
        print(f"{detector.title}, {CLASSES[normal]}: {got.error}", flush=True)
        return
    good = test_labels == normal
    told = {
        "roc_auc": roc_auc(got.scores[good], got.scores[~good]),
        "fit_seconds": got.fit_seconds,
        "score_seconds": got.score_seconds,
        "scored": len(test),
        "memory_bytes": got.memory_bytes,
        "notes": got.notes,
        "device": _device() if detector.trains else PROCESSOR,
    }
    print(f"{detector.title}, {CLASSES[normal]}: {percent(told['roc_auc'])}", flush=True)
    kept.parent.mkdir(parents=True, exist_ok=True)
    unfinished = kept.with_suffix(f".{os.getpid()}.part")
    unfinished.write_text(json.dumps(told))
    os.replace(unfinished, kept)


def report(args) -> None:
    """The page and the plot of all that was measured with this number of images and this time."""
    found = {name: _measured(detector, args) for name, detector in DETECTORS.items()}
    whole = {name: runs for name, runs in found.items() if len(runs) == len(args.classes)}
    if DN2 not in whole:
        print(f"{DETECTORS[DN2].title} is not measured for all these classes yet: no page is written.")
        return
    ordered = sorted(whole, key=lambda name: -_mean(whole[name], "roc_auc"))
    per_class = [
        [DETECTORS[name].title, *(percent(run["roc_auc"], 1) for run in whole[name]), _auc(whole[name])]
        for name in ordered
    ]
    costs = [
        [
            DETECTORS[name].title,
            DETECTORS[name].family,
            DETECTORS[name].sees,
            f"{_mean(whole[name], 'fit_seconds'):.1f}",
            f"{1000 * _mean(whole[name], 'score_seconds') / whole[name][0]['scored']:.2f}",
            f"{_mean(whole[name], 'memory_bytes') / 1e6:,.0f}",
            "; ".join(in_words(_average([run["notes"] for run in whole[name]]))),
        ]
        for name in ordered
    ]
    draw(args.out, ordered, whole)
    trained = [name for name in whole if DETECTORS[name].trains]
    limit = f" Every training of a network ended after {args.seconds:g} s at the latest." if trained else ""
    publish(
        args.out,
        NAME,
        title="DN2 and the methods that it is compared with",
        body=f"ROC AUC in percent with each class of Fashion-MNIST as the normal one ({args.train:,} training images,"
        f" 10,000 test images{_part(args.classes)}):\n\n"
        + table(["Method", *(CLASSES[at] for at in args.classes), "Mean"], per_class)
        + f"\n\n{_verdict(whole)}\n\n"
        "What it costs, the mean of these classes (memory: the most beyond libraries and images; encoding the images"
        " is not in it):\n\n"
        + table(["Method", "Family", "Sees", "Fit, s", "Score, ms/image", "Memory, MB", "Training"], costs)
        + f"\n\nMethods without training ran on {PROCESSOR}{_trained_on(whole)}, several at a time: ratios matter"
        f" more than absolutes.{limit}" + _missing(found, whole, len(args.classes)),
        differs="- The paper prints 94.4 (DN2), 94.1 (GOAD), 93.5 (GEOM) and 92.8 (OC-SVM) for Fashion-MNIST, reported;"
        " ours have a smaller network, fewer training images and, where a network is trained, the time limit above"
        " instead of the authors' schedules.\n"
        "- DN2 and the classical methods see features of a frozen EfficientNet-Lite0, the whole image at 224 x 224; the"
        " paper's classical ones see raw pixels.\n"
        "- Trained networks are small ones of our own.",
        seeds="0 for every method; the first training images of each class, none drawn. A training that time ended"
        " gives other numbers on another machine",
    )


def draw(out: Path, ordered: list[str], whole: dict[str, list[dict]]) -> None:
    with plot(out, NAME, "ROC AUC, % (dots: classes, bar: mean)", "") as axes:
        axes.figure.set_figheight(0.9 + 0.24 * len(ordered))
        for y, name in enumerate(reversed(ordered)):
            areas = [100 * run["roc_auc"] for run in whole[name]]
            colour = "tab:blue" if name.startswith(DN2) else "tab:orange" if DETECTORS[name].trains else "0.45"
            axes.plot(areas, [y] * len(areas), "o", color=colour, markersize=3, alpha=0.6, markeredgewidth=0)
            axes.plot([np.mean(areas)], [y], "|", color=colour, markersize=12, markeredgewidth=2)
        axes.set_yticks(range(len(ordered)), [DETECTORS[name].title for name in reversed(ordered)])
        axes.grid(axis="x", color="0.9")


def _verdict(whole: dict[str, list[dict]]) -> str:
    """Whether DN2 came ahead of every self-supervised method, as the paper claims, and of the others."""
    dn2 = _mean(whole[DN2], "roc_auc")

    def sentence(kind: str, names: list[str]) -> str:
        ahead = [
            f"{DETECTORS[name].title} ({_auc(whole[name])})" for name in names if _mean(whole[name], "roc_auc") >= dn2
        ]
        if not names:
            return f"No {kind} was measured."
        if not ahead:
            return f"{DETECTORS[DN2].title}, {_auc(whole[DN2])}, came ahead of every {kind} ({len(names)} measured)."
        return f"{DETECTORS[DN2].title}, {_auc(whole[DN2])}, did **not** come ahead of {', '.join(ahead)}."

    rest = [name for name in whole if not name.startswith(DN2)]
    return "\n".join(
        sentence(kind, [name for name in rest if chosen(DETECTORS[name])])
        for kind, chosen in (
            ("self-supervised method", lambda d: d.family == "self-supervised"),
            ("other method with a trained network", lambda d: d.trains and d.family != "self-supervised"),
            ("classical method", lambda d: not d.trains),
        )
    )


def _part(classes: list[int]) -> str:
    return "" if len(classes) == len(CLASSES) else f"; **{len(classes)} of the ten classes only**"


def _device() -> str:
    """Where a network is trained here, as `Course` chooses it."""
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else PROCESSOR


def _trained_on(whole: dict[str, list[dict]]) -> str:
    devices = sorted({run["device"] for name, runs in whole.items() if DETECTORS[name].trains for run in runs})
    return f", trained networks on {' and '.join(devices)}" if devices else ""


def _missing(found: dict[str, list[dict]], whole: dict[str, list[dict]], classes: int) -> str:
    return "".join(
        f"\n\n{DETECTORS[name].title}: {len(runs)} of {classes} classes measured so far."
        for name, runs in found.items()
        if name not in whole
    )


def _measured(detector: Detector, args) -> list[dict]:
    files = [_kept(detector, normal, args) for normal in args.classes]
    return [json.loads(file.read_text()) for file in files if file.exists()]


def _kept(detector: Detector, normal: int, args) -> Path:
    budget = f"-{args.seconds:g}s" if detector.trains else ""
    return CACHE / NAME / f"{detector.name}-{normal}-{args.train}{budget}.json"


def _mean(runs: list[dict], key: str) -> float:
    return float(np.mean([run[key] for run in runs if run[key] is not None]))


def _auc(runs: list[dict]) -> str:
    return percent(_mean(runs, "roc_auc"))


def _average(notes: list[dict]) -> dict:
    """The means over the classes of what is a count; a note of some classes only is the mean of those."""
    keys = dict.fromkeys(key for note in notes for key in note)
    return {key: round(float(np.mean([note[key] for note in notes if key in note]))) for key in keys}


def _features(folder: str) -> tuple:
    data = features(folder)
    return data.train, data.train_labels, data.test, data.test_labels


def _images(folder: str) -> tuple:
    data = load_idx(folder)
    return _framed(data.train_images), data.train_labels, _framed(data.test_images), data.test_labels


def _framed(images: np.ndarray) -> np.ndarray:
    """(n, 32, 32, 3) uint8, three equal channels."""
    framed = np.pad(images, ((0, 0), (FRAME, FRAME), (FRAME, FRAME)))
    return np.repeat(framed[..., None], 3, axis=3)


if __name__ == "__main__":
    main()
