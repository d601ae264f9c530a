"""Normals: the ways in, the accounting, the set at a glance."""

import io
import zipfile

import numpy as np
import pytest

from dn2core.project import run_pending
from pages.parts.intake import UPLOADER_LIMIT
from tests.pages.app import JPEGS, filled, give, jpeg, opened, texts


def test_without_a_project_the_way_home_is_shown(store):
    at = opened("normals")
    assert any("No project is open" in text for text in texts(at.main))
    at.button(key="dn2_empty_go").click().run()
    assert at.title[0].value == "Projects"


def test_an_empty_project_asks_for_good_parts(store):
    at = opened("normals", project=store.create("Bolts").id)
    assert not at.exception
    assert any("Give images of good parts only" in text for text in texts(at.main))
    assert at.main.get("file_uploader")


def test_dropped_images_become_a_batch_at_once(store, fake_encoder):
    project = store.create("Bolts")
    at = opened("normals", project=project.id)
    files = [(f"{i}.jpg", JPEGS[i], "image/jpeg") for i in range(20)] + [("broken.jpg", JPEGS[0][:300], "image/jpeg")]
    at.file_uploader(key="dn2_normals_files_0").set_value(files).run()
    assert not at.exception
    assert [element.proto.text for element in at.main.get("progress")] != []
    assert at.file_uploader(key="dn2_normals_files_1").value == []
    run_pending(store)
    at = opened("normals", project=project.id)
    batch = project.batches("normal")[0]
    assert (batch.given, batch.accepted, batch.rejected) == (21, 20, 1)
    metrics = {metric.label: metric.value for metric in at.metric}
    assert metrics["Given"] == "21" and metrics["Accepted"] == "20" and metrics["Rejected"] == "1"


def test_the_uploader_stays_while_the_first_images_come_in(store, fake_encoder):
    project = store.create("Bolts")
    give(project, "normal", [jpeg(0)])
    at = opened("normals", project=project.id)
    assert any("You can leave this page" in text for text in texts(at.main))
    assert at.main.get("file_uploader")


def test_the_uploader_forgets_the_files_it_gave(store, fake_encoder):
    project = filled(store, "Bolts", 20)
    at = opened("normals", project=project.id)
    at.file_uploader(key="dn2_normals_files_0").set_value([("x.jpg", jpeg(77), "image/jpeg")]).run()
    run_pending(store)
    at.run()
    assert at.session_state["dn2_normals_turn"] == 1
    assert at.file_uploader(key="dn2_normals_files_1").value == []
    assert len(project.batches("normal")) == 2


def test_above_the_limit_nothing_is_taken_and_the_other_way_is_named(store):
    project = store.create("Bolts")
    at = opened("normals", project=project.id)
    files = [(f"{i}.jpg", JPEGS[0], "image/jpeg") for i in range(UPLOADER_LIMIT + 1)]
    at.file_uploader(key="dn2_normals_files_0").set_value(files).run()
    assert "Folder or ZIP" in at.warning[0].value and "200" in at.warning[0].value
    assert project.batches("normal") == []


def test_every_rejected_file_has_its_reason(store, fake_encoder):
    project = store.create("Bolts")
    give(project, "normal", [*JPEGS[:3], JPEGS[0], b"", JPEGS[1][:200]])
    run_pending(store)
    at = opened("normals", project=project.id)
    table = at.dataframe[-1].value
    assert table["File"].tolist() == ["004.jpg", "005.jpg"]
    assert all(len(reason) > 10 for reason in table["Reason"])
    batch = project.batches("normal")[0]
    assert batch.given == batch.accepted + batch.duplicate + batch.rejected == 6


def test_a_folder_of_the_server_only_where_the_settings_allow(store, fake_encoder, tmp_path, monkeypatch):
    project = store.create("Bolts")
    at = opened("normals", project=project.id)
    assert [option for option in at.main.get("button_group")[0].proto.options if "server" in option.content] == []

    folder = tmp_path / "share" / "line 2"
    folder.mkdir(parents=True)
    for i in range(5):
        (folder / f"{i}.jpg").write_bytes(JPEGS[i])
    monkeypatch.setenv("DN2_FOLDER_ROOTS", str(tmp_path / "share"))
    at = opened("normals", project=project.id)
    at.session_state["dn2_normals_way"] = "server"
    at.run()
    at.text_input(key="dn2_normals_path").set_value(str(folder))
    at.button(key="dn2_normals_go").click().run()
    run_pending(store)
    assert project.batches("normal")[0].accepted == 5


