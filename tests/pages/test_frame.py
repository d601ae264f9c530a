"""The frame: navigation, project picker, state line, errors as sentences."""

import logging

from dn2core.project import run_pending
from tests.pages.app import JPEGS, filled, opened, texts


def test_without_projects_the_frame_stands(store):
    at = opened()
    assert not at.exception
    assert any("Visual inspection" in text for text in texts(at.sidebar))
    assert not at.sidebar.selectbox


def test_the_picker_follows_the_address_and_the_address_the_picker(store):
    first, second = store.create("First"), store.create("Second")
    at = opened(project=second.id)
    picker = at.sidebar.selectbox(key="dn2_project")
    assert picker.value == second.id
    picker.set_value(first.id).run()
    assert at.query_params["project"] == first.id
    assert at.sidebar.selectbox(key="dn2_project").value == first.id


def test_picking_a_project_drops_what_belonged_to_the_other(store):
    first, second = store.create("First"), store.create("Second")
    at = opened("normals", project=second.id, image="7", lang="en")
    at.sidebar.selectbox(key="dn2_project").set_value(first.id).run()
    assert at.query_params == {"project": first.id, "lang": "en"}


def test_the_state_line_counts(store, fake_encoder):
    project = filled(store, "Bolts", len(JPEGS))
    at = opened(project=project.id)
    assert any(f"{len(JPEGS)} normals" in text and "version 1" in text for text in texts(at.sidebar))


def test_a_project_that_is_gone_is_no_error(store):
    at = opened("normals", project="0" * 32)
    assert not at.exception
    assert any("This project is not there" in text for text in texts(at))


def test_hostile_addresses_are_no_error(store):
    for wrong in ("../../etc", "<b>", "x" * 5000, "\u202e"):
        assert not opened("normals", project=wrong, image="-1", lang=wrong).exception


def test_a_failure_nobody_expected_is_a_sentence_with_a_number(store, monkeypatch, caplog):
    monkeypatch.setattr("dn2core.project.store.Store.trashed", lambda self: 1 / 0)
    with caplog.at_level(logging.ERROR, logger="dn2.pages"):
        at = opened()
    assert not at.exception
    said = at.error[0].value
    assert "Something unexpected happened" in said and "division" not in said and "/" not in said
    mark = caplog.records[0].getMessage().rsplit(" ", 1)[1]
    assert mark in said


def test_a_waiting_job_shows_in_the_sidebar(store, fake_encoder):
    project = store.create("Bolts")
    batch = project.new_batch("normal", "files")
    project.stage(batch, "a.jpg", JPEGS[0])
    project.submit(batch)
    at = opened(project=project.id)
    assert any("waiting for its turn" in text for text in progress_texts(at.sidebar))
    run_pending(store)
    assert not progress_texts(opened(project=project.id).sidebar)


def progress_texts(block) -> list[str]:
    return [element.proto.text for element in block.get("progress")]


def test_projects_of_one_name_are_told_apart(store):
    first, second = store.create("Same"), store.create("Same")
    at = opened("normals", project=second.id)
    assert sorted(at.sidebar.selectbox(key="dn2_project").options) == ["Same", "Same (2)"]
    assert at.sidebar.selectbox(key="dn2_project").value == second.id
    assert at.query_params["project"] in (second.id, [second.id])
    at.sidebar.selectbox(key="dn2_project").set_value(first.id).run()
    assert at.query_params["project"] in (first.id, [first.id])
