"""Compare: which detector is ahead as far as labels tell, where they disagree, and the run that finds out."""

from dataclasses import replace

import numpy as np
import pytest

from dn2core.detect.baselines import DETECTORS
from dn2core.explore.bootstrap import Estimate
from dn2core.explore.comparison import Compared, Standing
from dn2core.project import comparing, run_pending
from dn2core.project.comparing import Entry, compare, newest_comparison
from dn2core.project.detector_process import Outcome
from dn2core.project.events import history
from dn2core.project.labels import set_label
from dn2core.project.normals import remove_normals
from pages.parts.compare_words import answer_words
from tests.pages.app import filled, give, jpeg, opened, texts
from tests.pages.test_score import shade

NAMES = ["dn2_paper", "dn2", "pca", "lof"]


@pytest.fixture
def detectors(monkeypatch):
    """Detectors that score at once: DN2 by each image's place, the others as told."""
    scores = {"dn2": lambda q: np.arange(q, dtype=np.float64), "lof": lambda q: -np.arange(q, dtype=np.float64)}

    def run(name, normals, queries, *, seconds, tell=None, seed=0):
        if name == "pca":
            return Outcome(None, "DETECTOR_OUT_OF_TIME", {"seconds": seconds})
        row = scores.get(name, scores["dn2"])(len(queries))
        return Outcome(row, fit_seconds=0.25, score_seconds=0.01, memory_bytes=3_000_000, notes={"epochs": 7})

    monkeypatch.setattr(comparing, "run_detector", run)


@pytest.fixture
def galleries(monkeypatch):
    """What each gallery was given, by the start of its key; nothing is opened."""
    seen = {}
    monkeypatch.setattr(
        "pages.parts.components.gallery.gallery",
        lambda **given: seen.update({given["key"].rpartition("_")[0]: given}),
    )
    return seen


@pytest.fixture
def project(store, fake_encoder):
    project = filled(store, "Bolts", 24)
    give(project, "scored", [*(jpeg(1000 + seed) for seed in range(6)), *(shade(n, 30) for n in (1, 2))])
    run_pending(store)
    return project


def words(at) -> str:
    return " ".join(texts(at.main))


def label_all(project) -> None:
    """The last two are defects."""
    ids = project.snapshot().scored.ids.tolist()
    for at, item in enumerate(ids):
        set_label(project, item, "defect" if at >= len(ids) - 2 else "good", author="Ada")


def table(at):
    return at.dataframe[0].value.set_index("Detector")


def test_the_next_step_is_named(store, fake_encoder):
    assert "No project is open" in words(opened("compare"))
    assert "No normals yet" in words(opened("compare", project=store.create("Nuts").id))
    assert "No images are scored yet" in words(opened("compare", project=filled(store, "Bolts", 3).id))


def test_a_comparison_is_asked_for_and_runs_in_the_background(store, project, detectors, galleries):
    at = opened("compare", project=project.id)
    assert not at.exception and not at.error and not at.dataframe
    at.pills(key=f"dn2_compare_quick_{project.id}").set_value(["pca", "lof"]).run()
    at.pills(key=f"dn2_compare_trained_{project.id}").set_value(["geom"]).run()
    assert "1 training: 2 min at most" in words(at)
    at.button(key="dn2_compare_go").click().run()
    [job] = project.jobs.active(project.id)
    assert job.kind == "compare" and job.args == {"names": ["dn2", "pca", "lof", "geom"], "seconds": 120.0}
    assert at.button(key="dn2_compare_go").disabled
    run_pending(store)
    at = opened("compare", project=project.id)
    assert list(table(at).index) == [DETECTORS[name].title for name in ("dn2", "pca", "lof", "geom")]


def test_without_labels_it_tells_how_far_they_agree(project, detectors, galleries):
    compare(project, NAMES)
    at = opened("compare", project=project.id)
    assert not at.exception and not at.error
    assert "No labels, so nobody can say which is right" in words(at) and "LOF agrees least with DN2" in words(at)
    rows = table(at)
    assert "ROC AUC" not in rows and rows.loc["LOF", "Agrees with DN2"] == "-1.00"
    assert rows.loc["DN2 (paper)", "Agrees with DN2"] == "1.00" and rows.loc["LOF", "To know"] == "7 epochs"
    assert "PCA" in words(at) or "PCA reconstruction" in rows.index
    assert rows.loc["PCA reconstruction", "Fit"] == "–" and "time" in rows.loc["PCA reconstruction", "To know"]
    assert rows.loc["LOF", ["Fit", "Memory"]].tolist() == ["0.25 s", "3.0 MB"]
    ids = project.snapshot().scored.ids.tolist()
    assert galleries["dn2_disagree_0"]["ids"][0] == ids[0] and galleries["dn2_disagree_1"]["ids"][0] == ids[-1]
    assert galleries["dn2_disagree_0"]["captions"][0] == "rank 1 · DN2 8"
    assert galleries["dn2_disagree_1"]["captions"][0] == "rank 8 · DN2 1"


