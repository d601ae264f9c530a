"""Our own routes: a token opens one project, sizes and counts are bounded, nothing is staged twice."""

import io
import struct

import pytest
from PIL import Image
from starlette.applications import Starlette
from starlette.testclient import TestClient

from pages.parts import routes
from pages.parts.routes import ROUTES, token, url
from tests.pages.app import filled, jpeg


@pytest.fixture
def browser(store):
    with TestClient(Starlette(routes=ROUTES)) as client:
        yield client


@pytest.fixture
def project(store, fake_encoder):
    return filled(store, "Bolts", 3)


def files(*names: str) -> list:
    return [("f", (name, jpeg(i), "image/jpeg")) for i, name in enumerate(names)]


def staged(project, batch: int) -> list[str]:
    return [row["name"] for row in project.staged(batch)]


def test_thumbnails_come_in_one_answer_in_the_order_asked(browser, project):
    ids = project.snapshot().normals.ids.tolist()
    asked = [ids[2], 999_999, ids[0]]
    answer = browser.get(url("thumbs", project.id), params={"ids": ",".join(map(str, asked))})
    count, *lengths = struct.unpack("<4I", answer.content[:16])
    assert count == 3 and lengths[1] == 0
    assert answer.content[16:] == b"".join(project.thumbnails([ids[2], ids[0]]))
    assert Image.open(io.BytesIO(answer.content[16 : 16 + lengths[0]])).format == "JPEG"


@pytest.mark.parametrize("ids", ["", "x", "-1", "1e3", "²", "1;DROP TABLE items", "9" * 400])
def test_nonsense_asks_for_nothing(browser, project, ids):
    answer = browser.get(url("thumbs", project.id), params={"ids": ids})
    assert answer.status_code == 200 and answer.content == struct.pack("<I", 0)


def test_the_number_of_thumbnails_is_bounded(browser, project):
    answer = browser.get(url("thumbs", project.id), params={"ids": ",".join(["1"] * 1000)})
    assert struct.unpack("<I", answer.content[:4]) == (routes.THUMBNAILS,)


def test_a_picture_and_what_the_network_saw(browser, project):
    item = int(project.snapshot().normals.ids[0])
    whole = browser.get(url("image", project.id, item))
    assert whole.headers["content-type"] == "image/jpeg" and whole.headers["x-content-type-options"] == "nosniff"
    assert Image.open(io.BytesIO(whole.content)).size == (40, 30)
    saw = browser.get(url("saw", project.id, item))
    assert Image.open(io.BytesIO(saw.content)).size == (224, 224) and saw.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("kind", ["thumbs", "image", "saw"])
def test_only_the_right_token_opens_a_project(browser, store, project, kind):
    other = store.create("Other")
    rest = () if kind == "thumbs" else (1,)
    good = url(kind, project.id, *rest)
    assert browser.get(good).status_code == 200
    for wrong in (project.id, f"{project.id}.", f"{other.id}.{token(project.id).split('.')[1]}", "x.y", "é.ü", ".."):
        assert browser.get(good.replace(token(project.id), wrong)).status_code == 404
    if rest:
        assert browser.get(url(kind, other.id, 1)).status_code == 404
        assert browser.get(url(kind, project.id, 10**30)).status_code == 404
    store.delete(project.id)
    assert browser.get(good).status_code == 404


def begun(browser, project, role: str = "scored") -> int:
    return browser.post(url("upload", project.id), params={"role": role}).json()["batch"]


def test_a_folder_comes_in_parts_and_is_taken_in_at_its_end(browser, project):
    batch = begun(browser, project, "normal")
    address = url("upload", project.id, batch)
    names = ["lot 1/a.jpg", "../up.jpg", "ü <b>.jpg"]
    for _ in range(2):  # as when the first answer was lost on the way
        assert browser.post(address, params={"part": "0"}, files=files(*names)).status_code == 200
    assert sorted(staged(project, batch)) == sorted(names)
    assert browser.post(address, params={"part": "1"}, files=files("b.jpg")).status_code == 200
    assert browser.post(f"{address}/end").json() == {"kept": 4}
    [job] = project.jobs.active(project.id)
    assert job.args == {"batch": batch} and project.batches("normal")[0].id == batch


