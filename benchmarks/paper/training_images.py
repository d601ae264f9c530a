"""How many normals it takes: python benchmarks/paper/training_images.py

Each class of Fashion-MNIST as the normal one, with 5 to all 6,000 of its training images as normals; the first
2,500 test images are scored. Small sets are drawn several times.
"""

import sys

import numpy as np
from common import Features, arguments, features, label, percent, plot, publish, spread, table

from dn2core.detect import Bank, form_scores, leave_one_out
from dn2core.explore.evaluation import roc_auc

NAME = "training_images"
TEST = 2_500
DRAWS = {5: 5, 10: 5, 25: 5, 50: 5, 100: 5, 250: 3, 500: 3, 1_000: 3, 2_500: 1, 6_000: 1}  # size -> draws
WAYS = {  # column -> network, unit length, k, form of the score
    "raw, k = 2 (the paper's)": ("efficientnet_lite0", False, 2, "mean"),
    "unit length, k = 2": ("efficientnet_lite0", True, 2, "mean"),
    "new projects: two stages, density, k = 10": ("efficientnet_lite0_two_stages", True, 10, "density"),
}


def main() -> None:
    args = arguments(__doc__).parse_args()
    aucs = {way: measure(features(args.data, network), *rest) for way, (network, *rest) in WAYS.items()}
    sizes = list(next(iter(aucs.values())))

    with plot(args.out, NAME, "normals", "mean ROC AUC, %") as axes:
        for way, found in aucs.items():
            means = 100 * np.array([np.mean(found[size]) for size in sizes])
            around = 100 * np.array([np.std(found[size]) for size in sizes])
            (line,) = axes.plot(sizes, means, "o-")
            axes.fill_between(sizes, means - around, means + around, color=line.get_color(), alpha=0.15, lw=0)
            label(axes, sizes[-1], means[-1], way.partition(",")[0].partition(":")[0], line.get_color())
        axes.set_xscale("log")
        axes.set_xticks(sizes, [f"{size:,}" for size in sizes], rotation=45)
        axes.minorticks_off()
    publish(
        args.out,
        NAME,
        title="How many normals it takes",
        body="Mean ROC AUC in percent over the ten classes, each as the normal one, ± its standard deviation over the"
        " draws of the normals:\n\n"
        + table(
            ["Normals", "Draws", *aucs],
            [[f"{size:,}", DRAWS[size], *(spread(found[size]) for found in aucs.values())] for size in sizes],
        )
        + f"\n\nThe paper's score with 10 normals keeps {kept(aucs[next(iter(WAYS))], 10, sizes[-1])} % of what all"
        " give beyond chance (50).",
        differs="- The bundled EfficientNet-Lite0 on the whole image at 224 pixels instead of a ResNet-101 on a crop.\n"
        f"- The first {TEST:,} test images instead of all 10,000.\n"
        "- With 5 normals the form of new projects has only 5 neighbours to look at, 4 of each normal.",
        seeds="draw i shuffles the training images of class c by numpy's default_rng([i, c]) and takes the first ones",
    )


def measure(seen: Features, normalise: bool, k: int, form: str) -> dict[int, list[float]]:
    """size -> mean ROC AUC over the classes, for each draw."""
    smallest = np.unique(seen.train_labels, return_counts=True)[1].min()
    aucs = {}
    for size in (size for size in DRAWS if size <= smallest):
        aucs[size] = [
            float(np.mean([_auc(seen, normal, size, draw, normalise, k, form) for normal in seen.classes]))
            for draw in range(DRAWS[size])
        ]
        print(f"{form}, {size:,} normals: {spread(aucs[size])}", file=sys.stderr, flush=True)
    return aucs


def _auc(seen: Features, normal: int, size: int, draw: int, normalise: bool, k: int, form: str) -> float:
    rows = np.random.default_rng([draw, int(normal)]).permutation(np.flatnonzero(seen.train_labels == normal))[:size]
    bank = Bank(seen.train[rows], normalise=normalise)
    loo = leave_one_out(bank, k) if form == "density" else None
    scores = form_scores(form, bank.search(seen.test[:TEST], k), loo, k)
    good = seen.test_labels[:TEST] == normal
    return roc_auc(scores[good], scores[~good])


def kept(aucs: dict[int, list[float]], few: int, many: int) -> str:
    if few not in aucs:
        return "-"
    return percent((np.mean(aucs[few]) - 0.5) / (np.mean(aucs[many]) - 0.5), 0)


if __name__ == "__main__":
    main()
