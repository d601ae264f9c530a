"""A project from the first file to the verdict, with a fake encoder and the jobs run in this process."""

from dataclasses import replace

import numpy as np
import pytest

from dn2core.errors import NotFound, Refused
from dn2core.project import Settings, fsio, run_pending
from dn2core.project.normals import remove_normals, return_normals
from tests.project.helpers import give


@pytest.fixture
def project(store, fake_encoder):
    return store.create("Gravel")


@pytest.fixture
def judged(project, store, picture):
    """Thirty grey normals, five grey and two white new images."""
    give(project, "normal", [(f"n{i:02}.png", picture(i)) for i in range(30)])
    give(
        project,
        "scored",
        [(f"s{i}.png", picture(100 + i)) for i in range(5)]
        + [(f"w{i}.png", picture(200 + i, shade=220)) for i in (0, 1)],
    )
    assert run_pending(store) >= 2
    return project


def test_odd_images_are_flagged_and_even_ones_are_not_all(judged):
    view = judged.snapshot()
    verdicts = view.judge()
    flagged = {view.scored.names[i] for i in np.flatnonzero(verdicts.flagged)}
    assert {"w0.png", "w1.png"} <= flagged
    assert np.argmax(verdicts.scores) in [view.scored.names.index(name) for name in ("w0.png", "w1.png")]
    assert view.state.version == 1 and view.state.n == 30


def test_every_file_is_accounted_for(project, store, picture):
    same = picture(1)
    batch = give(
        project,
        "normal",
        [
            ("a.png", same),
            ("b.png", picture(2)),
            ("copy of a.png", same),
            ("broken.png", same[:60]),
            ("empty.png", b""),
        ],
    )
    run_pending(store)
    [summary] = project.batches("normal")
    assert (summary.given, summary.accepted, summary.duplicate, summary.rejected) == (5, 2, 1, 2)
    by_name = {outcome.name: outcome for outcome in project.outcomes(batch)}
    assert by_name["copy of a.png"].params == {"of": "a.png"}
    assert by_name["copy of a.png"].item_id == by_name["a.png"].item_id
    assert by_name["empty.png"].code == "EMPTY_FILE"
    assert by_name["broken.png"].sentence


def test_more_normals_make_a_new_version_and_encode_only_the_new(judged, store, picture, fake_encoder):
    [encoder] = fake_encoder.values()
    before = encoder.encoded
    give(judged, "normal", [("n00 again.png", picture(0)), ("new.png", picture(500))])
    run_pending(store)
    assert encoder.encoded == before + 1
    assert judged.state().version == 2 and judged.state().n == 31
    assert judged.batches("scored")[0].judged["version"] == 1


def test_an_incremental_snapshot_equals_a_fresh_one(judged, store, picture):
    from dn2core.project.snapshot import forget

    judged.snapshot()
    give(judged, "scored", [(f"later{i}.png", picture(300 + i)) for i in range(4)])
    run_pending(store)
    grown = judged.snapshot()
    forget(judged.id)
    fresh = judged.snapshot()
    assert grown is not fresh
    np.testing.assert_array_equal(grown.scored.ids, fresh.scored.ids)
    np.testing.assert_array_equal(grown.found.indices, fresh.found.indices)
    np.testing.assert_array_equal(grown.found.distances, fresh.found.distances)


def test_an_image_that_is_a_normal_is_said_to_be_one(judged, store, picture):
    give(judged, "scored", [("known.png", picture(3))])
    run_pending(store)
    view = judged.snapshot()
    assert view.same_as_normal.tolist() == [False] * 7 + [True]
    [nearest] = view.neighbours_of(int(view.scored.ids[-1]), 1)
    assert nearest.name == "n03.png" and nearest.distance == 0


def test_removed_normals_no_longer_count_and_the_result_equals_a_fresh_build(judged, store, fake_encoder, picture):
    view = judged.snapshot()
    remove_normals(judged, view.normals.ids[:10].tolist())
    after = judged.snapshot()
    assert after.state.version == 2 and after.state.n == 20

    fresh = store.create("Fresh")
    give(fresh, "normal", [(f"n{i:02}.png", picture(i)) for i in range(10, 30)])
    give(fresh, "scored", [(name, judged_bytes(judged, name)) for name in view.scored.names])
    run_pending(store)
    np.testing.assert_array_equal(fresh.snapshot().judge().scores, after.judge().scores)


def judged_bytes(project, name):
    view = project.snapshot()
    item = project.item(int(view.scored.ids[view.scored.names.index(name)]))
    return project.original(item.sha256, item.format)


def test_settings_move_verdicts_without_encoding(judged, fake_encoder):
    [encoder] = fake_encoder.values()
    before = encoder.encoded
    judged.save_settings(Settings(k=7, budget=0.1, normalise=False))
    view = judged.snapshot()
    assert view.judge().k == 7 and view.judge().budget == 0.1
    assert encoder.encoded == before


def test_another_preset_serves_only_once_all_are_encoded(judged, store, fake_encoder):
    with pytest.raises(Refused, match="encoded anew"):
        judged.save_settings(Settings(preset="paper"))
    judged.change_backbone("efficientnet_lite0", "paper")
    assert judged.state().preset == "whole"
    run_pending(store)
    assert judged.state().preset == "paper" and judged.settings().preset == "paper"
    assert fake_encoder[("efficientnet_lite0", "paper")].encoded == 37
    assert len(judged.snapshot().scored) == 7


