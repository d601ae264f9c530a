"""One immutable view of a project: a version of the normals and the scored images judged by it."""

import sqlite3
import threading
from collections import OrderedDict
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from dn2core.detect import Bank, Found, Judgement, ScoreTable, leave_one_out, usual_spacing
from dn2core.errors import NotFound
from dn2core.project.records import State, newest_state
from dn2core.project.settings import K_MAX, Settings, settings_in

if TYPE_CHECKING:
    from dn2core.project.project import Project

KEPT_BYTES = 2_000_000_000
_lock = threading.Lock()
_snapshots: OrderedDict[str, "Snapshot"] = OrderedDict()  # one a project, the last used at the end
_building: dict[str, threading.Lock] = {}  # one a project: nobody waits for another project's search


@dataclass(frozen=True)
class Items:
    """Images in one role, in the order in which they came."""

    ids: np.ndarray  # (n,) int64
    image_ids: np.ndarray  # (n,) int64; equal where the content is equal
    names: tuple[str, ...]
    batches: np.ndarray  # (n,) int64
    added: np.ndarray  # (n,) float64, seconds since 1970

    def __len__(self) -> int:
        return len(self.ids)

    def position(self, item_id: int) -> int | None:
        """Where an item stands; None when it is not among these."""
        found = np.flatnonzero(self.ids == item_id)
        return int(found[0]) if len(found) else None


@dataclass(frozen=True)
class Neighbour:
    """A near normal. `distance` is L2, not squared; `times` is its multiple of the usual spacing."""

    item_id: int
    name: str
    distance: float
    times: float | None


@dataclass(frozen=True)
class Snapshot:
    """Normals, scored images and the table of their neighbours; everything that moving k needs."""

    project_id: str
    name: str
    generation: tuple
    settings: Settings
    state: State
    normals: Items
    scored: Items
    bank: Bank
    normal_features: np.ndarray  # (n, d) float32, as the encoder gave them; the bank's own where it keeps lengths
    scored_features: np.ndarray  # (q, d) float32, likewise
    loo: Found | None  # distances (n, K) squared L2; None below two normals
    found: Found  # distances (q, K) squared L2, indices = positions in normals
    waiting: int  # scored images without vectors that a job is making now
    lost: int  # scored images without vectors for which there is no such job: their stored files cannot be read

    @cached_property
    def table(self) -> ScoreTable:
        return ScoreTable(self.loo, self.found)

    @cached_property
    def spacing(self) -> float:
        """Usual distance (L2) of a normal to the nearest other one; NaN below two normals."""
        return usual_spacing(self.loo) if self.loo else float("nan")

    @cached_property
    def same_as_normal(self) -> np.ndarray:
        """(q,) bool: the very same image is among the normals."""
        return np.isin(self.scored.image_ids, self.normals.image_ids)

    @property
    def nbytes(self) -> int:
        """What the vectors and neighbours take in memory, roughly; FAISS holds the bank a second time."""
        tables = [array for found in (self.loo, self.found) if found for array in (found.distances, found.indices)]
        vectors = {id(a): a for a in (self.normal_features, self.scored_features, self.bank.features)}
        return self.bank.features.nbytes + sum(array.nbytes for array in (*vectors.values(), *tables))

    def judge(self, k: int | None = None, percentile: float | None = None) -> Judgement:
        """Scores and verdicts at k and percentile; the project's own settings by default."""
        k = self.settings.k if k is None else k
        return self.table.judge(k, self.settings.percentile if percentile is None else percentile)

    def neighbours_of(self, item_id: int, k: int) -> list[Neighbour]:
        """The k nearest normals of an item, nearest first; a normal is not its own neighbour.

        Raises:
            NotFound: when the item is in neither set.
        """
        position = self.scored.position(item_id)
        table = self.found
        if position is None:
            position, table = self.normals.position(item_id), self.loo
            if position is None:
                raise NotFound("NOT_FOUND", what="The image")
        if table is None:
            return []
        distances = np.sqrt(table.distances[position, :k].astype(np.float64))
        return [
            Neighbour(
                item_id=int(self.normals.ids[index]),
                name=self.normals.names[index],
                distance=float(distance),
                times=float(distance / self.spacing) if self.spacing > 0 else None,
            )
            for distance, index in zip(distances, table.indices[position, :k], strict=True)
        ]


def snapshot(project: "Project") -> Snapshot:
    """The project as it is now. Only new images are searched for.

    The last one of each project is kept in memory, those that were not used for longest only as long as all
    together take no more than `KEPT_BYTES`.

    Raises:
        NotFound: NO_NORMALS before the first normals are in.
    """
    generation = project.generation()
    with _lock:
        building = _building.setdefault(project.id, threading.Lock())
    with building:
        with _lock:
            made = _snapshots.get(project.id)
        if made is None or made.generation != generation:
            made = _build(project)
        made = _told_apart(project, made)
        with _lock:
            _snapshots[project.id] = made
            _snapshots.move_to_end(project.id)
            while len(_snapshots) > 1 and sum(kept.nbytes for kept in _snapshots.values()) > KEPT_BYTES:
                _snapshots.popitem(last=False)
        return made


