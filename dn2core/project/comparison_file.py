"""What is kept of comparisons: one file each, whole at any moment, and a row that names it."""

import io
import json
import time
import uuid
import zipfile
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from dn2core.detect.baselines import DETECTORS, Detector, detector_of
from dn2core.errors import NotFound, sentence
from dn2core.features.backbones import BACKBONES, backbone_of
from dn2core.project import fsio
from dn2core.project.catalogue import dump
from dn2core.project.paths import below
from dn2core.project.records import State

if TYPE_CHECKING:
    from dn2core.project.project import Project


@dataclass(frozen=True)
class Entry:
    """What became of one detector, or of DN2 on another network's features."""

    name: str  # a key of DETECTORS, or "dn2:" and a key of BACKBONES
    seconds: float  # the time limit of its training
    at: float  # when it ended, seconds since 1970
    job_id: int | None
    fit_seconds: float | None
    score_ms: float | None  # for an image
    memory_bytes: int | None  # the most it took beyond libraries and images
    notes: dict  # as `Training.notes`
    encode_seconds: float | None = None  # another network: for the images that had no vectors by it
    encoded: int = 0
    error_code: str | None = None
    error_params: dict = field(default_factory=dict)

    @property
    def backbone(self) -> str | None:
        """The other network, where there is one."""
        return self.name.partition(":")[2] or None

    @property
    def detector(self) -> Detector:
        return DETECTORS[self.name.partition(":")[0]]

    @property
    def title(self) -> str:
        return title_of(self.name)

    @property
    def error(self) -> str | None:
        return sentence(self.error_code, self.error_params) if self.error_code else None


@dataclass(frozen=True)
class Comparison:
    """Scores of the same images by several detectors that were fitted to the same normals."""

    id: int
    created: float
    finished: float | None  # None while detectors are still to come, or where it was stopped
    version: int  # of the normals
    fingerprint: str
    normal_ids: np.ndarray  # (n,) int64 item ids of the normals that all were fitted to
    normals: int  # how many there were to choose from
    ids: np.ndarray  # (q,) int64 item ids of the scored images
    scored: int  # how many there were to choose from
    entries: dict[str, Entry]  # in the order of a table
    scores: dict[str, np.ndarray]  # (q,) float64, higher = more anomalous; NaN where an image could not be read


def title_of(name: str) -> str:
    """The title of an entry, for people."""
    detector, _, backbone = name.partition(":")
    return f"DN2, {backbone_of(backbone).title}" if backbone else detector_of(detector).title


def place(name: str) -> tuple[int, int]:
    """Where an entry stands: as in DETECTORS, other networks right behind the DN2 that they are compared with."""
    detector, _, backbone = name.partition(":")
    return list(DETECTORS).index(detector), 1 + list(BACKBONES).index(backbone) if backbone else 0


def comparisons(project: "Project") -> list[Comparison]:
    """All that is kept, the newest first; files that cannot be read are left out."""
    return [made for row in _rows(project) if (made := _load(project, row)) is not None]


def newest_comparison(project: "Project") -> Comparison | None:
    return next((made for row in _rows(project) if (made := _load(project, row)) is not None), None)


def begin(
    project: "Project",
    state: State,
    *,
    normal_ids: np.ndarray,
    normals: int,
    ids: np.ndarray,
    scored: int,
    job_id: int | None,
) -> Comparison:
    """The newest comparison where it is of the same normals and images, else a new one; it counts as unfinished.

    Arguments as in `Comparison`.
    """
    last = newest_comparison(project)
    if (
        last is not None
        and (last.version, last.fingerprint) == (state.version, state.fingerprint)
        and np.array_equal(last.normal_ids, normal_ids)
        and np.array_equal(last.ids, ids)
    ):
        with project.db.write() as db:
            db.execute("UPDATE comparisons SET finished = NULL, job_id = ? WHERE id = ?", (job_id, last.id))
        return last
    name = f"{uuid.uuid4().hex}.npz"
    about = {"normals": normals, "scored": scored, "entries": []}
    _write(project, name, about, {"normal_ids": normal_ids, "ids": ids})
    with project.db.write() as db:
        made = db.execute(
            "INSERT INTO comparisons(created, version, fingerprint, job_id, file) VALUES (?, ?, ?, ?, ?)",
            (time.time(), state.version, state.fingerprint, job_id, name),
        ).lastrowid
    return _at(project, made)


def add(project: "Project", comparison_id: int, entry: Entry, scores: np.ndarray | None) -> None:
    """Add an entry, or replace the one of its name; what another process added meanwhile stays."""
    with project.db.write():  # one writer at a time, in whatever process
        kept = _at(project, comparison_id)
        entries = {**kept.entries, entry.name: entry}
        arrays = {name: row for name, row in kept.scores.items() if name != entry.name}
        if scores is not None:
            arrays[entry.name] = scores
        about = {
            "normals": kept.normals,
            "scored": kept.scored,
            "entries": [asdict(one) for one in entries.values()],
        }
        images = {"normal_ids": kept.normal_ids, "ids": kept.ids}
        name = _row(project, comparison_id)["file"]
        _write(project, name, about, images | {f"scores_{name}": row for name, row in arrays.items()})


def finish(project: "Project", comparison_id: int) -> None:
    """Nothing more is to come."""
    with project.db.write() as db:
        db.execute("UPDATE comparisons SET finished = ? WHERE id = ?", (time.time(), comparison_id))


def _rows(project: "Project") -> list:
    with project.db.read() as db:
        return db.execute("SELECT * FROM comparisons ORDER BY id DESC").fetchall()


def _row(project: "Project", comparison_id: int):
    with project.db.read() as db:
        return db.execute("SELECT * FROM comparisons WHERE id = ?", (comparison_id,)).fetchone()


def _at(project: "Project", comparison_id: int) -> Comparison:
    kept = _load(project, _row(project, comparison_id))
    if kept is None:
        raise NotFound("NOT_FOUND", what="The stored comparison")
    return kept


def _write(project: "Project", name: str, about: dict, arrays: dict[str, np.ndarray]) -> None:
    """Replace the file: who reads it has the old one or the new one, whole."""
    buffer = io.BytesIO()
    np.savez(buffer, about=np.array(dump(about)), **arrays)
    fsio.write_atomic(below(project.folder / "comparisons", name), buffer.getvalue())


def _load(project: "Project", row) -> Comparison | None:
    try:
        data = below(project.folder / "comparisons", row["file"]).read_bytes()
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            about = json.loads(str(file["about"]))
            entries = [Entry(**entry) for entry in about["entries"] if _known(entry["name"])]
            entries.sort(key=lambda entry: place(entry.name))
            return Comparison(
                id=row["id"],
                created=row["created"],
                finished=row["finished"],
                version=row["version"],
                fingerprint=row["fingerprint"],
                normal_ids=file["normal_ids"],
                normals=about["normals"],
                ids=file["ids"],
                scored=about["scored"],
                entries={entry.name: entry for entry in entries},
                scores={entry.name: file[f"scores_{entry.name}"] for entry in entries if entry.error_code is None},
            )
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile):
        return None


def _known(name: str) -> bool:
    detector, _, backbone = name.partition(":")
    return detector in DETECTORS and (not backbone or backbone in BACKBONES)
