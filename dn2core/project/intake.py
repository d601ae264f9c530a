"""The job behind every batch: files are checked, kept, encoded, and join the normals or are judged."""

import json
import shutil
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dn2core.errors import DN2Error, NotFound, Rejected, StorageError
from dn2core.ingest import check_all, sources_of_file, sources_of_folder, thumbnail
from dn2core.ingest.capture import Capture, measure
from dn2core.project import captures, reencode, trial, vectors
from dn2core.project.catalogue import dump
from dn2core.project.encoders import encoder_for
from dn2core.project.jobs import ATTEMPTS, Job
from dn2core.project.judging import judge
from dn2core.project.normals import next_version, publish
from dn2core.project.paths import folder_roots
from dn2core.project.progress import Progress, Stopped
from dn2core.project.project import THUMBNAIL_SIDE, Project

CHUNK = 64
CAREFUL = 256  # more files than can be in hand when a process dies


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
    capture: Capture
    view: np.ndarray  # (side, side, 3) uint8, what the network will see


def run(project: Project, job: Job, progress: Progress) -> None:
    """Take in a batch, in chunks that are saved whole; a job that was interrupted skips what is saved.

    However it ends on the user's word or after too many crashes, what is finished is kept, the other files
    are accounted for as rejected, and the batch is closed.
    """
    batch = job.args["batch"]
    role = _begin(project, batch, job.id)
    if role is None:  # the last attempt died between closing the batch and ending the job, or all but this is done
        _tidy(project, batch)
        captures.measure_missing(project, progress)
        return
    progress.stage("loading the network")
    encoder = ended = None
    try:
        encoder = _serving_encoder(project, progress)
    except Stopped as stopped:  # while all was encoded anew: the normals stay those of the old encoder
        ended = stopped

    progress.stage("reading the list of files")
    sources = list(_sources(project, batch))
    if job.attempts > 1 and encoder:
        _set_culprit_aside(project, job, batch, sources, encoder)
    finished = {outcome.key for outcome in project.outcomes(batch)}
    waiting = [source for source in sources if source.key not in finished]
    progress.stage("checking and encoding", done=len(sources) - len(waiting), total=len(sources))

    if waiting and progress.cancelled:
        ended = Stopped()
    if waiting and job.attempts > ATTEMPTS:
        ended = DN2Error("JOB_CRASHED", attempts=ATTEMPTS)
    try:
        for results in () if ended else _chunks(_checked(project, job, waiting, encoder), progress):
            _save(project, batch, role, results, encoder)
            progress.advance(len(results))
            waiting = waiting[len(results) :]
            progress.check()
    except Stopped as stopped:
        ended = stopped if waiting else None
    if ended:
        _reject(project, batch, waiting, getattr(ended, "code", "NOT_REACHED"), getattr(ended, "params", {}))
    progress.stage("finishing")
    _finish(project, batch, role, encoder, progress)
    if ended:
        raise ended
    captures.measure_missing(project, progress)


def _begin(project: Project, batch: int, job: int) -> str | None:
    """The role of a batch, which takes no more files from now on; None when it is finished already."""
    with project.db.write() as db:
        db.execute("UPDATE batches SET job_id = ? WHERE id = ?", (job, batch))
        row = db.execute("SELECT role, finished FROM batches WHERE id = ?", (batch,)).fetchone()
    if row is None:
        raise NotFound("NOT_FOUND", what="The batch")
    return row["role"] if row["finished"] is None else None


def _serving_encoder(project: Project, progress: Progress):
    """The encoder of the newest normals, so that all vectors in use are comparable.

    Where an update of this program changed what it computes, all images are encoded anew first.
    """
    state = project.state()
    chosen = state or project.settings()
    encoder = encoder_for(chosen.backbone, chosen.preset, project.weights_dir)
    if state and state.fingerprint != encoder.fingerprint:
        reencode.switch(project, encoder, progress)
    return encoder


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

    After a crash the next files are taken one by one, each named on disk before it is opened: when the
    process dies again, the suspect is known.
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
            capture=measure(decoded.image),
            view=encoder.view(decoded.image),
        )

    def check(some: Iterable) -> Iterator:
        return check_all(some, limits=project.limits, at_least=_at_least(encoder), prepare=prepare)

    careful = CAREFUL if job.attempts > 1 else 0
    suspect = _suspect(project, job)
    for source in sources[:careful]:
        suspect.write_text(source.key)
        results = list(check([source]))
        suspect.unlink()
        yield from results
    yield from check(sources[careful:])


