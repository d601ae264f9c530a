"""Evaluate: the answer by people's labels on top, each cell of the table leads to its images."""

from dataclasses import replace

import numpy as np
import pytest

from dn2core.explore.collecting import Advice
from dn2core.explore.curves import precision_recall_curve, roc_curve
from dn2core.explore.evaluation import evaluate as of_arrays
from dn2core.explore.learning import Spread
from dn2core.project import run_pending
from dn2core.project.evaluate import learned, lonely
from dn2core.project.labels import labels, labels_of, set_label
from dn2core.project.snapshot import snapshot
from pages.parts.enough import advice_words, learning_panels
from pages.parts.evaluated import cell_of
from pages.parts.evaluation_charts import Panel, panels_figure, precision_recall_figure, roc_figure
from tests.pages.app import filled, give, jpeg, opened, texts
from tests.pages.test_score import shade


@pytest.fixture
def project(store, fake_encoder):
    """24 normals; 6 images like them, in a folder, and 3 that are darker and darker on the left."""
    project = filled(store, "Bolts", 24)
    give(project, "scored", [jpeg(1000 + seed) for seed in range(6)], source="folder", name="good/{i}.jpg")
    give(project, "scored", [shade(1, 40), shade(2, 20), shade(3, 0)], source="folder", name="dark/{i}.jpg")
    run_pending(store)
    return project


@pytest.fixture
def galleries(monkeypatch):
    """What each gallery was given, by the start of its key; nothing is opened."""
    seen = {}
    monkeypatch.setattr(
        "pages.parts.components.gallery.gallery",
        lambda **given: seen.update({given["key"].rpartition("_")[0]: given["ids"]}),
    )
    return seen


def label(project, **words):
    view = snapshot(project)
    for word, positions in words.items():
        for at in positions:
            set_label(project, int(view.scored.ids[at]), word, author="Ada")


def words(at) -> str:
    return " ".join(texts(at.main))


def charts(at) -> list[str]:
    return [chart.proto.id.rpartition("-")[2] for chart in at.get("plotly_chart")]


def table(*lines, header="file,label,note") -> bytes:
    return "\n".join([header, *lines]).encode()


def upload(at, data: bytes, name="truth.csv"):
    return at.file_uploader(key=f"dn2_labels_file_{at.session_state['dn2_labels_turn']}").set_value(
        [(name, data, "text/csv")]
    )


def test_the_next_step_is_named(store, fake_encoder):
    assert "No project is open" in words(opened("evaluate"))
    project = store.create("Bolts")
    assert "No normals yet" in words(opened("evaluate", project=project.id))
    project = filled(store, "Nuts", 24)
    at = opened("evaluate", project=project.id)
    assert not at.exception and not at.error and "No images are scored yet" in words(at)
    assert "Are the normals enough?" in words(at) and "dn2_learning" in charts(at)


def test_without_labels_the_way_to_review(project, galleries):
    at = opened("evaluate", project=project.id)
    assert not at.exception and "No image is labelled yet" in words(at)
    label(project, unsure=[0])
    at = opened("evaluate", project=project.id)
    assert "1 image is marked as unsure" in words(at) and charts(at) == ["dn2_learning"]
    at.button(key="dn2_empty_go").click().run()
    assert at.title[0].value == "Review"


def test_the_answer_counts_what_the_verdicts_say(project, galleries):
    good, defects = [0, 1, 2, 3, 8], [4, 5, 6, 7]  # people disagree with the machine, in different numbers
    label(project, good=good, defect=defects)
    view = snapshot(project)
    judged = view.judge()
    marks = labels_of(view.scored, labels(project))
    missed, alarms = int((~judged.flagged[defects]).sum()), int(judged.flagged[good].sum())
    assert missed > alarms > 0
    at = opened("evaluate", project=project.id)
    assert not at.exception and not at.error
    said = f"{4 - missed} of 4 known defects flagged, {missed} missed · {alarms} of 5 known good parts flagged"
    assert said in words(at)
    found = of_arrays(judged.scores, judged.verdicts, marks)
    metrics = {metric.label: (metric.value, metric.delta) for metric in at.metric}
    assert metrics["ROC AUC"] == (
        f"{found.roc_auc.value:.3f}",
        f"{found.roc_auc.low:.3f} to {found.roc_auc.high:.3f}",
    )
    assert {"dn2_roc", "dn2_pr", "dn2_learning"} == set(charts(at))
    for name, positions in (("dn2_misses", found.misses), ("dn2_alarms", found.false_alarms)):
        assert galleries.get(name, []) == view.scored.ids[positions].tolist()