def _told_apart(project: "Project", view: Snapshot) -> Snapshot:
    """With images that lack vectors counted as waiting or lost; no generation tells when a job ends."""
    missing = view.waiting + view.lost
    encoding = missing and any(job.kind == "reencode" for job in project.jobs.active(project.id))
    waiting = missing if encoding else 0
    return view if waiting == view.waiting else replace(view, waiting=waiting, lost=missing - waiting)


def generation_in(db: sqlite3.Connection, project_id: str) -> tuple:
    """What a snapshot is made of, in short: another one for everything that would change it."""
    version = db.execute("SELECT max(version) FROM states").fetchone()[0]
    scored = db.execute("SELECT count(*), max(id) FROM items WHERE role = 'scored' AND until IS NULL").fetchone()
    chunk = db.execute(  # its name is never used again, unlike its id
        "SELECT max(id), file FROM chunks WHERE fingerprint = (SELECT fingerprint FROM states WHERE version = ?)",
        (version,),
    ).fetchone()
    return (project_id, version, *scored, chunk["file"], _name_in(db), settings_in(db))


def forget(project_id: str) -> None:
    """Drop what is kept of a project, for instance when it was deleted."""
    with _lock:
        _snapshots.pop(project_id, None)


def _build(project: "Project") -> Snapshot:
    with project.db.read() as db:  # all from one view, so that it is what its generation says
        generation, name = generation_in(db, project.id), _name_in(db)
        state, settings = newest_state(db), settings_in(db)
        if state is None or state.n == 0:
            raise NotFound("NO_NORMALS")
        normals = _items(
            db, "i.role = 'normal' AND i.since <= ? AND (i.until IS NULL OR i.until > ?)", (state.version,) * 2
        )
        with_vector = (
            "i.role = 'scored' AND i.until IS NULL AND {} EXISTS"
            " (SELECT 1 FROM vectors v WHERE v.image_id = i.image_id AND v.fingerprint = ?)"
        )
        scored = _items(db, with_vector.format(""), (state.fingerprint,))
        without = f"SELECT count(*) FROM items i WHERE {with_vector.format('NOT')}"
        missing = db.execute(without, (state.fingerprint,)).fetchone()[0]

    before = _with_same_bank(project.id, state, settings)
    if before:
        bank, loo, normal_features = before.bank, before.loo, before.normal_features
    else:
        normal_features = project.features(normals.image_ids.tolist(), state.fingerprint)
        bank = Bank(normal_features, normalise=settings.normalise)
        if not settings.normalise:
            normal_features = bank.features  # equal, and need not be kept twice
        loo = leave_one_out(bank, K_MAX) if bank.n > 1 else None

    known = len(before.scored) if before and _is_start(before.scored.ids, scored.ids) else 0
    features = project.features(scored.image_ids[known:].tolist(), state.fingerprint).reshape(-1, bank.dim)
    found = bank.search(features, K_MAX)
    if known == len(scored) and before:
        features, found = before.scored_features, before.found
    elif known:
        features = np.concatenate([before.scored_features, features])
        found = Found(
            distances=np.concatenate([before.found.distances, found.distances]),
            indices=np.concatenate([before.found.indices, found.indices]),
            k=found.k,
            k_asked=found.k_asked,
        )
    return Snapshot(
        project_id=project.id,
        name=name,
        generation=generation,
        settings=settings,
        state=state,
        normals=normals,
        scored=scored,
        bank=bank,
        normal_features=normal_features,
        scored_features=features,
        loo=loo,
        found=found,
        waiting=0,
        lost=missing,
    )


def _with_same_bank(project_id: str, state: State, settings: Settings) -> Snapshot | None:
    """The kept snapshot, where it is one by the same normals, whose searches need not be done again."""
    with _lock:
        kept = _snapshots.get(project_id)
    same = kept and (kept.state, kept.settings.normalise) == (state, settings.normalise)
    return kept if same else None


def _name_in(db: sqlite3.Connection) -> str:
    return db.execute("SELECT value FROM meta WHERE key = 'name'").fetchone()[0]


def _items(db: sqlite3.Connection, condition: str, params: tuple) -> Items:
    rows = db.execute(
        f"SELECT i.id, i.image_id, i.name, i.batch_id, i.added FROM items i WHERE {condition} ORDER BY i.id", params
    ).fetchall()
    return Items(
        ids=np.array([row["id"] for row in rows], np.int64),
        image_ids=np.array([row["image_id"] for row in rows], np.int64),
        names=tuple(row["name"] for row in rows),
        batches=np.array([row["batch_id"] for row in rows], np.int64),
        added=np.array([row["added"] for row in rows], np.float64),
    )


def _is_start(start: np.ndarray, whole: np.ndarray) -> bool:
    return len(start) <= len(whole) and np.array_equal(start, whole[: len(start)])
