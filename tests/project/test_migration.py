"""A catalogue of an older format is brought to ours when its project is opened, and loses nothing."""

import json
import sqlite3
from pathlib import Path

import pytest

from dn2core.project import Settings, Store, run_pending
from dn2core.project.catalogue import PROJECT_TABLES, Database
from dn2core.project.events import history
from dn2core.project.labels import labels, set_label
from tests.project.helpers import give, rows, tiny

MUSEUM = Path(__file__).parents[1] / "museum"
FORMAT_1, FORMAT_2, FORMAT_3 = (MUSEUM / f"format-{number}.sql" for number in (1, 2, 3))


@pytest.fixture
def old(store, fake_encoder):
    """A project as version 0.1.0 left it, with a percentile in its settings."""
    project = store.create("Bolts")
    give(project, "normal", tiny(30))
    give(project, "scored", tiny(5, seed=1))
    run_pending(store)
    _written_as(project.db.path, FORMAT_1, 1)
    settings = {"backbone": "efficientnet_lite0", "preset": "whole", "normalise": True, "k": 3, "percentile": 95.0}
    with sqlite3.connect(project.db.path) as db:
        db.execute("UPDATE meta SET value = ? WHERE key = 'settings'", (json.dumps(settings),))
    db.close()
    return project.id


def _written_as(path: Path, tables: Path, number: int) -> None:
    """Rewrite a catalogue of today in an older format."""
    today = path.rename(path.with_name("today.sqlite"))
    with sqlite3.connect(path) as db:
        db.executescript(tables.read_text())
        db.execute("ATTACH ? AS today", (str(today),))
        for (table,) in db.execute("SELECT name FROM main.sqlite_master WHERE type = 'table'").fetchall():
            columns = ", ".join(row[1] for row in db.execute(f"PRAGMA main.table_info({table})"))
            db.execute(f"INSERT INTO main.{table}({columns}) SELECT {columns} FROM today.{table}")
        db.execute(f"PRAGMA main.user_version = {number}")
    db.close()


REASON = {"reason": "30 normals added", "n": 30}


def test_it_is_as_one_that_was_made_anew(store, old, tmp_path):
    project = Store(store.root).open(old)
    fresh = Database(tmp_path / "fresh.sqlite", PROJECT_TABLES)
    fresh.create()

    def layout(database):
        with database.read() as db:
            tables = [row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            return {name: {tuple(row)[1:] for row in db.execute(f"PRAGMA table_info({name})")} for name in tables}

    assert layout(project.db) == layout(fresh)
    assert rows(project, "PRAGMA user_version") == [(4,)]
    assert rows(project, "SELECT name FROM sqlite_master WHERE name = 'events_by_image'") == [("events_by_image",)]
    assert rows(project, "PRAGMA foreign_key_check") == []


def test_its_percentile_became_a_budget_and_its_history_begins(store, old):
    project = Store(store.root).open(old)
    assert project.settings() == Settings(k=3, budget=0.05)
    [event] = history(project)
    assert (event.kind, event.version, event.details) == (
        "normals",
        1,
        {**REASON, "fingerprint": project.state().fingerprint},
    )
    view = project.snapshot()
    assert len(view.normals) == 30 and len(view.held) == 0 and len(view.judge().scores) == 5


def test_it_works_on(store, old):
    store = Store(store.root)
    project = store.open(old)
    set_label(project, int(project.snapshot().scored.ids[0]), "good")
    give(project, "normal", tiny(3, seed=7))
    run_pending(store)
    assert len(labels(project)) == 1 and project.state().version == 2
    assert Store(store.root).open(old).db.check() is None  # a second time there is nothing to do


@pytest.mark.parametrize(("tables", "number"), [(FORMAT_2, 2), (FORMAT_3, 3)])
def test_a_later_one_keeps_all_that_was_decided(store, fake_encoder, tables, number):
    project = store.create("Nuts")
    give(project, "normal", tiny(12))
    give(project, "scored", tiny(4, seed=1))
    run_pending(store)
    set_label(project, int(project.snapshot().scored.ids[0]), "defect")
    scores, decided = project.snapshot().judge().scores, history(project)
    _written_as(project.db.path, tables, number)
    again = Store(store.root).open(project.id)
    assert rows(again, "PRAGMA user_version") == [(4,)]
    assert [tuple(row) for row in rows(again, "SELECT DISTINCT cleaned FROM items")] == [(0,)]
    assert rows(again, "SELECT count(*) FROM captures") == [(0,)]
    assert history(again) == decided and len(labels(again)) == 1
    assert again.snapshot().judge().scores.tolist() == scores.tolist()
