"""Home: the empty state, cards, create, rename, delete with undo, the demo."""

import sys
from types import SimpleNamespace

from tests.pages.app import filled, opened, texts


def names(store) -> list[str]:
    return sorted(card.name for card in store.projects())


def test_an_empty_home_offers_the_demo_first(store):
    at = opened()
    primary = [button.label for button in at.main.button if button.proto.type == "primary"]
    assert primary == ["Open the demo"]
    assert any("Give a set of images of good parts" in text for text in texts(at.main))


def test_create_leads_to_the_normals_of_the_new_project(store):
    at = opened()
    at.text_input(key="dn2_create_name").set_value("  Bracket   4711 ")
    at.button(key="dn2_create_go").click().run()
    assert not at.exception
    assert names(store) == ["Bracket 4711"]
    assert at.query_params["project"] == store.projects()[0].id
    assert at.title[0].value == "Normals"


def test_a_name_is_needed(store):
    at = opened()
    at.button(key="dn2_create_go").click().run()
    assert "1 to 120 characters" in at.error[0].value
    assert names(store) == []


def test_a_card_shows_its_numbers(store, fake_encoder):
    filled(store, "Bolts", normals=22, scored=3)
    at = opened()
    card = store.projects()[0]
    assert any(f"22 normals · 3 scored · {card.flagged} flagged" == text for text in texts(at.main))
    assert any(text == "**Bolts**" for text in texts(at.main))


def test_open_leads_to_scores_or_first_to_normals(store, fake_encoder):
    full, empty = filled(store, "Full"), store.create("Empty")
    at = opened()
    at.button(key=f"dn2_open_{full.id}").click().run()
    assert at.query_params["project"] == full.id and at.title[0].value == "Score"
    at = opened()
    at.button(key=f"dn2_open_{empty.id}").click().run()
    assert at.query_params["project"] == empty.id and at.title[0].value == "Normals"


def test_rename(store):
    project = store.create("Old")
    at = opened()
    at.text_input(key=f"dn2_name_{project.id}").set_value("New")
    at.button(key=f"dn2_rename_go_{project.id}").click().run()
    assert names(store) == ["New"]
    assert any(text == "**New**" for text in texts(at.main))


def test_delete_and_undo(store):
    keep, drop = store.create("Keep"), store.create("Drop")
    at = opened(project=drop.id)
    at.button(key=f"dn2_delete_{drop.id}").click().run()
    assert names(store) == ["Keep"]
    assert any("**Drop** is in the trash" in text for text in texts(at.main))
    assert "project" not in at.query_params
    at.button(key="dn2_undo").click().run()
    assert names(store) == ["Drop", "Keep"]
    assert not any("is in the trash" in text for text in texts(at.main))
    assert keep.id in {card.id for card in store.projects()}


def test_the_trash_gives_back_later(store):
    project = store.create("Drop")
    store.delete(project.id)
    at = opened()
    at.button(key=f"dn2_restore_{project.id}").click().run()
    assert names(store) == ["Drop"]


def test_hostile_names_are_literal(store):
    store.create("<img src=x onerror=alert(1)> $x$ :material/home:")
    at = opened()
    assert not at.exception
    shown = " ".join(texts(at.main))
    assert "<img" not in shown.replace("\\<", "") and "$x$" not in shown and ":material/home:" not in shown


def test_the_demo_opens_on_its_scores(store, fake_encoder, monkeypatch):
    def open_demo(given):
        assert given is store or given.root == store.root
        return [filled(store, "Demo", normals=21, scored=2).id]

    monkeypatch.setitem(sys.modules, "dn2core.project.demo", SimpleNamespace(open_demo=open_demo))
    at = opened()
    at.button(key="dn2_demo").click().run()
    assert not at.exception
    assert at.title[0].value == "Score"
    assert at.query_params["project"] == store.projects()[0].id


def test_another_language_needs_no_change_of_the_page(store, tmp_path, monkeypatch):
    from tests.pages.test_text import pseudo_language

    pseudo_language(tmp_path / "locales", monkeypatch)
    at = opened(lang="pl")
    ours = [text for text in texts(at) if not text.startswith(("####", "###"))]
    assert len(ours) >= 5
    assert [text for text in ours if not text.startswith("⟦")] == []


def test_a_damaged_project_is_named_with_its_reason(store):
    project = store.create("Broken")
    (project.folder / "project.sqlite").write_bytes(b"no database" * 500)
    at = opened()
    assert not at.exception
    assert any("A project cannot be opened" in text and "damaged" in text for text in texts(at.main))