def test_a_cell_leads_to_its_images_and_lives_in_the_address(project, galleries):
    label(project, good=range(6), defect=range(6, 9))
    view = snapshot(project)
    flagged = view.scored.ids[6:][view.judge().flagged[6:]].tolist()
    assert flagged
    at = opened("evaluate", project=project.id)
    cell = at.button(key="dn2_cell_defect_reject")
    assert str(len(flagged)) in cell.label
    cell.click().run()
    assert at.query_params["cell"] in ("defect-reject", ["defect-reject"])
    assert sorted(galleries["dn2_cell_defect_reject"]) == sorted(flagged)
    galleries.clear()
    at.button(key="dn2_cell_defect_reject").click().run()
    assert "cell" not in at.query_params and "dn2_cell_defect_reject" not in galleries
    at = opened("evaluate", project=project.id, cell="defect-<b>")
    assert not at.exception and not at.error


@pytest.mark.parametrize("word", ["", "x", "good", "good-", "-pass", "good-pass-x", "unsure-pass", "defect_pass"])
def test_nonsense_in_the_address_is_no_cell(word):
    assert cell_of({"cell": word}) is None and cell_of({"cell": "good-review"}) == ("good", "review")


@pytest.mark.parametrize(("word", "missing"), [("good", "a defect"), ("defect", "a good part")])
def test_one_kind_of_label_alone_is_not_defined(project, galleries, word, missing):
    label(project, **{word: [0, 7]})
    at = opened("evaluate", project=project.id)
    assert not at.exception and not at.error
    assert f"Not defined: no image that counts is labelled as {missing}" in words(at)
    assert [metric.value for metric in at.metric][:2] == ["not defined", "not defined"]
    assert charts(at) == ["dn2_learning"]


def test_labelled_images_among_the_normals_are_left_out(store, project, galleries):
    give(project, "scored", [jpeg(0), jpeg(1)], name="again {i}.jpg")
    run_pending(store)
    label(project, good=[0, 9, 10], defect=[8])
    at = opened("evaluate", project=project.id)
    assert not at.exception and "2 labelled images also lie among the normals" in words(at)
    assert "of 1 known good part flagged" in words(at)
    label(project, unsure=[0, 8])
    at = opened("evaluate", project=project.id)
    assert not at.exception and "No label counts" in words(at)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_tiny_sets(store, fake_encoder, galleries, n):
    project = filled(store, "Tiny", n, scored=4)
    label(project, good=[0, 1], defect=[2])
    at = opened("evaluate", project=project.id)
    assert not at.exception and not at.error
    assert ("One normal is too few for a limit" in words(at)) == (n == 1)
    assert ("fewer than three normals" in words(at)) == (n < 3)
    assert ("dn2_lonely_gallery" in galleries) == (n > 1)
    assert "dn2_roc" in charts(at) and ("dn2_learning" in charts(at)) == (n == 3)


def test_hostile_names_are_shown_letter_by_letter(store, project, galleries):
    evil = "<img src=x onerror=alert(1)>**b**.jpg"
    give(project, "scored", [jpeg(77)], name=evil)
    run_pending(store)
    label(project, good=[9])
    at = upload(opened("evaluate", project=project.id), table(f"{evil},nok,", "$x$ :red[y] `z`.png,ok,")).run()
    assert not at.exception and not at.error
    assert all("<img" not in element.value for element in at.main.markdown)
    shown = [frame.value for frame in at.dataframe]
    assert any(evil in frame.to_string() for frame in shown)
    at = upload(at, table("a,<script>**x**")).run()
    assert any("script" in error.value and "**x**" not in error.value for error in at.error)


