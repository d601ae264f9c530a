"""History: every decision with its author, filters in the address, states that open, decisions taken back."""

import csv
import io
import json
from dataclasses import replace

import pytest
import streamlit as st

from dn2core.project import Settings
from dn2core.project.events import KINDS, Event, history
from dn2core.project.labels import labels, set_label
from dn2core.project.normals import remove_normals
from pages.parts import history_entries
from pages.parts.history_entries import PAGE, Wanted, matching, pages, read, told
from pages.parts.text import md
from tests.pages.app import filled, opened, texts

HOSTILE = "<img src=x> [a](http://x) $x$ :red[b] **c**"


@pytest.fixture
def project(store, fake_encoder):
    """Normals, a delivery, two labels of one image, other settings, and a normal taken out."""
    project = filled(store, "Bolts", 24, scored=4)
    one = int(project.snapshot().scored.ids[0])
    set_label(project, one, "unsure", author="Ada", note=HOSTILE)
    set_label(project, one, "defect", author=HOSTILE)
    project.save_settings(replace(project.settings(), k=5, budget=0.005), author="Ada")
    remove_normals(project, project.snapshot().normals.ids[:1].tolist(), author="Bob")
    return project


def words(at) -> str:
    return " ".join(texts(at.main))


def rows(at) -> list[str]:
    """What happened, as listed."""
    return [one.value for one in at.markdown if one.value.startswith(":material/") and "Visual" not in one.value]


def test_without_a_project_or_history_the_next_step_is_named(store):
    assert any("No project is open" in text for text in texts(opened("history").main))
    at = opened("history", project=store.create("Bolts").id)
    assert not at.exception
    assert "Nothing has happened yet" in words(at)
    at.button(key="dn2_empty_go").click().run()
    assert at.title[0].value == "Normals"


def test_all_that_happened_is_listed_newest_first_letter_by_letter(project):
    at = opened("history", project=project.id)
    assert not at.exception
    assert "6 entries" in words(at)
    listed = [row.split(": ", 1)[1] for row in rows(at)]
    starts = ("Normals version 2", "k 2 → 5", "000.jpg: confirmed", "000.jpg: unsure", "4 images", "Normals version 1")
    assert len(listed) == 6
    assert all(row.startswith(md(start)) for row, start in zip(listed, starts, strict=True))
    assert listed[1] == md("k 2 → 5, false-alarm budget 1 in 100 → 1 in 200")
    assert listed[3] == md(f"000.jpg: unsure – “{HOSTILE}”")
    assert md(HOSTILE) in words(at) and HOSTILE not in words(at)


def test_every_entry_that_left_another_state_opens_it(project):
    at = opened("history", project=project.id)
    links = [link.proto for link in at.main.get("page_link")]
    kinds = ("normals", "settings", "delivery")
    assert [link.query_string for link in links] == [
        f"project={project.id}&state={event.id}" for event in history(project, kinds=kinds)
    ]
    assert len(links) == 4 and all(link.page == "score" for link in links)


@pytest.mark.parametrize(
    ("params", "kinds"),
    [
        ({"kind": "label"}, ["label", "label"]),
        ({"kind": "settings,normals"}, ["normals", "settings", "normals"]),
        ({"by": "Ada"}, ["settings", "label"]),
        ({"text": "bUdGeT"}, ["settings"]),
        ({"by": "", "kind": "delivery,label"}, ["delivery"]),
        ({"kind": "x", "sheet": "²", "by": HOSTILE}, ["label"]),
    ],
)
def test_filters_choose_the_entries(project, params, kinds):
    found = matching(told(history(project)), read(params))
    assert [entry.event.kind for entry in found] == kinds


def test_filters_live_in_the_address(project):
    at = opened("history", project=project.id, kind="label", by="Ada")
    assert len(rows(at)) == 1
    assert at.selectbox(key="dn2_h_by").value == "Ada"
    at.selectbox(key="dn2_h_by").set_value(0).run()
    assert len(rows(at)) == 2 and "by" not in at.query_params
    at.text_input(key="dn2_h_text").set_value("defect").run()
    assert len(rows(at)) == 1 and at.query_params["text"] == "defect"
    at.text_input(key="dn2_h_text").set_value("nothing like that").run()
    at.button(key="dn2_h_all").click().run()
    assert len(rows(at)) == 6


