"""What the tests of projects share: giving files, tiny images in numbers, waiting, asking the catalogue."""

import io
import time
import zipfile

import numpy as np
from PIL import Image

from dn2core.project import Service, vectors


def give(project, role, files, source="test"):
    """Stage (name, content) files as a batch and queue its job; returns the batch."""
    batch = project.new_batch(role, source)
    project.stage_many(batch, files)
    project.submit(batch)
    return batch


def tiny(count: int, seed: int = 0) -> list[tuple[str, bytes]]:
    """Distinct images of 48 x 36 pixels, PNG and JPEG by turns, as (name, content)."""
    pixels = np.random.default_rng(seed).integers(0, 256, (count, 36, 48, 3), np.uint8)
    files = []
    for number, image in enumerate(pixels):
        kind, suffix = (("PNG", "png"), ("JPEG", "jpg"))[number % 2]
        buffer = io.BytesIO()
        Image.fromarray(image).save(buffer, kind)
        files.append((f"{number:05}.{suffix}", buffer.getvalue()))
    return files


def zipped(files: list[tuple[str, bytes]]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files:
            archive.writestr(name, content)
    return buffer.getvalue()


def until(condition, seconds: float = 100):
    """Wait for a true value and return it."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if value := condition():
            return value
        time.sleep(0.02)
    raise AssertionError(f"nothing came in {seconds} s")


def ended(service: Service, job_id: int, seconds: float = 200):
    """The job, once it is neither queued nor running."""
    return until(lambda: not (job := service.store.jobs.job(job_id)).active and job, seconds)


def rows(project, question: str, *params) -> list[tuple]:
    with project.db.read() as db:
        return [tuple(row) for row in db.execute(question, params)]


def assert_each_encoded_once(project, count: int) -> None:
    """Every image of the catalogue has one vector, and all recorded chunks together hold no row more."""
    assert rows(project, "SELECT count(*) FROM images") == [(count,)]
    assert rows(project, "SELECT count(DISTINCT image_id), count(*) FROM vectors") == [(count, count)]
    recorded = rows(project, "SELECT file, sha256 FROM chunks")
    assert sum(len(vectors.load_chunk(project.vectors_dir, *chunk)) for chunk in recorded) == count
