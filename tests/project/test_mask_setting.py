"""The mask among a project's settings: kept, told, taken back, and no reason to compare whole images anew."""

import json
from dataclasses import asdict, replace

import pytest

from dn2core.errors import Refused
from dn2core.project import Settings, run_pending
from dn2core.project.events import history
from dn2core.project.history_words import event_words
from dn2core.project.labels import set_label
from dn2core.project.settings import settings_of
from dn2core.project.undo import undo
from tests.project.helpers import give, rows, tiny

LEFT = ("ignore", ((0.0, 0.0), (0.25, 0.0), (0.25, 1.0), (0.0, 1.0)))
RIGHT = ("ignore", ((0.75, 0.0), (1.0, 0.0), (1.0, 1.0), (0.75, 1.0)))
TOP = ("only", ((0.0, 0.0), (1.0, 0.0), (1.0, 0.5), (0.0, 0.5)))


@pytest.fixture
def project(store, fake_encoder):
    project = store.create("Bolts")
    give(project, "normal", tiny(12))
    give(project, "scored", tiny(3, seed=5))
    run_pending(store)
    return project


def test_settings_with_a_mask_outlast_json_and_those_without_one_load():
    settings = Settings(mask=[list(LEFT), ["only", [list(point) for point in TOP[1]]]])
    assert settings.mask == (LEFT, TOP) and hash(settings) == hash(Settings(mask=(LEFT, TOP)))
    assert settings_of(json.dumps(asdict(settings))) == settings
    older = asdict(Settings(k=7))
    del older["mask"]
    assert settings_of(json.dumps(older)) == Settings(k=7)


def test_a_mask_is_written_told_and_taken_back(project):
    project.change_settings(mask=[[LEFT[0], LEFT[1]]], author="Ada")
    project.change_settings(k=3)
    project.change_settings(mask=(LEFT, RIGHT, TOP), author="Bob")
    assert project.settings() == Settings(k=3, mask=(LEFT, RIGHT, TOP))
    last, _, first = history(project, kinds=("settings",))
    percent = "\N{NO-BREAK SPACE}%"
    one, three = f"1 area ignored (75.0{percent} looked at)", f"(25.0{percent} looked at)"
    assert event_words(first) == f"mask none → {one}" and first.author == "Ada"
    assert event_words(last) == f"mask {one} → 2 areas ignored, 1 looked at only {three}"
    undo(project, last.id)
    assert project.settings() == Settings(k=3, mask=(LEFT,))
    with pytest.raises(Refused, match="changed again"):
        undo(project, last.id)


def test_a_long_history_under_one_mask_checks_it_once(project, monkeypatch):
    project.change_settings(mask=(LEFT, TOP))
    item = int(project.snapshot().scored.ids[0])
    for at in range(20):
        set_label(project, item, ("defect", "good")[at % 2])
    settings_of.cache_clear()
    checked = []
    monkeypatch.setattr("dn2core.project.settings.check_leaves_some", checked.append)
    found = history(project, kinds=("label",))
    assert len(found) == 20 and {entry.settings.mask for entry in found} == {(LEFT, TOP)}
    assert checked == [(LEFT, TOP)]


def test_a_mask_that_hides_everything_changes_nothing(project):
    with pytest.raises(Refused, match="hides the whole picture"):
        project.change_settings(mask=[("ignore", [(0, 0), (1, 0), (1, 1), (0, 1)])])
    assert project.settings() == Settings() and not history(project, kinds=("settings",))


def test_another_mask_compares_no_whole_image_anew(project):
    before = project.snapshot()
    project.change_settings(mask=(LEFT,))
    after = project.snapshot()
    assert after.settings == replace(before.settings, mask=(LEFT,)) and after.generation != before.generation
    assert after.bank is before.bank and after.own_neighbours is before.own_neighbours
    assert after.scored_neighbours is before.scored_neighbours
    assert after.judge().limit == before.judge().limit


def test_a_project_of_the_time_before_masks_opens(project):
    values = json.loads(rows(project, "SELECT value FROM meta WHERE key = 'settings'")[0][0])
    del values["mask"]
    with project.db.write() as db:
        db.execute("UPDATE meta SET value = ? WHERE key = 'settings'", (json.dumps(values),))
    assert project.settings() == Settings() and project.snapshot().settings.mask == ()
