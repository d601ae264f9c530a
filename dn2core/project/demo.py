"""The demo as projects: laid out on first use, opened again afterwards."""

import json
import logging
import threading

from dn2core.demo import PRODUCTS, Product, demo_images
from dn2core.errors import DN2Error, NotFound
from dn2core.project import fsio
from dn2core.project.project import Project
from dn2core.project.settings import PRESETS
from dn2core.project.store import Store

PARTS = {"normal": "normal", "scored": "new"}  # a batch's role -> the part of the demo that fills it
SOURCE = "demo"

_laying_out = threading.Lock()
log = logging.getLogger("dn2.demo")


def open_demo(store: Store, *, wait: bool = False) -> list[str]:
    """The ids of the demo's projects, made where they are not there yet.

    The normals of the first product are handed to the queue before this returns; what is still to be
    drawn follows from a thread (`wait` has it done here). An interrupted layout is completed by the
    next call, and a project that was deleted is made anew.

    Raises:
        StorageError: when the data folder cannot be written.
    """
    with _laying_out:
        projects = [_project(store, product) for product in PRODUCTS]
    first = [(projects[0], PRODUCTS[0], "normal")]
    rest = [
        (project, product, role)
        for project, product in zip(projects, PRODUCTS, strict=True)
        for role in PARTS
        if (project, product, role) != first[0]
    ]
    _lay_out(first)
    if wait:
        _lay_out(rest)
    elif any(_lacks(project, role) for project, _, role in rest):
        threading.Thread(target=_lay_out_later, args=(rest,), name="dn2-demo", daemon=True).start()
    return [project.id for project in projects]


def _project(store: Store, product: Product) -> Project:
    """The project that this product had at the last call, or a new one; `demo.json` remembers which."""
    memory = store.root / "demo.json"
    try:
        known = json.loads(memory.read_text())
    except (OSError, ValueError):
        known = {}
    try:
        return store.open(known[product.slug])
    except (KeyError, NotFound):
        project = store.create(product.title, PRESETS["recommended"])
        fsio.write_atomic(memory, json.dumps({**known, product.slug: project.id}).encode())
        return project


def _lay_out(parts: list[tuple[Project, Product, str]]) -> None:
    with _laying_out:
        for project, product, role in parts:
            if _lacks(project, role):
                batch = project.new_batch(role, SOURCE)
                project.stage_many(batch, [(image.name, image.data) for image in demo_images(product, PARTS[role])])
                project.submit(batch)


def _lay_out_later(parts: list[tuple[Project, Product, str]]) -> None:
    try:
        _lay_out(parts)
    except DN2Error as error:  # the next call completes what is missing
        log.warning("the demo is incomplete: %s", error)


def _lacks(project: Project, role: str) -> bool:
    return not any(batch.source == SOURCE for batch in project.batches(role))
