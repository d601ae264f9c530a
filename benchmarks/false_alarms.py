"""Does the false-alarm budget hold, and the forecast with it? python benchmarks/false_alarms.py [clean] [dirty] [lots]

On Fashion-MNIST, unit-length features of the bundled network, k = 2, each class in turn as normal. The limit comes
from the normals alone; then the unseen good images of the class are scored, and their number above the limit is
compared with the 95 % prediction interval that the forecast gives for so many. Targets: inside in 95 % of the cases.

    clean   60, 300, 1,000 and 6,000 normals of a class, and its 1,000 test images
    dirty   the same with 1 in 20 normals from other classes, as they are and with the farthest 1 in 20 dropped
    lots    brightness and blur shifted by lot (18,000 images are encoded for it, once)

Features are kept in benchmarks/.cache.
"""

import argparse
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from dn2core.detect import Bank, knn_scores, leave_one_out
from dn2core.detect.calibration import conformal_limit, flagged_of, forecast
from dn2core.detect.lots import leave_one_lot_out
from dn2core.errors import DN2Error
from dn2core.explore.fashion_mnist import CLASSES, FashionMNIST, encode, load_idx
from dn2core.features import load_encoder

CACHE = Path(__file__).parent / ".cache"
K = 2
BUDGETS = (0.01, 0.05, 0.1)
DRAWS = {60: 20, 300: 20, 1_000: 6, 6_000: 1}  # sets of normals for each class, disjoint up to 6,000 images
TARGET = 0.95

FOREIGN = 0.05  # of the normals, in `dirty`
DROPPED = 0.05  # of the normals, by the first stage
FIRST_STAGE_K = 50  # larger than a clump of strangers that are alike

LOTS_IN_ALL, LOT_SIZE, TEST_LOTS = 60, 30, 10
LOTS_KNOWN = (5, 10, 20)
LOT_DRAWS = 20


@dataclass(frozen=True)
class Case:
    """One set of normals, one budget: what was said beforehand and what came."""

    group: tuple  # the row of the table
    expected: float  # share
    low: int
    high: int
    flagged: int
    of: int


def case(group: tuple, told, limit: float, scores: np.ndarray) -> Case:
    _, low, high = flagged_of(told, len(scores))
    return Case(group, told.expected, low, high, int((scores > limit).sum()), len(scores))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help="clean, dirty, lots; none = all")
    parser.add_argument("--data", default="/usr/share/datasets/fashion-mnist", help="folder with the idx files")
    args = parser.parse_args()
    known = {"clean": clean, "dirty": dirty, "lots": lots}
    if not set(args.parts) <= set(known):
        parser.error(f"expected parts out of {', '.join(known)}")

    start = time.perf_counter()
    data, encoder = load_idx(args.data), load_encoder()
    train = encode(data.train_images, encoder, cache=CACHE, progress=tell)
    test = encode(data.test_images, encoder, cache=CACHE, progress=tell)
    all_held = [known[part](data, train, test, encoder) for part in args.parts or known]
    print(f"\n{time.perf_counter() - start:.0f} s")
    return 0 if all(all_held) else 1


def clean(data: FashionMNIST, train: np.ndarray, test: np.ndarray, _) -> bool:
    cases = []
    for normals, _, good in draws(data, train, test):
        scores, new = judged(normals, good)
        for budget in BUDGETS:
            limit = conformal_limit(scores, budget)
            cases.append(case((f"{len(normals):,}", percent(budget)), forecast(scores, limit), limit, new))
    print("\nClean normals, 1,000 unseen good images a case\n")
    table(("normals", "budget"), cases)
    return held(cases)


def dirty(data: FashionMNIST, train: np.ndarray, test: np.ndarray, _) -> bool:
    cases, found = [], []
    for normals, foreign, good in draws(data, train, test):
        strangers = round(FOREIGN * len(normals))
        mixed = np.concatenate([normals[strangers:], foreign[:strangers]])
        found.append((~nearest_share(mixed)[-strangers:]).mean())
        scores, new = judged(mixed, good)
        for budget in BUDGETS:
            limit = conformal_limit(scores, budget)
            cases.append(case(("mixed, as they are", percent(budget)), forecast(scores, limit), limit, new))
        for what, images in (("mixed", mixed), ("all good", normals)):
            kept = nearest_share(images)
            bank, set_aside = Bank(images[kept], normalise=True), int((~kept).sum())
            scores, new = (knn_scores(near.distances, K) for near in (leave_one_out(bank, K), bank.search(good, K)))
            every = np.concatenate([scores, knn_scores(bank.search(images[~kept], K).distances, K)])
            for budget in BUDGETS:
                limit, careful = conformal_limit(scores, budget), conformal_limit(every, budget)
                for how, told, used in (
                    ("farthest dropped and forgotten", forecast(scores, limit), limit),
                    ("farthest dropped and counted", forecast(scores, limit, set_aside=set_aside), limit),
                    ("limit from all, farthest dropped", forecast(every, careful), careful),
                ):
                    cases.append(case((f"{what}, {how}", percent(budget)), told, used, new))
    print(f"\n{percent(FOREIGN)} of the normals from other classes; {percent(np.mean(found))} of these were dropped\n")
    table(("normals", "budget"), cases)
    return held([each for each in cases if each.group[0].endswith("counted")])


