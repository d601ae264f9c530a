"""What crashes and abandoned uploads leave behind, removed when a worker starts."""

import shutil
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from dn2core.errors import DN2Error
from dn2core.project.fsio import TEMPORARY
from dn2core.project.project import Project
from dn2core.project.store import MAKING, Store

UNFINISHED_SECONDS = 3600  # a file of nobody that is older was left by a crash
ABANDONED_SECONDS = 24 * 3600  # an upload of which nothing came for so long is not continued


def sweep(store: Store) -> None:
    """Remove leftovers and old jobs; nothing that a catalogue names is touched, nor anything recent."""
    _remove(store.root.glob(f"{MAKING}*"), UNFINISHED_SECONDS)
    store.jobs.prune()
    for card in store.projects():
        with suppress(DN2Error, OSError):  # what cannot be swept now is no reason not to work
            _sweep_project(store.open(card.id))


def _sweep_project(project: Project) -> None:
    for place in ("originals/*", "thumbs/*", "patches/*/*", "jiggles"):
        _remove(project.folder.glob(f"{place}/{TEMPORARY}*"), UNFINISHED_SECONDS)
    with project.db.read() as db:
        tables = ("chunks", "maps", "comparisons", "reductions", "patch_fits", "patch_results")
        named = {row["file"] for table in tables for row in db.execute(f"SELECT file FROM {table}")}
        open_ids = [row["id"] for row in db.execute("SELECT id FROM batches WHERE job_id IS NULL")]
    for kind in ("vectors", "maps", "comparisons", "reductions", "patch_fits"):
        _remove((p for p in (project.folder / kind).glob("*") if p.name not in named), UNFINISHED_SECONDS)
    busy = {str(batch) for batch in project.unfinished()}
    incoming = project.folder / "incoming"
    _remove((p for p in incoming.glob("*") if p.name not in busy), ABANDONED_SECONDS)
    gone = [(batch,) for batch in open_ids if not (incoming / str(batch)).exists()]
    with project.db.write() as db:
        db.executemany("DELETE FROM staged WHERE batch_id = ? AND kind = 'file'", gone)


def _remove(paths: Iterable[Path], seconds: float) -> None:
    for path in paths:
        with suppress(OSError):
            if time.time() - path.stat().st_mtime > seconds:
                if path.is_dir():
                    shutil.rmtree(path, ignore_errors=True)
                else:
                    path.unlink()
