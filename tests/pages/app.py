"""What the tests of the pages share: the app as AppTest, tiny images, a project with normals."""

import io
from pathlib import Path

import numpy as np
from PIL import Image
from streamlit.testing.v1 import AppTest

from dn2core.project import run_pending

FRAME = str(Path(__file__).parents[2] / "pages" / "frame.py")


def jpeg(seed: int, width: int = 40, height: int = 30) -> bytes:
    """A small noisy JPEG, another one for each seed."""
    pixels = np.random.default_rng(seed).integers(0, 255, (height, width, 3), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "JPEG", quality=90)
    return out.getvalue()


JPEGS = [jpeg(seed) for seed in range(24)]


def give(project, role: str, images: list[bytes], source: str = "files", name: str = "{i:03}.jpg") -> int:
    """Stage images as a batch and queue its job; returns the batch."""
    batch = project.new_batch(role, source)
    for i, image in enumerate(images):
        project.stage(batch, name.format(i=i), image)
    project.submit(batch)
    return batch


def filled(store, name: str, normals: int = 24, scored: int = 0):
    """A project with normals, and scored images, all taken in."""
    project = store.create(name)
    give(project, "normal", [jpeg(seed) for seed in range(normals)])
    run_pending(store)
    if scored:
        give(project, "scored", [jpeg(1000 + seed) for seed in range(scored)])
        run_pending(store)
    return project


def many(store, scored: int, images: int = 300):
    """A project of 60 normals and very many scored items, which share a few images and their vectors."""
    project = filled(store, "Many", 60, scored=images)
    with project.db.write() as db:
        rows = db.execute("SELECT image_id, batch_id FROM items WHERE role = 'scored'").fetchall()
        db.executemany(
            "INSERT INTO items(role, image_id, name, batch_id, added) VALUES ('scored', ?, ?, ?, 0)",
            [(rows[i % images]["image_id"], f"part {i:06}.jpg", rows[0]["batch_id"]) for i in range(scored - images)],
        )
    return project


def opened(page: str = "home", **params: str) -> AppTest:
    """The app on a page, with query parameters, after one run."""
    at = AppTest.from_file(FRAME, default_timeout=60)
    if page != "home":
        at.run()
        at.switch_page(f"{page}.py")
    for name, value in params.items():
        at.query_params[name] = value
    return at.run()


def texts(block) -> list[str]:
    """All words that a person would read in a block, as Streamlit got them."""
    kinds = (
        "title",
        "header",
        "subheader",
        "markdown",
        "caption",
        "text",
        "error",
        "warning",
        "info",
        "success",
    )
    found = [element.value for kind in kinds for element in getattr(block, kind)]
    found += [element.label for kind in ("button", "metric", "expander") for element in block.get(kind)]
    found += [element.value for element in block.metric]
    return [str(text) for text in found]
