"""Defects found and located, the whole image against its patches: python benchmarks/patches/defects.py

For every set and seed: 120 normals, good pictures and every kind and size of defect (sets.py). Image ROC AUC of the
recommended whole-image score and of both patch modes; pixel ROC AUC and per-region overlap of their heatmaps.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "paper"))

from common import dots, percent, publish, table
from sets import KINDS, SETS, SIDE, SIZES, Made, normals, tests
from trial import HERE, NORMALS, around, kept, maps_by, maps_by_own_normals, seen, thinned, whole_scores

from dn2core.detect.distance_maps import patch_score
from dn2core.detect.patches import NEAREST_NORMALS
from dn2core.explore.curves import roc_auc
from dn2core.explore.localisation import enlarged, pixel_roc_auc, pro

MODES = {"whole": "whole image", "own": "own normals' patches", "thinned": "thinned bank"}
MAPS = ("own", "thinned")
GOALS = {"image": 0.99, "pixel": 0.98, "worst": 0.97}


def measure(name: str, seed: int, *, good: int, each: int, n: int = NORMALS) -> dict:
    """Scores of every picture by every mode, its kind and size, and pixel ROC AUC and overlap of each mode's maps."""
    made = list(tests(name, seed, good=good, each=each))
    before, new = seen(normals(name, n, seed)), seen([one.image for one in made])
    maps = {"own": maps_by_own_normals(before, new), "thinned": maps_by(thinned(before), new)}
    scores = {"whole": whole_scores(before, new)} | {
        mode: np.array([patch_score(one) for one in of]) for mode, of in maps.items()
    }
    large = {mode: [enlarged(one, SIDE, SIDE) for one in of] for mode, of in maps.items()}
    return {
        "kinds": [one.kind for one in made],
        "sizes": [one.size for one in made],
        "scores": {mode: of.tolist() for mode, of in scores.items()},
        "pixel": {mode: pixel_roc_auc(of, [one.mask for one in made]) for mode, of in large.items()},
        "pro": {mode: pro(of, [one.mask for one in made]) for mode, of in large.items()},
        "pixel of kinds": {mode: pixel_of_kinds(of, made) for mode, of in large.items()},
    }


def pixel_of_kinds(maps: Sequence[np.ndarray], made: Sequence[Made]) -> dict[str, float]:
    """Pixel ROC AUC on the pictures of one kind of defect and the good ones."""
    found = {}
    for kind in KINDS:
        of = [at for at, one in enumerate(made) if one.kind in (kind, "")]
        found[kind] = pixel_roc_auc([maps[at] for at in of], [made[at].mask for at in of])
    return found


def image_auc(found: dict, mode: str, kind: str | None = None, size: str | None = None) -> float:
    """Of all defects, or those of a kind and size, against the good pictures of the same set and seed."""
    scores, kinds, sizes = (np.array(column) for column in (found["scores"][mode], found["kinds"], found["sizes"]))
    wanted = (kinds != "") & ((kinds == kind) | (kind is None)) & ((sizes == size) | (size is None))
    return roc_auc(scores[kinds == ""], scores[wanted])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[2, 3, 4])
    parser.add_argument("--each", type=int, default=4, help="pictures of every kind and size of defect")
    parser.add_argument("--good", type=int, default=60, help="good pictures")
    parser.add_argument("--out", type=Path, default=HERE, help="folder for the page and the plot")
    args = parser.parse_args()

    def found_of(name: str, seed: int) -> dict:
        return kept(
            f"defects-{name}-{seed}",
            lambda: measure(name, seed, good=args.good, each=args.each),
            args.good,
            args.each,
            NORMALS,
        )

    found = {name: [found_of(name, seed) for seed in args.seeds] for name in args.sets}
    body = "\n\n".join(
        [
            overview(found),
            goals(found),
            "## By kind of defect\n\nImage ROC AUC, %, and of the thinned bank's heatmaps pixel ROC AUC, %.",
            by_kind(found),
            "## By size of defect\n\nImage ROC AUC, %.",
            by_size(found),
            _words(args),
        ]
    )
    columns = {title: [np.mean([image_auc(one, m) for one in found[s]]) for s in found] for m, title in MODES.items()}
    dots(args.out, "defects", "image ROC AUC (%)", list(found), columns)
    publish(
        args.out,
        "defects",
        title="Defects found and located",
        body=body,
        seeds=f"{', '.join(map(str, args.seeds))}: each draws normals, good pictures and defects",
        folder="patches",
    )