def lots(data: FashionMNIST, train: np.ndarray, test: np.ndarray, encoder) -> bool:
    cases = []
    rng = np.random.default_rng(0)
    for label in range(len(CLASSES)):
        features = encode(lots_of(data, label), encoder, cache=CACHE, progress=tell)
        by_lots = features.reshape(LOTS_IN_ALL, LOT_SIZE, -1)
        for count in LOTS_KNOWN:
            for _ in range(LOT_DRAWS):
                order = rng.permutation(LOTS_IN_ALL)
                known, unseen = order[:count], order[count : count + TEST_LOTS]
                normals, good = (by_lots[some].reshape(-1, features.shape[1]) for some in (known, unseen))
                codes = np.repeat(np.arange(count), LOT_SIZE)
                scores, new = judged(normals, good)
                by_lot = knn_scores(leave_one_lot_out(Bank(normals, normalise=True), codes, K).distances, K)
                for budget in BUDGETS:
                    image_limit, lot_limit = conformal_limit(scores, budget), conformal_limit(by_lot, budget)
                    for how, told, limit in (
                        ("image", forecast(scores, image_limit), image_limit),
                        ("lot, images counted as independent", forecast(by_lot, lot_limit), lot_limit),
                        ("lot", forecast(by_lot, lot_limit, codes), lot_limit),
                    ):
                        cases.append(case((how, str(count), percent(budget)), told, limit, new))
    print(f"\nLots that differ, {LOT_SIZE} images each; {TEST_LOTS} unseen lots a case\n")
    table(("left out", "lots", "budget"), cases)
    return held([each for each in cases if each.group[0] == "lot"])


def draws(data: FashionMNIST, train: np.ndarray, test: np.ndarray) -> Iterator:
    """(normals, images of other classes, unseen good images) for every class and size."""
    rng = np.random.default_rng(0)
    for label in range(len(CLASSES)):
        own, others = (np.flatnonzero(which) for which in (data.train_labels == label, data.train_labels != label))
        good = test[data.test_labels == label]
        for n, times in DRAWS.items():
            order = rng.permutation(own)
            for at in range(times):
                foreign = rng.choice(others, round(FOREIGN * n), replace=False)
                yield train[order[at * n : (at + 1) * n]], train[foreign], good


def judged(normals: np.ndarray, good: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The normals' leave-one-out scores, and the scores of other good images."""
    bank = Bank(normals, normalise=True)
    return knn_scores(leave_one_out(bank, K).distances, K), knn_scores(bank.search(good, K).distances, K)


def nearest_share(normals: np.ndarray) -> np.ndarray:
    """(n,) bool: which normals stay when the farthest are dropped."""
    found = leave_one_out(Bank(normals, normalise=True), FIRST_STAGE_K)
    scores = knn_scores(found.distances, FIRST_STAGE_K)
    return scores.argsort().argsort() < len(scores) - round(DROPPED * len(scores))


def lots_of(data: FashionMNIST, label: int) -> np.ndarray:
    """Training images of a class, lot after lot, each as another day's light and focus would show them."""
    rng = np.random.default_rng(label)
    picked = rng.choice(np.flatnonzero(data.train_labels == label), LOTS_IN_ALL * LOT_SIZE, replace=False)
    lots = []
    for images in np.split(data.train_images[picked].astype(np.float32), LOTS_IN_ALL):
        gain, light, blur = np.exp(rng.normal(0, 0.3)), rng.uniform(0, 60), rng.uniform(0, 1.2)
        lots.append(gaussian_filter(images, (0, blur, blur)) * gain + light)
    return np.concatenate(lots).round().clip(0, 255).astype(np.uint8)


def table(names: tuple, cases: list[Case]) -> None:
    """Prints a row for each group, and one for each first column where it repeats."""
    print(f"| {' | '.join(names)} | cases | inside | above | below | flagged | expected |")
    print("|---" * (len(names) + 6) + "|")
    for group in dict.fromkeys(each.group for each in cases):
        print(row(group, [each for each in cases if each.group == group]))
    for first in dict.fromkeys(each.group[0] for each in cases):
        rest = ("all",) * (len(names) - 1)
        print(row((f"**{first}**", *rest), [each for each in cases if each.group[0] == first]))


def row(group: tuple, cases: list[Case]) -> str:
    above = np.mean([each.flagged > each.high for each in cases])
    below = np.mean([each.flagged < each.low for each in cases])
    flagged, expected = np.mean([each.flagged / each.of for each in cases]), np.mean([each.expected for each in cases])
    cells = [*group, f"{len(cases):,}", *(f"{100 * share:.1f} %" for share in (inside(cases), above, below))]
    return f"| {' | '.join(cells)} | {100 * flagged:.2f} % | {100 * expected:.2f} % |"


def inside(cases: list[Case]) -> float:
    return float(np.mean([each.low <= each.flagged <= each.high for each in cases]))


def held(cases: list[Case]) -> bool:
    print(f"\nInside in {percent(inside(cases))} of {len(cases):,} cases, target {percent(TARGET)}")
    return inside(cases) >= TARGET


def percent(share: float) -> str:
    return f"{100 * share:.3g} %"


def tell(done: int, total: int) -> None:
    print(f"\r{done:,} of {total:,} images ", end="\n" if done == total else "", file=sys.stderr, flush=True)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except DN2Error as error:
        sys.exit(str(error))
