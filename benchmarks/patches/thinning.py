"""Which patches of the normals to keep, and what the choice costs: python benchmarks/patches/thinning.py

At random; most at random and the rest for lying far from those (the default); a greedy k-center coreset, as PatchCore
has it, on the same patches by `compression.coreset`. Of 120 normals, 288,000 patches.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "paper"))

from common import percent, publish, table
from sets import SETS, SIDE, normals, tests
from trial import HERE, NORMALS, Seen, kept, maps_by, seen

from dn2core.detect import compression
from dn2core.detect.distance_maps import patch_score
from dn2core.detect.patches import FAR, PatchBank, StageBank, balanced_bank, thinned_bank
from dn2core.explore.curves import roc_auc
from dn2core.explore.localisation import enlarged, pixel_roc_auc

SIZES = (5_000, 20_000)
GREEDY = "greedy coreset"
SEED = 2


def measure(name: str, sizes: tuple[int, ...], *, n: int, each: int, good: int) -> list[list]:
    """Rows of way, size, seconds of choosing, image and pixel ROC AUC."""
    made = list(tests(name, SEED, good=good, each=each))
    before, new = seen(normals(name, n, SEED), tiles=1), seen([one.image for one in made])
    defect = np.array([one.kind != "" for one in made])
    rows = []
    for way, size, seconds, bank in banks(before, sizes):
        maps = maps_by(balanced_bank(bank, before.load, n, before.everywhere), new)
        scores = np.array([patch_score(one) for one in maps])
        pixel = pixel_roc_auc([enlarged(one, SIDE, SIDE) for one in maps], [one.mask for one in made])
        rows.append([way, size, seconds, roc_auc(scores[~defect], scores[defect]), pixel])
    return rows


def banks(before: Seen, sizes: tuple[int, ...]) -> Iterator[tuple[str, int, float, PatchBank]]:
    """Each way at each size: its name, the size, seconds of choosing, the bank."""
    for size in sizes:
        for way, far in (("random", 0.0), ("random and far", FAR)):
            seconds, bank = timed(lambda far=far, size=size: random_bank(before, size, far))
            yield way, size, seconds, bank
    yield from greedy_banks(before, sizes)


def random_bank(before: Seen, size: int, far: float) -> PatchBank:
    return thinned_bank(before.load, range(len(before)), before.everywhere, before.layout.weights, size=size, far=far)


def greedy_banks(before: Seen, sizes: tuple[int, ...]) -> Iterator[tuple[str, int, float, PatchBank]]:
    """A coreset of each stage. A smaller one is the beginning of a larger: chosen once, its time taken on the way."""
    stages, seconds = {size: [] for size in sizes}, dict.fromkeys(sizes, 0.0)
    loaded = [before.load(at) for at in range(len(before))]
    all_cells = sum(side**2 for side, _ in before.layout.stages)
    for stage, (side, channels) in enumerate(before.layout.stages):
        patches = np.concatenate([one[stage].reshape(-1, channels) for one in loaded])
        counts = {size: round(size * side**2 / all_cells) for size in sizes}
        chosen, passed = greedy(patches, counts.values())
        for size, count in counts.items():
            rows = np.sort(chosen[:count])
            own, bank = timed(partial(StageBank, patches[rows], rows // side**2, rows % side**2))
            stages[size].append(bank)
            seconds[size] += passed.get(count, 0.0) + own
    for size in sizes:
        yield GREEDY, size, seconds[size], PatchBank(stages[size], before.layout.weights)


def greedy(patches: np.ndarray, counts: Iterable[int]) -> tuple[np.ndarray, dict[int, float]]:
    """Rows of the largest of these coresets as chosen, and the seconds after which each count was there."""
    start, passed = time.perf_counter(), {}

    def tell(done: int, total: int) -> None:
        for count in counts:
            if done <= count:
                passed[count] = time.perf_counter() - start

    return compression.coreset(patches, max(counts), seed=SEED, tell=tell), passed


def timed(do: Callable) -> tuple[float, object]:
    start = time.perf_counter()
    result = do()
    return time.perf_counter() - start, result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", nargs="+", choices=SETS, default=["brick", "washer"])
    parser.add_argument("--sizes", nargs="+", type=int, default=list(SIZES))
    parser.add_argument("--each", type=int, default=4, help="pictures of every kind and size of defect")
    parser.add_argument("--good", type=int, default=60, help="good pictures")
    parser.add_argument("--out", type=Path, default=HERE, help="folder for the page")
    args = parser.parse_args()
    options = {"n": NORMALS, "each": args.each, "good": args.good}
    rows = [
        [name, way, f"{size:,}", f"{seconds:.1f}", percent(image), percent(pixel)]
        for name in args.sets
        for way, size, seconds, image, pixel in kept(
            f"thinning-{name}", lambda name=name: measure(name, tuple(args.sizes), **options), options, args.sizes
        )
    ]
    header = ["set", "patches chosen", "how many", "seconds", "image ROC AUC, %", "pixel ROC AUC, %"]
    body = (
        f"{table(header, rows)}\n\n{NORMALS} normals, {args.good} good pictures and {args.each} of each kind and size"
        " of defect. Seconds: from the maps as they are kept to the bank with its patches' spread, wall clock."
    )
    publish(
        args.out,
        "thinning",
        title="Which patches to keep",
        body=body,
        differs="PatchCore keeps 10 % of the patches, or 1 %: here 1 % and 4 % of 480,000.",
        seeds=f"{SEED} draws pictures, patches, the coreset's first row and its projection",
        folder="patches",
    )


if __name__ == "__main__":
    main()
