"""Tables from people and their spreadsheets: read as they are meant, or refused with what to mend."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dn2core.errors import Refused
from dn2core.ingest import table
from dn2core.ingest.table import match_names, read_table
from dn2core.report.csv import text_cell

ROWS = [{"file": "a.png", "label": "good", "note": ""}, {"file": "é/b.png", "label": "defect", "note": "a, b; c"}]
PLAIN = 'file,label,note\na.png,good,\né/b.png,defect,"a, b; c"\n'


def read(text, encoding="utf-8"):
    return read_table(text.encode(encoding), ("file", "label"), ("note",))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_encodings_and_line_ends(encoding, end):
    assert read(PLAIN.replace("\n", end), encoding) == ROWS


@pytest.mark.parametrize(
    "text",
    [
        PLAIN,
        'File ; LABEL;note\na.png;good;\né/b.png;defect;"a, b; c"',
        'sep=;\nfile;label;note\na.png;good;\né/b.png;defect;"a, b; c"',
        "file\tlabel\tnote\na.png\tgood\t\né/b.png\tdefect\ta, b; c\n",
        '\n\n"file","label","note"\n\n a.png , good \n,,\né/b.png,defect,"a, b; c",,\n\n',
        'note,by,label,file\n,x,good,a.png\n"a, b; c",y,defect,é/b.png\n',
    ],
)
def test_forms_that_mean_the_same(text):
    assert read(text) == ROWS


def test_columns_that_may_be_missing():
    assert read("file,label\na.png,good\n") == ROWS[:1]
    assert read_table(b"file\na;b.png\n", ("file",)) == [{"file": "a;b.png"}]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name,label\na,b\n", "the columns file, label, got name,label"),
        ("a.png,good\nb.png,good\n", "got a.png,good"),
        ("file,label,label\na,b,c\n", "got file,label,label"),
        ("file,label,note,note\na,b,c,d\n", "got file,label,note,note"),
        ("file|label\na|b\n", "separated by comma, semicolon or tab"),
        ("", "no line below its header. Expected the columns file, label"),
        (" \n\n", "no line below its header"),
        ("sep=;\n", "got sep=;"),
        ("file,label\n", "no line below its header"),
        ("file,label\n,\n", "no line below its header"),
        ("file,label\na,good\nb\n", "Expected a label in every line, but line 3 has none"),
        ("file,label\na,good\n\n ,good\n", "Expected a file in every line, but line 4 has none"),
        ('sep=,\nfile,label\n"a\nb",good\nc,\n', "line 5 has none"),
        ("file,label\na,b.png,good\n", "Line 2 has 3 cells, but the header has 2"),
        ('file,label\nx,good\n"a,good\nb,good\n', "around line 3: unexpected end of data"),
        ('file,label\n"a"b,good\n', "around line 2"),
        ("file,label\n" + "x" * 200_000 + ",good\n", "around line 2: field larger than field limit"),
    ],
)
def test_bad_tables_are_refused_with_what_to_mend(text, said):
    with pytest.raises(Refused) as refused:
        read(text)
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"PK\x03\x04rest", "a workbook or ZIP archive"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", "an old workbook"),
        (b"%PDF-1.7", "a PDF"),
        (b"file,label\n\0,good\n", "stand for no letters"),
        (b"\x81\x8d\n", "stand for no letters"),
        (b"\xff\xfea", "stand for no letters"),
        (b"\xef\xbb\xbffile,label\n\xe9,good\n", "stand for no letters"),
        (b"\xff\xfe\0\0f\0\0\0", "stand for no letters"),
    ],
)
def test_what_is_no_text_is_refused(data, found):
    with pytest.raises(Refused, match="not a text table but") as refused:
        read_table(data, ("file", "label"))
    assert found in str(refused.value)


def test_tables_without_end_are_refused(monkeypatch):
    monkeypatch.setattr(table, "MOST_BYTES", 30)
    monkeypatch.setattr(table, "MOST_LINES", 4)
    assert len(read("file,label\na,b\nc,d\ne,f\n")) == 3
    with pytest.raises(Refused, match="more than 4 lines"):
        read("file,label\na,b\nc,d\ne,f\ng,h\n")
    with pytest.raises(Refused, match="more than 30 bytes"):
        read("file,label\n" + "a" * 20)


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=12)
# An apostrophe before what begins like a formula is a spreadsheet's own way to say text.
PLAIN_TEXT = TEXT.map(str.strip).filter(lambda text: text and not text.startswith("'") and text != "\ufeff")


@given(st.lists(st.tuples(PLAIN_TEXT, PLAIN_TEXT), min_size=1, max_size=5), st.sampled_from(",;\t"))
def test_what_was_written_is_read(pairs, separator):
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=separator)
    writer.writerow(("file", "label"))
    writer.writerows([text_cell(cell) for cell in pair] for pair in pairs)
    rows = read_table(out.getvalue().encode(), ("file", "label"))
    assert [(row["file"], row["label"]) for row in rows] == pairs


@given(st.binary(max_size=60))
def test_any_bytes_are_rows_or_a_sentence(data):
    for start in (b"", b"file,label\n"):
        try:
            rows = read_table(start + data, ("file", "label"))
        except Refused as refused:
            assert str(refused)
        else:
            assert all(row["file"] and row["label"] for row in rows)


NAMES = ["a/1.png", "b/1.png", "b/2.png", "3.png", "c/3.png", "twice.png", "twice.png", "cafe\u0301/é.png", "b/c/2.png"]


@pytest.mark.parametrize(
    ("wanted", "at"),
    [
        ("a/1.png", 0),
        ("./a//1.png", 0),
        ("a\\1.png", 0),
        ("C:\\data\\a\\1.png", 0),
        ("/data/b/2.png", 2),
        ("3.png", 3),
        ("c/3.png", 4),
        ("café/e\u0301.png", 7),
        ("é.png", 7),
        ("c/2.png", 8),
        ("x/1.png", -1),
        ("A/1.png", -1),
        ("1", -1),
        ("", -1),
        ("/", -1),
        ("b", -1),
    ],
)
def test_a_name_finds_its_file_or_none(wanted, at):
    assert match_names([wanted], NAMES) == ([at], [])


@pytest.mark.parametrize("wanted", ["1.png", "2.png", "twice.png", "x/twice.png", "/data/c/3.png"])
def test_a_name_of_several_files_is_said(wanted):
    assert match_names([wanted, "a/1.png"], NAMES) == ([-1, 0], [wanted])


PARTS = st.lists(st.sampled_from("abc"), max_size=4).map(tuple)


@given(st.lists(PARTS, max_size=6), st.lists(PARTS, max_size=12))
def test_names_against_the_plain_rule(wanted, names):
    def all_of(path):
        if exact := [at for at, name in enumerate(names) if name == path]:
            return exact if path else []
        short = lambda a, b: a and b and a[-len(b) :] == b  # noqa: E731
        return [at for at, name in enumerate(names) if short(name, path) or short(path, name)]

    positions, ambiguous = match_names(["/".join(path) for path in wanted], ["/".join(name) for name in names])
    fits = [all_of(path) for path in wanted]
    assert positions == [found[0] if len(found) == 1 else -1 for found in fits]
    assert ambiguous == ["/".join(path) for path, found in zip(wanted, fits, strict=True) if len(found) > 1]
