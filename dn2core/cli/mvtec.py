"""`bench mvtec`: the whole image and its patches on folders laid out as MVTec AD's."""

from dataclasses import astuple

import numpy as np
from tqdm import tqdm

from dn2core.cli.work import tells_progress
from dn2core.explore.mvtec import Measured, categories, measure
from dn2core.features import load_encoder
from dn2core.features.patches import load_patch_encoder
from dn2core.project import PRESETS, data_dir

_COLUMNS = ("normals", "good", "defects", "whole image", "places", "pixel", "PRO")


def mvtec(data: str, *, names: list[str], backbone: str, tiles: int) -> int:
    """Measure category by category, print a line for each, and their means.

    Args:
        backbone: the network of the patches; the whole image is judged by the recommended settings.
    """
    wanted, settings = categories(data, names), PRESETS["recommended"]
    weights = data_dir() / "weights"
    whole = load_encoder(settings.backbone, preset=settings.preset, weights_dir=weights)
    patches = load_patch_encoder(backbone, tiles=tiles, weights_dir=weights)
    width = max(len("category"), *(len(category.name) for category in wanted))
    print(f"Image ROC AUC of both, pixel ROC AUC and per-region overlap of the places, in percent ({backbone})")
    print(_line("category", _COLUMNS, width))
    all_of_them = []
    for category in wanted:
        with tqdm(unit=" images", desc=category.name, leave=False, disable=None) as bar:
            measured = measure(
                category,
                whole,
                patches,
                normalise=settings.normalise,
                k=settings.k,
                form=settings.form,
                tell=tells_progress(bar),
            )
        all_of_them.append(measured)
        good = sum(one.mask is None for one in category.tests)
        counts = (len(category.normals), good, len(category.tests) - good)
        print(_line(category.name, (*(f"{count:,}" for count in counts), *_percent(measured)), width), flush=True)
    if len(wanted) > 1:
        print(_line("mean", ("", "", "", *_percent(_mean(all_of_them))), width))
    return 0


def _mean(many: list[Measured]) -> Measured:
    """None where one of them is undefined."""
    columns = zip(*map(astuple, many), strict=True)
    return Measured(*(None if None in column else float(np.mean(column)) for column in columns))


def _percent(measured: Measured) -> list[str]:
    return ["-" if area is None else f"{100 * area:.2f}" for area in astuple(measured)]


def _line(name: str, cells, width: int) -> str:
    return "  ".join(
        [name.ljust(width), *(str(cell).rjust(len(title)) for cell, title in zip(cells, _COLUMNS, strict=True))]
    )
