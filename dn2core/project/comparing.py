"""DN2 beside other detectors on a project's own images: one after the other, each kept as soon as it is there."""

import io
import json
import time
import uuid
import zipfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from dn2core.detect.baselines import DETECTORS, DN2, Detector, detector_of
from dn2core.errors import DN2Error, Refused, sentence
from dn2core.explore.comparison import Compared, compared
from dn2core.features.backbones import BACKBONES, backbone_of
from dn2core.project import encoders, fsio, reencode
from dn2core.project.catalogue import dump
from dn2core.project.detector_process import Outcome, run_detector
from dn2core.project.jobs import Job
from dn2core.project.labels import labels, labels_of
from dn2core.project.paths import below
from dn2core.project.progress import Progress
from dn2core.project.snapshot import Snapshot

if TYPE_CHECKING:
    from dn2core.project.project import Project

MOST_NORMALS = 5_000  # more are sampled, the same for all detectors
MOST_SCORED = 10_000  # likewise; labelled ones are all there
SIDE = 64  # pixels of the images that detectors see which train a network
SECONDS = 120.0  # for each training
STEPS = 100  # of the job's progress, for each detector
AT_ONCE = 64  # images read or encoded between two signs of progress

Told = Callable[[str, int, int], None]  # what is being done; steps done, and in all


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


def chosen(detectors: list[str], backbones: list[str] = ()) -> list[str]:
    """Names of entries for keys of DETECTORS and of BACKBONES, in the order of a table.

    Raises:
        Refused: an unknown detector or network, or nothing to compare.
    """
    names = [detector_of(name).name for name in detectors] + [f"{DN2}:{backbone_of(name).name}" for name in backbones]
    if not names:
        raise Refused("NOTHING_TO_COMPARE")
    return sorted(dict.fromkeys(names), key=_place)


def submit_comparison(
    project: "Project", detectors: list[str], *, backbones: list[str] = (), seconds: float = SECONDS
) -> int:
    """Queue the comparison of these detectors, and of DN2 with these networks; returns the job's id.

    Raises:
        Refused: an unknown detector or network, a time limit that is not positive, or nothing to compare.
    """
    names = chosen(detectors, backbones)
    _check_seconds(seconds)
    return project.jobs.submit(project.id, "compare", names=names, seconds=float(seconds))


def run(project: "Project", job: Job, progress: Progress) -> None:
    """The job: what it has done is kept, and after an interruption it goes on with the rest."""
    current = ["", 0]

    def told(stage: str, done: int, total: int) -> None:
        if stage != current[0]:
            progress.stage(stage, done=done, total=total)
        else:
            progress.advance(done - current[1])
        current[:] = stage, done
        progress.check(midway=True)

    compare(project, job.args["names"], seconds=job.args["seconds"], job_id=job.id, told=told, between=progress.check)


def compare(
    project: "Project",
    names: list[str],
    *,
    seconds: float = SECONDS,
    job_id: int | None = None,
    told: Told = lambda stage, done, total: None,
    between: Callable[[], None] = lambda: None,
) -> int:
    """Fit and score one detector after the other; each result is kept at once. Returns the comparison's id.

    Results for the same normals and images are added to, or replace, those that are there. A detector that fails is
    an entry with its error, and the others go on.

    Args:
        names: keys of DETECTORS, or "dn2:" and a key of BACKBONES.
        seconds: the time limit of each training.
        told: called often; what it raises ends the detector in hand.
        between: called after each detector.

    Raises:
        NotFound: NO_NORMALS.
        Refused: NOTHING_SCORED, or an unknown name.
    """
    for name in names:
        title_of(name)
    _check_seconds(seconds)
    given = _Given(project, project.snapshot())
    kept = _begin(project, given, job_id)
    for number, name in enumerate(names):
        if job_id is not None and name in kept.entries and kept.entries[name].job_id == job_id:
            continue
        stage = f"detector {number + 1} of {len(names)}: {title_of(name)}"

        def tell(share: float, stage=stage, number=number) -> None:
            told(stage, STEPS * number + int(STEPS * share), STEPS * len(names))

        tell(0.0)
        entry, scores = _one(given, name, seconds, job_id, tell, told)
        kept.entries[name] = entry
        kept.scores.pop(name, None)
        if scores is not None:
            kept.scores[name] = scores
        _save(project, kept)
        between()
    with project.db.write() as db:
        db.execute("UPDATE comparisons SET finished = ? WHERE id = ?", (time.time(), kept.id))
    return kept.id


