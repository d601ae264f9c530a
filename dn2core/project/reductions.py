"""Fewer normals in the bank: chosen by a worker, kept on disk, in force while the settings name the choice.

Three parts of the normals are told apart by content. The kept ones are compared with. The checks are set aside at
random before anything is chosen, so they score as the next good part will, and the limit rests on them: kept normals
lie farther from each other than a good part lies from them, and those left out lie nearer, for they had a say in what
is kept. The rest is left out. Normals that come later are compared with, as everywhere.
"""

import io
import sqlite3
import time
import uuid
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dn2core.detect.compression import coreset, kmeans, kmeans_is_quick
from dn2core.errors import Refused
from dn2core.project import fsio
from dn2core.project.jobs import Job
from dn2core.project.paths import below
from dn2core.project.progress import Progress

if TYPE_CHECKING:
    from dn2core.project.project import Project
    from dn2core.project.snapshot import Items, Snapshot

SET_ASIDE = 0.2  # of the normals
LEAST_LOTS = 4  # of which whole ones are set aside
Tell = Callable[[int, int], None]

METHODS: dict[str, Callable[[np.ndarray, int, Tell], np.ndarray]] = {
    "kmeans": lambda features, m, tell: kmeans(features, m, tell=tell).members,
    "coreset": lambda features, m, tell: coreset(features, m, tell=tell),
}


@dataclass(frozen=True)
class Reduction:
    """A choice of normals, by image ids: each of the normals there were is in one of the three."""

    id: int
    version: int  # of the normals that it was made from
    fingerprint: str  # of the features
    normalise: bool
    method: str  # a key of METHODS
    share: float  # of all normals, that are kept
    kept: np.ndarray  # (m,) int64
    checks: np.ndarray  # (c,) int64
    left_out: np.ndarray  # (l,) int64


def submit_reduction(project: "Project", method: str, share: float, *, author: str = "") -> int:
    """Queue the choice of a share of the normals; it is in force when it is made. Returns the job's id.

    Raises:
        Refused: UNKNOWN_REDUCTION, SHARE_OUT_OF_RANGE.
    """
    if method not in METHODS:
        raise Refused("UNKNOWN_REDUCTION", name=method, known=", ".join(METHODS))
    if not 0 < share < 1:
        raise Refused("SHARE_OUT_OF_RANGE", what="what is kept of the normals", share=share)
    return project.jobs.submit(project.id, "reduce", method=method, share=float(share), author=author)


def keep_all(project: "Project", *, author: str = "") -> None:
    """All normals are compared with again."""
    project.change_settings(reduction=None, author=author)


def run(project: "Project", job: Job, progress: Progress) -> None:
    """Choose, keep the choice, and judge by it.

    Raises:
        Refused: NORMALS_TOO_FEW_TO_REDUCE, LOTS_TOO_FEW_TO_REDUCE, MORE_MEANS_THAN_IMAGES, TOO_MANY_FOR_KMEANS.
    """
    from dn2core.project.snapshot import with_all_normals

    progress.stage("choosing the normals to keep")
    method, share = job.args["method"], job.args["share"]
    view = with_all_normals(project)
    rows = rows_to_check(view)
    rest = np.setdiff1d(np.arange(view.bank.n), rows)
    count = max(1, round(share * view.bank.n))
    wanted = view.settings.k + 1
    if count < wanted or len(rows) + len(view.held) < 2:
        raise Refused("NORMALS_TOO_FEW_TO_REDUCE", wanted=wanted, k=view.settings.k, got=count)
    if method == "kmeans" and not kmeans_is_quick(len(rest), count, view.bank.dim):
        raise Refused("TOO_MANY_FOR_KMEANS", n=len(rest), m=count)
    kept = rest[METHODS[method](view.bank.features[rest], count, _teller(progress))]
    progress.check()
    ids = view.normals.image_ids
    buffer = io.BytesIO()
    np.savez(buffer, kept=ids[np.sort(kept)], checks=ids[rows], left_out=ids[np.setdiff1d(rest, kept)])
    name = f"{uuid.uuid4().hex}.npz"
    fsio.write_atomic(below(project.folder / "reductions", name), buffer.getvalue())
    with project.db.write() as db:
        number = db.execute(
            "INSERT INTO reductions(created, version, fingerprint, normalise, method, share, file)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                time.time(),
                view.state.version,
                view.state.fingerprint,
                int(view.settings.normalise),
                method,
                share,
                name,
            ),
        ).lastrowid
    project.change_settings(reduction=number, author=job.args["author"])


