"""Labels from a table: read as they are meant, never over what people said, all at once or not at all."""

import pytest

from dn2core.errors import Refused
from dn2core.project import run_pending
from dn2core.project.events import history
from dn2core.project.label_table import MEANINGS, apply_label_table, labels_from_table, read_folders, read_label_table
from dn2core.project.labels import Decision, labels, labels_of, set_label, set_labels
from tests.project.helpers import give, tiny


@pytest.fixture
def project(store, fake_encoder):
    project = store.create("Bolts")
    give(project, "normal", tiny(3))
    give(
        project, "scored", [(f"{lot}/{name}", data) for lot, (name, data) in zip("aabbc", tiny(5, seed=1), strict=True)]
    )
    run_pending(store)
    return project


@pytest.fixture
def ids(project):
    return project.snapshot().scored.ids.tolist()


def table(*lines: str, header: str = "file,label,note") -> bytes:
    return "\n".join([header, *lines]).encode()


def said(project) -> list[str]:
    return labels_of(project.snapshot().scored, labels(project)).tolist()


def test_a_table_is_read_without_a_word_written_and_then_applied(project):
    data = table("00000.png,OK,", "a/00001.jpg,nok,scratch", "c/00004.png,?,", "gone.png,good,", "gone.png,good,")
    preview = read_label_table(project, data)
    assert said(project) == [""] * 5 and history(project, kinds=("label",)) == []
    assert [(line.name, line.label, line.note) for line in preview.new] == [
        ("a/00000.png", "good", ""),
        ("a/00001.jpg", "defect", "scratch"),
        ("c/00004.png", "unsure", ""),
    ]
    assert (preview.known, preview.unknown, preview.ambiguous) == (3, ("gone.png",), ())
    assert preview.words == (("ok", "good", 1), ("nok", "defect", 1), ("?", "unsure", 1), ("good", "good", 2))
    done = apply_label_table(project, preview, author="Ada", source="truth.csv")
    assert len(done.written) == 3 and done.changed == done.gone == ()
    assert said(project) == ["good", "defect", "", "", "unsure"]
    event = history(project, kinds=("label",))[1]
    assert (event.author, event.details["note"], event.details["source"]) == ("Ada", "scratch", "truth.csv")
    assert event.details["name"] == "a/00001.jpg" and event.details["before"] is None


@pytest.mark.parametrize(("label", "words"), MEANINGS.items())
def test_plain_words_mean_what_people_mean(project, label, words):
    for word in (*words, f"  {words[0].upper()} "):
        assert [line.label for line in read_label_table(project, table(f"00000.png,{word},")).new] == [label]


def test_no_word_means_two_things():
    words = [word for of_label in MEANINGS.values() for word in of_label]
    assert len(words) == len(set(words)) and all(word == word.casefold() for word in words)


def test_what_people_said_stays_unless_the_file_is_preferred(project, ids):
    set_label(project, ids[0], "defect", note="rim", author="Ada")
    set_label(project, ids[1], "good", author="Ada")
    set_label(project, ids[2], "good", note="dust", author="Ada")
    data = table("00000.png,good,", "00001.jpg,good,fine", "00002.png,good,stain", "00003.jpg,good,")
    preview, done = labels_from_table(project, data, "Bob")
    assert [line.name for line in preview.conflicts] == ["a/00000.png", "b/00002.png"]
    assert [line.before.author for line in preview.conflicts] == ["Ada", "Ada"]
    assert len(done.written) == 2 and said(project) == ["defect", "good", "good", "good", ""]
    # A note where there was none is no conflict.
    assert {label.note for label in labels(project).values()} == {"rim", "fine", "dust", ""}
    preview, done = labels_from_table(project, data, "Bob", overwrite=True)
    assert (len(preview.new), len(preview.same), len(done.written)) == (0, 2, 2)
    assert said(project)[0] == "good" and labels(project)[3 + 1].author == "Bob"


def test_what_somebody_says_between_preview_and_apply_is_not_overwritten(project, ids):
    set_label(project, ids[1], "good", author="Ada")
    preview = read_label_table(
        project, table("00000.png,good,", "00001.jpg,defect,", "00002.png,good,", "00003.jpg,good,")
    )
    set_label(project, ids[0], "defect", author="Ada")
    set_label(project, ids[1], "unsure", author="Ada")
    with project.db.write() as db:
        db.execute("UPDATE items SET until = 1 WHERE id = ?", (ids[2],))
    done = apply_label_table(project, preview, overwrite=True)
    assert (done.written, done.changed, done.gone) == ((ids[3],), (ids[0], ids[1]), (ids[2],))
    assert [label.label for label in labels(project).values()] == ["defect", "unsure", "good"]


