"""Fewer vectors in the bank: K-means, coreset and chance, on Fashion-MNIST: python benchmarks/paper/means.py"""

import time
from collections.abc import Callable

import numpy as np
from common import Features, arguments, features, label, percent, plot, publish, spread, table

from dn2core.detect import Bank, Reference, ScoreTable, form_scores, leave_one_out
from dn2core.detect.compression import coreset, kmeans
from dn2core.detect.faiss_loader import faiss
from dn2core.explore import roc_auc

SHARES = (0.01, 0.05, 0.10, 0.25, 1.0)
SETTINGS = {
    "paper's score (unit length, k = 2)": ("efficientnet_lite0", "mean", 2),
    "recommended (two stages, density, k = 10)": ("efficientnet_lite0_two_stages", "density", 10),
}
WAYS = ("means of K-means", "normals nearest to the means", "coreset", "drawn by chance")
COLOURS = dict(zip(WAYS, ("#0072B2", "#56B4E9", "#D55E00", "#999999"), strict=True))
BUDGET = 0.01
ALARM_SHARES = (0.01, 0.10)
SET_ASIDE = 0.2


def smaller(normals: np.ndarray, share: float, cover: np.ndarray) -> dict[str, np.ndarray]:
    """The bank's vectors, for each way to have fewer; `cover` is the coreset that this share's one begins."""
    m = round(share * len(normals))
    found = kmeans(normals, m)
    return dict(
        zip(
            WAYS,
            (
                found.means,
                normals[found.members],
                normals[cover[:m]],
                normals[np.random.default_rng(0).choice(len(normals), m, replace=False)],
            ),
            strict=True,
        )
    )


def judged(vectors: np.ndarray, queries: np.ndarray, form: str, k: int) -> tuple[np.ndarray, float]:
    """(q,) scores, and the processor seconds that the search took."""
    bank = Bank(vectors)
    start = time.process_time()
    found = bank.search(queries, k)
    took = time.process_time() - start
    return form_scores(form, found, leave_one_out(bank, k), k), took


def alarms(normals: np.ndarray, good: np.ndarray, form: str, k: int, share: float) -> dict[str, float]:
    """The share of good test images that is flagged, by what the limit of a smaller bank rests on."""
    n, rng = len(normals), np.random.default_rng(0)
    checks = rng.choice(n, round(SET_ASIDE * n), replace=False)
    rest = np.setdiff1d(np.arange(n), checks)
    m, found = round(share * n), {}
    for way, choose in (("K-means", lambda x: kmeans(x, m).members), ("coreset", lambda x: coreset(x, m))):
        rows = rest[choose(normals[rest])]
        bank = Bank(normals[rows])
        loo, of_good = leave_one_out(bank, k), bank.search(good, k)
        left_out = np.setdiff1d(rest, rows)
        for on, reference in (
            ("normals set aside", bank.search(normals[checks], k)),
            ("kept normals, each against the others", None),
            ("normals left out", bank.search(normals[left_out], k)),
        ):
            table = ScoreTable(loo, of_good, form=form, reference=reference and Reference("held_out", reference))
            found[f"{way}: {on}"] = float(table.judge(k, BUDGET).flagged.mean())
    bank = Bank(normals)
    table = ScoreTable(leave_one_out(bank, k), bank.search(good, k), form=form)
    found["all normals, each against the others"] = float(table.judge(k, BUDGET).flagged.mean())
    return found


def unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def by_class(data: Features, do: Callable[[np.ndarray, np.ndarray, np.ndarray], object]) -> list:
    """`do` of normals, test images and which of these are good, for each class as the normal one."""
    test = unit(data.test)
    return [do(unit(data.train[data.train_labels == c]), test, data.test_labels == c) for c in data.classes]


