"""Tune: another k is seen before it is applied, and nothing changes before."""

from dataclasses import replace

import numpy as np
import pytest

from dn2core.detect import changes
from dn2core.project import run_pending
from dn2core.project.snapshot import snapshot
from tests.pages.app import filled, give, opened, texts
from tests.pages.test_score import shade


@pytest.fixture
def project(store, fake_encoder):
    """Images whose darkening crosses the limit at one k and not at another."""
    project = filled(store, "Bolts", 24)
    give(project, "scored", [shade(100 + i, 60 + 5 * i) for i in range(24)])
    run_pending(store)
    return project


@pytest.fixture
def parts(monkeypatch):
    """What slider and gallery were given; `release` is the k that the slider reports."""
    seen = {"slider": {}, "gallery": {}, "release": None}

    def slider(**given):
        seen["slider"] = given
        return seen["release"]

    monkeypatch.setattr("pages.parts.components.k_slider.k_slider", slider)
    monkeypatch.setattr("pages.parts.components.gallery.gallery", lambda **given: seen.update(gallery=given))
    return seen


def address(at) -> dict:
    return {name: value[0] if isinstance(value, list) else value for name, value in at.query_params.items()}


def k_that_changes_something(project) -> int:
    shown = snapshot(project)
    before = shown.judge()
    return next(k for k in range(3, 20) if len(changes(before, shown.judge(k))))


def test_without_normals_the_next_step_is_named(store, fake_encoder):
    at = opened("tune", project=store.create("Bolts").id)
    assert not at.exception and any("No normals yet" in text for text in texts(at.main))
    assert any("No project is open" in text for text in texts(opened("tune").main))
    at = opened("tune", project=filled(store, "One", 1).id)
    assert not at.exception and any("nothing to tune" in text for text in texts(at.main))


def test_the_slider_gets_every_k(project, parts):
    at = opened("tune", project=project.id)
    assert not at.exception
    swept = parts["slider"]["sweep"]
    judged = snapshot(project).judge(7)
    assert parts["slider"]["k"] == 2
    assert swept.limits[6] == judged.limit and swept.flagged_count[6] == judged.flagged.sum()
    assert at.button(key="dn2_apply").disabled and parts["gallery"] == {}


def test_what_would_change_is_shown_and_nothing_is_written(project, parts):
    k = k_that_changes_something(project)
    settings = project.settings()
    at = opened("tune", project=project.id, k=str(k))
    shown = snapshot(project)
    before, after = shown.judge(), shown.judge(k)
    turned = changes(before, after)
    assert sorted(parts["gallery"]["ids"]) == sorted(shown.scored.ids[turned].tolist())
    assert all(" → " in caption for caption in parts["gallery"]["captions"])
    words = " ".join(texts(at.main))
    assert f"{len(turned)} image" in words
    assert f"{after.flagged.sum()} of 24 flagged instead of {before.flagged.sum()}" in words
    assert project.settings() == settings


def test_captions_name_both_verdicts(project, parts):
    k = k_that_changes_something(project)
    opened("tune", project=project.id, k=str(k))
    shown = snapshot(project)
    before, after = shown.judge(), shown.judge(k)
    for item, caption in zip(parts["gallery"]["ids"], parts["gallery"]["captions"], strict=True):
        at = shown.scored.position(item)
        assert caption.startswith(f"{before.verdicts[at]} → {after.verdicts[at]}")


def test_apply_writes_k_and_clears_the_trial(project, parts):
    k = k_that_changes_something(project)
    at = opened("tune", project=project.id, k=str(k))
    assert at.button(key="dn2_apply").label == f"Apply k = {k}"
    at.button(key="dn2_apply").click().run()
    assert not at.exception and not at.error
    assert project.settings().k == k
    assert address(at) == {"project": project.id}
    assert at.button(key="dn2_apply").disabled


def test_keep_gives_the_trial_up(project, parts):
    at = opened("tune", project=project.id, k="9", unit="0")
    at.button(key="dn2_keep").click().run()
    assert address(at) == {"project": project.id} and project.settings().k == 2