def test_a_scored_image_before_any_normal_waits_for_them(project, store, picture):
    give(project, "scored", [("early.png", picture(1))])
    run_pending(store)
    with pytest.raises(NotFound, match="no normals yet"):
        project.snapshot()
    assert project.batches("scored")[0].judged is None
    give(project, "normal", [(f"n{i}.png", picture(10 + i)) for i in range(3)])
    run_pending(store)
    assert len(project.snapshot().judge().scores) == 1


def test_all_files_rejected_leaves_no_version(project, store):
    give(project, "normal", [("x.png", b"not an image")])
    run_pending(store)
    assert project.state() is None


def test_files_are_durable_before_they_are_said_to_be_kept(project, picture, monkeypatch):
    batch, synced = project.new_batch("normal", "test"), []

    def sync(path):
        assert project.staged(batch) == []
        synced.append(path.stat().st_size or path)

    monkeypatch.setattr(fsio, "_sync_file", sync)
    project.stage_many(batch, [("a.png", picture(1)), ("b.png", picture(2))])
    assert sorted(synced) == sorted([len(picture(1)), len(picture(2))])


def test_nothing_staged_is_refused(project):
    with pytest.raises(Refused, match="no file"):
        project.submit(project.new_batch("normal", "test"))


def test_one_normal_gives_scores_but_no_limit(project, store, picture):
    give(project, "normal", [("n.png", picture(1))])
    give(project, "scored", [("s.png", picture(2))])
    run_pending(store)
    verdicts = project.snapshot().judge()
    assert np.isnan(verdicts.limit) and verdicts.verdicts.tolist() == ["review"]
    assert store.projects()[0].flagged is None and project.batches("scored")[0].judged["flagged"] is None


def test_thumbnails_are_made_again_when_lost(judged):
    import shutil

    ids = judged.snapshot().scored.ids.tolist()
    before = judged.thumbnails([*ids, 10**9])
    shutil.rmtree(judged.folder / "thumbs")
    assert judged.thumbnails([*ids, 10**9]) == before
    assert before[-1] == b"" and all(data.startswith(b"\xff\xd8") for data in before[:-1])


def test_damaged_vectors_are_noticed_and_healed_by_encoding_anew(judged, store):
    from dn2core.errors import StorageError
    from dn2core.project.snapshot import forget

    before = judged.snapshot().judge().scores
    victim = next(judged.vectors_dir.iterdir())
    data = bytearray(victim.read_bytes())
    data[-1] ^= 1
    victim.write_bytes(data)
    forget(judged.id)
    with pytest.raises(StorageError, match="damaged"):
        judged.snapshot()
    judged.change_backbone("efficientnet_lite0", "whole")
    run_pending(store)
    np.testing.assert_array_equal(judged.snapshot().judge().scores, before)


def test_a_copied_project_folder_opens_elsewhere(judged, tmp_path):
    import shutil

    from dn2core.project import Store

    other = Store(tmp_path / "other")
    shutil.copytree(judged.folder, other.root / "projects" / judged.id)
    copy = other.open(judged.id)
    np.testing.assert_array_equal(copy.snapshot().judge().scores, judged.snapshot().judge().scores)


def test_a_server_folder_is_read_only_below_the_roots(project, store, picture, tmp_path, monkeypatch):
    allowed, other = tmp_path / "allowed", tmp_path / "other"
    for folder in (allowed / "in", other):
        folder.mkdir(parents=True)
        (folder / "a.png").write_bytes(picture(1))
    batch = project.new_batch("normal", "folder")
    with pytest.raises(NotFound):
        project.stage_folder(batch, allowed / "in")
    monkeypatch.setenv("DN2_FOLDER_ROOTS", str(allowed))
    with pytest.raises(NotFound):
        project.stage_folder(batch, other)
    with pytest.raises(NotFound):
        project.stage_folder(batch, allowed / ".." / "other")
    monkeypatch.chdir(allowed)
    for nowhere in ("in", "~nosuchuser/x", f"{allowed}/a\0b"):
        with pytest.raises(NotFound):
            project.stage_folder(batch, nowhere)
    project.stage_folder(batch, allowed / "in")
    project.submit(batch)
    run_pending(store)
    assert project.state().n == 1


def test_the_card_tells_what_is_flagged_by_the_settings_and_normals_in_force(store, judged):
    def on_the_card():
        return next(card.flagged for card in store.projects() if card.id == judged.id)

    for budget in (0.01, 0.5):
        judged.save_settings(replace(judged.settings(), budget=budget))
        assert on_the_card() == judged.snapshot().judge().flagged.sum()
    before = on_the_card()
    remove_normals(judged, judged.snapshot().normals.ids[:28].tolist())
    assert on_the_card() == judged.snapshot().judge().flagged.sum()
    assert before > 2


def test_normals_taken_out_come_back_as_they_were(judged):
    before = judged.snapshot()
    gone = before.normals.ids[:3].tolist()
    remove_normals(judged, gone)
    assert judged.snapshot().state.n == 27
    state = return_normals(judged, gone)
    after = judged.snapshot()
    assert (state.version, state.n) == (3, 30)
    assert sorted(after.normals.image_ids) == sorted(before.normals.image_ids)
    assert after.judge().limit == before.judge().limit
    assert np.array_equal(after.judge().scores, before.judge().scores)
    # twice, or what never was a normal: nothing happens
    assert return_normals(judged, gone).version == 3
    assert return_normals(judged, after.scored.ids[:2].tolist()).version == 3
