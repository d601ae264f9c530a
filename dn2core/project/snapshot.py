"""One immutable view of a project: a version of the normals and the scored images judged by it."""

import math
import sqlite3
import sys
import threading
from collections import OrderedDict
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from dn2core.detect import (
    Bank,
    Found,
    Judgement,
    Reference,
    ScoreTable,
    usual_spacing,
)
from dn2core.detect.lots import leave_one_lot_out
from dn2core.detect.update import NeighbourTable, neighbour_table, own_neighbour_table, updated, updated_own
from dn2core.errors import NotFound
from dn2core.project import events
from dn2core.project.records import State, newest_state, state_of
from dn2core.project.reductions import reduction_in, told_apart
from dn2core.project.settings import K_MAX, Settings, settings_in

if TYPE_CHECKING:
    from dn2core.project.project import Project

KEPT_BYTES = 2_000_000_000
READ_AT_ONCE = 5_000  # vectors
FOLLOWED = 64  # changed normals up to which the tables follow the change; beyond, a fresh search costs no more
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
    lots: tuple[str | None, ...]

    def __len__(self) -> int:
        return len(self.ids)

    def some(self, which: np.ndarray | slice) -> "Items":
        """Those of a mask, of positions or of a slice, in that order."""
        positions = np.arange(len(self))[which]
        return Items(
            ids=self.ids[positions],
            image_ids=self.image_ids[positions],
            names=tuple(self.names[i] for i in positions),
            batches=self.batches[positions],
            added=self.added[positions],
            lots=tuple(self.lots[i] for i in positions),
        )

    def and_then(self, more: "Items") -> "Items":
        """These and more behind them."""
        return Items(
            ids=np.concatenate([self.ids, more.ids]),
            image_ids=np.concatenate([self.image_ids, more.image_ids]),
            names=(*self.names, *more.names),
            batches=np.concatenate([self.batches, more.batches]),
            added=np.concatenate([self.added, more.added]),
            lots=(*self.lots, *more.lots),
        )

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
    normals: Items  # those that images are compared with
    held: Items  # good parts that are not among the normals, to check the limit
    checks: Items  # normals that a reduction has set aside for the same purpose
    left_out: Items  # further normals that a reduction keeps out of the bank
    checking: Items  # what checks the limit: of those held the ones that had no say in a reduction, then the checks
    scored: Items
    bank: Bank
    held_features: np.ndarray  # (h, d) float32, as the bank compares them: those that check
    scored_features: np.ndarray  # (q, d) float32, likewise
    own_neighbours: NeighbourTable  # of the normals among each other
    held_found: Found  # distances (h, K) squared L2, indices = positions in normals
    scored_neighbours: NeighbourTable
    waiting: int  # scored images without vectors that a job is making now
    lost: int  # scored images without vectors for which there is no such job: their stored files cannot be read
    set_aside: int = 0  # images that a cleaning dropped from the normals by their distance alone
    apart_found: Found | None = None  # of the normals out of the bank, (a, K); None until `with_apart` searches

    @cached_property
    def loo(self) -> Found | None:
        """Each normal's neighbours among the others, distances (n, K) squared L2; None below two normals."""
        return self.own_neighbours.found if len(self.normals) > 1 else None

    @cached_property
    def found(self) -> Found:
        """Each scored image's neighbours, distances (q, K) squared L2, indices = positions in normals."""
        return self.scored_neighbours.found

    @cached_property
    def table(self) -> ScoreTable:
        return self.table_on(self.settings.calibration)

    def table_on(self, calibration: str) -> ScoreTable:
        """Scores for every k with limits that rest on these good parts, or on leave-one-out where they are not there.

        Held-out parts need to be two at least, and lots as well.
        """
        reference = self.references.get(calibration, next(iter(self.references.values()), None))
        return ScoreTable(self.loo, self.found, form=self.settings.form, reference=reference)

    @property
    def reduced(self) -> bool:
        """Whether some normals are kept out of the bank."""
        return len(self.checks) + len(self.left_out) > 0

    @cached_property
    def apart(self) -> Items:
        """Normals that images are not compared with: the checks, then those left out."""
        return self.checks.and_then(self.left_out)

    @cached_property
    def references(self) -> dict[str, Reference]:
        """What limits can rest on, by kind. With fewer normals, on good parts that had no say in the choice alone."""
        if self.loo is None:
            return {}
        if self.reduced:
            dropped = self.set_aside if len(self.checks) else 0
            return {"held_out": Reference("held_out", self.held_found, lot_codes(self.checking.lots), dropped)}
        made = {"leave_one_out": Reference("leave_one_out", self.loo, set_aside=self.set_aside)}
        lots = lot_codes(self.normals.lots)
        if lots is not None:
            made["lots"] = Reference("lots", leave_one_lot_out(self.bank, lots, K_MAX), lots, self.set_aside)
        if len(self.held) > 1:
            made["held_out"] = Reference("held_out", self.held_found, lot_codes(self.held.lots))
        return made

    @cached_property
    def spacing(self) -> float:
        """Usual distance (L2) of a normal to the nearest other one; NaN below two normals."""
        return usual_spacing(self.loo) if self.loo else float("nan")

    @cached_property
    def same_as_normal(self) -> np.ndarray:
        """(q,) bool: the very same image is among the normals, in the bank or not."""
        return np.isin(self.scored.image_ids, np.concatenate([self.normals.image_ids, self.apart.image_ids]))

    @property
    def nbytes(self) -> int:
        """What the vectors and neighbours take in memory, roughly."""
        tables = self.own_neighbours.nbytes + self.scored_neighbours.nbytes
        return self.bank.nbytes + self.scored_features.nbytes + tables

    def judge(self, k: int | None = None) -> Judgement:
        """Scores and verdicts at k, by default the project's own."""
        k = self.settings.k if k is None else k
        return self.table.judge(k, self.settings.budget, self.settings.reject_budget)

    def neighbours_of(self, item_id: int, k: int) -> list[Neighbour]:
        """The k nearest normals of an item, nearest first; a normal is not its own neighbour.

        None where there is no other normal, and of normals out of the bank before `with_apart` searched for them.

        Raises:
            NotFound: when the item is neither scored nor a normal.
        """
        tables = (
            (self.scored, self.found),
            (self.normals, self.loo),
            (self.checking, self.held_found),
            (self.apart, self.apart_found),
        )
        for items, table in tables:
            position = items.position(item_id)
            if position is not None:
                return self._neighbours(table, position, k) if table is not None else []
        raise NotFound("NOT_FOUND", what="The image")

    def _neighbours(self, table: Found, position: int, k: int) -> list[Neighbour]:
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


