"""The demo's products: their normals and new images, good and defective, made alike on every machine."""

import io
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from dn2core.demo.defects import DEFECTS, Ground
from dn2core.demo.surfaces import Surface, coloured, exposed, view

NORMALS, GOOD, PER_DEFECT = 72, 19, 3

_GRAVEL = Surface("gravel", ((0, (20, 18, 16)), (90, (98, 90, 82)), (160, (178, 166, 150)), (255, (255, 250, 240))))
_GRASS = Surface("grass", ((0, (8, 20, 6)), (90, (48, 92, 30)), (160, (120, 168, 74)), (255, (240, 250, 205))))
_BRICK = Surface(
    "brick",
    ((0, (40, 20, 16)), (80, (122, 52, 38)), (105, (150, 70, 52)), (150, (186, 172, 156)), (255, (240, 232, 220))),
    turns=(1, 3),
    # The photograph looks along the wall: these make its joints parallel, and mirror it.
    straighten=(-0.7, -0.13046875, 425.2, 0.0, 0.7, 0.0, 0.0, -0.0005859375),
)


@dataclass(frozen=True)
class Product:
    """A product of the demo: its title, the word its file names begin with, and what it is made of."""

    title: str
    slug: str
    surface: Surface
    ground: Ground


PRODUCTS = (
    Product("Gravel panel", "gravel", _GRAVEL, Ground((232, 228, 220), (176, 112, 62), (104, 82, 62), _GRASS)),
    Product("Turf roll", "turf", _GRASS, Ground((74, 54, 40), (232, 212, 150), (72, 54, 40), _GRAVEL, extent=1.4)),
    Product("Clinker brick", "brick", _BRICK, Ground((236, 214, 200), (222, 212, 202), (150, 138, 124), _GRASS)),
)


@dataclass(frozen=True)
class DemoImage:
    """A JPEG. `label` is "normal", "good" or the name of its defect, and so says its file name."""

    name: str
    label: str
    data: bytes


@dataclass(frozen=True)
class DemoProduct:
    """A product's files on disk; `labels` tells of each new file "good" or the name of its defect."""

    name: str
    normals: list[Path]
    new: list[Path]
    labels: list[str]


def demo_images(product: Product, part: str) -> Iterator[DemoImage]:
    """The product's images of part "normal" or "new", the same at every call."""
    labels = _labels(product, part)
    for surface in (product.surface, product.ground.intruder) if part == "new" else (product.surface,):
        coloured(surface)  # once, before two threads ask for it
    # Drawing is done mostly outside Python's lock, so two threads keep two cores busy.
    with ThreadPoolExecutor(max_workers=2) as pool:
        yield from pool.map(lambda number: _drawn(product, part, number, labels[number]), range(len(labels)))


def write_demo(folder: str | Path, *, drawn: Callable[[], object] = lambda: None) -> list[DemoProduct]:
    """Write all demo images below `folder`: a folder for each product with `normals` and `new` inside.

    `drawn` is called after each of the `images_in_all()` images.
    """
    return [_written(product, Path(folder), drawn) for product in PRODUCTS]


def images_in_all() -> int:
    return sum(len(_labels(product, part)) for product in PRODUCTS for part in ("normal", "new"))


def _drawn(product: Product, part: str, number: int, label: str) -> DemoImage:
    # Every image has a generator of its own, so that one more image changes none of the others.
    rng = np.random.default_rng([zlib.crc32(product.slug.encode()), part == "new", number])
    image = view(product.surface, part, rng)
    if label in DEFECTS:
        image = DEFECTS[label](image, rng, product.ground)
    name = f"{product.slug}-{part}-{number + 1:03d}" + ("" if part == "normal" else f"-{label}") + ".jpg"
    return DemoImage(name, label, _jpeg(exposed(image, rng)))


def _written(product: Product, folder: Path, drawn: Callable[[], object]) -> DemoProduct:
    paths: dict[str, list[Path]] = {}
    labels = []
    for part, place in (("normal", "normals"), ("new", "new")):
        target = folder / product.slug / place
        target.mkdir(parents=True, exist_ok=True)
        paths[place] = []
        for image in demo_images(product, part):
            path = target / image.name
            path.write_bytes(image.data)
            paths[place].append(path)
            if part == "new":
                labels.append(image.label)
            drawn()
    return DemoProduct(product.title, paths["normals"], paths["new"], labels)


def _labels(product: Product, part: str) -> list[str]:
    if part == "normal":
        return ["normal"] * NORMALS
    labels = ["good"] * GOOD + [name for name in DEFECTS for _ in range(PER_DEFECT)]
    order = np.random.default_rng(zlib.crc32(product.slug.encode())).permutation(len(labels))
    return [labels[position] for position in order]


def _jpeg(image: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()