def test_what_the_address_is_given_is_read_again(monkeypatch):
    for wanted in (Wanted(), Wanted(("label", "lots"), "", "x & y", 7), Wanted((), HOSTILE, "", 2)):
        monkeypatch.setattr(st, "query_params", {"project": "p", "kind": "label", "by": "z", "text": "z", "sheet": "9"})
        history_entries.write(wanted)
        assert replace(read(st.query_params), kinds=tuple(sorted(read(st.query_params).kinds))) == replace(
            wanted, kinds=tuple(sorted(wanted.kinds))
        )
        assert st.query_params["project"] == "p"
    for page in ("0", "-1", "x", "1.5", "9" * 9, ""):
        assert read({"sheet": page}).page == 1


def test_each_undo_is_an_entry_of_its_own(project):
    first = project.settings()
    at = opened("history", project=project.id)
    normals, settings, label, *_ = history(project)
    offered = {button.key for button in at.button if button.key.startswith("dn2_undo_")}
    assert offered == {f"dn2_undo_{event.id}" for event in (normals, settings, label)}
    for event in (normals, settings, label):
        at.button(key=f"dn2_undo_{event.id}").click().run()
        assert not at.exception and not at.error
    assert project.state().n == 24
    assert project.settings() == Settings() != first
    [said] = labels(project).values()
    assert (said.label, said.note) == ("unsure", HOSTILE)
    assert "9 entries" in words(at)


def test_an_undo_that_came_too_late_is_a_sentence(project):
    at = opened("history", project=project.id)
    version, settings = history(project)[:2]
    remove_normals(project, project.snapshot().normals.ids[:1].tolist())
    project.save_settings(replace(project.settings(), k=9))
    at.button(key=f"dn2_undo_{version.id}").click().run()
    assert "Take the newer entry back first" in at.error[0].value
    offered = [button.key for button in at.button]
    assert f"dn2_undo_{version.id}" not in offered and f"dn2_undo_{settings.id}" not in offered
    assert not at.run().error
    assert (project.state().n, project.settings().k) == (22, 9)


def test_in_a_state_of_the_past_nothing_is_taken_back(project):
    at = opened("history", project=project.id, state=str(history(project)[0].id))
    assert "read-only" in words(at) and len(rows(at)) >= 6
    assert not [button for button in at.button if button.key.startswith("dn2_undo_")]


def test_ten_thousand_entries_come_a_page_at_a_time(project):
    with project.db.write() as db:
        last = db.execute("SELECT * FROM events WHERE kind = 'label' ORDER BY id DESC LIMIT 1").fetchone()
        details = json.loads(last["details"])
        rest = [last[name] for name in ("version", "settings", "image_id")]
        db.executemany(
            "INSERT INTO events(at, author, kind, version, settings, image_id, details)"
            " VALUES (?, ?, 'label', ?, ?, ?, ?)",
            [(i, "Ada", *rest, json.dumps({**details, "name": f"{i:05}.jpg"})) for i in range(10_000)],
        )
    at = opened("history", project=project.id)
    assert "10,006 entries" in words(at) and len(rows(at)) == PAGE
    assert "09999" in rows(at)[0]
    at.button(key="dn2_h_older").click().run()
    assert at.query_params["sheet"] == "2" and f"{9999 - PAGE:05}" in rows(at)[0]
    at.button(key="dn2_h_last").click().run()
    assert "Normals version 1" in rows(at)[-1].replace("\\", "") and len(rows(at)) == 10_006 % PAGE
    at = opened("history", project=project.id, sheet="99999", text="0777.jpg")
    assert [row.split(" ")[1][:5] for row in rows(at)] == ["00777"]
    assert [pages(count) for count in (0, 1, PAGE, PAGE + 1)] == [1, 1, 1, 2]


def test_the_entries_found_are_saved_as_csv(project, monkeypatch):
    given = {}
    monkeypatch.setattr("streamlit.download_button", lambda label, **more: given.update(more))
    opened("history", project=project.id, kind="label")
    saved = list(csv.DictReader(io.StringIO(given["data"]().decode("utf-8-sig"))))
    assert [int(row["id"]) for row in saved] == [event.id for event in history(project, kinds=("label",))]
    assert saved[0]["author"] == HOSTILE
    assert given["file_name"] == "dn2-history.csv"


def test_every_kind_has_words_and_a_sign():
    from pages.parts.history_words import ICONS, kind_word

    assert set(ICONS) == set(KINDS) and all(kind_word(kind) for kind in KINDS)
    unnamed = told([Event(1, 0.0, "", "lots", 1, Settings(), None, {"how": "none", "images": 0, "lots": 0})])
    assert unnamed[0].who == "no name" and unnamed[0].what == "Lots taken off all images"