def tried(project: "Project", view: Snapshot, settings: Settings) -> Snapshot:
    """The snapshot as other settings would have it; features of another network are not tried."""
    view = replace(view, generation=(*view.generation, "tried", settings))
    if settings.normalise == view.settings.normalise:
        return replace(view, settings=settings)
    raw = [
        project.features(items.image_ids.tolist(), view.state.fingerprint).reshape(-1, view.bank.dim)
        for items in (view.normals, view.checking, view.scored)
    ]
    bank = Bank(raw[0], normalise=settings.normalise)
    held, scored = bank.prepare(raw[1]), bank.prepare(raw[2])
    return replace(
        view,
        settings=settings,
        bank=bank,
        apart_found=None,
        own_neighbours=own_neighbour_table(bank, K_MAX),
        held_features=held,
        held_found=bank.search_prepared(held, K_MAX),
        scored_features=scored,
        scored_neighbours=neighbour_table(bank, scored, K_MAX),
    )


def _told_apart(project: "Project", view: Snapshot) -> Snapshot:
    """With images that lack vectors counted as waiting or lost; no generation tells when a job ends."""
    missing = view.waiting + view.lost
    encoding = missing and any(job.kind == "reencode" for job in project.jobs.active(project.id))
    waiting = missing if encoding else 0
    return view if waiting == view.waiting else replace(view, waiting=waiting, lost=missing - waiting)


def generation_in(db: sqlite3.Connection, project_id: str) -> tuple:
    """What a snapshot is made of, in short: another one for everything that would change it."""
    version = db.execute("SELECT max(version) FROM states").fetchone()[0]
    return (project_id, version, _scored_in(db, version), _name_in(db), settings_in(db), set_aside_in(db, version))


def set_aside_in(db: sqlite3.Connection, version: int | None, event_id: int = sys.maxsize) -> int:
    """How many images a cleaning dropped by their distance alone, that were never normals again by that version.

    Those that people had called defects by that event of the history are not counted: they would be flagged rightly.
    """
    return db.execute(
        "SELECT count(DISTINCT image_id) FROM items dropped WHERE role = 'normal' AND cleaned = 1 AND until <= :version"
        " AND NOT EXISTS (SELECT 1 FROM items WHERE image_id = dropped.image_id AND role = 'normal'"
        " AND since >= dropped.until AND since <= :version)"
        " AND coalesce((SELECT json_extract(details, '$.label') FROM events WHERE image_id = dropped.image_id"
        " AND kind = 'label' AND id <= :event ORDER BY id DESC LIMIT 1), '') <> 'defect'",
        {"version": version, "event": event_id},
    ).fetchone()[0]