def test_a_file_is_previewed_then_applied(project, galleries):
    at = upload(
        opened("evaluate", project=project.id), table("good/0.jpg,ok,", "dark/0.jpg,nok,", "lost.jpg,ok,")
    ).run()
    assert not at.exception and "2 new labels" in words(at) and labels(project) == {}
    assert "1 file is not among the scored images" in words(at)
    at.session_state["dn2_who"] = {"name": "Ada"}
    at.button(key="dn2_labels_apply").click().run()
    assert not at.exception and sorted(one.label for one in labels(project).values()) == ["defect", "good"]
    assert any("2 labels were written" in text.value for text in at.success)
    assert "of 1 known defect flagged" in words(at)


def test_people_come_first_unless_the_reader_says_otherwise(project, galleries):
    label(project, defect=[0])
    at = upload(opened("evaluate", project=project.id), table("good/0.jpg,ok,")).run()
    assert "1 against what people said" in words(at) and at.button(key="dn2_labels_apply").disabled
    at.session_state["dn2_labels_prefer"] = "take"
    at.run()
    at.button(key="dn2_labels_apply").click().run()
    assert [one.label for one in labels(project).values()] == ["good"]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "no line below its header"),
        (table("a,b,", header="image,truth,note"), "Expected a first line with the columns"),
        (table("nobody.jpg,ok,"), "None of 1 files"),
        (table("good/0.jpg,perhaps,"), "got perhaps"),
    ],
)
def test_a_bad_file_is_a_sentence_and_nothing_is_lost(project, galleries, data, said):
    label(project, good=[0])
    before = labels(project)
    at = upload(opened("evaluate", project=project.id), data).run()
    assert not at.exception and any(said in error.value.replace("\\", "") for error in at.error)
    assert labels(project) == before


def test_folders_named_like_labels_are_offered(project, galleries):
    at = opened("evaluate", project=project.id)
    assert at.button(key="dn2_labels_from_folders").label == "Take 6 labels from folder names"
    at.button(key="dn2_labels_from_folders").click().run()
    assert "6 new labels" in words(at) and labels(project) == {}
    at.button(key="dn2_labels_apply").click().run()
    assert [one.label for one in labels(project).values()] == ["good"] * 6


def test_an_opened_picture_walks_along_its_gallery(project, monkeypatch):
    label(project, good=range(6), defect=range(6, 9))
    view = snapshot(project)
    seen = {}
    monkeypatch.setattr("pages.parts.detail.open_detail", lambda *given: seen.update(item=given[2], order=given[3]))
    alone = view.normals.ids[lonely(view).positions].tolist()
    opened("evaluate", project=project.id, image=str(alone[3]))
    assert seen == {"item": alone[3], "order": alone}
    flagged = view.scored.ids[6:][view.judge().flagged[6:]].tolist()
    opened("evaluate", project=project.id, image=str(flagged[0]), cell="defect-reject")
    assert sorted(seen["order"]) == sorted(flagged)
    at = opened("evaluate", project=project.id, image="999999")
    assert any("not found" in error.value for error in at.error)


def test_the_lonely_normals_tell_who_visits_them(project, galleries):
    view = snapshot(project)
    found = lonely(view)
    at = opened("evaluate", project=project.id)
    assert galleries["dn2_lonely_gallery"] == view.normals.ids[found.positions].tolist()
    visited = int((found.visitors > 0).sum())
    assert f"12 normals lie most alone; {visited} of them" in words(at) or visited == 0


def test_many_normals_are_compared_on_request(project, galleries, monkeypatch):
    monkeypatch.setattr("pages.parts.enough.AT_ONCE", 10)
    at = opened("evaluate", project=project.id)
    assert charts(at) == []
    at.button(key="dn2_enough").click().run()
    assert charts(at) == ["dn2_learning"] and "enough" in at.query_params


