"""How pictures were taken: measured when they come in, made up for in older projects, asked for against the normals."""

import io
import json

import numpy as np
import pytest
from PIL import Image

from dn2core.ingest import decode
from dn2core.ingest.capture import RECIPE, measure
from dn2core.project import captures, run_pending
from dn2core.project.paths import by_hash
from dn2core.project.snapshot import snapshot
from tests.project.helpers import give, rows


def png(seed: int, light: float = 1.0, size=(48, 36)) -> bytes:
    rng = np.random.default_rng(seed)
    pixels = light * (120 + 60 * rng.standard_normal((size[1], size[0], 1)) + rng.normal(0, 5, (size[1], size[0], 3)))
    return encoded(pixels.clip(0, 255).astype(np.uint8), "PNG")


def encoded(pixels: np.ndarray, kind: str) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind)
    return buffer.getvalue()


NORMALS = [(f"{seed:03}.png", png(seed)) for seed in range(30)]
SCORED = [("good.png", png(100)), ("dark.png", png(101, 0.3)), ("large.png", png(102, size=(96, 72)))]


@pytest.fixture
def project(store, fake_encoder):
    project = store.create("Bolts")
    give(project, "normal", NORMALS)
    give(
        project,
        "scored",
        [*SCORED, ("off.png", png(103, 0.01)), ("grey.jpg", encoded(np.full((36, 48), 9, "u1"), "JPEG"))],
    )
    run_pending(store)
    return project


def forgotten(project) -> None:
    """As a project that came before pictures were measured."""
    with project.db.write() as db:
        db.execute("DELETE FROM captures")


def found_in(project) -> dict[str, list[str]]:
    view = snapshot(project)
    found = captures.captures(project, view).scored
    return {name: [one.kind for one in findings] for name, findings in zip(view.scored.names, found, strict=True)}


def test_what_comes_in_is_measured(project):
    [kept] = rows(project, "SELECT measures FROM captures JOIN items USING (image_id) WHERE name = 'dark.png'")
    assert json.loads(kept[0]) == {"recipe": RECIPE, **vars(measure(decode(SCORED[1][1]).image))}
    assert captures.measured(project) == len(NORMALS) + 5
    assert captures.ask_to_measure(project) is None


def test_findings_stand_beside_their_images(project):
    found = found_in(project)
    assert found["good.png"] == []
    assert found["dark.png"][0] == "dark"
    assert "larger" in found["large.png"]
    assert found["off.png"] == ["lamp_off"]
    assert "kind" in found["grey.jpg"]
    everything = captures.captures(project, snapshot(project))
    assert everything.normals == [()] * len(NORMALS)
    assert (everything.scored_unmeasured, everything.normals_unmeasured) == (0, 0)
    assert everything.scored_with_findings().tolist() == [bool(one) for one in found.values()]


def test_a_kind_of_file_that_most_of_a_delivery_has_is_told_of_the_delivery(project, store):
    def grey(level: int) -> bytes:
        return encoded(np.full((36, 48), level, "u1"), "JPEG")

    give(project, "scored", [("a.jpg", grey(90)), ("b.jpg", grey(91)), ("c.png", png(200))])
    give(project, "scored", [("d.jpg", grey(92)), ("e.png", png(201))])  # half is not most
    run_pending(store)
    found = found_in(project)
    assert captures.captures(project, snapshot(project)).files() == {"JPEG, grey": 2}
    assert "kind" not in found["a.jpg"] + found["b.jpg"]
    assert "kind" in found["d.jpg"] and "kind" in found["grey.jpg"]


def test_an_image_that_comes_alone_is_not_most_of_a_delivery(project, store):
    give(project, "scored", [("alone.jpg", encoded(np.full((36, 48), 90, "u1"), "JPEG"))])
    run_pending(store)
    assert "kind" in found_in(project)["alone.jpg"]


def test_two_odd_kinds_do_not_add_up_to_most_of_a_delivery(project, store):
    grey, bmp = (encoded(np.full((36, 48), level, "u1"), kind) for level, kind in ((90, "JPEG"), (91, "BMP")))
    give(project, "scored", [("a.jpg", grey), ("b.bmp", bmp), ("c.png", png(200))])
    run_pending(store)
    found = found_in(project)
    assert "kind" in found["a.jpg"] and "kind" in found["b.bmp"]


