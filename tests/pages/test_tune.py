"""Tune: another k is seen before it is applied, and nothing changes before."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from dn2core.detect import changes
from dn2core.explore.bootstrap import Estimate
from dn2core.explore.stability import Recommendation, recommendation, stability
from dn2core.project import run_pending
from dn2core.project.events import history
from dn2core.project.labels import set_label
from dn2core.project.normals import hold_out
from dn2core.project.settings import PRESETS
from dn2core.project.snapshot import forget, snapshot
from pages.parts.forms import form_words
from pages.parts.header import backbone_title
from pages.parts.k_stability import recommendation_words
from pages.parts.text import md
from pages.parts.tune_draft import of_preset, shows_more_than_k
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


def test_recommended_puts_all_that_it_means_on_trial(store, project, parts):
    project.save_settings(replace(project.settings(), k=9, normalise=False))
    at = opened("tune", project=project.id)
    at.button(key="dn2_preset_recommended").click().run()
    best = PRESETS["recommended"]
    assert address(at) == {
        **{"project": project.id, "k": str(best.k), "unit": "1", "form": best.form, "network": best.backbone}
    }
    assert any("encoded anew" in text for text in texts(at.main))
    at.button(key="dn2_apply").click().run()
    assert not at.exception and not at.error and address(at) == {"project": project.id}
    settings = project.settings()
    assert (settings.k, settings.form, settings.normalise) == (best.k, best.form, True)
    [job] = [job for job in store.jobs.active(project.id) if job.kind == "reencode"]
    assert job.args == {"backbone": best.backbone, "preset": best.preset}
    run_pending(store)
    assert of_preset(project.settings()) == of_preset(best)


def test_an_unknown_network_in_the_address_is_the_one_in_use(project, parts):
    at = opened("tune", project=project.id, network="<b>x")
    assert not at.exception and at.button(key="dn2_apply").disabled


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


def label(project, **words):
    view = snapshot(project)
    for word, positions in words.items():
        for at in positions:
            set_label(project, int(view.scored.ids[at]), word)


def lost_at_two(project) -> np.ndarray:
    """Have a k in use at which more is flagged than at 2; positions of what 2 would let pass."""
    view = snapshot(project)
    few = view.judge(2).flagged
    k = next(k for k in range(3, view.table.k_max + 1) if (view.judge(k).flagged & ~few).any())
    project.save_settings(replace(project.settings(), k=k))
    return np.flatnonzero(view.judge(k).flagged & ~few)


def sweep_titles(at) -> list[str]:
    """Titles of the small charts in the picture of the sweep over k."""
    [figure] = [json.loads(chart.proto.spec) for chart in at.get("plotly_chart") if "dn2_k_sweep" in chart.proto.id]
    return [note["text"] for note in figure["layout"]["annotations"]]


def test_how_much_hangs_on_k_without_labels(project, parts):
    at = opened("tune", project=project.id)
    assert not at.exception and not at.error
    assert sweep_titles(at) == ["Verdicts that flip to the next k", "Rank correlation with k = 2", "k = 2 in use"]
    view = snapshot(project)
    found = stability(view.table.scores, view.table.limits(view.settings.budget), 2)
    assert recommendation_words(recommendation(found), 2) in " ".join(texts(at.main))


def test_labels_bring_three_more_charts(project, parts):
    label(project, defect=range(12, 24))
    titles = sweep_titles(opened("tune", project=project.id))
    assert "Missed defects at the budget" in titles and "ROC AUC" not in titles
    label(project, good=range(6))
    at = opened("tune", project=project.id)
    titles = sweep_titles(at)
    assert titles[:5] == [
        *("Verdicts that flip to the next k", "Rank correlation with k = 2"),
        *("ROC AUC", "Average precision", "Missed defects at the budget"),
    ]
    assert "By 6 good parts and 12 defects with a label. They are few" in " ".join(texts(at.main))


def test_every_k_is_compared_once_while_the_thumb_moves(project, parts, monkeypatch):
    calls = []
    monkeypatch.setattr("pages.parts.k_stability.stability", lambda *a, **b: calls.append(1) or stability(*a, **b))
    at = opened("tune", project=project.id)
    parts["release"] = 11
    at.run()
    parts["release"] = 30
    at.run()
    assert address(at)["k"] == "30" and calls == [1]
    label(project, defect=[0])
    at.run()
    assert len(calls) == 2


def test_a_known_defect_that_a_trial_would_miss_is_named_and_shown(project, parts, monkeypatch):
    shown = {}
    monkeypatch.setattr(
        "pages.parts.components.gallery.gallery", lambda **given: shown.update({given["key"]: given["ids"]})
    )
    lost = lost_at_two(project)
    view = snapshot(project)
    at = opened("tune", project=project.id, k="2")
    assert not at.warning
    label(project, defect=lost.tolist())
    at = opened("tune", project=project.id, k="2")
    [warning] = [warning.value.replace("\\", "") for warning in at.warning]
    assert f"{len(lost)} known defect" in warning and view.scored.names[lost[0]] in warning
    assert shown[f"dn2_missed_gallery_{project.id}"] == view.scored.ids[lost].tolist()
    at = opened("tune", project=project.id)  # nothing on trial
    assert not at.warning


def test_no_known_defect_missed_is_said_too(project, parts):
    view = snapshot(project)
    sure = int(np.argmax(view.judge().scores))
    label(project, defect=[sure])
    at = opened("tune", project=project.id, k="3")
    assert view.judge(3).flagged[sure] and not at.warning
    assert any("would not newly be missed" in text for text in texts(at.main))


@pytest.mark.parametrize("form", ["kth", "density"])
def test_another_score_on_trial_is_the_one_that_apply_would_bring(project, parts, form):
    at = opened("tune", project=project.id, form=form, k="5")
    assert not at.exception and not at.error
    tried = parts["slider"]["sweep"]
    view = snapshot(project)
    before = view.judge()
    assert form_words(form).formula.split(",")[0] in " ".join(texts(at.main)).replace("\\", "")
    assert at.button(key="dn2_apply").label == f"Apply k = 5, {form_words(form).title}"
    at.button(key="dn2_apply").click().run()
    assert not at.exception and (project.settings().form, project.settings().k) == (form, 5)
    assert address(at) == {"project": project.id}
    after = snapshot(project).judge()
    assert after.form == form and tried.limits[4] == after.limit and tried.flips[4] == len(changes(before, after))
    at.button(key="dn2_undo_apply").click().run()
    assert (project.settings().form, project.settings().k) == ("mean", 2)


def test_the_choice_of_the_score_lives_in_the_address(project, parts):
    at = opened("tune", project=project.id)
    at.session_state["dn2_form"] = "kth"
    at = opened("tune", project=project.id, form="nonsense")
    assert not at.exception and at.button(key="dn2_apply").disabled
    at = opened("tune", project=project.id, form="kth")
    at.button(key="dn2_keep").click().run()
    assert address(at) == {"project": project.id} and project.settings().form == "mean"


def test_a_preset_brings_its_score(project, parts):
    project.save_settings(replace(project.settings(), form="density"))
    at = opened("tune", project=project.id)
    at.button(key="dn2_preset_paper").click().run()
    assert address(at) == {"project": project.id, "form": "mean", "unit": "0", "preset": "paper"}


def test_apply_leaves_limits_alone_that_were_set_meanwhile_and_names_who(project, parts):
    at = opened("tune", project=project.id, k="9")
    project.save_settings(replace(project.settings(), budget=0.05, reject_budget=0.02))
    at.session_state["dn2_who"] = SimpleNamespace(name="Ada")
    at.button(key="dn2_apply").click().run()
    settings = project.settings()
    assert (settings.k, settings.budget, settings.reject_budget) == (9, 0.05, 0.02)
    assert history(project, kinds=("settings",))[0].author == "Ada"


def test_hostile_names_of_missed_defects_stay_literal(store, project, parts):
    evil = "<b>**x**<img src=x>.jpg"
    lost = int(lost_at_two(project)[0])
    view = snapshot(project)
    with project.db.write() as db:
        db.execute("UPDATE items SET name = ? WHERE id = ?", (evil, int(view.scored.ids[lost])))
    forget(project.id)
    label(project, defect=[lost])
    at = opened("tune", project=project.id, k="2")
    assert not at.exception and at.warning[0].value.endswith(md(evil)) and md(evil) != evil


@pytest.mark.parametrize("n", [1, 2, 3])
def test_tiny_sets_with_labels(store, fake_encoder, parts, n):
    project = filled(store, "Tiny", n, scored=3)
    label(project, good=[0], defect=[1])
    at = opened("tune", project=project.id, k="2", form="density")
    assert not at.exception and not at.error
    assert bool([c for c in at.get("plotly_chart") if "dn2_k_sweep" in c.proto.id]) == (n == 3)


def test_normals_alone_have_no_sweep(store, fake_encoder, parts):
    at = opened("tune", project=filled(store, "Alone", 5).id)
    assert not at.exception and not at.error and not at.get("plotly_chart") and parts["slider"]


ADVICE = {"k_from": 2, "k_to": 9, "k_recommended": 2, "flags": 14, "flips": 0}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"kind": "same_flags"}, "Any k from 2 to 9 gives the same 14 flags; 2 is fine."),
        ({"kind": "same_flags", "flags": 1}, "Any k from 2 to 9 gives the same 1 flag; 2 is fine."),
        ({"kind": "same_flags", "flags": 0}, "Any k from 2 to 9 flags nothing; 2 is fine."),
        (
            {"kind": "few_flips", "flips": 2},
            "From k = 2 to 9 no more than 2 images are flagged otherwise than at k = 2, which is fine.",
        ),
        (
            {"kind": "unstable", "k_from": 5, "k_recommended": 5},
            "Around k = 2 flags change with k; from 5 to 9 they stay the same, so 5 is steadier.",
        ),
        ({"kind": "unstable", "k_to": 2}, "Flags change from each k to the next: no k is steadier than another."),
        (
            {"kind": "labels_prefer", "k_recommended": 7, "gain": Estimate(0.031, 0.012, 0.05)},
            "Any k from 2 to 9 tells the labelled images apart better than 2, by more than chance: "
            "at k = 7, ROC AUC is 3.1 points higher (1.2 to 5.0).",
        ),
        ({"kind": "not_defined"}, ""),
    ],
)
def test_the_recommendation_in_words(change, said):
    assert recommendation_words(Recommendation(**{**ADVICE, **change}), 2) == said


def test_another_k_that_is_recommended_can_be_tried(project, parts, monkeypatch):
    advice = Recommendation(**{**ADVICE, "kind": "unstable", "k_from": 5, "k_recommended": 5})
    monkeypatch.setattr("pages.parts.k_stability.recommendation", lambda found: advice)
    at = opened("tune", project=project.id)
    at.button(key="dn2_try_k").click().run()
    assert address(at)["k"] == "5" and parts["slider"]["k"] == 5 and project.settings().k == 2


def test_a_reopened_state_is_only_looked_at(project, parts):
    project.save_settings(replace(project.settings(), k=9))
    first = history(project, kinds=("delivery",))[-1]
    at = opened("tune", project=project.id, state=str(first.id), k="5")
    assert not at.exception and at.button(key="dn2_apply").disabled and project.settings().k == 9


@pytest.mark.parametrize("change", [{"preset": "paper"}, {"network": "efficientnet_lite0_two_stages"}])
def test_nothing_is_told_of_features_that_are_not_there_yet(project, parts, change):
    k = k_that_changes_something(project)
    label(project, defect=range(12, 24))
    at = opened("tune", project=project.id, k=str(k), unit="0", **change)
    assert not at.exception and not at.error and not at.warning
    words = " ".join(texts(at.main))
    assert "What changes is unknown until all images are encoded anew" in words
    assert not any(said in words for said in ("of 24 flagged", "would change", "known defect", "· limit", "Any k from"))
    assert parts["gallery"] == {} and not at.get("plotly_chart")
    assert parts["slider"]["counted"] is False and parts["slider"]["k"] == k
    at.button(key="dn2_keep").click().run()
    assert parts["slider"]["counted"] is True and "of 24 flagged" in " ".join(texts(at.main))


def test_an_opened_picture_is_judged_by_what_is_in_use_until_other_features_are_there(project, parts, monkeypatch):
    seen = {}
    monkeypatch.setattr("pages.parts.detail.gallery", lambda **given: seen.update(given))
    item = int(snapshot(project).scored.ids[0])
    at = opened("tune", project=project.id, k="7", preset="paper", image=str(item))
    assert not at.exception and len(seen["ids"]) == project.settings().k == 2


def test_only_a_moved_k_leaves_the_rest_of_the_page_true(project):
    saved = replace(project.settings(), k=10)
    paper = replace(saved, **of_preset(PRESETS["paper"]))
    assert not shows_more_than_k(saved, replace(saved, k=5))
    assert shows_more_than_k(paper, saved) and shows_more_than_k(saved, replace(saved, form="kth"))


def test_a_preset_is_ticked_only_as_long_as_its_k_is_on_trial(project, parts):
    ticked = {"project": project.id, "unit": "0", "preset": "paper"}
    assert opened("tune", **ticked).button(key="dn2_preset_paper").icon
    parts["release"] = 5
    assert not opened("tune", **ticked).button(key="dn2_preset_paper").icon


def test_the_way_back_from_another_network_stays_once_it_serves(store, project, parts):
    first = project.settings()
    at = opened("tune", project=project.id)
    at.button(key="dn2_preset_recommended").click().run()
    at.button(key="dn2_apply").click().run()
    run_pending(store)
    at.run()
    assert at.button(key="dn2_undo_apply").label == (
        f"Back to k = 2, {form_words(first.form).title}, {backbone_title(first.backbone)}"
    )
    at.button(key="dn2_undo_apply").click().run()
    [job] = [job for job in store.jobs.active(project.id) if job.kind == "reencode"]
    assert job.args == {"backbone": first.backbone, "preset": first.preset}
    run_pending(store)
    assert of_preset(project.settings()) == of_preset(first)


def test_going_back_while_another_network_encodes_stops_it(store, project, parts):
    first = project.settings()
    at = opened("tune", project=project.id)
    at.button(key="dn2_preset_recommended").click().run()
    at.button(key="dn2_apply").click().run()
    at.button(key="dn2_undo_apply").click().run()
    assert not at.exception and not at.error
    run_pending(store)
    assert of_preset(project.settings()) == of_preset(first)


def test_the_slider_is_told_what_the_limit_rests_on(project, parts):
    opened("tune", project=project.id)
    assert parts["slider"]["calibrated_on"] == "leave_one_out"
    hold_out(project, snapshot(project).normals.ids[:4].tolist())
    project.save_settings(replace(project.settings(), calibration="held_out"))
    opened("tune", project=project.id)
    assert parts["slider"]["calibrated_on"] == "held_out"


def test_the_slider_names_its_normals_and_the_last_report_that_was_seen(project, monkeypatch):
    heads, reported = [], {"k": None}

    def drawn(**given):
        heads.append(json.loads(given["data"][4 : 4 + int.from_bytes(given["data"][:4], "little")]))
        return SimpleNamespace(**reported)

    monkeypatch.setattr("pages.parts.components.k_slider._k_slider", drawn)
    at = opened("tune", project=project.id)
    assert heads[-1]["texts"]["normals"] == "normals, each against the others" and heads[-1]["answered"] == 0
    reported["k"] = {"k": 5, "n": 3}
    at.run()
    assert address(at)["k"] == "5" and (heads[-1]["k"], heads[-1]["answered"]) == (2, 0)
    reported["k"] = None
    hold_out(project, snapshot(project).normals.ids[:4].tolist())
    project.save_settings(replace(project.settings(), calibration="held_out"))
    at.run()
    assert (heads[-1]["k"], heads[-1]["answered"]) == (5, 3)
    assert heads[-1]["texts"]["normals"] == "held-out normals"
