"""Does the places' limit keep its false-alarm budget, and its forecast: python benchmarks/patches/budget.py

On classes of Fashion-MNIST, where each picture is of another object, so that good pictures are independent. The limit
comes from the normals alone, as a project sets it; then other good pictures of the class are judged, and their number
above the limit is compared with the 95 % prediction interval that the forecast gives for so many.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "paper"))

import trial
from common import publish
from false_alarms import BUDGETS, Case, case, inside, row
from trial import HERE, kept

from dn2core.detect.calibration import limit_for
from dn2core.detect.distance_maps import patch_score
from dn2core.detect.patches import PatchBank, balanced_bank, calibrating, thinned_bank
from dn2core.explore.fashion_mnist import CLASSES, FashionMNIST, as_rgb, load_idx
from dn2core.features.patches import Layout

DRAWS = {60: 2, 300: 1, 1_000: 1}  # sets of normals for each class; those of one size share no picture
SEED = 0


@dataclass(frozen=True)
class Pool:
    """Pictures of a class, (28, 28) uint8 each, encoded when the first is asked for: each is encoded once."""

    normals: np.ndarray
    good: np.ndarray

    @cached_property
    def layout(self) -> Layout:
        return trial.patch_encoder().layout

    @cached_property
    def _packed(self) -> np.ndarray:
        pictures = map(as_rgb, [*self.normals, *self.good])
        return np.stack(list(trial.patch_encoder().encode(pictures)))

    def normal(self, at: int) -> list[np.ndarray]:
        """Its patches, stage by stage."""
        return self.layout.unpack(self._packed[at])

    def other(self, at: int) -> list[np.ndarray]:
        """Of one of the good pictures."""
        return self.layout.unpack(self._packed[len(self.normals) + at])


def pool(data: FashionMNIST, label: int, *, normals: int, good: int) -> Pool:
    """Drawn from the training images, and the good ones from the test images."""
    rng = np.random.default_rng([SEED, label])

    def some(images: np.ndarray, labels: np.ndarray, count: int) -> np.ndarray:
        return images[rng.permutation(np.flatnonzero(labels == label))[:count]]

    return Pool(some(data.train_images, data.train_labels, normals), some(data.test_images, data.test_labels, good))


def judged(of: Pool, chosen: Sequence[int]) -> dict[str, list[float]]:
    """Scores of the good parts that set the limit, each against the other normals, and of the good pictures."""
    bank = fitted(of, chosen)
    reference = [
        patch_score(bank.distance_map(of.normal(chosen[at]), without=[at])) for at in calibrating(len(chosen)).tolist()
    ]
    new = [patch_score(bank.distance_map(of.other(at))) for at in range(len(of.good))]
    return {"reference": reference, "new": new}


def fitted(of: Pool, chosen: Sequence[int]) -> PatchBank:
    everywhere = np.ones((of.layout.grid, of.layout.grid), bool)

    def load(at: int) -> list[np.ndarray]:
        return of.normal(chosen[at])

    bank = thinned_bank(load, list(chosen), everywhere, of.layout.weights)
    return balanced_bank(bank, load, len(chosen), everywhere)


def cases(name: str, n: int, scores: dict[str, list[float]]) -> list[Case]:
    """What each budget said beforehand, and what came."""
    reference, new = np.array(scores["reference"]), np.array(scores["new"])
    made = []
    for budget in BUDGETS:
        limit = limit_for(reference, budget)
        made.append(case((name, f"{n:,}", f"{100 * budget:g} %"), limit.forecast, limit.value, new))
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--classes", nargs="+", choices=CLASSES, default=["T-shirt/top", "Sandal", "Bag"])
    parser.add_argument("--normals", nargs="+", type=int, default=list(DRAWS))
    parser.add_argument("--draws", nargs="+", type=int, default=list(DRAWS.values()), help="as many as --normals")
    parser.add_argument("--good", type=int, default=500, help="other good pictures of each class")
    parser.add_argument("--data", default="/usr/share/datasets/fashion-mnist", help="folder with the idx files")
    parser.add_argument("--out", type=Path, default=HERE, help="folder for the page")
    args = parser.parse_args()
    if len(args.draws) != len(args.normals):
        parser.error(f"expected a number of draws for each of {len(args.normals)} numbers of normals")
    draws = dict(zip(args.normals, args.draws, strict=True))
    data, most = load_idx(args.data), max(n * times for n, times in draws.items())
    made: list[Case] = []
    for name in args.classes:
        label = CLASSES.index(name)
        of = pool(data, label, normals=most, good=args.good)
        for n, times in draws.items():
            for draw in range(times):
                chosen = range(draw * n, (draw + 1) * n)
                scores = kept(
                    f"budget-{label}-{n}-{draw}",
                    lambda of=of, chosen=chosen: judged(of, chosen),
                    args.good,
                    SEED,
                )
                made += cases(name, n, scores)
    body = "\n\n".join(
        [
            f"Inside in {100 * inside(made):.1f} % of {len(made):,} cases: the number of {args.good} good pictures"
            " above the limit lies in the 95 % prediction interval that the forecast gave for it.",
            grouped(made, ("normals", "budget"), (1, 2)),
            grouped(made, ("class", "budget"), (0, 2)),
            "A case is one class, one set of normals and one budget; cases of a set share its scores, and those of a"
            " class its good pictures, so they are not independent. Above and below: more and fewer than the interval"
            f" says. The limit is set by the leave-one-out scores of up to {len(calibrating(10**6))} of the normals.",
        ]
    )
    publish(
        args.out,
        "budget",
        title="The false-alarm budget of places",
        body=body,
        seeds=f"{SEED} draws normals and good pictures of each class",
        folder="patches",
    )


def grouped(made: list[Case], names: tuple[str, ...], by: tuple[int, ...]) -> str:
    """A row for each combination of these parts of a case's name, and one for all."""
    groups: dict[tuple, list[Case]] = {}
    for one in made:
        groups.setdefault(tuple(one.group[at] for at in by), []).append(one)
    columns = (*names, "cases", "inside", "above", "below", "flagged", "expected")
    lines = [f"| {' | '.join(columns)} |", "|" + " --- |" * len(columns)]
    return "\n".join([*lines, *(row(group, some) for group, some in groups.items()), row(("all", "all"), made)])


if __name__ == "__main__":
    main()