def rows_to_check(view: "Snapshot", seed: int = 0) -> np.ndarray:
    """Rows of the normals to set aside: none where the limit rests on held-out ones, whole lots where it does on lots.

    Raises:
        Refused: LOTS_TOO_FEW_TO_REDUCE.
    """
    n, rng = len(view.normals), np.random.default_rng(seed)
    on = view.judge().calibrated_on
    if on == "held_out":
        return np.empty(0, np.int64)
    wanted = max(2, round(SET_ASIDE * n))
    if on != "lots":
        return np.sort(rng.choice(n, min(n, wanted), replace=False))
    lots = view.references["lots"].lots
    count = lots.max() + 1
    if count < LEAST_LOTS:
        raise Refused("LOTS_TOO_FEW_TO_REDUCE", wanted=LEAST_LOTS, got=int(count))
    order = rng.permutation(count)
    reached = np.cumsum(np.bincount(lots)[order]) >= wanted
    taken = min(max(2, int(reached.argmax()) + 1), count // 2)
    return np.flatnonzero(np.isin(lots, order[:taken]))


def reduction_in(db: sqlite3.Connection, project: "Project", number: int | None) -> Reduction | None:
    """A choice of the past; None where no number is given, or where its file is missing or damaged."""
    row = db.execute("SELECT * FROM reductions WHERE id = ?", (number,)).fetchone()
    if row is None:
        return None
    try:
        data = below(project.folder / "reductions", row["file"]).read_bytes()
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            parts = {name: file[name].astype(np.int64) for name in ("kept", "checks", "left_out")}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    return Reduction(
        number, row["version"], row["fingerprint"], bool(row["normalise"]), row["method"], row["share"], **parts
    )


def reduction_of(project: "Project", number: int | None) -> Reduction | None:
    """As `reduction_in`, outside a transaction."""
    with project.db.read() as db:
        return reduction_in(db, project, number)


def told_apart(
    reduction: Reduction | None, normals: "Items", held: "Items"
) -> tuple["Items", "Items", "Items", "Items"]:
    """The normals to compare with, those set aside, those left out, and all good parts that check the limit.

    Of the held ones those check that had no say in the choice. A choice of which too little is left, for a limit or
    to compare with, no longer serves: all are compared with.
    """
    everything = normals, normals.some(slice(0, 0)), normals.some(slice(0, 0)), held
    if reduction is None:
        return everything
    checks, left_out = (np.isin(normals.image_ids, ids) for ids in (reduction.checks, reduction.left_out))
    kept = ~checks & ~left_out
    silent = ~np.isin(held.image_ids, np.concatenate([reduction.kept, reduction.left_out]))
    if kept.sum() < 2 or checks.sum() + silent.sum() < 2:
        return everything
    aside = normals.some(checks)
    return normals.some(kept), aside, normals.some(left_out), held.some(silent).and_then(aside)


def _teller(progress: Progress) -> Tell:
    """Counts rounds or rows, and stops where it should."""
    told = [0]

    def tell(done: int, total: int) -> None:
        if told[0] == 0 or done < told[0]:
            progress.stage("choosing the normals to keep", total=total)
            told[0] = 0
        progress.advance(done - told[0])
        told[0] = done
        progress.check(midway=True)

    return tell
