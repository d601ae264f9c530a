"""The job behind every batch: files are checked, kept, encoded, and join the normals or are judged."""

import json
import shutil
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from dn2core.errors import NotFound, Rejected
from dn2core.ingest import check_all, sources_of_file, sources_of_folder, thumbnail
from dn2core.project import fsio, maps, vectors
from dn2core.project.catalogue import dump
from dn2core.project.encoders import encoder_for
from dn2core.project.jobs import Job
from dn2core.project.paths import by_hash, folder_roots
from dn2core.project.progress import Progress, Stopped
from dn2core.project.project import SUFFIXES, THUMBNAIL_SIDE, Project
from dn2core.project.snapshot import snapshot

CHUNK = 64


@dataclass
class Accepted:
    """A checked file on its way into the project."""

    key: str
    name: str
    sha256: str
    bytes: int
    format: str
    mode: str
    width: int
    height: int
    notes: list
    view: np.ndarray  # (side, side, 3) uint8, what the network will see


def run(project: Project, job: Job, progress: Progress) -> None:
    """Take in a batch, in chunks that are saved whole; a job that was interrupted skips what is saved."""
    batch, role = job.args["batch"], _role(project, job.args["batch"])
    progress.stage("loading the network")
    encoder = _serving_encoder(project)

    progress.stage("reading the list of files")
    finished = {outcome.key for outcome in project.outcomes(batch)}
    sources = list(_sources(project, batch))
    waiting = [source for source in sources if source.key not in finished]
    progress.stage("checking and encoding", done=len(sources) - len(waiting), total=len(sources))

    stopped = False
    try:
        for results in _chunks(_checked(project, job, waiting, encoder)):
            _save(project, batch, role, results, encoder)
            progress.advance(len(results))
            progress.check()
    except Stopped:
        stopped = True
    _finish(project, batch, role, encoder, progress)
    if stopped:
        raise Stopped


def _role(project: Project, batch: int) -> str:
    with project.db.read() as db:
        row = db.execute("SELECT role FROM batches WHERE id = ?", (batch,)).fetchone()
    if row is None:
        raise NotFound("NOT_FOUND", what="The batch")
    return row["role"]


def _serving_encoder(project: Project):
    """The encoder of the newest normals, so that all vectors in use are comparable."""
    chosen = project.state() or project.settings()
    return encoder_for(chosen.backbone, chosen.preset, project.weights_dir)


def _sources(project: Project, batch: int) -> Iterator:
    for staged in project.staged(batch):
        key = str(staged["position"])
        if staged["kind"] == "folder":
            yield from sources_of_folder(staged["location"], folder_roots(), key=key, limits=project.limits)
        else:
            path = project.staged_path(batch, staged["location"])
            yield from sources_of_file(path, staged["name"], key=key, limits=project.limits)


def _checked(project: Project, job: Job, sources: list, encoder) -> Iterator:
    """(source, Accepted | Rejected) in order.

    After a crash the files are taken one by one, each named on disk before it is opened: when the
    process dies again, the culprit is known and set aside.
    """

    def prepare(source, sha256: str, data: bytes, decoded) -> Accepted:
        project.store_original(sha256, decoded.format, data)
        project.store_thumbnail(sha256, thumbnail(decoded.image, THUMBNAIL_SIDE))
        return Accepted(
            key=source.key,
            name=source.name,
            sha256=sha256,
            bytes=len(data),
            format=decoded.format,
            mode=decoded.mode,
            width=decoded.width,
            height=decoded.height,
            notes=list(decoded.notes),
            view=encoder.view(decoded.image),
        )

    def check(some: Iterable) -> Iterator:
        return check_all(some, limits=project.limits, at_least=_at_least(encoder), prepare=prepare)

    if job.attempts == 1:
        yield from check(sources)
        return
    suspect = project.folder / "incoming" / f"suspect-{job.id}"
    culprit = suspect.read_text() if suspect.exists() else None
    for source in sources:
        if source.key == culprit:
            suspect.unlink()
            project.jobs.forgive(job.id)
            yield source, Rejected("DECODER_CRASH")
        else:
            suspect.write_text(source.key)
            yield from check([source])
            suspect.unlink()


def _at_least(encoder) -> int:
    """One decoding serves the network and the thumbnail."""
    return encoder.decode_side