def comparisons(project: "Project") -> list[Comparison]:
    """All that is kept, the newest first; files that cannot be read are left out."""
    with project.db.read() as db:
        rows = db.execute("SELECT * FROM comparisons ORDER BY id DESC").fetchall()
    return [made for row in rows if (made := _load(project, row)) is not None]


def newest_comparison(project: "Project") -> Comparison | None:
    with project.db.read() as db:
        rows = db.execute("SELECT * FROM comparisons ORDER BY id DESC").fetchall()
    return next((made for row in rows if (made := _load(project, row)) is not None), None)


def compared_in(
    project: "Project", comparison: Comparison, view: Snapshot, *, reference: str = DN2, draws: int = 1000
) -> Compared:
    """What labels say about the detectors, or where there are none how far they agree with the reference.

    Images that are no longer there, or lie among the normals, do not count. As many images as the project's own
    settings flag among those compared are each detector's most unusual ones.
    """
    at = {int(item): position for position, item in enumerate(view.scored.ids)}
    positions = np.array([at.get(int(item), -1) for item in comparison.ids], np.int64)
    here = positions >= 0
    if not here.any():  # all of them were removed
        raise Refused("NOTHING_SCORED")
    marks = np.where(here, labels_of(view.scored, labels(project))[positions], "")
    exclude = ~here | view.same_as_normal[positions]
    flagged = view.judge().flagged[positions[~exclude]]
    return compared(comparison.scores, marks, exclude, reference=reference, top=int(flagged.sum()), draws=draws)


