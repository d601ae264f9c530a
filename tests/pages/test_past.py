"""A state of the past reopened: judged as then, marked on the page, left by one click; a wrong one is a sentence."""

from dataclasses import replace

import pandas as pd
import pytest
import streamlit as st

from dn2core.project import run_pending
from dn2core.project.events import history
from dn2core.project.normals import remove_normals
from dn2core.project.snapshot import past_snapshot
from pages.parts import service
from pages.parts.deliveries import delivery_table
from pages.parts.look import raw
from pages.parts.text import md
from tests.pages.app import filled, give, jpeg, opened, texts


@pytest.fixture(autouse=True)
def galleries(monkeypatch):
    """What the page's gallery was given last; nothing is opened."""
    seen = {}
    monkeypatch.setattr("pages.parts.components.gallery.gallery", lambda **given: seen.update(given))
    return seen


@pytest.fixture
def project(store, fake_encoder):
    """A delivery of 4 judged at k = 2 by 24 normals; then k is 7, two normals are gone and 3 more images are scored."""
    project = filled(store, "Bolts", 24, scored=4)
    project.save_settings(replace(project.settings(), k=7, budget=0.2), author="Ada")
    remove_normals(project, project.snapshot().normals.ids[:2].tolist())
    give(project, "scored", [jpeg(seed) for seed in (2001, 2002, 2003)])
    run_pending(store)
    return project


def delivery(project):
    """The entry of the first delivery."""
    return history(project, kinds=("delivery",))[-1]


def words(at) -> str:
    return " ".join(texts(at.main))


def test_the_page_shows_what_a_delivery_was_judged_by(project, galleries):
    then = delivery(project)
    at = opened("score", project=project.id, state=str(then.id))
    assert not at.exception
    assert f"{then.details['flagged']} of 4 flagged" in words(at)
    limit = raw(then.details["limit"])
    assert md(f"(normals version 1, k = 2, limit {limit})") in words(at) and "read-only" in words(at)
    assert f"limit {limit} at k = 2" in words(at)
    assert len(galleries["ids"]) == 4
    now = opened("score", project=project.id)
    assert len(galleries["ids"]) == 7
    assert "read-only" not in words(now) and raw(project.snapshot().judge().limit) != limit


def test_back_to_now_is_one_click(project, galleries):
    at = opened("score", project=project.id, state=str(delivery(project).id))
    at.button(key="dn2_back_to_now").click().run()
    assert "state" not in at.query_params and at.query_params["project"]
    assert len(galleries["ids"]) == 7 and "read-only" not in words(at)


@pytest.mark.parametrize("word", ["999999", "<img src=x>"])
def test_a_state_that_is_not_there_is_a_sentence_beside_the_present(project, galleries, word):
    at = opened("score", project=project.id, state=word)
    assert not at.exception
    assert "That state cannot be opened" in words(at) and "was not found" in words(at)
    assert len(galleries["ids"]) == 7


def test_a_state_whose_vectors_are_gone_is_a_sentence_beside_the_present(store, project, galleries):
    old = delivery(project)
    project.change_backbone("efficientnet_lite0", "paper")
    run_pending(store)
    with project.db.write() as db:
        db.execute("DELETE FROM vectors WHERE fingerprint = ?", (old.details["fingerprint"],))
    at = opened("score", project=project.id, state=str(old.id))
    assert not at.exception
    assert "That state cannot be opened" in words(at)
    assert len(galleries["ids"]) == 7


def test_links_of_the_sidebar_lead_to_the_present(project):
    at = opened("score", project=project.id, state=str(delivery(project).id))
    links = at.sidebar.get("page_link")
    assert len(links) > 5 and all("state" not in link.proto.query_string for link in links)


def asks(monkeypatch, project, **params):
    """The service as a page with this address meets it."""
    monkeypatch.setattr(st, "query_params", {"project": project.id, **params})
    monkeypatch.setattr(st, "session_state", {})


def test_a_page_knows_whether_it_may_change_anything(project, monkeypatch):
    asks(monkeypatch, project)
    assert not service.past()
    then = delivery(project)
    asks(monkeypatch, project, state=str(then.id))
    assert service.past()  # not known yet
    shown = service.snapshot(project)
    assert service.past() and shown.generation == past_snapshot(project, then.id).generation
    for word in ("nonsense", "0", "-1", "9" * 18, "9" * 30, "1e3", "²"):
        asks(monkeypatch, project, state=word)
        assert service.snapshot(project).generation == project.generation()
        assert not service.past() and service.asked_state().error.code == "NOT_FOUND"


def test_what_was_found_of_another_address_does_not_count(project, monkeypatch):
    asks(monkeypatch, project, state="nonsense")
    service.snapshot(project)
    st.query_params["state"] = str(delivery(project).id)
    assert service.past()


def test_each_delivery_leads_to_its_state_and_old_ones_do_not(project, monkeypatch):
    asks(monkeypatch, project, lang="en")
    newest, oldest = project.batches("scored")
    before = replace(oldest, judged={key: value for key, value in oldest.judged.items() if key != "event"})
    column = delivery_table([newest, oldest, before, replace(oldest, judged=None)])["State"].tolist()
    assert column[1] == f"score?project={project.id}&lang=en&state={delivery(project).id}"
    assert column[0] != column[1] and pd.isna(column[2:]).all()