def test_the_next_folder_is_another_delivery(browser, project):
    first, second = begun(browser, project), begun(browser, project)
    for batch, name in ((first, "a.jpg"), (second, "b.jpg")):
        browser.post(url("upload", project.id, batch), params={"part": "0"}, files=files(name))
    assert (staged(project, first), staged(project, second)) == (["a.jpg"], ["b.jpg"])


def test_a_part_that_is_still_coming_is_not_stored_twice(browser, project):
    batch = begun(browser, project)
    with routes._once(token(project.id), batch, "0") as new:
        assert new
        again = browser.post(url("upload", project.id, batch), params={"part": "0"}, files=files("a.jpg"))
        assert again.status_code == 409
    assert browser.post(url("upload", project.id, batch), params={"part": "0"}, files=files("a.jpg")).json()["kept"]
    assert staged(project, batch) == []


def test_a_part_that_failed_may_come_again(browser, project, monkeypatch):
    batch = begun(browser, project)
    with pytest.raises(OSError), routes._once(token(project.id), batch, "0"):
        raise OSError
    browser.post(url("upload", project.id, batch), params={"part": "0"}, files=files("a.jpg"))
    assert staged(project, batch) == ["a.jpg"]


def test_only_an_open_batch_takes_files(browser, store, project):
    batch = begun(browser, project)
    address = url("upload", project.id, batch)
    browser.post(address, params={"part": "0"}, files=files("a.jpg"))
    browser.post(f"{address}/end")
    assert browser.post(address, params={"part": "1"}, files=files("b.jpg")).status_code == 404
    assert browser.post(f"{address}/end").status_code == 404
    assert browser.post(url("upload", project.id, 999), files=files("b.jpg")).status_code == 404
    assert browser.post(url("upload", store.create("Other").id, batch), files=files("b.jpg")).status_code == 404
    assert browser.get(address).status_code == 405
    assert browser.post(url("upload", project.id), params={"role": "x"}).status_code == 400
    assert staged(project, batch) == ["a.jpg"]


def test_a_delivery_says_who_gives_it_and_whether_it_is_held_out(browser, project):
    begin = url("upload", project.id) + "?role={}&source=zip&held=1&author=Ada%20%3Cb%3E"
    for role, held in (("normal", True), ("scored", False)):
        batch = browser.post(begin.format(role)).json()["batch"]
        browser.post(url("upload", project.id, batch), files=files("a.jpg"))
        browser.post(url("upload", project.id, batch) + "/end")
        [newest, *_] = project.batches(role)
        assert (newest.id, newest.held, newest.author) == (batch, held, "Ada <b>")
    assert browser.post(begin.format("normal") + "x" * 100).status_code == 507


def test_a_batch_without_files_begins_no_work(browser, project):
    batch = begun(browser, project)
    assert browser.post(url("upload", project.id, batch) + "/end").json() == {"kept": 0}
    assert project.jobs.active(project.id) == []


def test_uploads_are_bounded(browser, project, monkeypatch):
    batch = begun(browser, project)
    address = url("upload", project.id, batch)
    many = files(*(f"{i}.jpg" for i in range(routes.PART_FILES + 1)))
    assert browser.post(address, files=many).status_code == 400
    with monkeypatch.context() as full:
        full.setattr(routes, "RESERVE_BYTES", 10**18)
        answer = browser.post(address, files=files("a.jpg"))
        assert answer.status_code == 507 and "disk is full" in answer.text
    monkeypatch.setattr(routes, "BODY_BYTES", 500)
    assert browser.post(address, files=files("a.jpg")).status_code == 413
    assert browser.post(address, content=iter([b"no length"])).status_code == 413
    assert staged(project, batch) == []


def test_a_full_disk_is_told(browser, project, monkeypatch):
    from dn2core.errors import StorageError
    from dn2core.project import Project

    def full(self, batch, given):
        raise StorageError("DISK_FULL")

    monkeypatch.setattr(Project, "stage_many", full)
    answer = browser.post(url("upload", project.id, begun(browser, project)), files=files("a.jpg"))
    assert answer.status_code == 507 and "disk is full" in answer.text
