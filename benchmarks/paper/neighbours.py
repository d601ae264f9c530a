"""How many neighbours count: python benchmarks/paper/neighbours.py

Each class of Fashion-MNIST as the normal one, all its training images as normals, all test images scored at several k
by the mean of squared distances (the paper's score) and by the mean of distances.
"""

from pathlib import Path

import numpy as np
from common import Features, arguments, features, label, percent, plot, publish, table

from dn2core.detect import Bank
from dn2core.detect.scores import scores_for_every_k
from dn2core.explore.evaluation import roc_auc

NAME = "neighbours"
KS = (1, 2, 5, 10, 25, 50)
SCORES = {"squared distances": lambda distances: distances, "distances": np.sqrt}
VECTORS = {"raw": False, "unit length": True}


def main() -> None:
    args = arguments(__doc__).parse_args()
    seen = features(args.data)
    ks = [k for k in KS if k <= np.unique(seen.train_labels, return_counts=True)[1].min()]
    aucs = {
        (vectors, score): found
        for vectors, normalise in VECTORS.items()
        for score, found in measure(seen, ks, normalise).items()
    }
    means = {way: found.mean(axis=0) for way, found in aucs.items()}

    draw(args.out, ks, means)
    publish(
        args.out,
        NAME,
        title="How many neighbours count",
        body="Mean ROC AUC in percent over the ten classes, each as the normal one; the best k in bold:\n\n"
        + table(["Vectors", "Mean of", *(f"k = {k}" for k in ks)], [[*way, *best_bold(means[way])] for way in means])
        + "\n\nThe number of classes in which a k is the best of these:\n\n"
        + table(["Vectors", "Mean of", *(f"k = {k}" for k in ks)], [[*way, *wins(aucs[way])] for way in aucs]),
        differs="- The bundled EfficientNet-Lite0 on the whole image at 224 pixels instead of a ResNet-101 on a crop.\n"
        "- The paper's own choice is the first row: raw vectors, squared distances, k = 2.",
    )


def measure(seen: Features, ks: list[int], normalise: bool) -> dict[str, np.ndarray]:
    """ROC AUC of each score: (classes, ks)."""
    aucs = {score: [] for score in SCORES}
    for normal in seen.classes:
        bank = Bank(seen.train[seen.train_labels == normal], normalise=normalise)
        distances = bank.search(seen.test, max(ks)).distances
        good = seen.test_labels == normal
        for score, of in SCORES.items():
            scores = scores_for_every_k(of(distances))[:, np.array(ks) - 1].T
            aucs[score].append([roc_auc(row[good], row[~good]) for row in scores])
    return {score: np.array(rows) for score, rows in aucs.items()}


def draw(out: Path, ks: list[int], means: dict[tuple[str, str], np.ndarray]) -> None:
    """Solid: squared distances; dotted in the same colour: distances."""
    with plot(out, NAME, "k, number of neighbours", "mean ROC AUC, %") as axes:
        for colour, vectors in zip(("C0", "C1"), VECTORS, strict=True):
            for line, score in zip(("o-", ":"), SCORES, strict=True):
                axes.plot(ks, 100 * means[vectors, score], line, color=colour)
            label(axes, ks[-1], 100 * means[vectors, score][-1], vectors, colour)
        axes.set_title("dotted: mean of distances, not squared", loc="right", fontsize=8, color="0.4")
        axes.set_xscale("log")
        axes.set_xticks(ks, ks)
        axes.minorticks_off()


def best_bold(aucs: np.ndarray) -> list[str]:
    shown = [percent(auc) for auc in aucs]
    best = max(shown, key=float)
    return [f"**{cell}**" if cell == best else cell for cell in shown]


def wins(aucs: np.ndarray) -> list[int]:
    return np.bincount(aucs.argmax(axis=1), minlength=aucs.shape[1]).tolist()


if __name__ == "__main__":
    main()
