"""`bench compare`: detectors on a project, here in this process instead of one of their own."""

import pytest

from dn2core.cli import main
from dn2core.cli.main import SECONDS
from dn2core.detect.baselines import DETECTORS, Training, fitted
from dn2core.project import Store, comparing, run_pending
from dn2core.project.comparing import newest_comparison
from dn2core.project.detector_process import Outcome
from dn2core.project.labels import Decision, set_labels
from tests.project.helpers import give


@pytest.fixture
def project(tmp_path, monkeypatch, fake_encoder, picture):
    """Thirty normals, six good parts and six darker defects, not labelled yet; "pca" fails."""
    monkeypatch.setenv("DN2_DATA", str(tmp_path / "data"))
    store = Store(tmp_path / "data")
    project = store.create("Gravel")
    give(project, "normal", [(f"n{i:02}.png", picture(i)) for i in range(30)])
    shades = [128] * 6 + [90] * 6
    give(project, "scored", [(f"s{i:02}.png", picture(500 + i, shade=shade)) for i, shade in enumerate(shades)])
    run_pending(store)

    def here(name, normals, queries, *, seconds, tell):
        if name == "pca":
            return Outcome(None, "DETECTOR_OUT_OF_TIME", {"seconds": 3})
        scores = fitted(DETECTORS[name], normals, Training())(queries)
        return Outcome(scores, fit_seconds=0.25, score_seconds=0.12, memory_bytes=3_000_000, notes={"parts": 4})

    monkeypatch.setattr(comparing, "run_detector", here)
    return project


def test_a_table_of_agreement_then_of_areas_and_all_is_kept(project, capsys):
    assert main(["bench", "compare", "Gravel", "--detectors", "lof", "dn2", "pca"]) == 0
    out = capsys.readouterr().out
    assert "fitted on 30 normals (version 1), 12 scored images, 0 good, 0 defects" in out
    assert "there is no ROC AUC" in out
    dn2, pca = (line for line in out.splitlines() if line.startswith(("DN2", "PCA")) and "  " in line)
    assert dn2.split() == ["DN2", "(recommended)", "-", "-", "1.00", dn2.split()[-4], "0.2", "10.00", "3"]
    assert pca.split() == ["PCA", "reconstruction", *"-" * 7]
    assert "PCA reconstruction: The detector had no result after 3 s" in out and "LOF: 4 centres" in out

    ids = project.snapshot().scored.ids
    set_labels(project, [Decision(int(item), "good" if i < 6 else "defect") for i, item in enumerate(ids)])
    assert main(["bench", "compare", project.id, "--detectors", "k_means", "--backbones"]) == 0
    out = capsys.readouterr().out
    assert "6 good, 6 defects" in out and "there is no ROC AUC" not in out
    assert "100.0 (100.0 to 100.0)" in out and "+0.0 (+0.0 to +0.0)" in out
    assert list(newest_comparison(project).entries) == ["dn2", "pca", "k_means", "lof"]


def test_nothing_but_failures_is_a_bad_result(project, capsys):
    assert main(["bench", "compare", "Gravel", "--detectors", "pca"]) == 1
    assert "had no result" in capsys.readouterr().out


def test_wrong_names_are_sentences_before_anything_runs(project, capsys):
    assert main(["bench", "compare", "Gravel", "--detectors", "pca", "nearest"]) == 2
    assert "Expected a detector out of dn2_paper, dn2" in capsys.readouterr().err
    assert main(["bench", "compare", "Sand", "--detectors", "pca"]) == 2
    assert "Gravel" in capsys.readouterr().err
    assert main(["bench", "compare", "Gravel", "--seconds", "-1"]) == 2
    assert "above 0" in capsys.readouterr().err
    assert newest_comparison(project) is None


def test_the_default_of_the_parser_is_the_jobs():
    assert SECONDS == comparing.SECONDS