def overview(found: dict[str, list[dict]]) -> str:
    rows = []
    for name, seeds in found.items():
        row = [name, *(around([image_auc(one, mode) for one in seeds]) for mode in MODES)]
        row += [around([one[what][mode] for one in seeds]) for what in ("pixel", "pro") for mode in MAPS]
        rows.append(row)
    header = ["set", *(f"image: {title}" for title in MODES.values())]
    header += [f"{what}: {MODES[mode]}" for what in ("pixel", "PRO") for mode in MAPS]
    return "Image and pixel ROC AUC and per-region overlap (PRO), %.\n\n" + table(header, rows)


def goals(found: dict[str, list[dict]]) -> str:
    """Each set's standing by the thinned bank, and by how much a goal is missed."""
    rows = []
    for name, seeds in found.items():
        kinds = {kind: np.mean([image_auc(one, "thinned", kind) for one in seeds]) for kind in KINDS}
        worst = min(kinds, key=kinds.get)
        image = np.mean([image_auc(one, "thinned") for one in seeds])
        pixel = np.mean([one["pixel"]["thinned"] for one in seeds])
        rows.append(
            [name, _standing(image, "image"), _standing(pixel, "pixel"), _standing(kinds[worst], "worst"), worst]
        )
    header = ["set", *(f"{what}, at least {100 * GOALS[key]:.0f}" for key, what in _GOALS_IN_WORDS.items()), "worst"]
    return "## Goals\n\nBy the thinned bank, the default; means over the seeds.\n\n" + table(header, rows)


_GOALS_IN_WORDS = {"image": "image ROC AUC", "pixel": "pixel ROC AUC", "worst": "image ROC AUC of the worst kind"}


def _standing(share: float, goal: str) -> str:
    short = GOALS[goal] - share
    return f"{percent(share)}: met" if short <= 0 else f"{percent(share)}: short by {percent(short)}"


def by_kind(found: dict[str, list[dict]]) -> str:
    rows = []
    for name, seeds in found.items():
        for kind in KINDS:
            row = [name, kind, *(around([image_auc(one, mode, kind) for one in seeds]) for mode in MODES)]
            row += [percent(np.mean([image_auc(one, "thinned", kind, size) for one in seeds]), 1) for size in SIZES]
            rows.append([*row, around([one["pixel of kinds"]["thinned"][kind] for one in seeds])])
    header = ["set", "kind", *MODES.values(), *(f"thinned, {size}" for size in SIZES), "pixel, thinned"]
    return table(header, rows)


def by_size(found: dict[str, list[dict]]) -> str:
    rows = [
        [name, size, *(around([image_auc(one, mode, size=size) for one in seeds]) for mode in MODES)]
        for name, seeds in found.items()
        for size in SIZES
    ]
    return table(["set", "size", *MODES.values()], rows)


def _words(args: argparse.Namespace) -> str:
    return (
        f"{NORMALS} normals, {args.good} good pictures and {args.each} of each kind and size of defect for every seed."
        " ± is half of the 95 % interval of the mean over the seeds by Student's t.\n\n"
        "- whole image: the preset of new projects.\n"
        f"- own normals' patches: those of the {NEAREST_NORMALS} normals whose whole images are nearest, as in SPADE.\n"
        "- thinned bank: some patches of all normals, as in PatchCore; the default.\n"
        "- Maps are enlarged bilinearly to the pictures' 160 x 160 pixels. Good pictures are among those that are"
        " measured by pixels; for a kind they are the good ones and those of the kind. PRO goes up to 30 % of the good"
        " pixels."
    )


if __name__ == "__main__":
    main()