ADVICE = {
    "kind": "collect",
    "more_needed": 0,
    "size_from": 40,
    "size_to": 80,
    "distance_fell": 0.07,
    "auc_gained": 0.012,
}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"reason": "budget", "more_needed": 227}, "Collect more.** 227 more normals"),
        ({"reason": "few"}, "Collect more.** There are too few"),
        ({"reason": "separation"}, "From 40 to 80 normals.*ROC AUC rose by 1.2 points"),
        ({"reason": "distance"}, "Collect more.*nearer by 7.0 %"),
        ({"reason": "flat", "auc_gained": -0.001}, "Enough.*−0.1 points"),
        ({"reason": "flat", "auc_gained": None, "distance_fell": 0.02}, "Enough.*no more than 2.0 %"),
    ],
)
def test_advice_in_words(change, said):
    start, _, rest = said.partition(".*")
    text = advice_words(Advice(**{**ADVICE, **change}))
    assert start in text and rest in text


def test_the_learning_curve_is_drawn_as_it_is(project):
    curve = learned(snapshot(project), np.full(9, "", "<U6"))
    alarms, distance = learning_panels(curve)
    assert np.allclose(alarms.value, 100 * curve.false_alarms.mean) and (alarms.low >= 0).all()
    assert np.allclose(distance.high - distance.value, curve.usual_distance.std)
    with_areas = replace(curve, roc_auc=Spread(np.array([[0.9, 1.0], [1.0, 1.0]])))
    area = learning_panels(replace(with_areas, sizes=curve.sizes[:2]))[2]
    assert area.value.tolist() == pytest.approx([0.95, 1.0]) and area.high.max() == 1.0


def test_curves_in_percent_with_the_limits_on_them():
    good, defects = np.array([1.0, 2, 3, 6]), np.array([4.0, 5, 7])
    figure = roc_figure(roc_curve(good, defects), [(0.25, 1.0, "limit 3")])
    assert figure.data[0].x[-1] == figure.data[0].y[-1] == 100 and figure.data[0].y[1] == pytest.approx(100 / 3)
    assert (figure.data[2].x[0], figure.data[2].y[0], figure.data[2].text[0]) == (25, 100, "limit 3")
    figure = precision_recall_figure(precision_recall_curve(good, defects), [])
    assert figure.data[0].y[1] == 100 and figure.data[0].y[-1] == pytest.approx(300 / 7)


def test_small_charts_keep_band_bars_aim_and_mark():
    x = np.arange(1, 6)
    band = Panel("A", x, x / 5, x / 5 - 0.1, x / 5 + 0.1, top=1.0, aim=(0.5, "aim"))
    bars = Panel("B", x, np.array([0, 1, 0, 2, 0]), bars=True, whole=True)
    figure = panels_figure([band, bars, Panel("C", x, np.full(5, np.nan))], "k", columns=2, mark=(2, "in use"))
    kinds = [trace.type for trace in figure.data]
    assert kinds == ["scatter", "scatter", "bar", "scatter"] and figure.data[0].fill == "toself"
    assert sum(shape.x0 == shape.x1 == 2 for shape in figure.layout.shapes) == 3
    assert figure.layout.yaxis.range[1] <= 1.02 and figure.layout.yaxis2.range[0] == 0
    assert [note.text for note in figure.layout.annotations if note.text in ("A", "B", "C", "aim", "in use")] == [
        *("A", "B", "C", "aim", "in use")
    ]


def test_more_false_alarms_than_the_budget_allows_are_a_warning(project, galleries):
    label(project, good=range(9))
    project.change_settings(budget=0.01)
    shown = snapshot(project)
    assert shown.judge().flagged.sum() >= 3  # the dark ones, so that at least a third of the good parts are flagged
    at = opened("evaluate", project=project.id)
    assert any("the budget is 1 in 100" in warning.value.replace("\u2060", "") for warning in at.warning)
    project.change_settings(budget=0.9)
    at = opened("evaluate", project=project.id)
    assert not [warning for warning in at.warning if "the budget is" in warning.value]
