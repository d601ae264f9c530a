"""The jiggle test on the pages: asked of an opened picture, and of the normals by a job; figures and words."""

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from dn2core.explore.jiggle import FAMILIES, KINDS, Spread, handling
from dn2core.project import run_pending
from dn2core.project.events import history
from pages.parts.jiggle_charts import handling_figure, spread_figure
from pages.parts.jiggle_words import advice_words, family_word, handling_words, kind_word, steady_words
from tests.pages.app import filled, opened, texts


@pytest.fixture
def project(store, fake_encoder, monkeypatch):
    for place in ("components.gallery.gallery", "detail.gallery", "detail.compare_zoom"):
        monkeypatch.setattr(f"pages.parts.{place}", lambda **given: None)
    return filled(store, "Bolts", 24, scored=3)


def spread(*, score=3.0, above=11, resampled=None) -> Spread:
    """Limit 2; so many of the changes above it."""
    scores = {kind: 3.0 if at < above else 1.0 for at, kind in enumerate(KINDS)}
    return Spread(score, 2.0, scores, score if resampled is None else resampled)


def found(added: dict[str, int], n=100, taken=0):
    """Handling of n normals, so many of which that pass as taken each kind flags."""
    changed = np.zeros((n, len(KINDS)))
    for kind, count in added.items():
        changed[taken : taken + count, KINDS.index(kind)] = 1
    return handling(np.arange(n) < taken, changed, 0.5, kinds=KINDS, families=FAMILIES)


def test_asked_of_an_opened_picture_and_kept(store, project, fake_encoder):
    encoder = next(iter(fake_encoder.values()))
    first, second = project.snapshot().scored.ids[:2].tolist()
    at = opened("score", project=project.id, image=str(first))
    assert not store.jobs.active(project.id)  # nothing is computed unasked
    at.button(key="dn2_steady").click().run()
    assert [job.kind for job in store.jobs.active(project.id)] == ["steady"]
    assert not [button for button in at.button if button.key == "dn2_steady"]
    assert "Jiggling one picture" in str(at.get("progress")[0].proto)
    run_pending(store)
    encoded = encoder.encoded
    at = opened("score", project=project.id, image=str(first))
    assert not at.exception and not at.error
    said = "\n".join(texts(at.main))
    assert "11 small changes" in said or "of 11** small changes" in said
    assert len(at.get("plotly_chart")) == 2
    assert encoder.encoded == encoded  # the page encodes nothing
    at = opened("score", project=project.id, image=str(second))
    assert at.button(key="dn2_steady")
    assert len(at.get("plotly_chart")) == 1


def test_a_stored_image_that_is_gone_is_a_sentence_of_that_picture(store, project):
    first, second = project.snapshot().scored.ids[:2].tolist()
    for path in (project.folder / "originals").rglob("*.*"):
        path.unlink()
    at = opened("score", project=project.id, image=str(first))
    at.button(key="dn2_steady").click().run()
    run_pending(store)
    at = opened("score", project=project.id, image=str(first))
    assert not at.exception
    assert any("was not found" in error.value for error in at.error)
    assert at.button(key="dn2_steady")
    assert not opened("score", project=project.id, image=str(second)).error


def test_without_a_limit_nothing_is_offered(store, fake_encoder, project):
    lone = filled(store, "One", 1)
    at = opened("normals", project=lone.id, image=str(int(lone.snapshot().normals.ids[0])))
    assert not at.exception
    assert not [button for button in at.button if button.key == "dn2_steady"]
    at = panel(lone)
    assert "no limit yet" in "\n".join(texts(at.main)) and not at.button


def drawn():
    from pages.parts.jiggle import jiggle_panel
    from pages.parts.service import current_project, snapshot

    project = current_project()
    jiggle_panel(project, snapshot(project))


def panel(project, **params) -> AppTest:
    at = AppTest.from_function(drawn, default_timeout=60)
    at.query_params["project"] = project.id
    for name, value in params.items():
        at.query_params[name] = value
    return at.run()


