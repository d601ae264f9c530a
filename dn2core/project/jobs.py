"""The queue of long work: a table that the server writes, workers claim from and pages watch."""

import json
import os
import time
from dataclasses import dataclass, field
from pathlib import Path

from dn2core.errors import NotFound, StorageError, sentence
from dn2core.project.catalogue import Database, Tables, dump

LANES = {
    "intake": "compute",
    "reencode": "compute",
    "patches": "comparison",  # apart from intake: whole images are judged meanwhile
    "jiggle": "compute",
    "steady": "compute",
    "map": "projection",
    "compare": "comparison",
    "reduce": "comparison",
    "fewer": "comparison",
}
ATTEMPTS = 3
KEPT = 1000  # ended jobs
STALLED_SECONDS = 180  # without a sign of life from a job that counts images
PATIENCE_SECONDS = 3600  # from one in a step of unknown length: a download, a map of 50,000 images

JOB_TABLES = Tables("""
CREATE TABLE jobs(
    id INTEGER PRIMARY KEY, project_id TEXT NOT NULL, kind TEXT NOT NULL, lane TEXT NOT NULL, args TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'queued', stage TEXT NOT NULL DEFAULT '',
    done INTEGER NOT NULL DEFAULT 0, total INTEGER NOT NULL DEFAULT 0, rate REAL, attempts INTEGER NOT NULL DEFAULT 0,
    created REAL NOT NULL, started REAL, finished REAL, heartbeat REAL, pid INTEGER,
    cancel INTEGER NOT NULL DEFAULT 0, error_code TEXT, error_params TEXT NOT NULL DEFAULT '{}');
CREATE INDEX IF NOT EXISTS jobs_by_state ON jobs(state, lane);
CREATE INDEX IF NOT EXISTS jobs_by_end ON jobs(finished);
""")


@dataclass(frozen=True)
class Job:
    """One piece of long work. `rate` is in images/s; states: queued, running, done, failed, cancelled."""

    id: int
    project_id: str
    kind: str
    args: dict
    state: str
    stage: str
    done: int
    total: int
    rate: float | None
    attempts: int
    created: float
    started: float | None
    finished: float | None
    cancelling: bool
    error_code: str | None
    error_params: dict = field(default_factory=dict)

    @property
    def active(self) -> bool:
        return self.state in ("queued", "running")

    @property
    def seconds_left(self) -> float | None:
        return (self.total - self.done) / self.rate if self.rate and self.total else None

    @property
    def error(self) -> str | None:
        return sentence(self.error_code, self.error_params) if self.error_code else None


