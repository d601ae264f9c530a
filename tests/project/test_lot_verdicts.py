"""Lots of a project judged as wholes: the one whose images all pass is caught, and since when is told."""

import csv
import io
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from dn2core.detect import judge_groups
from dn2core.detect.calibration import conformal_limit
from dn2core.errors import Refused
from dn2core.project import Store, run_pending
from dn2core.project.lot_verdicts import LotNormals, all_normals, lot_normals, lot_scores, lot_verdicts, lots_by_size
from dn2core.project.lots import lots_from_folders, put_in_lot
from dn2core.project.normals import add_normals, remove_normals
from dn2core.project.reductions import submit_reduction
from dn2core.report.lots_csv import lots_csv
from tests.conftest import FakeEncoder
from tests.project.helpers import give


def plates(count: int, seed: int, *, low: int = 90, high: int = 166) -> list[bytes]:
    """Even plates with a little noise, each in a grey of its own from low to high."""
    rng = np.random.default_rng(seed)
    made = []
    for shade in rng.uniform(low, high, count):
        pixels = np.clip(shade + rng.integers(-6, 7, (16, 16, 3)), 0, 255).astype(np.uint8)
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "PNG")
        made.append(buffer.getvalue())
    return made


def named(folder: str, images: list[bytes]) -> list[tuple[str, bytes]]:
    return [(f"{folder}/{at:02}.png", image) for at, image in enumerate(images)]


def filled(store):
    """60 normals of all greys; lots 1 to 4 like them, lot 5 all light, though no plate of it is unusual by itself."""
    project = store.create("Plates")
    give(project, "normal", [(name.rpartition("/")[2], data) for name, data in named("n", plates(60, 0))])
    lots = [named(f"lot {lot}", plates(8, lot)) for lot in range(1, 5)] + [named("lot 5", plates(8, 5, low=150))]
    give(project, "scored", [file for lot in lots for file in lot])
    run_pending(store)
    lots_from_folders(project)
    return project


@pytest.fixture
def project(store, fake_encoder):
    """For tests that change it."""
    return filled(store)


