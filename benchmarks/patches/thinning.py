"""Which patches of the normals to keep, and what the choice costs: python benchmarks/patches/thinning.py

At random; most at random and the rest for lying far from those (the default); a greedy k-center coreset, as PatchCore
has it, on the same patches by `compression.coreset`. Of 120 normals, 192,000 patches.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "paper"))

from common import percent, publish, table
from sets import SETS, SIDE, normals, tests
from trial import HERE, NORMALS, Seen, kept, maps_by, seen

from dn2core.detect import compression
from dn2core.detect.patches import FAR, PatchBank, patch_score, thinned_bank
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
        maps = maps_by(bank, new)
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
    return thinned_bank(before.load, range(len(before)), before.everywhere, size=size, far=far)


def greedy_banks(before: Seen, sizes: tuple[int, ...]) -> Iterator[tuple[str, int, float, PatchBank]]:
    """A smaller coreset is the beginning of a larger one: chosen once, its time taken on the way."""
    start, passed = time.perf_counter(), {}
    patches = np.concatenate([before.load(at).reshape(-1, before.layout.dim) for at in range(len(before))])

    def tell(done: int, total: int) -> None:
        for size in sizes:
            if done <= size:
                passed[size] = time.perf_counter() - start

    chosen = compression.coreset(patches, max(sizes), seed=SEED, tell=tell)
    cells = before.layout.grid**2
    for size in sizes:
        rows = np.sort(chosen[:size])
        seconds, bank = timed(lambda rows=rows: PatchBank(patches[rows], rows // cells, rows % cells))
        yield GREEDY, size, passed.get(size, 0.0) + seconds, bank


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
        differs="PatchCore keeps 10 % of the patches, or 1 %: here 2.6 % and 10 % of 192,000.",
        seeds=f"{SEED} draws pictures, patches, the coreset's first row and its projection",
        folder="patches",
    )


if __name__ == "__main__":
    main()