class JobQueue:
    """Jobs in the order in which they came; each lane runs one at a time, and projects take turns in it."""

    def __init__(self, root: Path):
        """Open the queue; a damaged one is set aside, for no image depends on it.

        `renewed` tells of that: the unfinished batches of all projects then have to be submitted again.
        """
        self._db = Database(root / "jobs.sqlite", JOB_TABLES)
        self.renewed = False
        try:
            self._db.create()
            self._db.check()
        except StorageError as error:
            if error.code != "CATALOGUE_DAMAGED":
                raise
            self._db.path.replace(root / f"jobs-damaged-{time.time_ns()}.sqlite")
            for kind in ("journal", "wal", "shm"):  # they belong to the damaged one
                (root / f"jobs.sqlite-{kind}").unlink(missing_ok=True)
            self._db.create()
            self.renewed = True

    def submit(self, project_id: str, kind: str, **args) -> int:
        """Queue a job; the same job asked for twice is one job, unless it is being stopped. Returns its id."""
        text = dump(args)
        with self._db.write() as db:
            same = db.execute(
                "SELECT id FROM jobs WHERE project_id = ? AND kind = ? AND args = ? AND cancel = 0"
                " AND state IN ('queued', 'running')",
                (project_id, kind, text),
            ).fetchone()
            if same:
                return same["id"]
            return db.execute(
                "INSERT INTO jobs(project_id, kind, lane, args, created) VALUES (?, ?, ?, ?, ?)",
                (project_id, kind, LANES[kind], text, time.time()),
            ).lastrowid

    def job(self, job_id: int) -> Job:
        """Raises NotFound for an id that does not exist."""
        with self._db.read() as db:
            row = db.execute("SELECT * FROM jobs WHERE id = ?", (job_id,)).fetchone()
        if row is None:
            raise NotFound("NOT_FOUND", what="The job")
        return _job(row)

    def was_cancelled(self, job_id: int) -> bool:
        try:
            return self.job(job_id).state == "cancelled"
        except NotFound:
            return False

    def active(self, project_id: str | None = None) -> list[Job]:
        """Queued and running jobs, oldest first; of one project or of all."""
        return self._select("state IN ('queued', 'running') AND (? IS NULL OR project_id = ?) ORDER BY id", project_id)

    def recent(self, project_id: str | None = None, limit: int = 20) -> list[Job]:
        """Ended jobs, newest first."""
        return self._select(
            "state NOT IN ('queued', 'running') AND (? IS NULL OR project_id = ?)"
            f" ORDER BY finished DESC LIMIT {int(limit)}",
            project_id,
        )

    def cancel(self, job_id: int) -> None:
        """Ask a job to stop; one that did not begin ends at once, another one when its worker has closed it."""
        with self._db.write() as db:
            db.execute("UPDATE jobs SET cancel = 1 WHERE id = ? AND state IN ('queued', 'running')", (job_id,))
            db.execute(
                "UPDATE jobs SET state = 'cancelled', finished = ?"
                " WHERE id = ? AND state = 'queued' AND (started IS NULL OR kind != 'intake')",
                (time.time(), job_id),
            )

    def drop_project(self, project_id: str) -> None:
        """End the queued jobs of a deleted project; a running one notices by itself at its next chunk."""
        with self._db.write() as db:
            db.execute(
                "UPDATE jobs SET state = 'failed', error_code = 'PROJECT_DELETED', finished = ?"
                " WHERE project_id = ? AND state = 'queued'",
                (time.time(), project_id),
            )

    def revive(self, project_id: str) -> None:
        """Queue again what `drop_project` ended; batches are submitted again by the project itself."""
        with self._db.write() as db:
            db.execute(
                "UPDATE jobs SET state = 'queued', error_code = NULL, finished = NULL"
                " WHERE project_id = ? AND error_code = 'PROJECT_DELETED' AND kind != 'intake' AND cancel = 0",
                (project_id,),
            )

    def prune(self) -> None:
        """Forget jobs that ended long ago, all but the newest; cancelled ones tell that a batch is not wanted."""
        with self._db.write() as db:
            db.execute(
                "DELETE FROM jobs WHERE id IN (SELECT id FROM jobs WHERE state IN ('done', 'failed')"
                " ORDER BY finished DESC LIMIT -1 OFFSET ?)",
                (KEPT,),
            )

    # the worker's side

    def claim(self, lane: str) -> Job | None:
        """Take the next queued job of a lane; None when there is none.

        A project's jobs are done in the order in which they came. Among projects that one is next whose turn
        is longest ago, so that a small job need not wait for all of a large one.
        """
        with self._db.read() as db:
            if not db.execute("SELECT 1 FROM jobs WHERE lane = ? AND state = 'queued' LIMIT 1", (lane,)).fetchone():
                return None
        now = time.time()
        with self._db.write() as db:
            row = db.execute(
                "SELECT id FROM jobs WHERE lane = ? AND state = 'queued' AND (cancel OR id IN"
                " (SELECT min(id) FROM jobs WHERE lane = ? AND state = 'queued' GROUP BY project_id))"
                " ORDER BY cancel DESC, coalesce(heartbeat, 0), id LIMIT 1",
                (lane, lane),
            ).fetchone()
            if row is None:
                return None
            db.execute(
                "UPDATE jobs SET state = 'running', attempts = attempts + 1, pid = ?, heartbeat = ?,"
                " started = coalesce(started, ?) WHERE id = ?",
                (os.getpid(), now, now, row["id"]),
            )
            return _job(db.execute("SELECT * FROM jobs WHERE id = ?", (row["id"],)).fetchone())

    def report(self, job_id: int, *, stage: str, done: int, total: int, rate: float | None) -> bool:
        """Write progress, which is also the sign of life; returns whether the job is asked to stop."""
        with self._db.write() as db:
            db.execute(
                "UPDATE jobs SET stage = ?, done = ?, total = ?, rate = ?, heartbeat = ? WHERE id = ?",
                (stage, done, total, rate, time.time(), job_id),
            )
            return bool(db.execute("SELECT cancel FROM jobs WHERE id = ?", (job_id,)).fetchone()["cancel"])

    def finish(self, job_id: int, state: str, code: str | None = None, params: dict | None = None) -> None:
        with self._db.write() as db:
            db.execute(
                "UPDATE jobs SET state = ?, finished = ?, error_code = ?, error_params = ?, pid = NULL WHERE id = ?",
                (state, time.time(), code, dump(params or {}), job_id),
            )

    def requeue(self, job_id: int, *, forgive: bool = False) -> None:
        """Put a running job back; `forgive` when the interruption was not its fault."""
        with self._db.write() as db:
            db.execute(
                "UPDATE jobs SET state = 'queued', pid = NULL, attempts = attempts - ?"
                " WHERE id = ? AND state = 'running'",
                (int(forgive), job_id),
            )

    def forgive(self, job_id: int) -> None:
        """The cause of the crashes was found, or was none of the job's: count attempts anew."""
        with self._db.write() as db:
            db.execute("UPDATE jobs SET attempts = 1 WHERE id = ?", (job_id,))

    def orphaned(self, pid: int | None = None) -> None:
        """Requeue the running jobs of a worker that died; give up on those that keep killing theirs.

        Without a pid those of all workers, after an end that was not their fault: nothing is given up. One
        attempt stays counted, so that an intake looks out for a file that may have ended them all.
        """
        with self._db.read() as db:
            rows = db.execute(
                "SELECT * FROM jobs WHERE state = 'running' AND (? IS NULL OR pid = ?)", (pid, pid)
            ).fetchall()
        for row in rows:
            crashed = pid is not None and row["attempts"] >= _attempts(row["kind"])
            # A stopped intake is requeued as well: it still has to account for what it was given.
            if row["cancel"] and (crashed or row["kind"] != "intake"):
                self.finish(row["id"], "cancelled")
            elif crashed:
                self.finish(row["id"], "failed", "JOB_CRASHED", {"attempts": row["attempts"]})
            else:
                self.requeue(row["id"])
                if pid is None and row["attempts"] > 1:
                    self.forgive(row["id"])

    def sign_of_life(self, pid: int) -> tuple[float, int] | None:
        """(the last sign, for how many seconds it suffices) of the job that process `pid` runs; None without one."""
        with self._db.read() as db:
            row = db.execute("SELECT heartbeat, total FROM jobs WHERE state = 'running' AND pid = ?", (pid,)).fetchone()
        return row and (row["heartbeat"], STALLED_SECONDS if row["total"] else PATIENCE_SECONDS)

    def others_wait(self, job_id: int) -> bool:
        """Whether another project waits for the lane of this job."""
        with self._db.read() as db:
            row = db.execute(
                "SELECT 1 FROM jobs me JOIN jobs o ON o.lane = me.lane AND o.project_id != me.project_id"
                " WHERE me.id = ? AND o.state = 'queued' LIMIT 1",
                (job_id,),
            ).fetchone()
        return row is not None

    def beat(self, job_id: int) -> None:
        """A sign of life without progress."""
        with self._db.write() as db:
            db.execute("UPDATE jobs SET heartbeat = ? WHERE id = ?", (time.time(), job_id))

    def _select(self, condition: str, project_id: str | None) -> list[Job]:
        with self._db.read() as db:
            return [_job(row) for row in db.execute(f"SELECT * FROM jobs WHERE {condition}", (project_id, project_id))]


def _attempts(kind: str) -> int:
    """A map that killed its worker would do so again; an intake has one more attempt, to close its batch."""
    return {"map": 1, "intake": ATTEMPTS + 1}.get(kind, ATTEMPTS)


def _job(row) -> Job:
    return Job(
        id=row["id"],
        project_id=row["project_id"],
        kind=row["kind"],
        args=json.loads(row["args"]),
        state=row["state"],
        stage=row["stage"],
        done=row["done"],
        total=row["total"],
        rate=row["rate"],
        attempts=row["attempts"],
        created=row["created"],
        started=row["started"],
        finished=row["finished"],
        cancelling=bool(row["cancel"]),
        error_code=row["error_code"],
        error_params=json.loads(row["error_params"]),
    )