def _scored_in(db: sqlite3.Connection, version: int | None) -> tuple:
    """Another one whenever scored images, their vectors or lots changed."""
    scored = db.execute("SELECT count(*), max(id) FROM items WHERE role = 'scored' AND until IS NULL").fetchone()
    chunk = db.execute(  # its name is never used again, unlike its id
        "SELECT max(id), file FROM chunks WHERE fingerprint = (SELECT fingerprint FROM states WHERE version = ?)",
        (version,),
    ).fetchone()
    lots = db.execute("SELECT max(id) FROM events WHERE kind = 'lots'").fetchone()[0]
    return (*scored, chunk["file"], lots)


def forget(project_id: str) -> None:
    """Drop what is kept of a project, for instance when it was deleted."""
    with _lock:
        _snapshots.pop(project_id, None)


def past_snapshot(project: "Project", event_id: int) -> Snapshot:
    """The project as that event of its history left it: its normals, its settings, the images scored by then.

    It is built anew each time.

    Raises:
        NotFound: NOT_FOUND for an event that is not there, NO_NORMALS before the first normals.
        StorageError: VECTORS_DAMAGED where the vectors of a network used then are gone.
    """
    return _build(project, events.event(project, event_id))


def with_all_normals(project: "Project") -> Snapshot:
    """The project as it is, but with all normals in the bank; the kept snapshot where it is so already."""
    view = snapshot(project)
    if not view.reduced:
        return view
    view = _build(project, reduced=False)
    return replace(view, generation=(*view.generation, "all normals"))


def with_apart(project: "Project", view: Snapshot) -> Snapshot:
    """With the neighbours of the normals that a reduction keeps out of the bank, which only looking at them needs."""
    ids, parts = view.apart.image_ids.tolist(), []
    for start in range(0, len(ids), READ_AT_ONCE):  # the reduction is there to keep so many vectors out of memory
        features = project.features(ids[start : start + READ_AT_ONCE], view.state.fingerprint)
        parts.append(view.bank.search_prepared(view.bank.prepare(features), K_MAX))
    if not parts:
        return view
    joined = (np.concatenate([getattr(part, name) for part in parts]) for name in ("distances", "indices"))
    return replace(view, apart_found=Found(*joined, parts[0].k, parts[0].k_asked))


def _build(project: "Project", past: events.Event | None = None, *, reduced: bool = True) -> Snapshot:
    with project.db.read() as db:  # all from one view, so that it is what its generation says
        state = newest_state(db) if past is None else state_of(db, past.version)
        settings = settings_in(db) if past is None else past.settings
        if state is None or state.n == 0:
            raise NotFound("NO_NORMALS")
        generation = generation_in(db, project.id) if past is None else (project.id, "event", past.id)
        name = _name_in(db)
        before = _comparable(project.id, state, settings) if past is None else None
        normals, held = (_normals(db, state, one) for one in (0, 1))
        reduction = reduction_in(db, project, settings.reduction) if reduced else None
        set_aside = set_aside_in(db, state.version, past.id if past else sys.maxsize)
        if before and before.generation[2] == generation[2]:
            scored, missing = before.scored, before.waiting + before.lost
        else:
            scored, missing = _scored(db, state, past)
        if past:
            lots = _lots_then(db, past)
            normals, held, scored = (_with_lots(items, lots) for items in (normals, held, scored))

    normals, checks, left_out, checking = told_apart(reduction, normals, held)
    bank, own, keep = _bank(project, before, normals, state, settings)
    raw = project.features(checking.image_ids.tolist(), state.fingerprint)
    held_features = bank.prepare(raw.reshape(-1, bank.dim))
    features, neighbours = _searched(project, before, bank, keep, scored, state)
    return Snapshot(
        project_id=project.id,
        name=name,
        generation=generation,
        settings=settings,
        state=state,
        normals=normals,
        held=held,
        checks=checks,
        left_out=left_out,
        checking=checking,
        scored=scored,
        bank=bank,
        scored_features=features,
        own_neighbours=own,
        held_features=held_features,
        held_found=bank.search_prepared(held_features, K_MAX),
        scored_neighbours=neighbours,
        waiting=0,
        lost=missing,
        set_aside=set_aside,
    )


def _normals(db: sqlite3.Connection, state: State, held: int) -> Items:
    condition = "i.role = 'normal' AND i.since <= ? AND (i.until IS NULL OR i.until > ?) AND i.held = ?"
    return _items(db, condition, (state.version, state.version, held))


def _scored(db: sqlite3.Connection, state: State, past: events.Event | None) -> tuple[Items, int]:
    """Scored images that have a vector, and how many have none."""
    condition = "i.role = 'scored' AND i.until IS NULL AND i.added <= ? AND {} EXISTS" + (
        " (SELECT 1 FROM vectors v WHERE v.image_id = i.image_id AND v.fingerprint = ?)"
    )
    params = (past.at if past else math.inf, state.fingerprint)
    missing = db.execute(f"SELECT count(*) FROM items i WHERE {condition.format('NOT')}", params).fetchone()[0]
    return _items(db, condition.format(""), params), missing


