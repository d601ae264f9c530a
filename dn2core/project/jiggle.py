"""How steady scores are under small changes of the pictures: of one image, and of a sample of the normals.

Encoding is a worker's. The vectors of one image's changed versions are kept on disk, about 60 kB, so that any k, limit
or version of the normals is a look-up; of the normals the scores are kept.
"""

import io
import json
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from dn2core.detect import Judgement
from dn2core.errors import NotFound, Refused, Rejected, StorageError
from dn2core.explore.evaluation import Share, clopper_pearson
from dn2core.explore.jiggle import (
    FAMILIES,
    KINDS,
    RECIPE,
    Handling,
    Spread,
    handling,
    jiggled,
    resampled,
    scores_without,
)
from dn2core.features.runtime import available_cores
from dn2core.ingest import Limits, decode
from dn2core.project import encoders, fsio
from dn2core.project.catalogue import dump
from dn2core.project.jobs import Job
from dn2core.project.paths import below
from dn2core.project.progress import Progress
from dn2core.project.records import State, newest_state, state_of
from dn2core.project.snapshot import Snapshot, snapshot

if TYPE_CHECKING:
    from dn2core.project.project import Project

NORMALS = 200  # that are looked at, at most
SEED = 0  # of their draw
AT_ONCE = 8  # images, each with all its versions, between two signs of life
RESTS_ON = ("normalise", "k", "form", "reduction")  # settings that scores follow from


@dataclass(frozen=True)
class Measured:
    """What handling does to the normals, as it was measured last."""

    at: float  # seconds since 1970
    version: int  # of the normals
    found: Handling  # by the limit in force, or where it does not fit by that of then
    redrawn: Share  # flagged although only drawn anew: what the turns have of their own making
    of: int  # normals there were
    lost: int  # drawn but not readable
    fits: bool  # whether nothing changed since that would change the scores


def submit_jiggle(project: "Project") -> int:
    """Queue the jiggle test of the normals; returns the job's id."""
    return project.jobs.submit(project.id, "jiggle")


def submit_image(project: "Project", view: Snapshot, item_id: int) -> int:
    """Queue the encoding of one image's changed versions, for `jiggle_image` to be quick; returns the job's id.

    Raises:
        NotFound: an item that is not in the snapshot.
    """
    return project.jobs.submit(project.id, "steady", **_asked(view, item_id))


def image_job(project: "Project", view: Snapshot, item_id: int) -> Job | None:
    """The job of that image: the unfinished one, else the one that ended last; None without one."""
    jobs = (*project.jobs.active(project.id), *project.jobs.recent(project.id))
    return next((job for job in jobs if job.kind == "steady" and job.args == _asked(view, item_id)), None)


def is_kept(project: "Project", view: Snapshot, item_id: int) -> bool:
    """Whether `jiggle_image` needs no network.

    Raises:
        NotFound: an item that is not in the snapshot.
    """
    return _kept(project, view.state, _found(view, item_id)[0]) is not None


def jiggle_image(project: "Project", view: Snapshot, item_id: int, judged: Judgement | None = None) -> Spread:
    """The spread of one image's score under small changes, scored as the snapshot scores.

    A normal that images are compared with is scored without itself, and so are its changed versions. Where no job has
    encoded them yet, that is done here.

    Args:
        judged: the judgement whose k and limit count; the one of the project's settings by default.

    Raises:
        NotFound: an item that is not in the snapshot, or whose stored image is gone.
        Refused: TWO_NORMALS_NEEDED where there is no limit, ENCODED_OTHERWISE.
        Rejected, StorageError: when the stored image cannot be read.
        WeightsUnavailable: as `load_encoder`.
    """
    judged = view.judge() if judged is None else judged
    _need_limit(judged)
    image_id, row = _found(view, item_id)
    taken = project.features([image_id], view.state.fingerprint)
    vectors = np.concatenate([taken, _vectors(project, view.state, image_id)])
    score, *scores, again = _scores(view, judged, vectors, row).tolist()
    return Spread(score, judged.limit, dict(zip(KINDS, scores, strict=True)), again)


def run_image(project: "Project", job: Job, progress: Progress) -> None:
    """Encode one image's changed versions and keep the vectors.

    Raises:
        NotFound, Rejected, StorageError: when the stored image cannot be read.
        Refused: ENCODED_OTHERWISE. WeightsUnavailable.
    """
    progress.stage("loading the network")
    with project.db.read() as db:
        state = state_of(db, job.args["version"])
    _vectors(project, state, job.args["image"])
    _tidy(project, state, job.args["image"])


