"""CSV: the numbers come back, hostile names stay text, every row names its judge."""

import csv
import io
import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from dn2core.detect import Bank, judge, leave_one_out
from dn2core.project import Settings
from dn2core.project.events import Event
from dn2core.project.labels import Label
from dn2core.report import history_csv, results_csv
from dn2core.report.csv import text_cell

NORMALS = np.array([[0, 0], [1, 0], [0, 1], [3, 4]], np.float32)
SCORED = np.array([[0, 0], [-3, -4], [0.5, 0]], np.float32)
NAMES = ("a.jpg", "=cmd|' /C calc'!A0", 'q"uo,te\nline.jpg')


class Scored:
    def __init__(self, names):
        self.names, self.lots, self.image_ids = names, ("=7", None, "8"), np.array([4, 5, 6])

    def __len__(self):
        return len(self.names)


def case(names=NAMES, normals=NORMALS, k=2):
    bank = Bank(normals)
    loo = leave_one_out(bank, 50) if len(normals) > 1 else None
    found = bank.search(SCORED, 50)
    snapshot = SimpleNamespace(
        normals=SimpleNamespace(names=tuple(f"normal {i}.png" for i in range(len(normals)))),
        scored=Scored(names),
        found=found,
        state=SimpleNamespace(fingerprint="12ab34cd", version=3),
    )
    return snapshot, judge(loo, found, k=k)


def rows_of(data: bytes) -> list[dict]:
    return list(csv.DictReader(io.StringIO(data.decode("utf-8"), newline="")))


def test_columns_and_rows_worked_out_by_hand():
    snapshot, judged = case()
    rows = rows_of(results_csv(snapshot, judged))
    assert list(rows[0]) == [
        *("file", "lot", "score", "percentile", "spacing_multiple", "verdict", "label", "note", "labelled_by"),
        *("k", "score_form", "threshold", "reject_threshold", "false_alarm_budget"),
        *("neighbour_1", "distance_1", "neighbour_2", "distance_2", "fingerprint", "normals_version"),
    ]
    assert [row["lot"] for row in rows] == ["'=7", "", "8"]
    assert [row["spacing_multiple"] for row in rows] == [str(round(one, 4)) for one in np.sqrt([0.5, 28.5, 0.25])]
    assert [row["score"] for row in rows] == ["0.5", "28.5", "0.25"]
    # (-3, -4) lies 5 from (0, 0) and the root of 32 from (1, 0)
    assert (rows[1]["neighbour_1"], rows[1]["distance_1"]) == ("normal 0.png", "5.0")
    assert (rows[1]["neighbour_2"], rows[1]["distance_2"]) == ("normal 1.png", str(np.sqrt(np.float32(32))))
    assert {row["threshold"] for row in rows} == {str(np.float32(judged.limit))}
    assert [row["verdict"] for row in rows] == list(judged.verdicts)
    assert {(row["k"], row["fingerprint"], row["normals_version"]) for row in rows} == {("2", "12ab34cd", "3")}


def test_the_most_unusual_place_of_each_image_stands_last():
    snapshot, judged = case()
    places = SimpleNamespace(scores=np.array([0.5, np.nan, 2.25]), limit=2.0, flagged=np.array([False, False, True]))
    rows = rows_of(results_csv(snapshot, judged, positions=[2, 1, 0], findings=[(), (), ()], patches=places))
    assert list(rows[0])[-4:] == ["capture", "place_score", "place_limit", "place_flagged"]
    assert [(row["place_score"], row["place_limit"], row["place_flagged"]) for row in rows] == [
        ("2.25", "2.0", "1"),
        ("", "2.0", ""),
        ("0.5", "2.0", "0"),
    ]


def test_what_people_said_stands_beside_the_verdict():
    snapshot, judged = case()
    labels = {5: Label(5, "defect", "=cmd()", "@Ada", 0.0, 1)}
    rows = rows_of(results_csv(snapshot, judged, labels=labels))
    assert [row["label"] for row in rows] == ["", "defect", ""]
    assert (rows[1]["note"], rows[1]["labelled_by"]) == ("'=cmd()", "'@Ada")


def test_the_history_is_a_table_too():
    event = Event(3, 0.0, "=Ada", "label", 2, Settings(), 5, {"label": "good", "name": 'q"uo,te'})
    [row] = rows_of(history_csv([event]))
    assert (row["time"], row["author"], row["kind"]) == ("1970-01-01T00:00:00+00:00", "'=Ada", "label")
    assert json.loads(row["details"]) == event.details and json.loads(row["settings"])["k"] == 2


def test_every_number_comes_back_bit_for_bit():
    snapshot, judged = case(k=3)
    rows = rows_of(results_csv(snapshot, judged))
    assert np.array_equal(np.array([row["score"] for row in rows]).astype(np.float32), judged.scores)
    distances = np.array([[row[f"distance_{i}"] for i in (1, 2, 3)] for row in rows]).astype(np.float32)
    assert np.array_equal(distances, np.sqrt(snapshot.found.distances[:, :3].astype(float)).astype(np.float32))


def test_positions_choose_and_order_the_rows():
    snapshot, judged = case()
    rows = rows_of(results_csv(snapshot, judged, positions=np.array([1, 0])))
    assert [row["score"] for row in rows] == ["28.5", "0.5"]
    assert rows_of(results_csv(snapshot, judged, positions=np.array([], np.int64))) == []


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "\0"])
def test_text_that_begins_like_a_formula_is_disarmed(start):
    assert text_cell(f"{start}1+1") == f"'{start}1+1"
    snapshot, judged = case(names=(f"{start}HYPERLINK('x')", "b", "c"))
    assert rows_of(results_csv(snapshot, judged))[0]["file"] == f"'{start}HYPERLINK('x')"


@pytest.mark.parametrize(
    "name", ["a=b.jpg", "ordner/größe 1.png", "画像,1.png", 'say "hi".png', "two\nlines", "", "'x"]
)
def test_other_names_come_back_as_they_are(name):
    snapshot, judged = case(names=(name, "b", "c"))
    assert rows_of(results_csv(snapshot, judged))[0]["file"] == name


def test_numbers_are_never_disarmed():
    snapshot, judged = case()
    judged = replace(judged, scores=np.array([-0.25, 1, 2], np.float32))
    assert rows_of(results_csv(snapshot, judged))[0]["score"] == "-0.25"


def test_a_single_normal_leaves_threshold_and_percentile_empty():
    snapshot, judged = case(normals=NORMALS[:1])
    row = rows_of(results_csv(snapshot, judged))[0]
    assert (row["threshold"], row["percentile"], row["verdict"], row["k"]) == ("", "", "review", "1")


def test_k_is_the_one_that_was_used():
    snapshot, judged = case(k=50)
    row = rows_of(results_csv(snapshot, judged))[0]
    assert row["k"] == "3" and "neighbour_3" in row and "neighbour_4" not in row


def test_bom_only_when_asked():
    snapshot, judged = case()
    assert results_csv(snapshot, judged, bom=True) == b"\xef\xbb\xbf" + results_csv(snapshot, judged)


def test_a_name_that_is_not_utf8_does_not_stop_the_file():
    snapshot, judged = case(names=("bad\udcff.jpg", "b", "c"))
    assert b"bad\\udcff.jpg" in results_csv(snapshot, judged)
