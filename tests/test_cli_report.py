"""`report`: the files hold what the snapshot says; what cannot be done is a sentence."""

import csv
import io
from dataclasses import replace

import pytest

from dn2core.cli import main
from dn2core.project import Store, run_pending
from dn2core.project.events import history
from dn2core.project.labels import set_label
from tests.project.helpers import give


@pytest.fixture
def project(tmp_path, monkeypatch, fake_encoder, picture):
    """24 normals, and a dark image that was called a defect."""
    monkeypatch.setenv("DN2_DATA", str(tmp_path / "data"))
    store = Store(tmp_path / "data")
    project = store.create("Bracket")
    give(project, "normal", [(f"n{i:02}.png", picture(i)) for i in range(24)])
    give(project, "scored", [("alike.png", picture(100)), ("dark.png", picture(101, shade=20))])
    run_pending(store)
    set_label(project, int(project.snapshot().scored.ids[1]), "defect", author="Ada")
    return project


def test_the_report_and_the_table_beside_it(project, tmp_path, capsys):
    page, table = tmp_path / "report.html", tmp_path / "results.csv"
    assert main(["report", "Bracket", "--html", str(page), "--csv", str(table)]) == 0
    out = capsys.readouterr().out
    judged = project.snapshot().judge()
    assert f"Bracket: {judged.flagged.sum()} of 2 flagged" in out
    assert f"Report: {page}" in out and f"Results: {table}" in out
    text = page.read_text(encoding="utf-8")
    assert text.startswith("<!") and "dark.png" in text and "confirmed defect" in text
    rows = list(csv.DictReader(io.StringIO(table.read_text(encoding="utf-8"))))
    assert [(row["file"], row["verdict"], row["label"]) for row in rows] == [
        ("alike.png", judged.verdicts[0], ""),
        ("dark.png", judged.verdicts[1], "defect"),
    ]


def test_a_state_of_the_past_is_reported_as_it_was(project, tmp_path, capsys):
    page, table = tmp_path / "report.html", tmp_path / "results.csv"
    entry = history(project)[0].id
    set_label(project, int(project.snapshot().scored.ids[1]), "good")
    project.save_settings(replace(project.settings(), k=7))
    assert main(["report", project.id, "--html", str(page), "--csv", str(table), "--state", str(entry)]) == 0
    assert "at k = 2" in capsys.readouterr().out
    assert [row["label"] for row in csv.DictReader(io.StringIO(table.read_text()))] == ["", "defect"]
    assert main(["report", "Bracket", "--html", str(page)]) == 0
    assert "at k = 7" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["Nuts", "--html", "r.html"], "got Nuts. Projects: Bracket."),
        (["Bracket", "--html", "r.html", "--state", "999"], "The entry of the history was not found"),
        (["Bracket", "--html", "no/such/folder/r.html"], "No such file or directory"),
    ],
)
def test_what_cannot_be_done_is_a_sentence(project, tmp_path, monkeypatch, capsys, arguments, sentence):
    monkeypatch.chdir(tmp_path)
    assert main(["report", *arguments]) == 2
    assert sentence in capsys.readouterr().err
    assert not (tmp_path / "r.html").exists()


def test_without_normals_there_is_nothing_to_report(project, tmp_path, capsys):
    Store(project.folder.parents[1]).create("Empty")
    assert main(["report", "Empty", "--html", str(tmp_path / "r.html")]) == 2
    assert "no normal" in capsys.readouterr().err.lower()