def run(project: "Project", job: Job, progress: Progress) -> None:
    """Put a sample of the normals through the test and keep the scores.

    Where images are compared with fewer normals, the good parts that check the limit stand for all.

    Raises:
        NotFound: NO_NORMALS. Refused: TWO_NORMALS_NEEDED, ENCODED_OTHERWISE. WeightsUnavailable.
        StorageError: when none of the stored images can be read.
    """
    progress.stage("loading the network")
    view = snapshot(project)
    judged = view.judge()
    _need_limit(judged)
    versions = _Versions(_encoder(project, view.state), project.limits)
    items, known = (view.checking, judged.reference_scores) if view.reduced else (view.normals, judged.normal_scores)
    drawn = np.random.default_rng(SEED).choice(len(items), min(NORMALS, len(items)), replace=False)
    drawn = np.sort(drawn)
    files = _files(project, items.image_ids[drawn].tolist())

    def of(file: tuple[str, str]) -> np.ndarray | None:
        try:
            return versions.of(project.original(*file))
        except (NotFound, Rejected, StorageError):
            return None

    kept, scores = [], []
    progress.stage("jiggling", total=len(drawn))
    with ThreadPoolExecutor(min(AT_ONCE, available_cores()), thread_name_prefix="dn2-jiggle") as pool:
        for start in range(0, len(drawn), AT_ONCE):
            chunk = slice(start, start + AT_ONCE)
            made = zip(drawn[chunk].tolist(), pool.map(of, files[chunk]), strict=True)
            whole = [(position, views) for position, views in made if views is not None]
            vectors = versions.encode([views for _, views in whole]) if whole else []
            for (position, _), those in zip(whole, vectors, strict=True):
                kept.append(position)
                scores.append(_scores(view, judged, those, None if view.reduced else position).tolist())
            progress.advance(len(files[chunk]))
            progress.check(midway=True)
    if not kept:
        raise StorageError("STORAGE_FAILED", what="The stored normals", reason="none is whole")
    result = {
        "rests_on": _rests_on(view),
        "limit": judged.limit,
        "of": len(items),
        "lost": len(drawn) - len(kept),
        "seed": SEED,
        "items": items.ids[kept].tolist(),
        "as_taken": known[kept].tolist(),
        "kinds": KINDS,
        "families": FAMILIES,
        "changed": [row[:-1] for row in scores],
        "resampled": [row[-1] for row in scores],
    }
    with project.db.write() as db:
        newest = db.execute(
            "INSERT INTO jiggles(created, version, result) VALUES (?, ?, ?)",
            (time.time(), view.state.version, dump(result)),
        ).lastrowid
        db.execute("DELETE FROM jiggles WHERE id < ?", (newest,))


def last_jiggle(project: "Project", view: Snapshot) -> Measured | None:
    """What was measured last; None before it was measured.

    Other limits are applied to the scores that were measured; anything else that changed is told by `fits`.
    """
    with project.db.read() as db:
        row = db.execute("SELECT * FROM jiggles ORDER BY id DESC LIMIT 1").fetchone()
    if row is None:
        return None
    kept = json.loads(row["result"])
    fits = kept["rests_on"] == _rests_on(view)
    limit = view.judge().limit if fits else kept["limit"]
    again = np.asarray(kept["resampled"])
    return Measured(
        at=row["created"],
        version=row["version"],
        found=handling(kept["as_taken"], kept["changed"], limit, kinds=kept["kinds"], families=kept["families"]),
        redrawn=clopper_pearson(int((again > limit).sum()), len(again)),
        of=kept["of"],
        lost=kept["lost"],
        fits=fits,
    )