def test_the_normals_are_measured_by_a_job_and_the_answer_is_kept(store, project):
    at = panel(project)
    assert not at.exception and not at.get("plotly_chart")
    at.button(key="dn2_jiggle").click().run()
    assert [job.kind for job in store.jobs.active(project.id)] == ["jiggle"]
    assert at.button(key="dn2_jiggle").disabled
    assert "Jiggling the normals" in str(at.get("progress")[0].proto)
    run_pending(store)
    at = panel(project)
    said = "\n".join(texts(at.main)).replace("\\", "")
    assert not at.exception and len(at.get("plotly_chart")) == 1
    assert "of 24 normals" in said and "By 24 normals" in said and "changed since" not in said
    assert at.button(key="dn2_jiggle").label == "Measure anew"
    project.change_settings(k=1)
    assert "changed since" in "\n".join(texts(panel(project).main))


def test_a_state_of_the_past_offers_no_job(store, project):
    entry = history(project, newest=1)[0]
    at = panel(project, state=str(entry.id))
    assert not at.exception
    assert not [button for button in at.button if button.key == "dn2_jiggle"]


@pytest.mark.parametrize(
    ("one", "sentence"),
    [
        (spread(), "Stays flagged under all 11 small changes."),
        (spread(above=7), "**Would pass under 4 of 11** small changes: look at it yourself."),
        (spread(score=1.0, above=0), "Passes under all 11 small changes as well."),
        (spread(score=1.0, above=2), "**Would be flagged under 2 of 11** small changes: look at it yourself."),
    ],
)
def test_how_steady_in_a_sentence(one, sentence):
    assert steady_words(one) == sentence


def test_the_spread_drawn():
    figure = spread_figure(spread(above=7))
    points = figure.data[-1]
    assert np.array_equal(points.x, [3.0] * 7 + [1.0] * 4)
    assert list(points.marker.symbol) == ["diamond"] * 7 + ["circle"] * 4
    assert [figure.layout.yaxis.ticktext[list(figure.layout.yaxis.tickvals).index(y)] for y in points.y] == [
        family_word(family) for family in FAMILIES
    ]
    spans = {tuple(trace.x) for trace in figure.data[:-1]}
    assert spans == {(3.0, 3.0), (1.0, 3.0)}  # the score as taken belongs to each
    assert {shape.x0 for shape in figure.layout.shapes} == {2.0, 3.0}


def test_handling_in_words():
    said = handling_words(found({"blurred": 22}, taken=1), 0.01)
    assert said.startswith(
        "About 1 in 100 good parts may be flagged. Small changes of handling flag **2.0 of 100 more** "
    )
    assert said.endswith(
        "1 of 100 normals is flagged as taken; 22 more are flagged under at least one of 11 small changes."
    )


@pytest.mark.parametrize(
    ("added", "start"),
    [
        ({}, "No verdict turned: handling matters little. With 100 normals up to 3.6 of 100 cannot"),
        ({"darker": 2}, "Handling takes hardly any of the budget"),
        ({"blurred": 12}, "Blur does most (12.0 of 100)"),
        ({"darker": 12, "blurred": 5}, "Brightness does most (6.0 of 100)"),
        ({"turned left 1": 30, "shifted up": 20}, "Turning does most (7.5 of 100)"),
        ({"shifted up": 20}, "Shifting does most (5.0 of 100)"),
    ],
)
def test_what_to_do_about_it(added, start):
    assert advice_words(found(added), 0.01).startswith(start)


def test_handling_drawn():
    figure = handling_figure(found({"darker": 12}, taken=1), 0.01)
    points, counts = figure.data[-2], figure.data[-1]
    shown = dict(zip(points.y, points.x, strict=True))
    assert len(shown) == 12 and shown["as taken"] == 1.0 and shown["darker"] == 12.0
    assert dict(zip(counts.y, counts.text, strict=True))["darker"].strip() == "12"
    assert figure.layout.shapes[0].x0 == 1.0


def test_every_change_has_a_word():
    assert [kind_word(kind) for kind in KINDS][:4] == [
        "turned left by 2°",
        "turned left by 1°",
        "turned right by 1°",
        "turned right by 2°",
    ]
    assert len({kind_word(kind) for kind in KINDS}) == len(KINDS)
