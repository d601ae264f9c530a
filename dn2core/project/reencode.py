"""All images anew through another network, while the old one still serves."""

from dataclasses import asdict, replace

import numpy as np

from dn2core.errors import StorageError
from dn2core.features.backbones import BACKBONES
from dn2core.project import vectors
from dn2core.project.catalogue import write_meta
from dn2core.project.encoders import encoder_for
from dn2core.project.jobs import Job
from dn2core.project.judging import judge
from dn2core.project.normals import next_version, publish
from dn2core.project.progress import Progress
from dn2core.project.project import Project
from dn2core.project.records import newest_state
from dn2core.project.settings import settings_in
from dn2core.project.stored import views

CHUNK = 64


def run(project: Project, job: Job, progress: Progress) -> None:
    """Encode all images by the network that was asked for; then switch over in one step."""
    progress.stage("loading the network")
    encoder = encoder_for(job.args["backbone"], job.args["preset"], project.weights_dir)
    progress.stage("checking what is there")
    switch(project, encoder, progress)
    progress.stage("finishing")
    judge(project)


def switch(project: Project, encoder, progress: Progress) -> None:
    """Encode what has no vector by `encoder` yet, and once nothing is missing have it serve.

    Normals whose stored image cannot be read are left out of the new version, which says so.
    """
    encoded, lost = encode_missing(project, encoder, progress)
    while not _switched(project, encoder, encoded, lost):  # images came in meanwhile
        more, lost = encode_missing(project, encoder, progress)
        encoded += more


def encode_missing(project: Project, encoder, progress: Progress) -> tuple[int, set[int]]:
    """Vectors by `encoder` for all images without a whole one: (how many were made, images that are lost)."""
    vectors.drop_damaged(project.vectors_dir, project.db, encoder.fingerprint)
    with project.db.read() as db:
        total = db.execute("SELECT count(*) FROM images").fetchone()[0]
        missing = _missing(db, encoder.fingerprint)
    progress.stage("encoding", done=total - len(missing), total=total)
    chunk, lost = {}, set()
    for image_id, view in views(project, missing, encoder):
        progress.beat()
        if view is None:
            lost.add(image_id)
        else:
            chunk[image_id] = view
        if len(chunk) == CHUNK:
            _save(project, encoder, chunk)
            progress.advance(len(chunk))
            progress.check()
            chunk = {}
    if chunk:
        _save(project, encoder, chunk)
        progress.advance(len(chunk))
    progress.check()
    return len(missing) - len(lost), lost


def _missing(db, fingerprint: str) -> list:
    return db.execute(
        "SELECT id, sha256, format, bytes FROM images WHERE id NOT IN"
        " (SELECT image_id FROM vectors WHERE fingerprint = ?) ORDER BY id",
        (fingerprint,),
    ).fetchall()


def _save(project: Project, encoder, views: dict[int, np.ndarray]) -> None:
    chunk = vectors.save_chunk(project.vectors_dir, encoder.encode_views(list(views.values())))
    with project.db.write() as db:
        vectors.record(db, encoder.fingerprint, chunk, list(views))


def _title(encoder) -> str:
    return BACKBONES[encoder.name].title if encoder.name in BACKBONES else encoder.name


def _switched(project: Project, encoder, encoded: int, lost: set[int]) -> bool:
    """Have `encoder` serve, unless an image that is not lost has no vector by it."""
    with project.db.write() as db:
        if {row["id"] for row in _missing(db, encoder.fingerprint)} - lost:
            return False
        settings = replace(settings_in(db), backbone=encoder.name, preset=encoder.preset)
        write_meta(db, settings=asdict(settings))
        state = newest_state(db)
        if state and (encoded or state.fingerprint != encoder.fingerprint):
            left_out = db.execute(
                "UPDATE items SET until = ? WHERE role = 'normal' AND since IS NOT NULL AND until IS NULL"
                " AND image_id NOT IN (SELECT image_id FROM vectors WHERE fingerprint = ?)",
                (next_version(db), encoder.fingerprint),
            ).rowcount
            reason = f"encoded by {_title(encoder)}, {encoder.preset}"
            if left_out:
                reason += f"; {left_out} left out, their stored images cannot be read"
            if publish(db, reason, encoder).n == 0 < left_out:
                raise StorageError("STORAGE_FAILED", what="The stored normals", reason="none is whole")
        return True
