"""All images anew through another network, while the old one still serves."""

import json
from dataclasses import asdict, replace

from dn2core.ingest import decode
from dn2core.project import vectors
from dn2core.project.catalogue import dump
from dn2core.project.encoders import encoder_for
from dn2core.project.jobs import Job
from dn2core.project.progress import Progress
from dn2core.project.project import Project
from dn2core.project.settings import Settings

CHUNK = 64


def run(project: Project, job: Job, progress: Progress) -> None:
    """Encode what has no vector yet under the new fingerprint; then switch over in one step."""
    progress.stage("loading the network")
    encoder = encoder_for(job.args["backbone"], job.args["preset"], project.weights_dir)
    with project.db.write() as db:
        vectors.drop_damaged(project.vectors_dir, db, encoder.fingerprint)
        total = db.execute("SELECT count(*) FROM images").fetchone()[0]
        missing = db.execute(
            "SELECT id, sha256, format FROM images WHERE id NOT IN"
            " (SELECT image_id FROM vectors WHERE fingerprint = ?) ORDER BY id",
            (encoder.fingerprint,),
        ).fetchall()
    progress.stage("encoding", done=total - len(missing), total=total)
    for start in range(0, len(missing), CHUNK):
        progress.check()
        rows = missing[start : start + CHUNK]
        views = [encoder.view(_image(project, row, encoder.decode_side)) for row in rows]
        chunk = vectors.save_chunk(project.vectors_dir, encoder.encode_views(views))
        with project.db.write() as db:
            vectors.record(db, encoder.fingerprint, chunk, [row["id"] for row in rows])
        progress.advance(len(rows))
    progress.check()
    with project.db.write() as db:
        settings = Settings(**json.loads(db.execute("SELECT value FROM meta WHERE key = 'settings'").fetchone()[0]))
        settings = replace(settings, backbone=encoder.name, preset=encoder.preset)
        db.execute("UPDATE meta SET value = ? WHERE key = 'settings'", (dump(asdict(settings)),))
        if db.execute("SELECT 1 FROM states").fetchone():
            project.publish(db, f"encoded by {encoder.name}, {encoder.preset}", encoder)


def _image(project: Project, row, at_least: int):
    return decode(project.original(row["sha256"], row["format"]), limits=project.limits, at_least=at_least).image