def test_a_released_slider_becomes_the_trial(project, parts):
    parts["release"] = 11
    at = opened("tune", project=project.id)
    assert address(at)["k"] == "11" and project.settings().k == 2
    assert at.button(key="dn2_apply").label == "Apply k = 11"


@pytest.mark.parametrize("k", ["0", "51", "x", "-3", "", "1e2", "²"])
def test_nonsense_in_the_address_is_the_k_in_use(project, parts, k):
    at = opened("tune", project=project.id, k=k)
    assert not at.exception and parts["slider"]["k"] == 2 and at.button(key="dn2_apply").disabled


def test_raw_distances_on_trial_are_those_that_apply_would_bring(project, parts):
    at = opened("tune", project=project.id, unit="0")
    assert not at.exception
    tried = parts["slider"]["sweep"]
    before = snapshot(project).judge()
    at.button(key="dn2_apply").click().run()
    assert not at.exception and project.settings().normalise is False
    after = snapshot(project).judge()
    assert tried.limits[1] == after.limit and tried.flagged_count[1] == after.flagged.sum()
    assert tried.flips[1] == len(changes(before, after))


def test_the_switch_puts_the_length_on_trial(project, parts):
    at = opened("tune", project=project.id)
    at.toggle(key="dn2_unit").set_value(False).run()
    assert address(at)["unit"] == "0" and project.settings().normalise is True
    at.toggle(key="dn2_unit").set_value(True).run()
    assert "unit" not in address(at)


def test_the_papers_preset_encodes_anew_in_the_background(store, project, parts):
    at = opened("tune", project=project.id)
    at.button(key="dn2_preset_paper").click().run()
    assert address(at) == {"project": project.id, "unit": "0", "preset": "paper"}
    assert store.jobs.active(project.id) == [] or store.jobs.active(project.id)[0].kind == "map"
    assert any("encoded anew" in text for text in texts(at.main))
    at.button(key="dn2_apply").click().run()
    assert not at.exception
    jobs = [job for job in store.jobs.active(project.id) if job.kind == "reencode"]
    assert [job.args for job in jobs] == [{"backbone": "efficientnet_lite0", "preset": "paper"}]
    assert project.state().preset == "whole"
    run_pending(store)
    assert project.state().preset == "paper" and project.settings().normalise is False


def test_recommended_leads_back(project, parts):
    project.save_settings(replace(project.settings(), k=9, normalise=False))
    at = opened("tune", project=project.id)
    at.button(key="dn2_preset_recommended").click().run()
    assert address(at) == {"project": project.id, "k": "2", "unit": "1"}
    assert at.button(key="dn2_apply").label == "Apply k = 2, unit length"


def test_an_opened_picture_is_judged_by_the_trial(project, parts, monkeypatch):
    seen = {}
    monkeypatch.setattr("pages.parts.detail.gallery", lambda **given: seen.update(given))
    k = k_that_changes_something(project)
    item = int(snapshot(project).scored.ids[np.argmax(snapshot(project).judge(k).scores)])
    at = opened("tune", project=project.id, k=str(k), image=str(item))
    assert not at.exception and len(seen["ids"]) == k
    at.button(key="dn2_back").click().run()
    assert address(at) == {"project": project.id, "k": str(k)}


def test_apply_can_be_taken_back(project, parts):
    at = opened("tune", project=project.id, k="9")
    at.button(key="dn2_apply").click().run()
    assert project.settings().k == 9
    assert at.button(key="dn2_undo_apply").label == "Back to k = 2"
    at.button(key="dn2_undo_apply").click().run()
    assert project.settings().k == 2 and at.button(key="dn2_undo_apply").label == "Back to k = 9"


def test_two_normals_have_no_k_to_move(store, fake_encoder, parts):
    at = opened("tune", project=filled(store, "Two", 2, scored=1).id)
    assert not at.exception and parts["slider"] == {}
    assert any("k = 1 is in use" in text for text in texts(at.main))