def main() -> None:
    parser = arguments(__doc__)
    args = parser.parse_args()
    faiss.omp_set_num_threads(1)
    parts, curves, rates = [], {}, {}
    for title, (backbone, form, k) in SETTINGS.items():
        data = features(args.data, backbone)
        areas, times = {}, {}

        def measure(normals, queries, good, title=title, form=form, k=k, areas=areas, times=times):
            cover = coreset(normals, round(SHARES[-2] * len(normals)))
            for share in SHARES:
                ways = {"all": normals} if share == 1 else smaller(normals, share, cover)
                for way, vectors in ways.items():
                    scores, took = judged(vectors, queries, form, k)
                    areas.setdefault((way, share), []).append(roc_auc(scores[good], scores[~good]))
                    times.setdefault(share, []).append(1e6 * took / len(queries))
            print(f"{title}: {len(areas['all', 1.0])} of 10 classes", flush=True)

        by_class(data, measure)
        everything = float(np.mean(areas["all", 1.0]))
        rows = [
            (
                f"{share:.0%}",
                round(share * 6000),
                *(percent(np.mean(areas[way if share < 1 else "all", share])) for way in WAYS),
                f"{np.median(times[share]):.0f}",
            )
            for share in SHARES
        ]
        parts.append(
            f"## {title}\n\n" + table(("kept", "vectors", *WAYS, "search per image (µs, one thread)"), rows) + "\n\n"
            f"Loss at 1 % by means: {100 * (everything - np.mean(areas[WAYS[0], 0.01])):.2f} points, by the normals "
            f"nearest to them {100 * (everything - np.mean(areas[WAYS[1], 0.01])):.2f}, by coreset "
            f"{100 * (everything - np.mean(areas[WAYS[2], 0.01])):.2f}. Search takes "
            f"{np.median(times[1.0]) / np.median(times[0.01]):.0f} times as long with all."
        )
        curves[title] = {way: [np.mean(areas[way if s < 1 else "all", s]) for s in SHARES] for way in WAYS}
        for share in ALARM_SHARES:
            for found in by_class(data, lambda x, q, g, share=share, form=form, k=k: alarms(x, q[g], form, k, share)):
                for on, rate in found.items():
                    rates.setdefault((title, on, share), []).append(rate)
    lines = [
        (title, on, *(spread(rates[title, on, share], 2) for share in ALARM_SHARES))
        for title, on in dict.fromkeys(key[:2] for key in rates)
    ]
    parts.append(
        "## What the limit of a smaller bank must rest on\n\nFalse alarms (%) among the 1,000 good test images of "
        f"each class at a budget of {BUDGET:.0%}, mean and standard deviation over the ten classes. {SET_ASIDE:.0%} of "
        "the normals are set aside by chance before anything is chosen. Kept normals lie farther from each other than "
        "a good part lies from them: the limit is too high, and defects pass. Those left out had a say in what is "
        "kept: the limit is too low.\n\n"
        + table(("setting", "limit rests on", *(f"{share:.0%} kept" for share in ALARM_SHARES)), lines)
    )
    draw(args, curves)
    publish(
        args.out,
        "means",
        title="Number of vectors in the bank: K-means, coreset and chance",
        body="Mean ROC AUC (%) over the ten classes as the normal one, 6,000 normals each, 10,000 test images.\n\n"
        + "\n\n".join(parts),
        differs="- The paper replaces the bank by means and reports for its data that few cost under one point and "
        "that search is N/K times faster. Here the features are those of EfficientNet-Lite0, of unit length; means are "
        "compared as they come, not scaled to unit length.\n- Normals nearest to the means, the coreset (greedy "
        "k-center) and chance are not in the paper: their neighbours are pictures that a person can look at.",
        seeds="0 for K-means, coreset and chance",
    )


def draw(args, curves: dict) -> None:
    with plot(args.out, "means", "vectors kept (of 6,000)", "mean ROC AUC (%)") as axes:
        axes.set(xscale="log")
        for title, style in zip(curves, ("o--", "o-"), strict=True):
            for way in WAYS:
                x, y = [6000 * share for share in SHARES], [100 * area for area in curves[title][way]]
                axes.plot(x, y, style, color=COLOURS[way], markersize=3)
        # Named at the left, where they lie apart.
        for title, style in zip(curves, ("dashed", "solid"), strict=True):
            label(axes, 6000, 100 * curves[title][WAYS[0]][-1], f"{title.partition(' (')[0]} ({style})", "0.3")
        for way in WAYS:
            axes.plot([], [], color=COLOURS[way], label=way)
        axes.legend(frameon=False, loc="lower right")


if __name__ == "__main__":
    main()