def test_a_kind_of_file_is_counted_among_the_images_asked_for(project, store):
    for names in (("a.jpg", "b.jpg"), ("c.jpg", "d.jpg", "e.jpg")):
        give(
            project, "scored", [(one, encoded(np.full((36, 48), 60 + ord(one[0]) % 50, "u1"), "JPEG")) for one in names]
        )
    run_pending(store)
    view = snapshot(project)
    found = captures.captures(project, view)
    assert found.files() == {"JPEG, grey": 5}
    assert found.files([view.scored.names.index(one) for one in ("a.jpg", "e.jpg", "good.png")]) == {"JPEG, grey": 2}


def test_an_odd_normal_is_found_among_the_normals(project, store):
    give(project, "normal", [("off.png", png(999, 0.01))])
    run_pending(store)
    found = captures.captures(project, snapshot(project)).normals
    assert [[one.kind for one in findings] for findings in found if findings] == [["lamp_off"]]


def test_older_images_are_measured_when_asked_for(project, store):
    before = found_in(project)
    forgotten(project)
    unknown = captures.captures(project, snapshot(project))
    assert (unknown.scored_unmeasured, unknown.normals_unmeasured) == (5, len(NORMALS))
    assert set(map(tuple, found_in(project).values())) == {()}
    job = captures.ask_to_measure(project)
    run_pending(store)
    assert store.jobs.job(job).state == "done"
    assert found_in(project) == before
    assert captures.ask_to_measure(project) is None


def test_what_an_older_recipe_measured_is_measured_anew(project, store):
    before = found_in(project)
    with project.db.write() as db:
        db.execute("UPDATE captures SET measures = json_remove(measures, '$.recipe', '$.cells')")
    assert captures.measured(project) == 0
    assert captures.captures(project, snapshot(project)).scored_unmeasured == 5
    captures.ask_to_measure(project)
    run_pending(store)
    assert found_in(project) == before and captures.measured(project) == len(NORMALS) + 5


def test_older_images_are_measured_with_the_next_delivery(project, store):
    before = found_in(project)
    forgotten(project)
    give(project, "scored", [("next.png", png(104))])
    run_pending(store)
    assert found_in(project) == {**before, "next.png": []}


def test_a_damaged_original_stays_unmeasured_and_breaks_nothing(project, store):
    before = found_in(project)
    forgotten(project)
    for name, damage in (("good.png", lambda path: path.write_bytes(b"?")), ("dark.png", lambda path: path.unlink())):
        [(sha256,)] = rows(
            project, "SELECT sha256 FROM images m JOIN items i ON i.image_id = m.id WHERE name = ?", name
        )
        damage(by_hash(project.folder / "originals", sha256, ".png"))
    job = captures.ask_to_measure(project)
    run_pending(store)
    assert store.jobs.job(job).state == "done"
    assert found_in(project) == {**before, "good.png": [], "dark.png": []}
    assert captures.captures(project, snapshot(project)).scored_unmeasured == 2


def test_measuring_that_was_stopped_keeps_what_is_done(project, store, monkeypatch):
    forgotten(project)
    job = captures.ask_to_measure(project)
    checked = captures.prepared

    def cancelling(*args, **more):
        for number, one in enumerate(checked(*args, **more)):
            if number == 7:
                store.jobs.cancel(job)
            yield one

    with monkeypatch.context() as for_now:
        for_now.setattr(captures, "CHUNK", 8)
        for_now.setattr(captures, "prepared", cancelling)
        run_pending(store)
    assert store.jobs.job(job).state == "cancelled"
    assert 0 < captures.measured(project) < len(NORMALS)
    captures.ask_to_measure(project)
    run_pending(store)
    assert captures.measured(project) == len(NORMALS) + 5


def test_without_images_there_is_nothing_to_ask_for(store, fake_encoder):
    assert captures.ask_to_measure(store.create("Empty")) is None