class _Given:
    """The images of a comparison, the same for all detectors, read as each sees them."""

    def __init__(self, project: "Project", view: Snapshot):
        if len(view.scored) == 0:
            raise Refused("NOTHING_SCORED")
        self.project, self.view = project, view
        rng = np.random.default_rng(0)
        n = len(view.normals)
        self.normals = np.sort(rng.choice(n, min(n, MOST_NORMALS), replace=False))
        self.scored = _with_all_labelled(labels_of(view.scored, labels(project)) != "", MOST_SCORED, rng)

    @property
    def normal_ids(self) -> np.ndarray:
        return self.view.normals.ids[self.normals]

    @property
    def ids(self) -> np.ndarray:
        return self.view.scored.ids[self.scored]

    @cached_property
    def features(self) -> tuple[np.ndarray, np.ndarray]:
        """Normals and scored images, (n, d) and (q, d) float32 as the project's network gave them."""
        return tuple(self.project.features(ids.tolist(), self.view.state.fingerprint) for ids in self._image_ids)

    def pictures(self, told: Told) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(n, SIDE, SIDE, 3) of the readable normals and (q, SIDE, SIDE, 3) uint8; which of those are readable."""
        if not hasattr(self, "_pictures"):
            ids = np.concatenate([self.normal_ids, self.ids]).tolist()
            pictures, readable = np.zeros((len(ids), SIDE, SIDE, 3), np.uint8), np.zeros(len(ids), bool)
            for start in range(0, len(ids), AT_ONCE):
                for at, data in enumerate(self.project.thumbnails(ids[start : start + AT_ONCE]), start=start):
                    if data:
                        pictures[at], readable[at] = _small(data), True
                told("reading images", min(start + AT_ONCE, len(ids)), len(ids))
            self._pictures = self._parted(pictures, readable)
        return self._pictures

    def encoded(self, backbone: str, told: Told) -> tuple[tuple, int, float]:
        """As `pictures`, with the features of another network; how many were made for that, in how many seconds."""
        state = self.view.state
        encoder = encoders.encoder_for(backbone, state.preset, self.project.weights_dir)
        ids = np.concatenate(self._image_ids)
        wanted, back = np.unique(ids, return_inverse=True)
        with self.project.db.read() as db:
            rows = db.execute(
                "SELECT i.id, i.sha256, i.format, i.bytes, v.image_id AS known FROM images i LEFT JOIN vectors v"
                " ON v.image_id = i.id AND v.fingerprint = ? WHERE i.id IN (SELECT value FROM json_each(?))",
                (encoder.fingerprint, dump(wanted.tolist())),
            ).fetchall()
        features, readable = np.zeros((len(wanted), encoder.dim), np.float32), np.zeros(len(wanted), bool)

        def put(image_ids: list[int], vectors: np.ndarray) -> None:
            at = np.searchsorted(wanted, image_ids)
            features[at], readable[at] = vectors, True

        known = [row["id"] for row in rows if row["known"] is not None]
        if known:
            put(known, self.project.features(known, encoder.fingerprint))
        missing = [row for row in rows if row["known"] is None]
        began, chunk = time.monotonic(), {}
        for done, (image_id, view) in enumerate(reencode.views(self.project, missing, encoder), start=1):
            if view is not None:
                chunk[image_id] = view
            if chunk and (len(chunk) == AT_ONCE or done == len(missing)):
                put(list(chunk), encoder.encode_views(list(chunk.values())))
                chunk = {}
            told("encoding", done, len(missing))
        return self._parted(features[back], readable[back]), len(missing), time.monotonic() - began

    @property
    def _image_ids(self) -> tuple[np.ndarray, np.ndarray]:
        return self.view.normals.image_ids[self.normals], self.view.scored.image_ids[self.scored]

    def _parted(self, images: np.ndarray, readable: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        n = len(self.normals)
        return images[:n][readable[:n]], images[n:], readable[n:]


def _one(
    given: _Given, name: str, seconds: float, job_id: int | None, tell: Callable[[float], None], told: Told
) -> tuple[Entry, np.ndarray | None]:
    """One detector; whatever goes wrong with it is in its entry."""
    detector, _, backbone = name.partition(":")
    more = {}
    try:
        if backbone:
            (normals, queries, readable), encoded, took = given.encoded(backbone, told)
            more = {"encoded": encoded, "encode_seconds": took if encoded else None}
        elif DETECTORS[detector].sees == "images":
            normals, queries, readable = given.pictures(told)
        else:
            normals, queries = given.features
            readable = np.ones(len(queries), bool)
        outcome = run_detector(detector, normals, queries[readable], seconds=seconds, tell=tell)
    except DN2Error as error:  # weights that are not to be had, a damaged file
        outcome = Outcome(None, error.code, error.params)
    scores = None
    if outcome.scores is not None:
        scores = np.full(len(given.ids), np.nan)
        scores[readable] = outcome.scores
    return Entry(
        name=name,
        seconds=seconds,
        at=time.time(),
        job_id=job_id,
        fit_seconds=outcome.fit_seconds,
        score_ms=None if outcome.score_seconds is None else 1000 * outcome.score_seconds / max(1, readable.sum()),
        memory_bytes=outcome.memory_bytes,
        notes=outcome.notes,
        error_code=outcome.error_code,
        error_params=outcome.error_params,
        **more,
    ), scores


def _begin(project: "Project", given: _Given, job_id: int | None) -> Comparison:
    """The newest comparison where it is of the same normals and images, else a new one."""
    state, last = given.view.state, newest_comparison(project)
    if (
        last is not None
        and (last.version, last.fingerprint) == (state.version, state.fingerprint)
        and np.array_equal(last.normal_ids, given.normal_ids)
        and np.array_equal(last.ids, given.ids)
    ):
        with project.db.write() as db:
            db.execute("UPDATE comparisons SET finished = NULL, job_id = ? WHERE id = ?", (job_id, last.id))
        return last
    made = Comparison(
        id=0,
        created=time.time(),
        finished=None,
        version=state.version,
        fingerprint=state.fingerprint,
        normal_ids=given.normal_ids,
        normals=len(given.view.normals),
        ids=given.ids,
        scored=len(given.view.scored),
        entries={},
        scores={},
    )
    name = f"{uuid.uuid4().hex}.npz"
    fsio.write_atomic(below(project.folder / "comparisons", name), _packed(made))
    with project.db.write() as db:
        row = db.execute(
            "INSERT INTO comparisons(created, version, fingerprint, job_id, file) VALUES (?, ?, ?, ?, ?)",
            (made.created, made.version, made.fingerprint, job_id, name),
        ).lastrowid
    return Comparison(**{**vars(made), "id": row})


def _save(project: "Project", kept: Comparison) -> None:
    """Replace the comparison's file: who reads it has the old one or the new one, whole."""
    with project.db.read() as db:
        name = db.execute("SELECT file FROM comparisons WHERE id = ?", (kept.id,)).fetchone()["file"]
    fsio.write_atomic(below(project.folder / "comparisons", name), _packed(kept))