@pytest.fixture(scope="module")
def view(tmp_path_factory):
    """The same, to look at only."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("dn2core.project.intake.encoder_for", lambda backbone, preset, _: FakeEncoder(backbone, preset))
        return filled(Store(tmp_path_factory.mktemp("lots") / "data")).snapshot()


@pytest.fixture(scope="module")
def found(view):
    return verdicts(view)


def whole(view) -> LotNormals:
    """Where all normals are in the bank."""
    assert not view.reduced
    return LotNormals(view.normals, view.bank.features)


def verdicts(view, method="mean", normals=None, **wanted):
    scores = lot_scores(view, normals or whole(view), method=method)
    return lot_verdicts(view, view.judge(), scores, method=method, **{"budget": 0.01, "order": "name", **wanted})


def test_the_lot_whose_images_all_pass_is_caught(view, found):
    assert not view.judge().flagged.any()
    assert [lot.name for lot in found.lots] == [f"lot {n}" for n in range(1, 6)]
    assert [lot.name for lot in found.flagged] == ["lot 5"] and found.lots[4].flagged_images == 0
    assert (found.since.lot, found.since.lots, found.since.flagged, found.since.over) == (4, 1, 1, False)
    assert found.lots[4].times_limit > 1 > found.lots[0].times_limit and found.lots[4].p_value <= 0.01


@pytest.mark.parametrize("budget", [0.002, 0.05, 0.3])
def test_limits_at_any_budget_are_those_of_judging_at_that_budget(view, budget):
    found = verdicts(view, budget=budget, order="arrival")
    again = judge_groups(
        view.bank.features, view.scored_features, view.scored.lots, method="mean", k=view.settings.k, budget=budget
    )
    for lot, other in zip(found.lots, again, strict=True):
        assert (lot.name, lot.score, lot.limit, lot.flagged) == (other.name, other.score, other.limit, other.flagged)
        assert lot.limit == conformal_limit(lot.calibration_scores, budget)
        assert lot.percentile == pytest.approx(100 * np.mean(lot.calibration_scores < lot.score))
        assert lot.times_limit == pytest.approx((lot.score / lot.limit) ** 0.5)


@pytest.mark.parametrize("method", ["mean", "composition"])
def test_lots_are_judged_one_by_one_as_together(project, store, method):
    give(project, "scored", named("lot 6", plates(3, 6)) + named("lot 7", plates(1, 7)))
    run_pending(store)
    lots_from_folders(project)
    view = project.snapshot()
    assert lots_by_size(view) == {1: ("lot 7",), 3: ("lot 6",), 8: tuple(f"lot {n}" for n in range(1, 6))}
    together = {one.name: one for one in lot_scores(view, whole(view), method=method)}
    for names in lots_by_size(view).values():
        for one in lot_scores(view, whole(view), method=method, lots=names):
            assert one.score == together[one.name].score and np.array_equal(one.rows, together[one.name].rows)


def test_worst_images_and_drivers_are_positions_of_scored_images(view, found):
    images = view.judge()
    for lot in found.lots:
        own = np.flatnonzero(np.array(view.scored.lots) == lot.name)
        assert sorted(lot.drivers) == own.tolist() == lot.positions.tolist()
        assert lot.worst == own[np.argmax(images.scores[own])]
        assert np.all(np.diff(lot.shares) <= 0) and lot.shares.sum() == pytest.approx(1)
        assert lot.flagged_images == images.flagged[own].sum()
        assert lot.arrived == view.scored.added[own].min()


def test_real_lots_of_normals_are_what_verdicts_rest_on(project, store):
    ids = project.snapshot().normals.ids
    for lot in range(12):
        put_in_lot(project, ids[5 * lot : 5 * lot + 5].tolist(), f"good {lot}")
    found = verdicts(project.snapshot())
    assert {(lot.calibrated_on, len(lot.calibration_scores), lot.calibration_size) for lot in found.lots} == {
        ("lots", 12, 5)
    }


def test_normals_in_a_lot_are_counted_by_name_and_left_out_by_content(project):
    view = project.snapshot()
    put_in_lot(project, view.normals.ids[:3].tolist(), "lot 2")
    add_normals(project, view.scored.ids[view.scored.lots.index("lot 1") :][:2])
    found = verdicts(project.snapshot())
    assert [(lot.namesakes, lot.inside) for lot in found.lots[:3]] == [(2, 2), (3, 0), (0, 0)]


def test_with_fewer_normals_in_the_bank_lots_are_judged_by_all(project, store):
    put_in_lot(project, project.snapshot().normals.ids[:20].tolist(), "lot 2")
    add_normals(project, project.snapshot().scored.ids[:8])  # those of lot 1
    before = project.snapshot()
    submit_reduction(project, "coreset", 0.2)
    run_pending(store)
    view = project.snapshot()
    assert view.reduced and len(view.normals) < 20 and len(view.left_out) > 20
    normals = lot_normals(project, view)
    assert np.array_equal(normals.items.ids, before.normals.ids) and normals.items.lots == before.normals.lots
    assert np.array_equal(normals.features, before.bank.features)
    assert lot_normals(project, before).features is before.bank.features and all_normals(before) is before.normals
    found, as_before = verdicts(view, normals=normals), verdicts(before)
    for lot, other in zip(found.lots, as_before.lots, strict=True):
        assert (lot.name, lot.score, lot.limit, lot.inside, lot.namesakes) == (
            (other.name, other.score, other.limit, other.inside, other.namesakes)
        )
    assert [(lot.inside, lot.namesakes) for lot in found.lots[:3]] == [(8, 8), (0, 20), (0, 0)]


def test_only_the_normals_that_a_lot_holds_are_left_out_of_what_it_is_compared_with(project):
    add_normals(project, project.snapshot().scored.ids[[0, 9]])
    view = project.snapshot()
    everything, own = whole(view), view.normals.image_ids[-1]
    fewer = view.normals.some(view.normals.image_ids != own)
    found = lot_scores(view, LotNormals(fewer, everything.features[view.normals.image_ids != own]))
    assert [lot.normals_inside for lot in found] == [1, 0, 0, 0, 0]


def test_lots_of_many_sizes_share_calibrations(project, store):
    give(project, "scored", [file for n in range(1, 16) for file in named(f"of {n:02}", plates(n, 20 + n))])
    run_pending(store)
    lots_from_folders(project)
    view = project.snapshot()
    by_size = lots_by_size(view)
    assert len(by_size) <= 12 and sum(map(len, by_size.values())) == 20
    assert len(lots_by_size(view, "max")) == 15
    size, names = next((size, names) for size, names in by_size.items() if "of 15" in names)
    alone = lot_scores(view, whole(view), lots=["of 15"])[0]  # as among all, not as if it had a size of its own
    assert "of 14" in names and size == alone.calibration_size == 14 and not alone.few_normals


def test_two_normals_are_too_few_and_only_the_spread_still_ranks(project):
    remove_normals(project, project.snapshot().normals.ids[2:])
    view = project.snapshot()
    found = verdicts(view)
    assert found.judged == () and found.flagged == () and found.since is None
    assert {lot.refused.code for lot in found.lots} == {"NORMALS_TOO_FEW"}
    assert all(np.isnan(lot.score) and np.isnan(lot.times_limit) and np.isnan(lot.percentile) for lot in found.lots)
    for lot in verdicts(view, method="covariance").lots:
        images = view.scored_features[lot.positions].astype(np.float64)
        assert lot.score == pytest.approx(np.trace(np.cov(images.T)), rel=1e-4) and not lot.judged


def test_a_lot_larger_than_the_normals_allow_is_compared_with_smaller_groups(project, store):
    give(project, "scored", named("lot 9", plates(70, 9)))
    run_pending(store)
    lots_from_folders(project)
    lot = verdicts(project.snapshot()).lots[-1]
    assert lot.judged and lot.size == 70 and lot.calibration_size < 60


def test_a_lot_of_one_image_is_judged(project, store):
    give(project, "scored", named("one", plates(1, 3)))
    run_pending(store)
    lots_from_folders(project)
    for method in ("mean", "composition"):
        lot = verdicts(project.snapshot(), method).lots[-1]
        assert lot.name == "one" and lot.judged and not lot.flagged and lot.shares.tolist() == [1]
    spread = verdicts(project.snapshot(), "covariance").lots[-1]
    assert spread.score == 0 and not spread.flagged and np.isnan(spread.times_limit)


def test_without_scored_lots_there_is_nothing_to_judge(project):
    view = project.snapshot()
    put_in_lot(project, view.scored.ids.tolist(), None)
    view = project.snapshot()
    assert lot_scores(view, whole(view)) == [] and lots_by_size(view) == {}
    assert verdicts(view).lots == ()


def test_lots_without_a_verdict_count_neither_way(view):
    scores = lot_scores(view, whole(view))
    never = replace(scores[0], refused=Refused("BANK_EMPTY"), score=np.nan, calibration_scores=np.empty(0))
    made = [replace(never, name="lot 4b"), *scores[1:], replace(scores[4], name="lot 6")]
    found = lot_verdicts(view, view.judge(), made, budget=0.01, order="name")
    assert [lot.name for lot in found.lots] == ["lot 2", "lot 3", "lot 4", "lot 4b", "lot 5", "lot 6"]
    assert (found.since.lot, found.since.lots, found.since.flagged) == (4, 2, 2)
    assert found.named("lot 5") == 4 and found.named("lot 7") is None


@pytest.mark.parametrize(
    ("wanted", "code"), [({"budget": 0.0}, "BUDGET_OUT_OF_RANGE"), ({"order": "x"}, "UNKNOWN_LOT_ORDER")]
)
def test_what_makes_no_sense_is_refused(view, wanted, code):
    with pytest.raises(Refused) as error:
        lot_verdicts(view, view.judge(), [], **{"budget": 0.01, **wanted})
    assert error.value.code == code


# as CSV


def rows(data: bytes) -> list[dict]:
    return list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline="")))


def test_the_table_of_lots_says_what_was_found(view, found):
    table = rows(lots_csv(view, found, bom=True))
    assert lots_csv(view, found, bom=True).startswith(b"\xef\xbb\xbf") and not lots_csv(view, found).startswith(b"\xef")
    for row, lot in zip(table, found.lots, strict=True):
        assert (row["lot"], int(row["images"]), row["calibrated_on"]) == (lot.name, 8, "drawn")
        assert row["verdict"] == ("flagged" if lot.name == "lot 5" else "pass")
        for name in ("percentile", "p_value", "distance_times_limit", "score", "limit"):
            assert float(row[name]) == pytest.approx(getattr(lot, name.removeprefix("distance_")), rel=1e-5)
        assert row["worst_image"] == view.scored.names[lot.worst]
        assert row["strongest_driver"] == view.scored.names[lot.drivers[0]]
        assert (row["false_alarm_budget"], row["pooling"], row["reason"]) == ("0.01", "mean", "")
        assert int(row["calibration_groups"]) == len(lot.calibration_scores)
        assert (row["k"], row["normals_version"]) == ("2", "1") and row["first_image_came"].endswith("+00:00")


def test_no_cell_of_the_table_is_a_formula_and_no_verdict_is_said_why(project, store):
    give(project, "scored", [(f"=HYPERLINK(1)/@{at}.png", image) for at, image in enumerate(plates(2, 8))])
    run_pending(store)
    lots_from_folders(project)
    put_in_lot(project, project.snapshot().scored.ids[-2:].tolist(), '-2+3"\n,x')
    remove_normals(project, project.snapshot().normals.ids[2:])
    view = project.snapshot()
    data = lots_csv(view, verdicts(view))
    last = rows(data)[0]  # its name sorts first
    assert last["lot"] == "'-2+3\" ,x" and last["worst_image"].startswith("'=HYPERLINK")
    assert (last["verdict"], last["score"], last["limit"], last["p_value"]) == ("not judged", "", "", "")
    assert "4" in last["reason"] and data.count(b"\r\n") == 7


def test_without_lots_the_table_is_its_header(view):
    nothing = lot_verdicts(view, view.judge(), [], budget=0.01)
    assert rows(lots_csv(SimpleNamespace(), nothing)) == []
