"""What the report and the table say of images that were taken unlike the normals."""

import csv
import io
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from PIL import Image

from dn2core.project import run_pending
from dn2core.project.captures import captures
from dn2core.project.labels import set_label
from dn2core.project.reporting import report_of, results_of
from dn2core.report import report_html
from dn2core.report.say import ENGLISH
from tests.project.helpers import give

HOSTILE = "<b onclick=alert(1)>off</b>.png"


def png(seed: int, light: float = 1.0) -> bytes:
    rng = np.random.default_rng(seed)
    pixels = light * (120 + 60 * rng.standard_normal((36, 48, 1)) + rng.normal(0, 5, (36, 48, 3)))
    out = io.BytesIO()
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(out, "PNG")
    return out.getvalue()


@pytest.fixture
def project(store, fake_encoder):
    """30 normals; an image like them, a darker one, and one with the lamp off, of a hostile name."""
    project = store.create("Bolts")
    give(project, "normal", [(f"{seed:03}.png", png(seed)) for seed in range(30)])
    give(project, "scored", [("good.png", png(100)), ("dark.png", png(101, 0.3)), (HOSTILE, png(102, 0.01))])
    run_pending(store)
    return project


def made(project, **more):
    """The report where every image is flagged, so that all are pictured."""
    view = project.snapshot()
    judged = view.judge()
    judged = replace(judged, flagged=np.ones_like(judged.flagged))
    return report_of(project, view, judged, when=datetime(2026, 7, 3, tzinfo=UTC), **more)


def test_a_picture_stands_with_what_is_unusual_about_it_and_a_clean_one_with_nothing(project):
    told = {one.name: one.capture for one in made(project).flagged}
    assert told["good.png"] == ()
    sentence, numbers = told[HOSTILE]
    assert sentence == "Check the capture: the lamp is off."
    assert numbers.startswith("Brightness 0 %; the normals have 4") and numbers.endswith("nothing is said.")
    assert told["dark.png"][0].startswith("Check the capture: too dark") and len(told["dark.png"]) > 1


def test_all_that_were_taken_differently_are_counted_and_listed_the_gravest_first(project):
    report = made(project)
    assert [(one.name, one.words) for one in report.captures[:1]] == [(HOSTILE, "lamp off")]
    assert [one.name for one in report.captures] == [HOSTILE, "dark.png"] and report.captures_total == 2
    verdicts = dict(zip(project.snapshot().scored.names, project.snapshot().judge().verdicts, strict=True))
    assert [one.verdict for one in report.captures] == [verdicts[HOSTILE], verdicts["dark.png"]]
    assert "2 images were taken unlike the normals: check the capture." in report.warnings
    few = made(project, most=1)
    assert [one.name for one in few.captures] == [HOSTILE] and few.captures_total == 2


def test_the_page_says_it_and_stays_text(project):
    page = report_html(made(project)).decode()
    assert page.count("<b onclick") == 0 and page.count("Check the capture: the lamp is off.") == 1
    assert "&lt;b onclick=alert(1)&gt;off&lt;/b&gt;.png</bdi></th>" in page


def test_it_is_said_in_the_readers_language(project):
    def t(message, /, **fields):
        return f"«{ENGLISH.t(message, **fields)}»"

    report = made(project, say=replace(ENGLISH, t=t))
    told = {one.name: one.capture for one in report.flagged}[HOSTILE]
    assert told[0] == "«Check the capture: «the lamp is off».»" and "«Brightness»" in told[1]
    assert report.captures[0].words == "«lamp off»"


def test_where_nothing_is_unusual_nothing_is_said(store, fake_encoder):
    project = store.create("Bolts")
    give(project, "normal", [(f"{seed:03}.png", png(seed)) for seed in range(30)])
    give(project, "scored", [("good.png", png(100))])
    run_pending(store)
    page = report_html(made(project)).decode()
    assert made(project).captures == () and "capture" not in page.split("</style>")[1].lower()


def test_images_of_which_nothing_is_known_are_counted(project):
    with project.db.write() as db:
        db.execute("DELETE FROM captures")
    report = made(project)
    assert report.captures == () and "Of 3 images it is not known how they were taken." in report.warnings


def test_the_table_has_what_people_said_and_how_pictures_were_taken(project):
    view = project.snapshot()
    rows = [view.scored.names.index(name) for name in (HOSTILE, "good.png")]
    set_label(project, int(view.scored.ids[rows[1]]), "good", author="Ada")
    data = results_of(project, view, view.judge(), captures(project, view), positions=rows, names=["b", "a"])
    rows = list(csv.DictReader(io.StringIO(data.decode())))
    assert [(row["file"], row["capture"], row["label"]) for row in rows] == [("b", "lamp_off", ""), ("a", "", "good")]
