"""Labels from a table that somebody brings (file, label and, if they like, a note) or from the folders' names.

Reading writes nothing: it tells what is new, what contradicts a label in force, and what fits no image.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dn2core.errors import Refused
from dn2core.ingest.names import show
from dn2core.ingest.table import match_names, read_table
from dn2core.project.events import checked_note
from dn2core.project.labels import DEFECT, GOOD, UNSURE, Decision, Label, Written, labels, set_labels

if TYPE_CHECKING:
    from dn2core.project.project import Project

MEANINGS = {
    GOOD: ("good", "good part", "ok", "okay", "normal", "pass", "passed", "io", "i.o.", "0"),
    DEFECT: ("defect", "defective", "bad", "nok", "not ok", "ng", "fail", "failed", "nio", "n.i.o.", "anomalous", "1"),
    UNSURE: ("unsure", "unclear", "unknown", "?"),
}
_NUMBERS = ("0", "1")  # as folders they may be anything
_MEANING = {word: label for label, words in MEANINGS.items() for word in words}


@dataclass(frozen=True)
class Line:
    """What the table says of one scored image, and what is said of it now."""

    item_id: int
    name: str  # as the project has it
    label: str  # "good", "defect" or "unsure"
    note: str
    before: Label | None


@dataclass(frozen=True)
class LabelTable:
    """A table of labels beside a project's scored images. An image that stands in it twice counts once."""

    new: tuple[Line, ...]  # nobody said anything yet, or the same without a note
    same: tuple[Line, ...]  # said already
    conflicts: tuple[Line, ...]  # people said something else, or the same with another note
    unknown: tuple[str, ...]  # files that are not among the scored images
    ambiguous: tuple[str, ...]  # files that could be several of them
    words: tuple[tuple[str, str, int], ...]  # each word of the table, what it was taken for, and how often

    @property
    def known(self) -> int:
        """Images that the table tells something about."""
        return len(self.new) + len(self.same) + len(self.conflicts)


def read_label_table(project: "Project", data: bytes) -> LabelTable:
    """A CSV file as `read_table` takes it, with the columns file and label, and a note if there is one.

    Labels are words of `MEANINGS` in any case. Lines without one say nothing, so that a table of results can be
    filled in here and there.

    Raises:
        Refused: as `read_table`; LABEL_CELLS_EMPTY, LABEL_WORD, TEXT_TOO_LONG for a note; CSV_CONFLICT where an image
            stands in it twice with different labels; LABELS_NONE_KNOWN where no file is found.
    """
    rows = [(row["file"], row["label"], _meant(row), checked_note(row["note"])) for row in _rows(data)]
    items = _scored_items(project)
    files = [file for file, *_ in rows]
    positions, ambiguous = match_names(files, [item["name"] for item in items])
    several = dict.fromkeys(ambiguous)
    unknown = dict.fromkeys(file for file, at in zip(files, positions, strict=True) if at < 0 and file not in several)
    told: dict[int, tuple] = {}  # by image: its item, label and note
    for (file, _, label, note), at in zip(rows, positions, strict=True):
        if at < 0:
            continue
        item, before, said = told.get(items[at]["image_id"], (items[at], label, ""))
        if before != label:
            raise Refused("CSV_CONFLICT", file=show(file), first=before, second=label)
        told[items[at]["image_id"]] = (item, label, said or note)
    if not told and not several:
        raise Refused("LABELS_NONE_KNOWN", count=len(unknown), example=show(next(iter(unknown))))
    new, same, conflicts = _beside(labels(project), told)
    return LabelTable(new, same, conflicts, tuple(unknown), tuple(several), _counted(rows))


def read_folders(project: "Project") -> LabelTable:
    """What the folders say in which scored images came: test/good/7.png is good. Empty where none says anything.

    An image that lies in a folder of each kind is told nothing.
    """
    told: dict[int, tuple] = {}
    rows, several = [], {}
    for item in _scored_items(project):
        word = _folder(item["name"])
        label = _MEANING.get(word) if word not in _NUMBERS else None
        if label is None:
            continue
        rows.append((item["name"], word, label, ""))
        if told.setdefault(item["image_id"], (item, label, ""))[1] != label:
            several[item["image_id"]] = item["name"]
    for image_id in several:
        del told[image_id]
    new, same, conflicts = _beside(labels(project), told)
    return LabelTable(new, same, conflicts, (), tuple(several.values()), _counted(rows))


def apply_label_table(
    project: "Project", table: LabelTable, *, author: str = "", overwrite: bool = False, source: str = ""
) -> Written:
    """Write what is new, all at once; where people said something else only with `overwrite`.

    What somebody said since the table was read is never overwritten.

    Args:
        source: the file's name, for the history.
    """
    lines = table.new + (table.conflicts if overwrite else ())
    decisions = [
        Decision(line.item_id, line.label, line.note, seen=line.before.event_id if line.before else 0) for line in lines
    ]
    return set_labels(project, decisions, author=author, source=source)


def labels_from_table(
    project: "Project", data: bytes, author: str = "", *, overwrite: bool = False, source: str = ""
) -> tuple[LabelTable, Written]:
    """Read a table and write what it says: see `read_label_table` and `apply_label_table`."""
    table = read_label_table(project, data)
    return table, apply_label_table(project, table, author=author, overwrite=overwrite, source=source)


def _scored_items(project: "Project") -> list:
    with project.db.read() as db:
        return db.execute(
            "SELECT id, image_id, name FROM items WHERE role = 'scored' AND until IS NULL ORDER BY id"
        ).fetchall()


def _folder(name: str) -> str:
    """The innermost folder, folded; "" for none."""
    return " ".join(name.replace("\\", "/").rpartition("/")[0].rpartition("/")[2].casefold().split())


def _rows(data: bytes) -> list[dict[str, str]]:
    try:
        return read_table(data, ("file", "label"), ("note",))
    except Refused as error:
        if error.code != "CSV_CELL_EMPTY" or error.params["column"] != "label":
            raise
    rows = [row for row in read_table(data, ("file",), ("label", "note")) if row["label"]]
    if not rows:
        raise Refused("LABEL_CELLS_EMPTY")
    return rows


def _meant(row: dict[str, str]) -> str:
    word = " ".join(row["label"].casefold().split())
    if word not in _MEANING:
        known = ", ".join(other for label, words in MEANINGS.items() for other in words if other != label)
        raise Refused("LABEL_WORD", known=known, file=show(row["file"]), word=show(row["label"]))
    return _MEANING[word]


def _beside(known: dict[int, Label], told: dict[int, tuple]) -> tuple[tuple[Line, ...], ...]:
    """What is new, the same and in conflict."""
    new, same, conflicts = [], [], []
    for image_id, (item, label, note) in told.items():
        before = known.get(image_id)
        if before is None:
            where = new
        elif before.label != label:
            where = conflicts
        elif note in ("", before.note):
            where = same
        else:
            where = conflicts if before.note else new
        where.append(Line(item["id"], item["name"], label, note, before))
    return tuple(new), tuple(same), tuple(conflicts)


def _counted(rows: list[tuple]) -> tuple[tuple[str, str, int], ...]:
    counts: dict[tuple[str, str], int] = {}
    for _, word, label, _ in rows:
        counts[word.casefold(), label] = counts.get((word.casefold(), label), 0) + 1
    return tuple((word, label, count) for (word, label), count in counts.items())
