"""Snapshots grow step by step and equal, bit for bit, those that are built anew; scores as by hand."""

from dataclasses import asdict, replace

import numpy as np
import pytest

from dn2core.errors import NotFound, Refused
from dn2core.project import Settings, reencode, run_pending, vectors
from dn2core.project import snapshot as module
from dn2core.project.catalogue import write_meta
from dn2core.project.normals import remove_normals
from dn2core.project.progress import Progress
from tests.project.helpers import give, rows


@pytest.fixture
def project(store, fake_encoder):
    return store.create("Gravel")


def squared(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return ((a[:, None].astype(np.float64) - b[None]) ** 2).sum(axis=2)


def unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)


def assert_same(grown, fresh):
    assert (grown.generation, grown.name, grown.settings, grown.state, grown.lost) == (
        fresh.generation,
        fresh.name,
        fresh.settings,
        fresh.state,
        fresh.lost,
    )
    for one, other in ((grown.normals, fresh.normals), (grown.scored, fresh.scored)):
        assert one.names == other.names
        for name in ("ids", "image_ids", "batches", "added"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    np.testing.assert_array_equal(grown.bank.features, fresh.bank.features)
    np.testing.assert_array_equal(grown.scored_features, fresh.scored_features)
    assert (grown.loo is None) == (fresh.loo is None)
    for one, other in ((grown.found, fresh.found), (grown.loo, fresh.loo)):
        if one is not None:
            np.testing.assert_array_equal(one.distances, other.distances)
            np.testing.assert_array_equal(one.indices, other.indices)
            assert (one.k, one.k_asked) == (other.k, other.k_asked)
    np.testing.assert_array_equal(grown.judge().scores, fresh.judge().scores)
    np.testing.assert_array_equal(grown.judge().verdicts, fresh.judge().verdicts)
    np.testing.assert_array_equal(grown.same_as_normal, fresh.same_as_normal)


def assert_right(project, view):
    """The scores worked out the plain way from the project's own record of what was given."""
    bank, queries = view.bank.features, view.scored_features
    if view.settings.normalise:
        bank, queries = unit(bank), unit(queries)
    k = min(view.settings.k, max(1, len(bank) - 1))  # as many as a normal has others
    if len(queries):
        expected = np.sort(squared(queries, bank), axis=1)[:, :k].mean(axis=1)
        np.testing.assert_allclose(view.judge().scores, expected, rtol=1e-3, atol=1e-6)
    if len(bank) > 1:
        own = squared(bank, bank)
        np.fill_diagonal(own, np.inf)
        near = np.sort(own, axis=1)[:, : view.loo.k]
        np.testing.assert_allclose(view.loo.distances, near, rtol=1e-3, atol=1e-6)
        assert not (view.loo.indices == np.arange(len(bank))[:, None]).any()


@pytest.mark.parametrize("seed", range(6))
def test_whatever_happens_a_grown_snapshot_equals_a_fresh_one(project, store, picture, seed):
    chance = np.random.default_rng(seed)
    given = {"normal": 0, "scored": 0}
    alive: list[int] = []

    def give_some(role):
        some = int(chance.integers(1, 4))
        numbers = chance.integers(0, 60, some)  # few different ones: some are given again, in either role
        give(project, role, [(f"{role}{given[role] + i}.png", picture(int(n))) for i, n in enumerate(numbers)])
        given[role] += some
        run_pending(store)

    def remove_some():
        if len(alive) > 1:
            remove_normals(project, chance.choice(alive, int(chance.integers(1, len(alive))), replace=False).tolist())

    def change_settings():
        project.save_settings(
            Settings(
                k=int(chance.integers(1, 8)),
                budget=float(chance.integers(1, 50)) / 100,
                normalise=bool(chance.integers(2)),
            )
        )

    actions = [lambda: give_some("normal"), lambda: give_some("scored"), remove_some, change_settings]
    give_some("normal")
    for _ in range(14):
        actions[chance.choice(4, p=[0.25, 0.35, 0.15, 0.25])]()
        grown = project.snapshot()
        assert project.snapshot() is grown
        module.forget(project.id)
        fresh = project.snapshot()
        assert fresh is not grown
        assert_same(grown, fresh)
        assert_right(project, fresh)
        alive = fresh.normals.ids.tolist()
        # The next step grows from the grown one.
        module.forget(project.id)
        module._snapshots[project.id] = grown


def test_another_k_needs_no_new_search_and_raw_vectors_are_kept_once(project, store, picture):
    give(project, "normal", [(f"{i}.png", picture(i)) for i in range(10)])
    give(project, "scored", [("s.png", picture(50))])
    run_pending(store)
    first = project.snapshot()
    project.save_settings(replace(first.settings, k=5))
    again = project.snapshot()
    assert again.bank is first.bank and again.scored_neighbours is first.scored_neighbours and again.settings.k == 5
    project.save_settings(replace(first.settings, normalise=False))
    raw = project.snapshot()
    assert raw.bank is not first.bank and np.array_equal(
        raw.bank.features, project.features(raw.normals.image_ids.tolist(), raw.state.fingerprint)
    )


def test_of_many_projects_only_so_many_bytes_are_kept_the_last_used_for_longest(
    store, fake_encoder, picture, monkeypatch
):
    projects = [store.create(name) for name in "ABC"]
    for project in projects:
        give(project, "normal", [(f"{i}.png", picture(i)) for i in range(10)])
    run_pending(store)
    a, b, c = projects
    monkeypatch.setattr(module, "KEPT_BYTES", 2 * a.snapshot().nbytes)
    kept = b.snapshot(), a.snapshot()
    assert c.snapshot() is c.snapshot() and a.snapshot() is kept[1] and b.snapshot() is not kept[0]
    monkeypatch.setattr(module, "KEPT_BYTES", 1)
    assert a.snapshot() is a.snapshot()


def test_a_new_name_is_seen(project, store, picture):
    give(project, "normal", [("n.png", picture(1))])
    run_pending(store)
    assert project.snapshot().name == "Gravel"
    store.rename(project.id, "Sand")
    assert project.snapshot().name == "Sand"


def test_what_changes_while_a_snapshot_is_built_is_not_filed_under_the_old_generation(
    project, store, picture, monkeypatch
):
    give(project, "normal", [(f"{i}.png", picture(i)) for i in range(4)])
    run_pending(store)
    before = project.settings()
    module.forget(project.id)
    real = module._build

    def build(p):
        with project.db.write() as db:
            write_meta(db, settings=asdict(replace(before, k=4)))
        return real(p)

    with monkeypatch.context() as patch:
        patch.setattr(module, "_build", build)
        assert project.snapshot().settings.k == 4
    project.save_settings(before)
    assert project.snapshot().settings == before


def test_the_neighbours_of_an_image_are_the_nearest_others(project, store, picture):
    give(project, "normal", [(f"n{i}.png", picture(i)) for i in range(8)])
    give(project, "scored", [("s.png", picture(50)), ("the same as n3.png", picture(3))])
    run_pending(store)
    view = project.snapshot()
    bank = unit(view.bank.features)

    distances = np.sqrt(squared(unit(view.scored_features), bank))
    near = view.neighbours_of(int(view.scored.ids[0]), 3)
    assert [n.item_id for n in near] == view.normals.ids[np.argsort(distances[0])[:3]].tolist()
    np.testing.assert_allclose([n.distance for n in near], np.sort(distances[0])[:3], rtol=1e-3)
    np.testing.assert_allclose([n.times for n in near], [n.distance / view.spacing for n in near])

    same = view.neighbours_of(int(view.scored.ids[1]), 1)[0]
    assert (same.name, same.distance) == ("n3.png", 0)
    own = view.neighbours_of(int(view.normals.ids[3]), 8)
    assert len(own) == 7 and "n3.png" not in [n.name for n in own]
    with pytest.raises(NotFound):
        view.neighbours_of(10**9, 1)


def test_zero_is_an_answer_and_not_the_default(project, store, picture):
    give(project, "normal", [("n.png", picture(1)), ("m.png", picture(2))])
    run_pending(store)
    with pytest.raises(Refused):
        project.snapshot().judge(0)


def test_equal_normals_stay_neighbours_at_distance_zero(project, store, picture):
    """The same pixels in another file are another image; leaving one out leaves its twin."""
    give(project, "normal", [("a.png", picture(1)), ("a.bmp", picture(1, format="BMP")), ("b.png", picture(2))])
    run_pending(store)
    view = project.snapshot()
    assert len(view.normals) == 3
    for position, twin in ((view.normals.names.index("a.png"), "a.bmp"), (view.normals.names.index("a.bmp"), "a.png")):
        near = view.neighbours_of(int(view.normals.ids[position]), 2)
        assert (near[0].name, near[0].distance) == (twin, 0) and near[1].name == "b.png"


def test_one_normal_has_no_other(project, store, picture):
    give(project, "normal", [("n.png", picture(1))])
    give(project, "scored", [("s.png", picture(2))])
    run_pending(store)
    view = project.snapshot()
    assert view.loo is None and np.isnan(view.spacing)
    assert view.neighbours_of(int(view.normals.ids[0]), 3) == []
    [near] = view.neighbours_of(int(view.scored.ids[0]), 3)
    assert near.name == "n.png" and near.times is None and near.distance > 0


def test_without_normals_there_is_no_snapshot_and_the_last_one_stays(project, store, picture):
    with pytest.raises(NotFound, match="no normals yet"):
        project.snapshot()
    with pytest.raises(NotFound, match="no normals yet"):
        remove_normals(project, [1])
    give(project, "normal", [("n.png", picture(1))])
    run_pending(store)
    with pytest.raises(Refused, match="at least one"):
        remove_normals(project, project.snapshot().normals.ids.tolist())
    assert project.state().n == len(project.snapshot().normals) == 1 and project.state().version == 1


def test_removing_what_is_no_normal_makes_no_version(project, store, picture):
    give(project, "normal", [("n.png", picture(1)), ("m.png", picture(2))])
    give(project, "scored", [("s.png", picture(3))])
    run_pending(store)
    [scored] = project.snapshot().scored.ids.tolist()
    assert remove_normals(project, [scored, 10**6]).version == 1
    assert project.state().version == 1 and project.snapshot().state.n == 2


def test_images_without_vectors_wait_for_the_job_that_makes_them_and_are_lost_without_one(project, store, picture):
    give(project, "normal", [(f"{i}.png", picture(i)) for i in range(4)])
    give(project, "scored", [("a.png", picture(50)), ("b.png", picture(51))])
    run_pending(store)
    module.forget(project.id)
    with project.db.write() as db:
        db.execute("DELETE FROM vectors WHERE image_id = (SELECT image_id FROM items WHERE name = 'a.png')")
    view = project.snapshot()
    assert view.scored.names == ("b.png",) and (view.waiting, view.lost) == (0, 1)
    project.change_backbone("efficientnet_lite0", "whole")
    view = project.snapshot()
    assert (view.waiting, view.lost) == (1, 0)
    run_pending(store)
    after = project.snapshot()
    assert after.scored.names == ("a.png", "b.png") and (after.waiting, after.lost) == (0, 0)


def test_a_snapshot_from_the_middle_of_a_repair_is_not_kept(project, store, picture, fake_encoder):
    give(project, "normal", [(f"{i}.png", picture(i)) for i in range(4)])
    give(project, "scored", [("a.png", picture(50)), ("b.png", picture(51))])
    run_pending(store)
    [(file,)] = rows(project, "SELECT file FROM chunks ORDER BY id DESC LIMIT 1")
    (project.vectors_dir / file).unlink()
    module.forget(project.id)
    [encoder] = fake_encoder.values()
    vectors.drop_damaged(project.vectors_dir, project.db, encoder.fingerprint)
    assert len(project.snapshot().scored) == 0
    job = project.change_backbone(encoder.name, encoder.preset)
    reencode.encode_missing(project, encoder, Progress(store.jobs, job))
    assert len(project.snapshot().scored) == 2 and project.state().version == 1
