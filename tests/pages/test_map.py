"""Map: what it says of itself, what is chosen on it, and that a choice outlives a reload."""

import json

import numpy as np
import pytest

from dn2core.project import run_pending
from pages.parts import areas
from tests.pages.app import filled, give, jpeg, opened, texts


@pytest.fixture
def project(store, fake_encoder):
    return filled(store, "Bolts", 24, scored=6)


@pytest.fixture
def galleries(monkeypatch):
    seen = {}
    monkeypatch.setattr("pages.parts.components.gallery.gallery", lambda **given: seen.update(given))
    return seen


def address(at) -> dict:
    return {name: value[0] if isinstance(value, list) else value for name, value in at.query_params.items()}


def around(xy: np.ndarray, margin: float = 0.01) -> np.ndarray:
    """A box that holds these points and little more."""
    (x1, y1), (x2, y2) = xy.min(axis=0) - margin, xy.max(axis=0) + margin
    return np.array([[x1, y1], [x2, y1], [x2, y2], [x1, y2]])


def test_without_normals_the_next_step_is_named(store):
    at = opened("map", project=store.create("Bolts").id)
    assert not at.exception and any("No normals yet" in text for text in texts(at.main))
    assert any("No project is open" in text for text in texts(opened("map").main))


def test_the_map_says_how_it_was_drawn_and_can_be_drawn(store, project, galleries):
    for job in store.jobs.active(project.id):
        store.jobs.cancel(job.id)
    table = project.map()
    at = opened("map", project=project.id)
    assert not at.exception
    words = " ".join(texts(at.main))
    assert ("UMAP" in words and "PCA" not in words) if table.kind == "umap" else "PCA" in words
    at.button(key="dn2_draw_map").click().run()
    assert [job.kind for job in store.jobs.active(project.id)] == ["map"]
    assert at.button(key="dn2_draw_map").disabled


def test_all_points_are_drawn_once(project, galleries):
    at = opened("map", project=project.id)
    spec = json.loads(at.main.get("plotly_chart")[0].proto.spec)
    assert spec["data"][0]["type"] == "scattergl"
    assert galleries == {}


def test_an_area_in_the_address_shows_its_images(project, galleries):
    table = project.map()
    inside = np.argsort(table.xy[:, 0])[:8]
    polygon = around(table.xy[inside])
    wanted = table.ids[areas.inside(polygon, table.xy)]
    word = f"{table.id}.{areas.encode([polygon], table.xy)}"
    at = opened("map", project=project.id, area=word)
    assert not at.exception
    assert sorted(galleries["ids"]) == sorted(wanted.tolist())
    assert any(f"{len(wanted)} images chosen" in text for text in texts(at.main))
    at.button(key="dn2_clear").click().run()
    assert address(at) == {"project": project.id}


def test_the_selection_puts_the_most_unusual_first(project, galleries):
    from dn2core.project.snapshot import snapshot

    table, shown = project.map(), snapshot(project)
    judged = shown.judge()
    scores = dict(zip(shown.normals.ids.tolist(), judged.normal_scores, strict=True))
    scores |= dict(zip(shown.scored.ids.tolist(), judged.scores, strict=True))
    opened("map", project=project.id, area=f"{table.id}.{areas.encode([around(table.xy)], table.xy)}")
    given = [scores[i] for i in galleries["ids"]]
    assert len(given) == 30 and given == sorted(given, reverse=True)


def test_a_click_shows_what_lies_around(project, galleries):
    table = project.map()
    at = opened("map", project=project.id, point=str(table.ids[3]))
    assert not at.exception
    away = np.linalg.norm(table.xy - table.xy[3], axis=1)
    assert galleries["ids"][0] == table.ids[3] and len(galleries["ids"]) == 24
    rows = [table.ids.tolist().index(i) for i in galleries["ids"]]
    assert np.all(np.diff(away[rows]) >= 0)


@pytest.mark.parametrize(
    "params", [{"area": "nonsense!"}, {"area": "0."}, {"point": "x"}, {"point": "99999"}, {"colour": "x"}]
)
def test_nonsense_in_the_address_is_no_choice(project, galleries, params):
    at = opened("map", project=project.id, **params)
    assert not at.exception and galleries == {}


@pytest.mark.parametrize("colour", ["verdict", "score", "source"])
def test_colours_live_in_the_address(project, galleries, colour):
    at = opened("map", project=project.id, colour=colour)
    assert not at.exception
    assert at.main.get("button_group")[0].value == colour


def test_many_points_go_to_the_canvas_and_its_answer_is_a_choice(project, galleries, monkeypatch):
    table = project.map()
    seen = {}

    def canvas(**given):
        seen.update(given)
        x, y = (np.frombuffer(given[axis], np.uint16) for axis in "xy")
        left = np.argsort(x)[:5]
        return {"polygon": around(np.column_stack([x, y])[left].astype(float), margin=100).tolist()}

    monkeypatch.setattr("pages.parts.components.map_canvas.map_canvas", canvas)
    monkeypatch.setattr("pages.parts.charts.PLOTLY_POINTS", 10)
    at = opened("map", project=project.id)
    assert not at.exception
    assert len(seen["x"]) == len(seen["y"]) == 2 * len(table.ids) and len(seen["colour"]) == len(table.ids)
    assert len(galleries["ids"]) >= 5 and "area" in address(at)


def test_new_images_are_placed_and_no_point_moves(store, project, galleries):
    run_pending(store)
    before = project.map()
    give(project, "scored", [jpeg(7000 + i) for i in range(3)])
    run_pending(store)
    after = project.map()
    if before.kind == "umap":
        kept = np.isin(after.ids, before.ids)
        assert np.array_equal(after.xy[kept], before.xy)
        assert any("3 images came later" in text for text in texts(opened("map", project=project.id).main))


def test_a_picture_opens_and_walks_along_the_selection(project, galleries, monkeypatch):
    monkeypatch.setattr("pages.parts.detail.gallery", lambda **given: None)
    table = project.map()
    item = str(table.ids[3])
    at = opened("map", project=project.id, point=item, image=item)
    assert not at.exception
    assert any("1 of 24" in text for text in texts(at.main))
    at.button(key="dn2_back").click().run()
    assert address(at) == {"project": project.id, "point": item}


def test_a_lone_normal_has_a_map(store, fake_encoder, galleries):
    at = opened("map", project=filled(store, "Few", 1, scored=1).id)
    assert not at.exception


def test_an_area_of_another_map_chooses_nothing(project, galleries):
    table = project.map()
    at = opened("map", project=project.id, area=f"{table.id + 1}.{areas.encode([around(table.xy)], table.xy)}")
    assert not at.exception and galleries == {}


def test_points_and_colours_come_from_one_snapshot(store, project, galleries, monkeypatch):
    from dn2core.project import Project

    real = Project.map

    def normals_land_in_between(self, shown=None):
        give(project, "normal", [jpeg(8000 + i) for i in range(4)])
        run_pending(store)
        return real(self, shown)

    monkeypatch.setattr(Project, "map", normals_land_in_between)
    at = opened("map", project=project.id)
    spec = json.loads(at.main.get("plotly_chart")[0].proto.spec)
    assert len(spec["data"][0]["x"]["bdata"]) * 3 // 4 >= 4 * 30 > len(spec["data"][0]["x"]["bdata"]) * 3 // 4 - 3
