"""The jiggle test in a project: one image scored as the snapshot scores, the normals by a job that is kept."""

import numpy as np
import pytest
from PIL import Image

from dn2core.detect import Bank, form_scores, leave_one_out
from dn2core.errors import NotFound, Refused
from dn2core.explore.jiggle import FAMILIES, KINDS, handling, jiggled, resampled
from dn2core.ingest import decode
from dn2core.project import jiggle, progress, run_pending
from dn2core.project.jiggle import image_job, is_kept, jiggle_image, last_jiggle, submit_image, submit_jiggle
from dn2core.project.normals import hold_out, remove_normals
from dn2core.project.reductions import submit_reduction
from tests.project.helpers import give, tiny


@pytest.fixture
def project(store, fake_encoder):
    project = store.create("Bolts")
    give(project, "normal", tiny(24))
    give(project, "scored", tiny(6, seed=1))
    run_pending(store)
    project.change_settings(k=3, form="density")
    return project


def stored(project, item_id: int) -> bytes:
    item = project.item(item_id)
    return project.original(item.sha256, item.format)


def encoder_of(fake_encoder):
    return next(iter(fake_encoder.values()))


def test_a_scored_image_is_scored_as_the_snapshot_scores(project, fake_encoder):
    view = project.snapshot()
    judged = view.judge()
    for position, item_id in enumerate(view.scored.ids.tolist()):
        found = jiggle_image(project, view, item_id)
        assert found.score == judged.scores[position]
        assert found.limit == judged.limit
        assert tuple(found.scores) == KINDS
    other = view.judge(1)
    assert jiggle_image(project, view, item_id, other).score == other.scores[position]


def test_the_versions_are_those_of_the_picture_and_meet_no_trace_of_a_normal(project, fake_encoder):
    """Against a bank made without it; a PNG of 48 x 36 is brought to twice what the stand-in asks for."""
    view, encoder = project.snapshot(), encoder_of(fake_encoder)
    row = next(row for row, name in enumerate(view.normals.names) if name.endswith("png"))
    item_id = int(view.normals.ids[row])
    fine = np.asarray(Image.fromarray(decode(stored(project, item_id)).image).reduce(2))
    vectors = encoder.encode([*(image for _, image in jiggled(fine)), resampled(fine)])
    features = project.features(view.normals.image_ids.tolist(), view.state.fingerprint)
    others = Bank(np.delete(features, row, axis=0), normalise=view.settings.normalise)
    expected = form_scores("density", others.search(vectors, 3), leave_one_out(others, 22), 3)
    found = jiggle_image(project, view, item_id)
    np.testing.assert_allclose([*found.scores.values(), found.resampled], expected, rtol=1e-5)
    assert found.score == pytest.approx(view.judge().normal_scores[row], rel=1e-5)


def test_a_jpeg_is_changed_at_twice_the_pixels_and_halved_as_its_decoder_would(project, fake_encoder, monkeypatch):
    view, encoder = project.snapshot(), encoder_of(fake_encoder)
    seen, changed = [], []
    monkeypatch.setattr(encoder, "view", lambda image, view=encoder.view: seen.append(image.shape) or view(image))
    monkeypatch.setattr(jiggle, "jiggled", lambda image: changed.append(image.shape) or jiggled(image))
    item_id = next(one for one, name in zip(view.normals.ids, view.normals.names, strict=True) if name.endswith("jpg"))
    data = stored(project, int(item_id))
    jiggle_image(project, view, int(item_id))
    assert changed == [decode(data, at_least=2 * encoder.decode_side).image.shape]
    assert set(seen) == {decode(data, at_least=encoder.decode_side).image.shape}
    assert changed[0] != seen[0]


