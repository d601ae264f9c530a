"""What a change of the normals would do, and that only one's own change is taken back."""

import pytest

from dn2core.project.impact import impact
from dn2core.project.labels import set_label
from dn2core.project.normals import add_normals, remove_normals
from tests.pages.app import filled, opened, texts


@pytest.fixture
def project(store, fake_encoder, monkeypatch):
    monkeypatch.setattr("pages.parts.components.gallery.gallery", lambda **given: None)
    monkeypatch.setattr("pages.parts.detail.gallery", lambda **given: None)
    return filled(store, "Bolts", 24, scored=4)


def asked(project):
    """The page on which the first normal is about to leave."""
    item = int(project.snapshot().normals.ids[0])
    return item, opened("normals", project=project.id, image=str(item), trial="leave")


def words(at) -> str:
    return " ".join(texts(at.main)).replace("\\", "")


def test_undo_takes_back_the_change_and_nothing_that_another_tab_did(project):
    _, at = asked(project)
    add_normals(project, project.snapshot().scored.ids[:1])  # meanwhile
    at.button(key="dn2_impact_go_one").click().run()
    assert "is no longer among the normals: version 3." in words(at) and project.state().n == 24
    at.button(key="dn2_changed_undo").click().run()
    assert project.state().n == 25 and project.snapshot().same_as_normal[0]


def test_what_another_tab_did_is_not_called_ones_own(project):
    item, at = asked(project)
    remove_normals(project, [item])
    at.button(key="dn2_impact_go_one").click().run()
    assert not at.exception and "Nothing changed: not among the normals any more" in words(at)
    assert not [button for button in at.button if button.key == "dn2_changed_undo"]
    at.button(key="dn2_changed_ok").click().run()
    assert "Nothing changed" not in words(at) and project.state().version == 2


def test_a_label_taken_back_is_forgotten_whichever_it_was(project, monkeypatch):
    made = []
    monkeypatch.setattr(
        "pages.parts.impact.impact", lambda *given, **more: made.append(given) or impact(*given, **more)
    )
    older, newer = project.snapshot().scored.ids[:2].tolist()
    for one in (older, newer):
        set_label(project, one, "defect")
    _, at = asked(project)
    at.run()
    assert len(made) == 1
    set_label(project, older, "")
    at.run()
    assert len(made) == 2 and len(made[-1][2]) == 1