def test_a_name_that_fits_several_is_told_and_not_guessed(store, project):
    give(project, "scored", [("d/00000.png", tiny(1, seed=9)[0][1])])
    run_pending(store)
    preview = read_label_table(project, table("00000.png,good,", "d/00000.png,nok,"))
    assert preview.ambiguous == ("00000.png",) and preview.unknown == ()
    assert [(line.name, line.label) for line in preview.new] == [("d/00000.png", "defect")]
    assert read_label_table(project, table("00000.png,good,")).known == 0


def test_a_table_of_results_can_be_filled_in_here_and_there(project):
    preview = read_label_table(project, table("00000.png,,", "00001.jpg,good,", "nobody.png,,"))
    assert [line.name for line in preview.new] == ["a/00001.jpg"] and preview.unknown == ()


def test_an_image_twice_in_a_table_counts_once(project):
    preview = read_label_table(project, table("00000.png,good,", "a/00000.png,ok,fine"))
    assert [(line.name, line.note) for line in preview.new] == [("a/00000.png", "fine")]


@pytest.mark.parametrize(
    ("data", "code", "match"),
    [
        (b"", "CSV_EMPTY", "no line below its header"),
        (table(header="file,label"), "CSV_EMPTY", "file, label"),
        (table("00000.png,good", header="image,truth"), "CSV_HEADER", "columns file, label, got image,truth"),
        (table("00000.png,perhaps,"), "LABEL_WORD", "ok, .*for 00000.png, got perhaps"),
        (table("00000.png,,"), "LABEL_CELLS_EMPTY", "No line of the table has a label"),
        (table("x.png,good,", "y.png,nok,"), "LABELS_NONE_KNOWN", "None of 2 files.*instance x.png"),
        (table("00000.png,good,", "a/00000.png,nok,"), "CSV_CONFLICT", "listed twice, as good and as defect"),
        (table(f"00000.png,good,{'x' * 2001}"), "TEXT_TOO_LONG", "at most 2,000"),
        (b"PK\x03\x04", "CSV_NOT_TEXT", "workbook"),
    ],
)
def test_bad_tables_are_a_sentence_and_change_nothing(project, ids, data, code, match):
    set_label(project, ids[3], "good")
    with pytest.raises(Refused, match=match) as refused:
        labels_from_table(project, data)
    assert refused.value.code == code and said(project) == ["", "", "", "good", ""]


@pytest.mark.parametrize("bad", [{"label": "perhaps"}, {"label": "good", "note": "x" * 2001}])
def test_many_decisions_are_written_together_or_not_at_all(project, ids, bad):
    with pytest.raises(Refused):
        set_labels(project, [Decision(ids[0], "good"), Decision(ids[1], **bad)])
    assert said(project) == [""] * 5
    assert set_labels(project, [Decision(i, "good") for i in [*ids, 10**6]]).gone == (10**6,)
    assert said(project) == ["good"] * 5


def test_folders_that_are_named_like_labels(store, project, ids):
    names = ("x/good/1.png", "x\\NOK\\2.png", "1/3.png", "good.png", "lot good/5.png", "OK/old/6.png")
    give(project, "scored", [(name, data) for name, (_, data) in zip(names, tiny(6, seed=7), strict=True)])
    run_pending(store)
    found = read_folders(project)
    assert [(line.name.replace("\\", "/"), line.label) for line in found.new] == [
        ("x/good/1.png", "good"),
        ("x/NOK/2.png", "defect"),
    ]
    assert found.words == (("good", "good", 1), ("nok", "defect", 1))
    apply_label_table(project, found)
    assert dict(zip(project.snapshot().scored.names, said(project), strict=True)) == {
        **dict.fromkeys(project.snapshot().scored.names, ""),
        names[0]: "good",
        names[1]: "defect",
    }
    again = read_folders(project)
    assert (again.new, len(again.same), again.conflicts) == ((), 2, ())


def test_an_image_in_folders_that_disagree_is_told_nothing(store, project):
    one = tiny(1, seed=8)[0][1]
    give(project, "scored", [("good/1.png", one)])
    run_pending(store)
    with project.db.write() as db:  # the intake would call it a duplicate
        db.execute(
            "INSERT INTO items(role, image_id, name, batch_id, added) SELECT role, image_id, 'nok/1.png', batch_id, 0"
            " FROM items WHERE name = 'good/1.png'"
        )
    found = read_folders(project)
    assert found.new == () and found.ambiguous == ("nok/1.png",)
