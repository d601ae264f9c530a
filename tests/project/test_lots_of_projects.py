"""Lots of a project: by folder, pattern or table; kept with who said so, used by limits, taken back."""

import numpy as np
import pytest

from dn2core.errors import Refused
from dn2core.project import Settings, run_pending
from dn2core.project.events import history
from dn2core.project.lots import (
    clear_lots,
    lots_from_deliveries,
    lots_from_folders,
    lots_from_pattern,
    lots_from_table,
    put_in_lot,
    set_lots,
)
from dn2core.project.normals import add_normals, hold_out, remove_normals
from tests.project.helpers import give, tiny


@pytest.fixture
def project(store, fake_encoder):
    """Normals of two days in folders, scored images in none."""
    project = store.create("Bolts")
    files = tiny(24)
    give(
        project,
        "normal",
        [(f"{'mon' if i < 10 else 'tue'}/L{i % 3}_{name}", data) for i, (name, data) in enumerate(files)],
    )
    give(project, "scored", [(f"new_{name}", data) for name, data in tiny(6, seed=1)])
    run_pending(store)
    return project


def lots(project) -> dict[str, str | None]:
    view = project.snapshot()
    return {
        name: lot
        for items in (view.normals, view.held, view.scored)
        for name, lot in zip(items.names, items.lots, strict=True)
    }


def test_each_folder_is_a_lot(project):
    assert lots_from_folders(project, author="Ada") == 24
    found = lots(project)
    assert all(lot == (name.partition("/")[0] if "/" in name else None) for name, lot in found.items())
    event = history(project, kinds=("lots",))[0]
    assert (event.author, event.details) == ("Ada", {"how": "folder", "images": 30, "lots": 2})


def test_each_delivery_is_a_lot_by_its_day_and_number(project):
    with project.db.write() as db:
        db.execute("UPDATE batches SET created = 1730937600.0 WHERE role = 'normal'")  # 2024-11-07, midnight UTC
    assert lots_from_deliveries(project, author="Ada") == 30
    first, second = (batch.id for batch in reversed(project.batches()))
    found = project.snapshot()
    assert set(found.normals.lots) == {f"2024-11-07 delivery {first}"}
    [other] = set(found.scored.lots)
    assert other.endswith(f" delivery {second}") and not other.startswith("2024-11-07")
    event = history(project, kinds=("lots",))[0]
    assert (event.author, event.details) == ("Ada", {"how": "delivery", "images": 30, "lots": 2})


def test_images_are_put_in_a_lot_by_hand_and_taken_out_again(project):
    lots_from_folders(project)
    before = lots(project)
    chosen = project.snapshot().scored.ids[:3].tolist()
    assert put_in_lot(project, chosen, "  B  12 ", author="Ada") == 27
    view = project.snapshot()
    assert view.scored.lots == ("B 12",) * 3 + (None,) * 3
    assert {name: lot for name, lot in lots(project).items() if lot != "B 12"}.items() <= before.items()
    event = history(project, kinds=("lots",))[0]
    assert (event.author, event.details) == ("Ada", {"how": "hand", "images": 3, "lots": 1})
    assert put_in_lot(project, chosen[:1], None) == 26 and project.snapshot().scored.lots.count("B 12") == 2


@pytest.mark.parametrize(("count", "lot", "code"), [(0, "A", "LOT_WITHOUT_IMAGES"), (2, "A" * 121, "TEXT_TOO_LONG")])
def test_a_lot_by_hand_that_cannot_be_changes_nothing(project, count, lot, code):
    before, told = lots(project), len(history(project))
    with pytest.raises(Refused) as error:
        put_in_lot(project, project.snapshot().scored.ids[:count].tolist(), lot)
    assert error.value.code == code and str(error.value)
    assert lots(project) == before and len(history(project)) == told


def test_a_pattern_finds_lots_and_replaces_what_was_known(project):
    lots_from_folders(project)
    assert lots_from_pattern(project, "(L?)_*", author="Ada") == 24
    assert all(lot == (name[4:6] if "/" in name else None) for name, lot in lots(project).items())
    assert history(project, kinds=("lots",))[0].details["how"] == "pattern (L?)_*"


@pytest.mark.parametrize(("pattern", "code"), [("day-(*)", "LOT_PATTERN_MATCHES_NOTHING"), ("*", "LOT_PATTERN_BAD")])
def test_a_pattern_that_says_nothing_changes_nothing(project, pattern, code):
    lots_from_folders(project)
    before, told = lots(project), len(history(project))
    with pytest.raises(Refused) as error:
        lots_from_pattern(project, pattern)
    assert error.value.code == code
    assert lots(project) == before and len(history(project)) == told