def _bank(
    project: "Project", before: Snapshot | None, normals: Items, state: State, settings: Settings
) -> tuple[Bank, NeighbourTable, np.ndarray | None]:
    """The bank, its vectors among each other, and which vectors of the bank before it kept; None if made afresh."""
    keep, new = _kept(before, normals) if before else (None, None)
    if keep is None:
        bank = Bank(project.features(normals.image_ids.tolist(), state.fingerprint), normalise=settings.normalise)
        return bank, own_neighbour_table(bank, K_MAX), None
    if keep.all() and not len(new):
        return before.bank, before.own_neighbours, keep
    added = project.features(new.tolist(), state.fingerprint) if len(new) else None
    bank = before.bank.changed(keep, added)
    return bank, updated_own(before.own_neighbours, bank, keep), keep


def _kept(before: Snapshot, normals: Items) -> tuple[np.ndarray, np.ndarray] | tuple[None, None]:
    """Which normals of the snapshot before are still there, and the images that joined; None if too many changed."""
    keep = np.isin(before.normals.ids, normals.ids)
    joined = ~np.isin(normals.ids, before.normals.ids)
    follows = np.array_equal(np.concatenate([before.normals.ids[keep], normals.ids[joined]]), normals.ids)
    if not keep.any() or not follows or (~keep).sum() + joined.sum() > max(FOLLOWED, len(normals) // 10):
        return None, None
    return keep, normals.image_ids[joined]


def _searched(
    project: "Project", before: Snapshot | None, bank: Bank, keep: np.ndarray | None, scored: Items, state: State
) -> tuple[np.ndarray, NeighbourTable]:
    """The scored images' features as the bank compares them, and their neighbours; only what is new is searched for."""
    known = len(before.scored) if before and keep is not None and _is_start(before.scored.ids, scored.ids) else 0
    raw = project.features(scored.image_ids[known:].tolist(), state.fingerprint).reshape(-1, bank.dim)
    new = bank.prepare(raw)
    more = neighbour_table(bank, new, K_MAX)
    if not known:
        return new, more
    features, table = before.scored_features, before.scored_neighbours
    if bank is not before.bank:
        table = updated(table, features, bank, keep)
    if known == len(scored):
        return features, table
    return np.concatenate([features, new]), table.joined(more)


def _comparable(project_id: str, state: State, settings: Settings) -> Snapshot | None:
    """The kept snapshot, where its distances mean the same: much of it need not be searched for again."""
    with _lock:
        kept = _snapshots.get(project_id)
    same = kept and (kept.state.fingerprint, kept.settings.normalise) == (state.fingerprint, settings.normalise)
    return kept if same else None


def lot_codes(lots: tuple[str | None, ...]) -> np.ndarray | None:
    """(n,) int64, equal for images of one lot; those of none count as one lot. None below two lots."""
    names, codes = np.unique(np.array([lot or "" for lot in lots], dtype=object).astype(str), return_inverse=True)
    return codes.astype(np.int64) if len(names) > 1 else None


def _name_in(db: sqlite3.Connection) -> str:
    return db.execute("SELECT value FROM meta WHERE key = 'name'").fetchone()[0]


def _lots_then(db: sqlite3.Connection, past: events.Event) -> dict[int, str | None]:
    """The lots that items had at that event, of those whose lot was changed since."""
    rows = db.execute(
        "SELECT item_id, before FROM lot_changes WHERE (item_id, event_id) IN"
        " (SELECT item_id, min(event_id) FROM lot_changes WHERE event_id > ? GROUP BY item_id)",
        (past.id,),
    )
    return {row["item_id"]: row["before"] for row in rows}


def _with_lots(items: Items, changed: dict[int, str | None]) -> Items:
    if not changed:
        return items
    ids = items.ids.tolist()
    return replace(items, lots=tuple(changed.get(one, lot) for one, lot in zip(ids, items.lots, strict=True)))


def _items(db: sqlite3.Connection, condition: str, params: tuple) -> Items:
    rows = db.execute(
        f"SELECT i.id, i.image_id, i.name, i.batch_id, i.added, i.lot FROM items i WHERE {condition} ORDER BY i.id",
        params,
    ).fetchall()
    return Items(
        ids=np.array([row["id"] for row in rows], np.int64),
        image_ids=np.array([row["image_id"] for row in rows], np.int64),
        names=tuple(row["name"] for row in rows),
        batches=np.array([row["batch_id"] for row in rows], np.int64),
        added=np.array([row["added"] for row in rows], np.float64),
        lots=tuple(row["lot"] for row in rows),
    )


def _is_start(start: np.ndarray, whole: np.ndarray) -> bool:
    return len(start) <= len(whole) and np.array_equal(start, whole[: len(start)])