def test_a_worker_encodes_one_image_and_what_it_made_serves_any_limit(store, project, fake_encoder):
    view, encoder = project.snapshot(), encoder_of(fake_encoder)
    item_id = int(view.scored.ids[0])
    assert not is_kept(project, view, item_id) and image_job(project, view, item_id) is None
    submit_image(project, view, item_id)
    assert image_job(project, view, item_id).active
    run_pending(store)
    assert image_job(project, view, item_id).state == "done" and is_kept(project, view, item_id)
    assert not is_kept(project, view, int(view.scored.ids[1]))
    encoded = encoder.encoded
    found = jiggle_image(project, view, item_id)
    other = jiggle_image(project, view, item_id, view.judge(1))
    remove_normals(project, [view.neighbours_of(item_id, 1)[0].item_id])
    later = jiggle_image(project, project.snapshot(), item_id)
    assert encoder.encoded == encoded
    assert len({found.high, other.high, later.high}) == 3
    path = next((project.folder / "jiggles").iterdir())
    path.write_bytes(path.read_bytes()[:-7])
    assert not is_kept(project, view, item_id)
    assert jiggle_image(project, view, item_id) == found
    assert encoder.encoded == encoded + 12


def test_vectors_that_serve_nobody_any_more_go_when_a_job_ends(store, project, monkeypatch):
    view = project.snapshot()
    normal, scored = int(view.normals.ids[0]), int(view.scored.ids[0])

    def kept() -> set[str]:
        return {path.name for path in (project.folder / "jiggles").glob("*.npy")}

    def looked_at(shown, item_id) -> set[str]:
        submit_image(project, shown, item_id)
        run_pending(store)
        assert is_kept(project, shown, item_id)
        return kept()

    first = looked_at(view, normal)
    both = looked_at(view, scored)
    assert len(first) == 1 and len(both) == 2 and first < both
    removed_in = remove_normals(project, [normal])
    assert kept() == both and removed_in
    other = int(view.scored.ids[1])
    after = looked_at(project.snapshot(), other)
    assert not first & after and len(after) == 2  # a normal that is none any more
    assert len(looked_at(view, normal)) == 3  # in a state of the past: what was just asked for stays
    with monkeypatch.context() as changed:
        changed.setattr(jiggle, "RECIPE", "other")
        assert len(looked_at(project.snapshot(), other)) == 1  # other changes
    project.change_backbone("efficientnet_lite1", "whole")
    run_pending(store)
    now = looked_at(project.snapshot(), scored)
    assert len(now) == 1 and project.state().fingerprint in now.pop()


def test_the_job_finds_for_each_normal_what_the_image_alone_gives(store, project):
    view = project.snapshot()
    assert last_jiggle(project, view) is None
    job = submit_jiggle(project)
    run_pending(store)
    assert store.jobs.job(job).state == "done"
    alone = [jiggle_image(project, view, item_id) for item_id in view.normals.ids.tolist()]
    found = last_jiggle(project, view)
    expected = handling(
        view.judge().normal_scores,
        np.array([list(one.scores.values()) for one in alone]),
        view.judge().limit,
        kinds=KINDS,
        families=FAMILIES,
    )
    assert found.found == expected and expected.unsteady.count > 0
    assert found.redrawn.count == sum(one.resampled > one.limit for one in alone)
    assert (found.of, found.lost, found.version, found.fits) == (24, 0, 1, True)


def test_no_more_than_so_many_normals_are_drawn(store, project, monkeypatch):
    monkeypatch.setattr(jiggle, "NORMALS", 9)
    results = []
    for _ in range(2):
        submit_jiggle(project)
        run_pending(store)
        results.append(last_jiggle(project, project.snapshot()).found)
    assert results[0].n == 9 and results[0] == results[1]
    with project.db.read() as db:
        assert db.execute("SELECT count(*) FROM jiggles").fetchone()[0] == 1