def _packed(kept: Comparison) -> bytes:
    about = {
        "normals": kept.normals,
        "scored": kept.scored,
        "entries": [asdict(entry) for entry in kept.entries.values()],
    }
    buffer = io.BytesIO()
    np.savez(
        buffer,
        about=np.array(dump(about)),
        normal_ids=kept.normal_ids,
        ids=kept.ids,
        **{f"scores_{name}": scores for name, scores in kept.scores.items()},
    )
    return buffer.getvalue()


def _load(project: "Project", row) -> Comparison | None:
    try:
        data = below(project.folder / "comparisons", row["file"]).read_bytes()
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            about = json.loads(str(file["about"]))
            entries = {entry["name"]: Entry(**entry) for entry in about["entries"] if _known(entry["name"])}
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
                entries={name: entries[name] for name in sorted(entries, key=_place)},
                scores={name: file[f"scores_{name}"] for name in entries if f"scores_{name}" in file},
            )
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile):
        return None


def _place(name: str) -> tuple[int, int]:
    """Where an entry stands: as in DETECTORS, other networks right behind the DN2 that they are compared with."""
    detector, _, backbone = name.partition(":")
    return list(DETECTORS).index(detector), 1 + list(BACKBONES).index(backbone) if backbone else 0


def _known(name: str) -> bool:
    detector, _, backbone = name.partition(":")
    return detector in DETECTORS and (not backbone or backbone in BACKBONES)


def _check_seconds(seconds: float) -> None:
    if not 0 < seconds < float("inf"):
        raise Refused("SECONDS_OUT_OF_RANGE", seconds=seconds)


def _with_all_labelled(labelled: np.ndarray, most: int, rng: np.random.Generator) -> np.ndarray:
    """Sorted positions: all where that is not too many, else the labelled ones and a sample of the others."""
    others = np.flatnonzero(~labelled)
    room = max(0, most - int(labelled.sum()))
    if len(others) > room:
        others = rng.choice(others, room, replace=False)
    return np.sort(np.concatenate([np.flatnonzero(labelled), others]))


def _small(jpeg: bytes) -> np.ndarray:
    """(SIDE, SIDE, 3) uint8 of a thumbnail; its proportions are not kept, as the networks' input is a square."""
    return np.asarray(Image.open(io.BytesIO(jpeg)).convert("RGB").resize((SIDE, SIDE), Image.Resampling.BILINEAR))
