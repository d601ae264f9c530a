"""Findings about how pictures were taken: limits by hand, directions, false alarms by simulation."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dn2core.detect.capture import GROUPS, MEASURES, Taken, capture_findings, not_judged, usual_of

EVEN = {
    "brightness": 0.5,
    "contrast": 0.3,
    "sharpness": 0.5,
    "grain": 0.4,
    "dark": 0.0,
    "burnt": 0.0,
    "redness": 0.0,
    "greenness": 0.0,
    "yellowness": 0.1,
    "blueness": -0.1,
    "centre_x": 0.5,
    "centre_y": 0.5,
    "extent": 0.3,
    "size": 400.0,
    "aspect": 1.5,
}
NAMES = list(MEASURES)


def taken(*changes: dict, kinds: list[str] | None = None) -> Taken:
    """Pictures like EVEN but for the changes."""
    values = np.array([[{**EVEN, **change}[name] for name in NAMES] for change in changes], float)
    files = np.array(kinds or ["JPEG, colour"] * len(changes), str)
    return Taken(values.reshape(-1, len(NAMES)), alike(len(changes)), files)


def alike(n: int) -> np.ndarray:
    """Cells that do not differ, so that they contradict nothing."""
    return np.full((n, 5, 16), 0.5)


def even(n: int = 1000) -> Taken:
    return taken(*[{}] * n)


def kinds(findings) -> list[str]:
    return [finding.kind for finding in findings]


def normal_like(n: int, seed: int, spread: float = 3.0) -> Taken:
    """Independent normal measures, `spread` times wider than the floors."""
    values = np.tile([EVEN[name] for name in NAMES], (n, 1))
    noise = np.random.default_rng(seed).normal(size=values.shape)
    floors, ratio = (np.array([getattr(one, name) for one in MEASURES.values()]) for name in ("floor", "ratio"))
    return Taken(
        np.where(ratio, values * np.exp(spread * floors * noise), values + spread * floors * noise),
        alike(n),
        np.array(["JPEG, colour"] * n),
    )


def test_every_kind_belongs_to_one_group():
    found = [kind for one in MEASURES.values() for kind in (one.low, one.high) if kind]
    grouped = [kind for kinds in GROUPS.values() for kind in kinds]
    assert sorted({*found, "lamp_off", "kind"}) == sorted(grouped)


def test_limits_of_even_normals_by_hand():
    # All alike: the spread is the floor, 0.012, and the limit 5 spreads, 1 % more for a thousand normals.
    bound = 5 * 1.01 * 0.012
    inside, outside = taken({"brightness": 0.5 - 0.999 * bound}), taken({"brightness": 0.5 - 1.001 * bound})
    assert capture_findings(even(), inside) == [()]
    [[finding]] = capture_findings(even(), outside)
    assert (finding.kind, finding.measure, finding.usual) == ("dark", "brightness", 0.5)
    assert finding.value == 0.5 - 1.001 * bound
    assert finding.bound == pytest.approx(0.5 - bound)
    assert finding.strength == pytest.approx(1.001)


def test_ratios_are_compared_by_ratio():
    bound = math.exp(5 * 1.01 * 0.05)
    assert capture_findings(even(), taken({"size": 400 * bound * 0.999})) == [()]
    [[finding]] = capture_findings(even(), taken({"size": 400 * bound * 1.001}))
    assert finding.kind == "larger" and finding.bound == pytest.approx(400 * bound)
    [[finding]] = capture_findings(even(), taken({"size": 400 / bound / 1.001}))
    assert finding.kind == "smaller" and finding.bound == pytest.approx(400 / bound)


def test_the_spread_is_taken_from_the_outer_tenth_on_each_side():
    # 0.4 to 0.6 in even steps, the upper half drawn out threefold: tenths at 0.42 and 0.74.
    steps = np.linspace(-0.1, 0.1, 1001)
    normals = taken(*({"brightness": 0.5 + step * (3 if step > 0 else 1)} for step in steps))
    usual = usual_of(normals)
    column = NAMES.index("brightness")
    assert usual.below[column] == pytest.approx(0.08 / 1.2816, rel=1e-3)
    assert usual.above[column] == pytest.approx(0.24 / 1.2816, rel=1e-3)


@pytest.mark.parametrize(
    ("measure", "value", "kind"),
    [
        ("brightness", 0.3, "dark"),
        ("brightness", 0.7, "bright"),
        ("contrast", 0.1, "flat"),
        ("sharpness", 0.3, "blurred"),
        ("grain", 0.8, "grainy"),
        ("dark", 0.3, "dark"),
        ("burnt", 0.2, "burnt"),
        ("redness", 0.1, "reddish"),
        ("greenness", 0.1, "greenish"),
        ("yellowness", 0.2, "yellowish"),
        ("blueness", 0.0, "bluish"),
        ("centre_x", 0.4, "left"),
        ("centre_x", 0.6, "right"),
        ("centre_y", 0.4, "up"),
        ("centre_y", 0.6, "down"),
        ("extent", 0.2, "farther"),
        ("extent", 0.4, "closer"),
        ("aspect", 1.0, "taller"),
        ("aspect", 2.0, "wider"),
    ],
)
def test_each_finding_says_which_way(measure, value, kind):
    [[finding]] = capture_findings(even(), taken({measure: value}))
    assert (finding.kind, finding.measure, finding.value) == (kind, measure, value)


def test_what_lies_on_the_other_side_is_nothing_to_look_at():
    normals = taken(*[{"dark": 0.5, "burnt": 0.3}] * 20)
    assert capture_findings(
        normals, taken({"contrast": 2.0, "sharpness": 2.0, "grain": 0.1, "redness": -0.3, "dark": 0.0, "burnt": 0.0})
    ) == [()]


def test_the_gravest_comes_first_and_each_kind_once():
    [findings] = capture_findings(even(), taken({"brightness": 0.4, "dark": 0.9, "sharpness": 0.1}))
    assert kinds(findings) == ["dark", "blurred"]
    assert findings[0].measure == "dark"  # the stronger of the two that say so
    assert findings[0].strength > findings[1].strength > 1


OFF = {"brightness": 0.01, "contrast": 0.5, "sharpness": 0.01, "dark": 1.0, "redness": 0.3, "extent": 0.0}


def test_a_lamp_that_is_off_is_called_so_and_nothing_else():
    [[finding]] = capture_findings(even(), taken(OFF))
    assert finding.kind == "lamp_off" and finding.strength == math.inf
    assert (finding.value, finding.usual, finding.bound) == (0.01, 0.5, 0.08)
    [findings] = capture_findings(even(), taken({**OFF, "size": 100.0}))
    assert kinds(findings) == ["lamp_off", "smaller"]


def test_a_lamp_that_is_off_needs_one_normal_only():
    assert kinds(capture_findings(taken({}), taken(OFF))[0]) == ["lamp_off"]
    assert capture_findings(taken({}), taken({"brightness": 0.9})) == [()]


def test_dark_parts_are_no_lamp_that_is_off():
    normals = taken(*[{"brightness": 0.03, "contrast": 1.0}] * 20)
    assert capture_findings(normals, taken({"brightness": 0.02, "contrast": 1.0})) == [()]
    [findings] = capture_findings(normals, taken({"brightness": 0.007, "contrast": 0.5}))
    assert kinds(findings)[0] == "lamp_off"  # a quarter of the usual light, and of what stands out in it


def test_another_kind_of_file():
    normals = even(20)
    grey = taken({}, {}, kinds=["PNG, grey", "JPEG, colour"])
    [[finding], nothing] = capture_findings(normals, grey)
    assert (finding.kind, finding.measure) == ("kind", "kind") and math.isnan(finding.value)
    assert nothing == ()


def test_normals_of_many_kinds_make_no_kind_strange():
    normals = taken(*[{}] * 8, kinds=["PNG, grey", "JPEG, colour"] * 4)
    assert capture_findings(normals, taken({}, kinds=["BMP, grey"])) == [()]


def test_normals_among_themselves():
    normals = taken(
        *[{}] * 40, {"brightness": 0.9}, OFF, kinds=["JPEG, colour"] * 39 + ["PNG, grey"] * 1 + ["JPEG, colour"] * 2
    )
    found = capture_findings(normals)
    assert found[:39] == [()] * 39
    assert [kinds(one) for one in found[39:]] == [["kind"], ["bright"], ["lamp_off"]]


@pytest.mark.parametrize("n", [0, 1, 4])
def test_with_few_normals_there_is_nothing_to_compare_with(n):
    assert capture_findings(even(n), taken({"brightness": 0.9, "size": 10.0}, kinds=["PNG, grey"])) == [()]


def test_five_normals_tell_something_but_are_wide():
    # 1 + 10 / 5 times as wide.
    assert capture_findings(even(5), taken({"brightness": 0.5 + 2.9 * 5 * 0.012})) == [()]
    assert kinds(capture_findings(even(5), taken({"brightness": 0.5 + 3.1 * 5 * 0.012}))[0]) == ["bright"]


def test_where_edges_fill_the_picture_no_shift_is_told():
    everywhere = [{"extent": 0.4}] * 20
    moved = {"centre_x": 0.3, "extent": 0.3, "brightness": 0.9}
    assert kinds(capture_findings(taken(*everywhere), taken(moved))[0]) == ["bright"]
    assert {"left", "bright"} <= set(kinds(capture_findings(even(20), taken(moved))[0]))
    assert not_judged(taken(*everywhere)) == {"full": GROUPS["framing"]}
    assert not_judged(even(20)) == {}


def test_what_cannot_be_told_beside_few_wide_or_mixed_normals():
    assert not_judged(even(4)).keys() == {"few"} and "lamp_off" not in not_judged(even(4))["few"]
    # From 0.1 to 0.9: five spreads below the middle lie below 0, above it above 1.
    wide = taken(*({"brightness": 0.5 + step, "dark": 0.5 + step} for step in np.linspace(-0.4, 0.4, 101)))
    assert not_judged(wide) == {"wide": ("dark", "bright")}
    assert capture_findings(wide, taken({"brightness": 0.1, "dark": 1.0}, {"brightness": 1.0, "dark": 0.0})) == [
        (),
        (),
    ]
    once = taken(*({"brightness": 0.5 + step} for step in np.linspace(-0.4, 0.4, 101)))
    assert not_judged(once) == {"wide": ("bright",)}  # too dark is told by the share of black still
    files = taken(*[{}] * 8, kinds=["PNG, grey", "JPEG, colour"] * 4)
    assert not_judged(files) == {"files": ("kind",)}


def test_pictures_that_could_not_be_measured_are_left_alone():
    values = even(12).values
    values[3] = np.nan
    normals = replace(even(12), values=values)
    assert capture_findings(normals)[3] == ()
    assert capture_findings(normals, normals[3:4]) == [()]
    assert kinds(capture_findings(normals, taken({"brightness": 0.9}))[0]) == ["bright"]
    assert capture_findings(normals[3:4], taken(OFF)) == [()]


@pytest.mark.parametrize(("n", "most"), [(5, 0.01), (20, 0.01), (72, 0.003), (500, 0.001)])
def test_false_alarms_of_all_kinds_together_stay_below_the_budget(n, most):
    alarms = [
        np.mean([bool(one) for one in capture_findings(normal_like(n, seed), normal_like(400, 1000 + seed))])
        for seed in range(40)
    ]
    assert np.mean(alarms) <= most


def test_long_tails_widen_the_limit():
    rng = np.random.default_rng(0)
    alarms, limits = [], []
    for seed in range(10):
        normals, others = normal_like(400, seed), normal_like(400, 100 + seed)
        for some in (normals, others):  # brightness with Student's t of two degrees of freedom
            some.values[:, 0] = 0.5 + 0.03 * rng.standard_t(2, 400)
        limits.append(usual_of(normals).limit)
        alarms.append(np.mean([bool(one) for one in capture_findings(normals, others)]))
    assert np.mean(limits) > 5.5
    assert np.mean(alarms) < 0.015  # of a distribution without a variance


def test_a_few_odd_normals_hide_no_odd_picture():
    values = normal_like(200, 3).values
    values[:4, NAMES.index("sharpness")] = 0.05  # 2 % are blurred
    normals = replace(even(200), values=values)
    found = capture_findings(normals)
    assert [kinds(one) for one in found[:4]] == [["blurred"]] * 4
    assert kinds(capture_findings(normals, taken({"sharpness": 0.1}))[0]) == ["blurred"]


@given(st.integers(0, 10**6), st.integers(5, 60), st.integers(0, 20))
def test_findings_do_not_depend_on_order_or_company(seed, n, m):
    rng = np.random.default_rng(seed)
    normals, pictures = normal_like(n, seed), normal_like(m, seed + 1, spread=30.0)
    shares = [at for at, one in enumerate(MEASURES.values()) if one.most]
    pictures.values[:, shares] = pictures.values[:, shares].clip(0, 1)
    found = capture_findings(normals, pictures)
    order, turn = rng.permutation(m), rng.permutation(n)
    again = capture_findings(normals[turn], pictures[order])
    assert [kinds(one) for one in again] == [kinds(found[i]) for i in order]
    for row, findings in enumerate(found):
        for finding in findings:
            beyond = finding.value < finding.bound < finding.usual or finding.usual < finding.bound < finding.value
            assert finding.kind == "lamp_off" or (beyond and finding.strength > 1), row
