"""The smallest spots that the patches find, by their radius: python benchmarks/patches/smallest.py

Spots of 1 to 5 pixels radius on the pictures of sets.py, 160 x 160; then on four such pictures put together, 320 x 320,
whole and cut into 2 x 2 tiles. `smallest_seen` says what to expect: one cell of the network's grid.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "paper"))

from common import plot, publish, table
from sets import SETS, SIDE, normals, spots, tests
from trial import HERE, NORMALS, around, kept, maps_by, seen, thinned

from dn2core.detect.distance_maps import patch_score
from dn2core.explore.curves import roc_auc
from dn2core.features.patches import smallest_seen

RADII = (1, 2, 3, 4, 5)
FOUND = 0.95  # ROC AUC
LARGE = 60  # normals of four pictures each


def measure(name: str, seed: int, *, n: int, each: int, good: int) -> list[float]:
    """Image ROC AUC of the thinned bank for every radius."""
    pictures = [one.image for one in tests(name, seed, good=good, each=0)]
    spotted = [[one.image for one in spots(name, seed, radius=radius, n=each)] for radius in RADII]
    return areas(normals(name, n, seed), pictures, spotted, tiles=1)


def measure_large(name: str, seed: int, *, tiles: int, n: int, each: int, good: int) -> list[float]:
    """As `measure` on 320 x 320 pixels; one of the four pictures has the spot."""
    calm = put_together([one.image for one in tests(name, seed, good=4 * (good + len(RADII) * each), each=0)])
    pictures = [next(calm) for _ in range(good)]
    spotted = []
    for radius in RADII:
        large = [next(calm) for _ in range(each)]
        for at, (picture, one) in enumerate(zip(large, spots(name, seed, radius=radius, n=each), strict=True)):
            row, column = divmod(at % 4, 2)
            picture[row * SIDE : (row + 1) * SIDE, column * SIDE : (column + 1) * SIDE] = one.image
        spotted.append(large)
    return areas(list(put_together(normals(name, 4 * n, seed))), pictures, spotted, tiles=tiles)


def put_together(pictures: list[np.ndarray]) -> Iterator[np.ndarray]:
    """(320, 320, 3) uint8, two by two; whoever wants no edge between them has no normals with such edges."""
    for a, b, c, d in zip(*(pictures[start::4] for start in range(4)), strict=True):
        yield np.concatenate([np.concatenate([a, b], axis=1), np.concatenate([c, d], axis=1)])


def areas(before: list, pictures: list, spotted: list[list], *, tiles: int) -> list[float]:
    known = seen(before, tiles)
    bank = thinned(known)
    scores = [np.array([patch_score(one) for one in maps_by(bank, seen(some, tiles))]) for some in (pictures, *spotted)]
    return [roc_auc(scores[0], of) for of in scores[1:]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--large", nargs="*", choices=SETS, default=["brick", "grass"], help="sets put together")
    parser.add_argument("--seeds", nargs="+", type=int, default=[2, 3])
    parser.add_argument("--each", type=int, default=12, help="pictures of every radius")
    parser.add_argument("--good", type=int, default=40, help="good pictures")
    parser.add_argument("--out", type=Path, default=HERE, help="folder for the page and the plot")
    args = parser.parse_args()
    options = {"each": args.each, "good": args.good}

    def of(name: str, seed: int) -> list[float]:
        return kept(f"spots-{name}-{seed}", lambda: measure(name, seed, n=NORMALS, **options), options, NORMALS)

    def of_large(name: str, seed: int, tiles: int) -> list[float]:
        return kept(
            f"large-{name}-{seed}-{tiles}",
            lambda: measure_large(name, seed, tiles=tiles, n=LARGE, **options),
            options,
            LARGE,
            tiles,
        )

    found = {name: np.array([of(name, seed) for seed in args.seeds]).T for name in args.sets}
    rows = [[name, *map(around, radii), found_from(radii)] for name, radii in found.items()]
    header = ["set", *(f"radius {radius} px" for radius in RADII), f"{100 * FOUND:.0f} or more from"]
    body = [_seen_words(SIDE, 1), table(header, rows)]
    if args.large:
        body += ["## Larger pictures, in one piece and in tiles", _seen_words(2 * SIDE, 1) + " " + _tiled(2 * SIDE)]
        rows = []
        for name in args.large:
            for tiles in (1, 2):
                radii = np.array([of_large(name, seed, tiles) for seed in args.seeds]).T
                rows.append([name, tiles, *map(around, radii), found_from(radii)])
        body.append(table(["set", "tiles along each side", *header[1:]], rows))
    body.append(
        f"Image ROC AUC of the thinned bank, %. {NORMALS} normals ({LARGE} of the larger pictures), {args.good} good"
        f" pictures and {args.each} of each radius for every seed. ± is half of the 95 % interval of the mean over the"
        " seeds by Student's t, where there are several. Spots are nearly black or white, whatever differs more from"
        " the place. `smallest_seen` holds where the surface is calm; on one that is made of grains as large as the"
        " spots, they must be larger."
    )
    with plot(args.out, "smallest", "radius of the spot (pixels of 160)", "image ROC AUC (%)") as axes:
        for at, (name, radii) in enumerate(found.items()):
            axes.plot(RADII, 100 * radii.mean(axis=1), "osD^v"[at] + "-", label=name)
        axes.figure.legend(loc="outside upper right", frameon=False, ncols=len(found), fontsize=8)
        axes.set_xticks(RADII)
        axes.axvline(smallest_seen(SIDE, SIDE, 1) / 2, color="0.7", linestyle=":")
    publish(
        args.out,
        "smallest",
        title="The smallest spots found",
        body="\n\n".join(body),
        seeds=f"{', '.join(map(str, args.seeds))}: each draws normals, good pictures and spots",
        folder="patches",
    )


def found_from(radii: np.ndarray) -> str:
    """The smallest radius from which on the (radius, seed) areas are FOUND or more on the average."""
    short = np.flatnonzero(radii.mean(axis=1) < FOUND)
    first = 0 if not len(short) else short[-1] + 1
    return f"{RADII[first]} px" if first < len(RADII) else f"above {RADII[-1]} px"


def _seen_words(side: int, tiles: int) -> str:
    return (
        f"Of {side} x {side} pixels in one piece, `smallest_seen` says {smallest_seen(side, side, tiles):.1f} pixels"
        " across"
    ) + ("." if side == SIDE else ";")


def _tiled(side: int) -> str:
    return f"in 2 x 2 tiles {smallest_seen(side, side, 2):.1f}."


if __name__ == "__main__":
    main()
