"""What patches add to a report: the heat beside each picture, and what only a single place gave away."""

import io
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import pytest
from PIL import Image

from dn2core.explore.heatmap import heat_over
from dn2core.project import run_pending
from dn2core.project.reporting import report_of
from tests.project.helpers import give

LIMIT = 2.0


@dataclass(frozen=True)
class View:
    scores: np.ndarray
    limit: float
    flagged: np.ndarray
    calibration: None = None

    @property
    def pending(self) -> int:
        return int(np.isnan(self.scores).sum())

    @property
    def multiples(self) -> np.ndarray:
        return self.scores / self.limit


@pytest.fixture
def project(store, fake_encoder, picture):
    """Images 0 to 3 look like the normals, 4 does not."""
    project = store.create("Bolts")
    give(project, "normal", [(f"n{i:02}.png", picture(i)) for i in range(30)])
    give(project, "scored", [(f"s{i}.png", picture(100 + i)) for i in range(4)])
    give(project, "scored", [("dark.png", picture(200, shade=40))])
    run_pending(store)
    return project


def distances(score: float) -> np.ndarray:
    found = np.full((4, 5), 0.5, np.float32)
    found[1, 3] = score
    return found


def made(project, monkeypatch, scores: list[float] | None, limit: float = LIMIT):
    """The report where the patches give these scores; with None the project does not look at patches."""
    view = project.snapshot()
    asked = np.array(scores or [], np.float32)

    def heat(_, item_id):
        score = asked[view.scored.position(item_id)]
        return None if np.isnan(score) else (distances(score), limit)

    there = None if scores is None else View(asked, limit, asked > limit)
    monkeypatch.setattr("dn2core.project.reporting.patch_view", lambda *_: there)
    monkeypatch.setattr("dn2core.project.reporting.patch_heat", heat)
    return report_of(project, view, view.judge(), when=datetime(2026, 7, 3, tzinfo=UTC))


def test_what_a_single_place_gave_away_has_its_own_gallery(project, monkeypatch):
    report = made(project, monkeypatch, [2.5, 1.0, 5.0, np.nan, 3.0])
    assert [one.name for one in report.flagged] == ["dark.png"]
    assert [(one.name, one.place) for one in report.places] == [("s2.png", 2.5), ("s0.png", 1.25)]
    assert report.places_total == 2 and report.flagged[0].place == 1.5
    assert any(said.startswith("2 images are usual as a whole") for said in report.warnings)


def test_the_heat_is_that_of_the_picture(project, monkeypatch):
    report = made(project, monkeypatch, [2.5, 1.0, 5.0, np.nan, 3.0])
    (flagged,) = report.flagged
    under, over = (np.asarray(Image.open(io.BytesIO(data))).astype(int) for data in (flagged.jpeg, flagged.heat))
    expected = heat_over(under.astype(np.uint8), distances(3.0), LIMIT).astype(int)
    assert over.shape == under.shape and np.abs(over - expected).mean() < 6  # as JPEG
    assert np.abs(over - under).mean() > 6


@pytest.mark.parametrize("scores", [[np.nan] * 5, None])
def test_without_results_the_report_is_as_before(project, monkeypatch, scores):
    report = made(project, monkeypatch, scores)
    assert [(one.heat, one.place) for one in report.flagged] == [(b"", None)] and report.places == ()
    assert not any("as a whole" in said for said in report.warnings)


def test_without_a_limit_there_is_no_heat(project, monkeypatch):
    report = made(project, monkeypatch, [2.5, 1.0, 5.0, 1.0, 3.0], limit=np.nan)
    assert [(one.heat, one.place) for one in report.flagged] == [(b"", None)] and report.places_total == 0


def test_a_lost_picture_has_no_heat(project, monkeypatch):
    monkeypatch.setattr("dn2core.project.project.Project.thumbnails", lambda self, ids: [b""] * len(ids))
    assert [one.heat for one in made(project, monkeypatch, [3.0] * 5).flagged] == [b""]