class _Versions:
    """What the network sees of an image's changed versions, the control last, and their vectors.

    The image is changed at twice the pixels that the network asks for, where it has them, and brought to those that a
    decoder gives it only then: a turn among these few would blur it.
    """

    def __init__(self, encoder, limits: Limits):
        self.encoder, self.limits = encoder, limits

    def of(self, data: bytes) -> np.ndarray:
        """(KINDS + 1, side, side, 3) uint8 of a stored file.

        Raises:
            Rejected: when it cannot be decoded.
        """
        side = self.encoder.decode_side
        fine = decode(data, limits=self.limits, at_least=2 * side).image
        given = decode(data, limits=self.limits, at_least=side).image
        halve = len(fine) > 1.5 * len(given)
        fine = _reduced(fine, min(fine.shape[:2]) // (2 * side))
        changed = [*(image for _, image in jiggled(fine)), resampled(fine)]
        return np.stack([self.encoder.view(_reduced(image, 2 if halve else 1)) for image in changed])

    def encode(self, images: list[np.ndarray]) -> np.ndarray:
        """(n, KINDS + 1, d) float32 vectors of what `of` gave for n images."""
        vectors = self.encoder.encode_views([view for views in images for view in views])
        return vectors.reshape(len(images), len(KINDS) + 1, -1)


def _vectors(project: "Project", state: State, image_id: int) -> np.ndarray:
    """(KINDS + 1, d) float32 vectors of an image's changed versions, the control last; kept once they are made."""
    vectors = _kept(project, state, image_id)
    if vectors is None:
        versions = _Versions(_encoder(project, state), project.limits)
        vectors = versions.encode([versions.of(project.original(*_files(project, [image_id])[0]))])[0]
        buffer = io.BytesIO()
        np.save(buffer, vectors)
        fsio.write_derived(_place(project, image_id, state.fingerprint), buffer.getvalue())
    return vectors


def _kept(project: "Project", state: State, image_id: int) -> np.ndarray | None:
    """None where nothing is kept, or not what was written."""
    try:
        vectors = np.load(io.BytesIO(_place(project, image_id, state.fingerprint).read_bytes()), allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    whole = vectors.ndim == 2 and len(vectors) == len(KINDS) + 1 and np.isfinite(vectors).all()
    return vectors if whole else None


def _place(project: "Project", image_id: int, network: str) -> Path:
    return below(project.folder / "jiggles", f"{image_id}-{network}-{RECIPE}.npy")


def _tidy(project: "Project", state: State, image_id: int) -> None:
    """Drop the vectors of images that are not in use, of other networks and other changes; never those just made."""
    with project.db.read() as db:
        used = {row[0] for row in db.execute("SELECT DISTINCT image_id FROM items WHERE until IS NULL")}
        networks = {state.fingerprint, newest_state(db).fingerprint}
    named = {_place(project, image_id, network) for image_id in used | {image_id} for network in networks}
    for path in (project.folder / "jiggles").glob("*.npy"):
        if path not in named:
            path.unlink(missing_ok=True)


def _asked(view: Snapshot, item_id: int) -> dict:
    return {"image": _found(view, item_id)[0], "version": view.state.version}


def _files(project: "Project", image_ids: list[int]) -> list[tuple[str, str]]:
    """(sha256, format) of images, in that order."""
    with project.db.read() as db:
        rows = db.execute(
            "SELECT id, sha256, format FROM images WHERE id IN (SELECT value FROM json_each(?))", (dump(image_ids),)
        )
        files = {row["id"]: (row["sha256"], row["format"]) for row in rows}
    return [files[image_id] for image_id in image_ids]


def _scores(view: Snapshot, judged: Judgement, vectors: np.ndarray, row: int | None) -> np.ndarray:
    return scores_without(judged.form, view.bank, view.loo, vectors, judged.k, row)


def _found(view: Snapshot, item_id: int) -> tuple[int, int | None]:
    """The image of an item, and its row in the bank where it is compared with."""
    for items in (view.normals, view.scored, view.apart, view.checking):
        position = items.position(item_id)
        if position is not None:
            return int(items.image_ids[position]), position if items is view.normals else None
    raise NotFound("NOT_FOUND", what="The image")


def _encoder(project: "Project", state: State):
    """The network of the normals.

    Raises:
        Refused: ENCODED_OTHERWISE where an update of this program changed what it computes.
    """
    encoder = encoders.encoder_for(state.backbone, state.preset, project.weights_dir)
    if encoder.fingerprint != state.fingerprint:
        raise Refused("ENCODED_OTHERWISE")
    return encoder


def _need_limit(judged: Judgement) -> None:
    if judged.limit != judged.limit:
        raise Refused("TWO_NORMALS_NEEDED")


def _rests_on(view: Snapshot) -> dict:
    """What another score would follow from, as JSON gives it back."""
    settings = {name: getattr(view.settings, name) for name in RESTS_ON}
    return {"version": view.state.version, "fingerprint": view.state.fingerprint, **settings}


def _reduced(image: np.ndarray, factor: int) -> np.ndarray:
    """Means over blocks of factor x factor pixels."""
    return np.asarray(Image.fromarray(image).reduce(factor)) if factor > 1 else image