def _suspect(project: Project, job: Job) -> Path:
    """Where the file in hand is named after a crash."""
    return project.folder / "incoming" / f"suspect-{job.id}"


def _set_culprit_aside(project: Project, job: Job, batch: int, sources: list, encoder) -> None:
    """Reject the file that was in hand when the process died, if decoding it kills another process, too."""
    suspect = _suspect(project, job)
    try:
        key = suspect.read_text()
    except FileNotFoundError:
        return
    for source in sources:
        if source.key == key and not trial.survives(source, _at_least(encoder)):
            _reject(project, batch, [source], "DECODER_CRASH", {})
            project.jobs.forgive(job.id)
    suspect.unlink()


def _at_least(encoder) -> int:
    """One decoding serves the network and the thumbnail."""
    return encoder.decode_side


def _chunks(results: Iterable, progress: Progress) -> Iterator[list]:
    chunk = []
    for result in results:
        progress.beat()
        chunk.append(result)
        if len(chunk) == CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _save(project: Project, batch: int, role: str, results: list, encoder) -> None:
    """Encode a chunk and enter all of it in one transaction."""
    accepted = [result for _, result in results if isinstance(result, Accepted)]
    project.sync_originals(a.sha256 for a in accepted)
    known = _with_vector(project, {a.sha256 for a in accepted}, encoder.fingerprint)
    new = {a.sha256: a for a in accepted if a.sha256 not in known}
    chunk = None
    if new:
        features = encoder.encode_views([a.view for a in new.values()])
        chunk = vectors.save_chunk(project.vectors_dir, features)

    with project.db.write() as db:
        image_ids = {a.sha256: _image(db, a) for a in accepted}
        captures.record(db, [(image_ids[a.sha256], a.capture) for a in accepted])
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
                    "INSERT INTO items(role, image_id, name, batch_id, added, held)"
                    " VALUES (?, ?, ?, ?, ?, (SELECT held FROM batches WHERE id = ?))",
                    (role, image_ids[result.sha256], result.name, batch, time.time(), batch),
                ).lastrowid
                _outcome(db, batch, source, "accepted", None, {}, item_id)


def _reject(project: Project, batch: int, sources: list, code: str, params: dict) -> None:
    with project.db.write() as db:
        for source in sources:
            _outcome(db, batch, source, "rejected", code, params)


def _finish(project: Project, batch: int, role: str, encoder, progress: Progress) -> None:
    """Publish new normals as the next version, have new images judged by the one in force, close the batch.

    Without an `encoder` the new normals are those of the one in force.
    """
    if role == "normal":
        with project.db.write() as db:
            _end_twins(db)
            # All that were accepted, also those of a batch whose job failed half-way.
            joined = db.execute(
                "UPDATE items SET since = ? WHERE role = 'normal' AND since IS NULL", (next_version(db),)
            ).rowcount
            if joined:
                held, author = db.execute("SELECT held, author FROM batches WHERE id = ?", (batch,)).fetchone()
                reason = f"{joined} normals added, held out" if held else f"{joined} normals added"
                publish(db, reason, encoder, author=author)
    try:
        judge(project, finishing=batch)
    except StorageError as error:
        if error.code != "VECTORS_DAMAGED" or encoder is None:
            raise
        reencode.encode_missing(project, encoder, progress)
        judge(project, finishing=batch)
    _tidy(project, batch)


def _end_twins(db) -> None:
    """Images that became normals another way while the batch was at work are duplicates after all."""
    twins = db.execute(
        "SELECT new.id, old.id AS of, old.name FROM items new JOIN items old ON old.image_id = new.image_id"
        " WHERE new.role = 'normal' AND new.since IS NULL AND new.until IS NULL"
        " AND old.role = 'normal' AND old.since IS NOT NULL AND old.until IS NULL"
    ).fetchall()
    for twin in twins:
        db.execute(
            "UPDATE outcomes SET status = 'duplicate', code = 'DUPLICATE', params = ?, item_id = ? WHERE item_id = ?",
            (dump({"of": twin["name"]}), twin["of"], twin["id"]),
        )
        db.execute("DELETE FROM items WHERE id = ?", (twin["id"],))


def _tidy(project: Project, batch: int) -> None:
    shutil.rmtree(project.folder / "incoming" / str(batch), ignore_errors=True)


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