def test_labels_say_who_is_ahead(project, detectors, galleries):
    label_all(project)
    compare(project, NAMES)
    at = opened("compare", project=project.id)
    assert "Too few labels to tell which is right: 10 of each kind" in words(at)
    assert "DN2 1.000, best of the others DN2" in words(at)
    rows = table(at)
    assert rows.loc["LOF", "ROC AUC"][0] == "0"
    assert rows.loc["DN2 (paper)", "ROC AUC"] == "1.000 (no overlap)"
    assert rows.loc["LOF", "Beside DN2"].startswith("open: −1.000")
    assert "6 known good parts and 2 known defects" in words(at)


def test_the_address_names_the_detector_beside_dn2(project, detectors, galleries):
    compare(project, NAMES)
    at = opened("compare", project=project.id, beside="dn2_paper")
    assert at.selectbox(key=f"dn2_beside_{project.id}").value == "dn2_paper"
    assert "Both put all images in the same order" in words(at) and not galleries
    at.selectbox(key=f"dn2_beside_{project.id}").set_value("lof").run()
    assert at.query_params["beside"] == "lof" and set(galleries) == {"dn2_disagree_0", "dn2_disagree_1"}
    at = opened("compare", project=project.id, beside="<b>no</b>")
    assert not at.exception and at.selectbox(key=f"dn2_beside_{project.id}").value == "lof"


def test_a_picture_opens_and_an_unknown_one_is_refused(project, detectors):
    compare(project, NAMES)
    item = int(project.snapshot().scored.ids[0])
    at = opened("compare", project=project.id, image=str(item))
    assert not at.exception and not at.error and not at.dataframe
    assert "The image was not found" in words(opened("compare", project=project.id, image="999999"))


def test_changed_normals_and_a_state_of_the_past(project, detectors, galleries):
    compare(project, NAMES)
    remove_normals(project, [int(project.snapshot().normals.ids[0])])
    at = opened("compare", project=project.id)
    assert "The normals have changed since" in words(at) and at.button(key="dn2_compare_go")
    at = opened("compare", project=project.id, state="1")
    assert not at.exception and not [one for one in at.button if one.key == "dn2_compare_go"]


def test_a_state_of_the_past_without_a_comparison_says_why_there_is_no_way_on(project):
    at = opened("compare", project=project.id, state=str(history(project, newest=1)[0].id))
    assert not at.exception and "In a state of the past nothing can be begun" in words(at)


def test_what_is_there_is_not_proposed_again(store, project, detectors, galleries):
    compare(project, ["dn2", "lof"])
    at = opened("compare", project=project.id)
    quick = at.pills(key=f"dn2_compare_quick_{project.id}").value
    assert "pca" in quick and not {"dn2", "lof"} & set(quick)
    at.pills(key=f"dn2_compare_quick_{project.id}").set_value(["pca"]).run()
    at.button(key="dn2_compare_go").click().run()
    assert project.jobs.active(project.id)[0].args["names"] == ["pca"]
    give(project, "scored", [jpeg(77)])
    run_pending(store)
    at = opened("compare", project=project.id)
    assert {"dn2", "lof"} < set(at.pills(key=f"dn2_compare_quick_{project.id}").value)


def test_a_detector_that_is_better_is_said_so_where_labels_are_enough():
    def entry(name):
        return Entry(name, 60.0, 0.0, None, 1.0, 1.0, 1, {})

    class Kept:
        entries = {name: entry(name) for name in ("dn2", "lof", "pca")}

    def standing(value, low):
        return Standing(Estimate(value, value, value), Estimate(value - 0.8, low, 1.0), 0.5, 1)

    standings = {"dn2": standing(0.8, 0.0), "lof": standing(0.9, 0.05), "pca": standing(0.85, -0.1)}
    found = Compared("dn2", 10, 10, 0, 0, 3, np.arange(20), standings)
    assert answer_words(Kept, found) == "1 detector does better here · DN2 0.800, best of the others LOF 0.900"
    standings["lof"] = standing(0.9, -0.05)
    assert answer_words(Kept, found).startswith("No detector does better than DN2 here")
    assert answer_words(Kept, replace(found, defects=9)).startswith("Too few labels")


def test_a_comparison_that_lost_all_its_images_is_no_error(store, project, detectors, galleries):
    compare(project, NAMES)
    with project.db.write() as db:
        db.execute("UPDATE items SET until = 1 WHERE role = 'scored'")
    give(project, "scored", [jpeg(77)])
    run_pending(store)
    at = opened("compare", project=project.id)
    assert not at.exception and not at.error and newest_comparison(project) is not None