def test_another_budget_moves_the_limit_and_other_scores_do_not_fit(store, project):
    submit_jiggle(project)
    run_pending(store)
    before = last_jiggle(project, project.snapshot())
    project.change_settings(budget=0.3)
    again = last_jiggle(project, project.snapshot())
    assert again.fits and again.found.limit == project.snapshot().judge().limit < before.found.limit
    assert again.found.as_taken.count > before.found.as_taken.count
    project.change_settings(budget=0.01, k=1)
    other = last_jiggle(project, project.snapshot())
    assert not other.fits and other.found == before.found
    project.change_settings(k=3)
    assert last_jiggle(project, project.snapshot()).fits
    remove_normals(project, project.snapshot().normals.ids[:1].tolist())
    assert not last_jiggle(project, project.snapshot()).fits


def test_with_fewer_normals_those_that_check_the_limit_are_changed(store, project):
    submit_reduction(project, "coreset", 0.5)
    run_pending(store)
    view = project.snapshot()
    assert view.reduced
    submit_jiggle(project)
    run_pending(store)
    found = last_jiggle(project, view)
    judged = view.judge()
    assert found.found.n == found.of == len(view.checking)
    assert found.found.as_taken.count == (judged.reference_scores > judged.limit).sum()
    check = int(view.checking.ids[0])
    assert jiggle_image(project, view, check).score == pytest.approx(judged.reference_scores[0], rel=1e-6)


def test_an_image_held_out_has_a_spread(project):
    hold_out(project, project.snapshot().normals.ids[:3].tolist())
    project.change_settings(calibration="held_out")
    view = project.snapshot()
    found, judged = jiggle_image(project, view, int(view.held.ids[0])), view.judge()
    assert found.score == pytest.approx(judged.reference_scores[0], rel=1e-6)
    assert found.limit == judged.limit


def test_an_image_that_is_not_there_or_cannot_be_read(project):
    view = project.snapshot()
    with pytest.raises(NotFound):
        jiggle_image(project, view, 10**9)
    for path in (project.folder / "originals").rglob("*.*"):
        path.unlink()
    with pytest.raises(NotFound, match="stored image"):
        jiggle_image(project, view, int(view.scored.ids[0]))


def test_a_normal_that_cannot_be_read_is_told_and_left_out(store, project):
    view = project.snapshot()
    for item_id in view.normals.ids[:2].tolist():
        next((project.folder / "originals").rglob(f"{project.item(item_id).sha256}*")).write_bytes(b"other")
    submit_jiggle(project)
    run_pending(store)
    found = last_jiggle(project, view)
    assert (found.found.n, found.lost, found.of) == (22, 2, 24)
    for path in (project.folder / "originals").rglob("*.*"):
        path.unlink()
    job = submit_jiggle(project)
    run_pending(store)
    assert "none is whole" in store.jobs.job(job).error
    assert last_jiggle(project, view) == found


def test_a_lone_normal_has_no_limit(store, fake_encoder):
    project = store.create("One")
    give(project, "normal", tiny(1))
    run_pending(store)
    view = project.snapshot()
    with pytest.raises(Refused, match="two normal images"):
        jiggle_image(project, view, int(view.normals.ids[0]))
    job = submit_jiggle(project)
    run_pending(store)
    assert store.jobs.job(job).error_code == "TWO_NORMALS_NEEDED"


def test_another_version_of_the_network_is_refused(project, fake_encoder):
    view = project.snapshot()
    encoder_of(fake_encoder).fingerprint = "another"
    with pytest.raises(Refused, match="another version of the network"):
        jiggle_image(project, view, int(view.scored.ids[0]))


def test_stopped_on_the_way_it_keeps_nothing(store, project, monkeypatch):
    monkeypatch.setattr(progress, "REPORT_SECONDS", 0)
    monkeypatch.setattr(jiggle, "AT_ONCE", 1)
    job, made = submit_jiggle(project), []

    def of(self, data, of=jiggle._Versions.of):
        made.append(data)
        store.jobs.cancel(job)
        return of(self, data)

    monkeypatch.setattr(jiggle._Versions, "of", of)
    run_pending(store)
    assert store.jobs.job(job).state == "cancelled"
    assert 0 < len(made) < 24
    assert last_jiggle(project, project.snapshot()) is None
