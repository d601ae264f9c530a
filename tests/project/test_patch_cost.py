"""What other settings for places would take is told before: what a job then does, and as long as was measured."""

from dataclasses import replace

import pytest

from dn2core.detect.mask import share_looked_at
from dn2core.features.patches import view_side
from dn2core.project import patch_cost, patch_fits, run_pending
from dn2core.project.normals import hold_out
from dn2core.project.patch_cost import STEPS, Cost, Pace, cost, note_pace
from dn2core.project.patch_fits import limit_images
from tests.patch_stand_in import part, use_fake_patches
from tests.project.helpers import give

LEFT_HALF = ("only", ((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0)))


@pytest.fixture(autouse=True)
def encoders(monkeypatch):
    return use_fake_patches(monkeypatch)


@pytest.fixture
def project(store, fake_encoder):
    """14 normals and three scored images; patches are not looked at yet."""
    project = store.create("Bolts")
    give(project, "normal", [(f"n{i:02}.png", part(i)) for i in range(14)])
    give(project, "scored", [(f"s{i}.png", part(100 + i)) for i in range(3)])
    run_pending(store)
    return project


def told(project, **changes) -> Cost:
    return cost(project, project.snapshot(), replace(project.settings(), **changes))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, Cost(0, 0, 0, 0.0)),
        ({"mask": (LEFT_HALF,)}, Cost(0, 14, 3, None)),
        ({"tiles": 2}, Cost(17, 14, 3, None)),
        ({"patches": "nearest"}, Cost(0, 14, 3, None)),
    ],
    ids=str,
)
def test_it_tells_what_a_job_then_does(project, store, encoders, changes, expected):
    assert told(project, patches="bank") == Cost(17, 14, 3, None)
    project.change_settings(patches="bank")
    run_pending(store)
    before = sum(one.encoded for one in encoders.values())
    assert told(project, **changes) == expected and told(project, **changes).nothing == (not changes)
    project.change_settings(**changes)
    run_pending(store)
    assert sum(one.encoded for one in encoders.values()) - before == expected.encoded
    assert told(project).nothing


def test_new_images_are_all_that_is_to_be_done_where_a_fit_is_there(project, store):
    project.change_settings(patches="bank")
    run_pending(store)
    project.change_settings(patches=None)
    give(project, "scored", [("late.png", part(300))])
    run_pending(store)
    assert told(project, patches="bank") == Cost(1, 0, 1, None)


def test_the_pace_of_the_last_work_tells_how_long(project, store, monkeypatch):
    """Each step as it was measured, with the pixels of more tiles and the share that a mask leaves."""
    paces = dict(zip(STEPS, (2.0, 0.5, 3.0, 5.0), strict=True))
    project.change_settings(patches="bank")

    class Slow(Pace):
        """A second of its own for each count, whatever the clock says."""

        def begin(self, step):
            self._clock = lambda: self._began + self._done * paces.get(self._step, 0)
            super().begin(step)

    monkeypatch.setattr(patch_fits, "Pace", Slow)
    monkeypatch.setattr(patch_cost, "LEAST", 1)
    run_pending(store)
    share = share_looked_at((LEFT_HALF,))
    assert share == pytest.approx(0.5)
    normals, images = 28 * 0.5 + 14 * 3.0, 3 * 5.0
    assert told(project, mask=(LEFT_HALF,)).seconds == pytest.approx(share * (normals + images))
    more = (view_side(2) / view_side(1)) ** 2
    assert told(project, tiles=2).seconds == pytest.approx(4 * 17 * 2.0 + more * (normals + images))
    assert told(project, patches="nearest").seconds is None  # that was never measured
    give(project, "scored", [("late.png", part(300))])
    run_pending(store)
    assert told(project, mask=(LEFT_HALF,)).seconds == pytest.approx(share * (normals + images + 5.0))


def test_the_pace_of_one_network_says_nothing_of_another(project):
    settings = replace(project.settings(), patches="bank")
    other = replace(settings, backbone="resnet18")
    pace = Pace()
    pace.spent = dict.fromkeys(STEPS, (8.0, 8))
    note_pace(project, settings, pace)
    assert told(project, patches="bank").seconds == pytest.approx(17 + 28 + 14 + 3)
    assert cost(project, project.snapshot(), other).seconds is None
    pace.spent = dict.fromkeys(STEPS, (16.0, 8))
    note_pace(project, other, pace)
    assert cost(project, project.snapshot(), other).seconds == pytest.approx(2 * (17 + 28 + 14 + 3))
    assert told(project, patches="bank").seconds == pytest.approx(17 + 28 + 14 + 3)  # kept beside it


def test_what_is_too_short_to_tell_is_not_measured():
    now = 0.0
    pace = Pace(lambda: now)
    for step, counted, seconds in zip(STEPS, (8, 7, 8, 100), (8.0, 8.0, 0.25, 50.0), strict=True):
        pace.begin(step)
        pace.advance(counted)
        now += seconds
    pace.begin("finishing")
    pace.advance(100)
    now += 100
    pace.begin("")
    assert pace.spent == {STEPS[0]: (8.0, 8), STEPS[3]: (50.0, 100)}


def test_good_parts_that_set_the_limit_are_counted(project, store):
    view = project.snapshot()
    assert limit_images(replace(view, settings=replace(view.settings, patches="bank"))) == 14
    hold_out(project, view.normals.ids[:4].tolist())
    project.change_settings(patches="bank", calibration="held_out")
    assert limit_images(project.snapshot()) == 4
    run_pending(store)
    assert (
        len(patch_fits.fit_of(project, project.snapshot(), patch_fits.reader_of(project, project.settings())).scores)
        == 4
    )
