"""The heat and the difference as pictures that a browser asks for."""

import io

import numpy as np
import pytest
from PIL import Image
from starlette.applications import Starlette
from starlette.testclient import TestClient

from dn2core.explore.heatmap import difference, difference_picture, heat
from dn2core.project.close_ups import pixels
from pages.parts.routes import ROUTES, token, url
from tests.pages.app import filled


@pytest.fixture
def browser(store):
    with TestClient(Starlette(routes=ROUTES)) as client:
        yield client


@pytest.fixture
def project(store, fake_encoder):
    return filled(store, "Bolts", 3, scored=1)


@pytest.fixture
def found(monkeypatch):
    """What the patches of every image give; a test may change it."""
    found = {"heat": (np.array([[0.5, 3.0], [np.nan, 0.1]], np.float32), 1.0)}
    monkeypatch.setattr("pages.parts.routes.patch_heat", lambda project, item_id: found["heat"])
    return found


def drawn(answer) -> np.ndarray:
    assert answer.status_code == 200 and answer.headers["content-type"] == "image/png"
    return np.asarray(Image.open(io.BytesIO(answer.content)))


def test_the_heat_is_drawn_in_the_shape_of_its_picture_and_never_kept(browser, project, found):
    address = url("heat", project.id, int(project.snapshot().scored.ids[0]))
    answer = browser.get(address, params={"v": "1"})
    assert (drawn(answer) == heat(*found["heat"], (40, 30))).all() and answer.headers["cache-control"] == "no-store"
    found["heat"] = (found["heat"][0], 3.0)
    assert (drawn(browser.get(address)) == heat(*found["heat"], (40, 30))).all()


@pytest.mark.parametrize("nothing", [None, (np.ones((2, 2), np.float32), np.nan)])
def test_without_a_map_or_a_limit_there_is_no_heat(browser, project, found, nothing):
    found["heat"] = nothing
    assert browser.get(url("heat", project.id, int(project.snapshot().scored.ids[0]))).status_code == 404


def test_the_difference_of_two_images(browser, project):
    one, other = int(project.snapshot().scored.ids[0]), int(project.snapshot().normals.ids[1])
    seen = drawn(browser.get(url("difference", project.id, one, other)))
    assert (seen == difference_picture(difference(pixels(project, one), pixels(project, other)))).all()
    assert browser.get(url("difference", project.id, one, 999)).status_code == 404
    assert browser.get(url("difference", project.id, 10**30, other)).status_code == 404


def test_only_the_right_token_opens_them(browser, store, project, found):
    other = store.create("Other")
    wrong = f"{project.id}.{token(other.id).split('.')[1]}"
    for address in (url("heat", project.id, 1), url("difference", project.id, 1, 2)):
        assert browser.get(address).status_code == 200
        assert browser.get(address.replace(token(project.id), wrong)).status_code == 404
    assert browser.get(url("heat", other.id, 1)).status_code == 404