def test_a_table_says_what_it_knows_and_leaves_the_rest(project):
    lots_from_folders(project)
    names = project.snapshot().normals.names
    table = f"file;lot\n{names[0]};A\n{names[1].partition('/')[2]};B\nnowhere.png;A\nnew_00001.jpg; C  3 \n"
    read = lots_from_table(project, table.encode(), author="Ada")
    assert (read.unknown, read.ambiguous) == (["nowhere.png"], [])
    assert [lot for lot in read.lots if lot] == ["A", "B", "C  3"] and len(read.lots) == 30
    found = lots(project)
    assert (found[names[0]], found[names[1]], found["new_00001.jpg"]) == ("A", "B", "C 3")
    assert found[names[2]] == "mon" and found["new_00000.png"] is None
    event = history(project, kinds=("lots",))[0]
    assert (event.author, event.details) == ("Ada", {"how": "table", "images": 3, "lots": 3})


def test_a_file_that_is_several_images_is_listed_and_left_alone(store, project):
    give(project, "scored", [(f"{folder}/x.jpg", tiny(1, seed=seed)[0][1]) for seed, folder in ((5, "a"), (6, "b"))])
    run_pending(store)
    read = lots_from_table(project, b"file,lot\nx.jpg,A\nb/x.jpg,B\nc/y.jpg,C\n")
    assert (read.unknown, read.ambiguous) == (["c/y.jpg"], ["x.jpg"])
    found = lots(project)
    assert found["a/x.jpg"] is None and found["b/x.jpg"] == "B"


def test_one_image_in_two_roles_is_one_file(project):
    scored = project.snapshot().scored
    add_normals(project, scored.ids[:1])
    read = lots_from_table(project, f"file,lot\n{scored.names[0]},A\n".encode())
    assert read.ambiguous == [] and read.lots.count("A") == 2
    view = project.snapshot()
    assert view.scored.lots[0] == "A" and view.normals.lots[-1] == "A"


@pytest.mark.parametrize(
    ("table", "code"),
    [
        (b"name,lot\na.png,A\n", "CSV_HEADER"),
        (b"file,lot\n", "CSV_EMPTY"),
        (b"file,lot\nnew_00000.png,A\nnew_00000.png,B\n", "CSV_CONFLICT"),
        (b"file,lot\nnew_00000.png,\n", "CSV_CELL_EMPTY"),
        (b"PK\x03\x04", "CSV_NOT_TEXT"),
        (b"file,lot\nx.png,A\ny.png,B\n", "LOTS_NONE_KNOWN"),
        (b"file,lot\nnew_00000.png," + b"A" * 200, "TEXT_TOO_LONG"),
    ],
)
def test_a_bad_table_is_a_sentence_and_changes_nothing(project, table, code):
    lots_from_folders(project)
    before, told = lots(project), len(history(project))
    with pytest.raises(Refused) as error:
        lots_from_table(project, table)
    assert error.value.code == code and str(error.value)
    assert lots(project) == before and len(history(project)) == told


def test_cleared_lots_are_gone(project):
    lots_from_folders(project)
    clear_lots(project, author="Bob")
    assert set(lots(project).values()) == {None}
    event = history(project, kinds=("lots",))[0]
    assert (event.author, event.details["how"], event.details["lots"]) == ("Bob", "none", 0)


def test_lots_follow_normals_that_are_held_out_and_leave_those_taken_out_alone(project):
    lots_from_folders(project)
    ids = project.snapshot().normals.ids
    hold_out(project, ids[:2])
    remove_normals(project, ids[2:4])
    assert project.snapshot().held.lots == ("mon", "mon")
    clear_lots(project)
    assert lots_from_folders(project) == 22


def test_a_limit_that_rests_on_lots_is_judged_anew_at_once(project, store):
    project.save_settings(Settings(calibration="lots", budget=0.2))
    lots_from_folders(project)
    view = project.snapshot()
    codes = np.array([name.startswith("mon") for name in view.normals.names])
    distances = ((view.bank.features[:, None] - view.bank.features[None]) ** 2).sum(-1)
    distances[codes[:, None] == codes[None]] = np.inf
    scores = np.sort(np.sort(distances, axis=1)[:, :2].mean(axis=1))
    assert view.judge().calibrated_on == "lots"
    assert view.judge().limit == pytest.approx(scores[24 - 5], rel=1e-5)
    [card] = store.projects()
    assert card.flagged == view.judge().flagged.sum()


def test_lots_of_images_that_are_not_there_are_left_alone(project):
    assert set_lots(project, {10**9: "A"}, how="hand") == 0