@pytest.mark.parametrize("path", ["/etc", "../..", "", "\x00"])
def test_a_folder_outside_is_refused_in_a_sentence(store, tmp_path, monkeypatch, path):
    project = store.create("Bolts")
    monkeypatch.setenv("DN2_FOLDER_ROOTS", str(tmp_path))
    at = opened("normals", project=project.id)
    at.session_state["dn2_normals_way"] = "server"
    at.run()
    at.text_input(key="dn2_normals_path").set_value(path)
    at.button(key="dn2_normals_go").click().run()
    assert not at.exception
    assert at.error and project.batches("normal") == []


def test_the_most_unusual_normal_comes_first(store, fake_encoder, monkeypatch):
    project = filled(store, "Bolts", 24)
    seen = {}
    monkeypatch.setattr("pages.parts.components.gallery.gallery", lambda **given: seen.update(given))
    opened("normals", project=project.id)
    from dn2core.project.snapshot import snapshot

    now = snapshot(project)
    scores = dict(zip(now.normals.ids.tolist(), now.judge().normal_scores, strict=True))
    assert sorted(seen["ids"]) == sorted(scores)
    in_order = [scores[i] for i in seen["ids"]]
    assert in_order == sorted(in_order, reverse=True)
    assert len(seen["captions"]) == len(seen["tones"]) == 24
    assert [tone == "review" for tone in seen["tones"]] == [score > now.judge().limit for score in in_order]


@pytest.mark.parametrize("n", [1, 2, 3])
def test_few_normals_are_shown_and_called_unreliable(store, fake_encoder, n):
    at = opened("normals", project=filled(store, "Few", n).id)
    assert not at.exception and not at.error
    assert any("unreliable" in text for text in texts(at.main)) == (n > 1)
    metrics = {metric.label: metric.value for metric in at.metric}
    assert metrics["Normals"] == str(n)
    assert not any("nan" in text.lower().split() for text in texts(at.main))


def test_the_numbers_are_those_of_the_snapshot(store, fake_encoder):
    from dn2core.project.snapshot import snapshot
    from pages.parts.look import raw

    project = filled(store, "Bolts", 24)
    judged = snapshot(project).judge()
    at = opened("normals", project=project.id)
    metrics = {metric.label: metric.value for metric in at.metric}
    assert metrics["Normals"] == "24"
    assert metrics[f"Limit at k = {judged.k}"] == raw(judged.limit)
    assert metrics["Beyond the limit"] == str(int(np.sum(judged.normal_scores > judged.limit)))


def test_sizes_are_counted(store, fake_encoder):
    project = store.create("Bolts")
    give(project, "normal", [jpeg(1, 40, 30), jpeg(2, 40, 30), jpeg(3, 64, 64)])
    run_pending(store)
    at = opened("normals", project=project.id)
    table = at.dataframe[0].value
    assert table["Pixels"].tolist() == ["40 × 30", "64 × 64"] and table["Images"].tolist() == [2, 1]


def test_an_image_that_is_not_there_is_a_sentence(store, fake_encoder):
    at = opened("normals", project=filled(store, "Bolts", 5).id, image="999999")
    assert "not found" in at.error[0].value and not at.exception


def test_a_zip_in_a_staged_batch_counts_each_entry(store, fake_encoder):
    project = store.create("Bolts")
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for i in range(4):
            archive.writestr(f"good/{i}.jpg", JPEGS[i])
        archive.writestr("notes.txt", "hello")
    give(project, "normal", [packed.getvalue()], source="folder", name="set.zip")
    run_pending(store)
    at = opened("normals", project=project.id)
    metrics = {metric.label: metric.value for metric in at.metric}
    assert metrics["Given"] == "5" and metrics["Accepted"] == "4"


def test_a_failed_intake_says_why(store, fake_encoder, monkeypatch):
    project = store.create("Bolts")
    give(project, "normal", JPEGS[:2])
    job = store.jobs.active(project.id)[0]
    store.jobs.claim("compute")
    store.jobs.finish(job.id, "failed", "DISK_FULL")
    at = opened("normals", project=project.id)
    assert "disk is full" in at.error[0].value