def _chunks(results: Iterable) -> Iterator[list]:
    chunk = []
    for result in results:
        chunk.append(result)
        if len(chunk) == CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _save(project: Project, batch: int, role: str, results: list, encoder) -> None:
    """Encode a chunk and enter all of it in one transaction."""
    accepted = [result for _, result in results if isinstance(result, Accepted)]
    fsio.sync_folders(by_hash(project.folder / "originals", a.sha256, SUFFIXES[a.format]).parent for a in accepted)
    known = _with_vector(project, {a.sha256 for a in accepted}, encoder.fingerprint)
    new = {a.sha256: a for a in accepted if a.sha256 not in known}
    chunk = None
    if new:
        features = encoder.encode_views([a.view for a in new.values()])
        chunk = vectors.save_chunk(project.vectors_dir, features)

    with project.db.write() as db:
        image_ids = {a.sha256: _image(db, a) for a in accepted}
        if chunk:
            vectors.record(db, encoder.fingerprint, chunk, [image_ids[sha256] for sha256 in new])
        for source, result in results:
            if isinstance(result, Rejected):
                _outcome(db, batch, source, "rejected", result.code, result.params)
                continue
            twin = db.execute(
                "SELECT id, name FROM items WHERE image_id = ? AND role = ? AND until IS NULL",
                (image_ids[result.sha256], role),
            ).fetchone()
            if twin:
                _outcome(db, batch, source, "duplicate", "DUPLICATE", {"of": twin["name"]}, twin["id"])
            else:
                item_id = db.execute(
                    "INSERT INTO items(role, image_id, name, batch_id, added) VALUES (?, ?, ?, ?, ?)",
                    (role, image_ids[result.sha256], result.name, batch, time.time()),
                ).lastrowid
                _outcome(db, batch, source, "accepted", None, {}, item_id)


def _finish(project: Project, batch: int, role: str, encoder, progress: Progress) -> None:
    """Publish new normals as the next version, or judge the new images by the version in force."""
    progress.stage("finishing")
    accepted = len(project.outcomes(batch, "accepted"))
    if role == "normal" and accepted:
        with project.db.write() as db:
            version = db.execute("SELECT coalesce(max(version), 0) + 1 FROM states").fetchone()[0]
            joined = db.execute(
                "UPDATE items SET since = ? WHERE batch_id = ? AND role = 'normal' AND since IS NULL", (version, batch)
            ).rowcount
            if joined:
                project.publish(db, f"{joined} normals added", encoder)
    judged = _judge(project, batch, role)
    if judged and not maps.has_map(project, judged["fingerprint"], project.settings().normalise):
        project.submit_map()
    with project.db.write() as db:
        db.execute(
            "UPDATE batches SET finished = ?, judged = ? WHERE id = ?",
            (time.time(), dump(judged) if judged else None, batch),
        )
    shutil.rmtree(project.folder / "incoming" / str(batch), ignore_errors=True)


def _judge(project: Project, batch: int, role: str) -> dict | None:
    """What the verdicts on this batch are now, and by which state; None where nothing can be judged."""
    try:
        view = snapshot(project)
    except NotFound:
        project.touch(flagged=None)
        return None
    verdicts = view.judge()
    project.touch(flagged=int(verdicts.flagged.sum()) if len(view.scored) else None)
    if role == "normal":
        return None
    mine = view.scored.batches == batch
    return {
        "version": view.state.version,
        "normals": view.state.n,
        "fingerprint": view.state.fingerprint,
        "k": verdicts.k,
        "limit": None if np.isnan(verdicts.limit) else float(verdicts.limit),
        "scored": int(mine.sum()),
        "flagged": int(verdicts.flagged[mine].sum()),
    }


def _with_vector(project: Project, hashes: set[str], fingerprint: str) -> set[str]:
    with project.db.read() as db:
        rows = db.execute(
            "SELECT sha256 FROM images m JOIN vectors v ON v.image_id = m.id"
            f" WHERE v.fingerprint = ? AND sha256 IN ({','.join('?' * len(hashes))})",
            (fingerprint, *hashes),
        ).fetchall()
    return {row["sha256"] for row in rows}


def _image(db, accepted: Accepted) -> int:
    db.execute(
        "INSERT OR IGNORE INTO images(sha256, format, mode, width, height, bytes, notes) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            accepted.sha256,
            accepted.format,
            accepted.mode,
            accepted.width,
            accepted.height,
            accepted.bytes,
            json.dumps(accepted.notes),
        ),
    )
    return db.execute("SELECT id FROM images WHERE sha256 = ?", (accepted.sha256,)).fetchone()["id"]


def _outcome(db, batch: int, source, status: str, code: str | None, params: dict, item_id: int | None = None) -> None:
    db.execute(
        "INSERT OR REPLACE INTO outcomes(batch_id, key, name, status, code, params, item_id)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (batch, source.key, source.name, status, code, dump(params), item_id),
    )