def test_a_failed_delivery_can_be_tried_again(store, fake_encoder, monkeypatch):
    from dn2core.errors import StorageError
    from dn2core.project import intake

    project = store.create("Full")
    give(project, "normal", JPEGS[:5])
    with monkeypatch.context() as full:
        full.setattr(intake, "_save", lambda *given: (_ for _ in ()).throw(StorageError("DISK_FULL")))
        run_pending(store)
    at = opened("normals", project=project.id)
    assert "disk is full" in at.error[0].value
    at.button(key="dn2_again").click().run()
    run_pending(store)
    assert project.state().n == 5
    at = opened("normals", project=project.id)
    assert not at.error and not [button for button in at.button if button.key == "dn2_again"]


def test_damaged_vectors_are_said_and_repaired_from_the_page(store, fake_encoder):
    from dn2core.project.snapshot import forget

    project = filled(store, "Bolts", 24, scored=3)
    next(project.vectors_dir.glob("*.npy")).write_bytes(b"rotten")
    forget(project.id)
    for page in ("normals", "score", "map", "tune"):
        at = opened(page, project=project.id)
        assert not at.exception and "damaged" in at.error[0].value
    at.button(key="dn2_repair").click().run()
    assert not at.exception and any("encoded anew" in text for text in texts(at.main))
    run_pending(store)
    at = opened("normals", project=project.id)
    assert not at.error and project.snapshot().normals.ids.shape == (24,)


def test_the_accounting_moves_on_to_the_newest_delivery(store, fake_encoder):
    project = filled(store, "Bolts", 5)
    give(project, "normal", [jpeg(50)])
    run_pending(store)
    at = opened("normals", project=project.id)
    assert [metric.value for metric in at.metric if metric.label == "Given"] == ["1"]
    give(project, "normal", [jpeg(60), b"no image"])
    run_pending(store)
    at.run()
    assert [metric.value for metric in at.metric if metric.label in ("Given", "Rejected")] == ["2", "1"]


def test_a_choice_of_features_stays_with_its_project(store, fake_encoder):
    first, second = filled(store, "First", 5), filled(store, "Second", 5)
    at = opened("normals", project=first.id)
    at.radio(key=f"dn2_preset_{first.id}").set_value("paper").run()
    at.sidebar.selectbox(key="dn2_project").set_value(second.id).run()
    assert at.radio(key=f"dn2_preset_{second.id}").value == "whole"
    assert not [button for button in at.button if button.key == "dn2_backbone_go"]


def test_the_picture_opened_last_is_marked_in_its_own_project_only(store, fake_encoder, monkeypatch):
    seen = {}
    monkeypatch.setattr("pages.parts.components.gallery.gallery", lambda **given: seen.update(given))
    monkeypatch.setattr("pages.parts.detail.gallery", lambda **given: None)
    first, second = filled(store, "First", 5), filled(store, "Second", 5)
    at = opened("normals", project=first.id, image="3")
    at.button(key="dn2_back").click().run()
    assert seen["selected"] == 3
    at.sidebar.selectbox(key="dn2_project").set_value(second.id).run()
    assert seen["project_id"] == second.id and seen["selected"] is None


def test_a_bad_normal_is_taken_out_and_put_back(store, fake_encoder, monkeypatch):
    seen = {}
    monkeypatch.setattr("pages.parts.components.gallery.gallery", lambda **given: seen.update(given))
    monkeypatch.setattr("pages.parts.detail.gallery", lambda **given: None)
    project = filled(store, "Bolts", 24, scored=2)
    at = opened("normals", project=project.id, image="3")
    at.button(key="dn2_take_out").click().run()
    assert project.state().n == 24  # first it is shown what that would change
    assert any("If it is taken out of the normals" in text for text in texts(at.main))
    at.button(key="dn2_impact_go_one").click().run()
    assert not at.exception and project.state().n == 23 and 3 not in seen["ids"]
    assert any("is no longer among the normals: version 2" in text for text in texts(at.main))
    at.button(key="dn2_changed_undo").click().run()
    assert project.state().n == 24 and len(seen["ids"]) == 24
    assert not [button for button in at.button if button.key == "dn2_changed_undo"]
    scored = str(project.snapshot().scored.ids[0])
    at = opened("score", project=project.id, image=scored)
    assert not [button for button in at.button if button.key == "dn2_take_out"]
