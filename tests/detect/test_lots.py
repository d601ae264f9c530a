"""Leave-one-lot-out against brute force, and lots from names and tables."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from dn2core.detect import Bank, leave_one_out
from dn2core.detect.lots import leave_one_lot_out, lots_by_folder, lots_by_pattern, lots_from_csv
from dn2core.errors import Refused


def brute_force(features, lots, k):
    features, n = np.asarray(features, np.float64), len(lots)
    distances = ((features[:, None] - features[None]) ** 2).sum(axis=2)
    used = min(k, min(sum(other != lot for other in lots) for lot in lots))
    rows = []
    for at in range(n):
        others = [row for row in range(n) if lots[row] != lots[at]]
        rows.append(sorted(others, key=lambda row, at=at: (distances[at, row], row))[:used])
    return np.take_along_axis(distances, np.array(rows), 1), np.array(rows)


@st.composite
def lotted(draw):
    n = draw(st.integers(2, 40))
    few = draw(st.integers(2, 8))
    lots = [*draw(st.lists(st.integers(0, few - 1), min_size=n - 2, max_size=n - 2)), 0, 1]
    # With one lot of many vectors some lots are small and one is large.
    lots = [0 if draw(st.booleans()) else lot for lot in lots[:-2]] + lots[-2:]
    features = draw(arrays(np.float32, (n, draw(st.integers(1, 3))), elements=st.integers(-2, 2).map(float)))
    return features, lots, draw(st.integers(1, 45))


@settings(max_examples=200)
@given(lotted())
def test_equals_brute_force_with_ties_and_duplicates(case):
    features, lots, k = case
    found = leave_one_lot_out(Bank(features), lots, k)
    distances, indices = brute_force(features, lots, k)
    assert np.array_equal(found.distances, distances)
    assert np.array_equal(found.indices, indices)
    assert (found.k, found.k_asked) == (distances.shape[1], k)
    assert found.distances.dtype == np.float32 and found.indices.dtype == np.int64


@pytest.mark.parametrize("sizes", [[300, 5, 40, 3, 1], [60] * 6, [4] * 90, [1, 359]])
@pytest.mark.parametrize("normalise", [False, True])
def test_small_and_large_lots_that_lie_together(sizes, normalise):
    rng = np.random.default_rng(len(sizes))
    lots = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    features = (rng.normal(size=(len(sizes), 16))[lots] * 3 + rng.normal(size=(len(lots), 16))).astype(np.float32)
    bank = Bank(features, normalise=normalise)
    found = leave_one_lot_out(bank, np.array([f"lot {lot}" for lot in lots]), 9)
    _, indices = brute_force(bank.features, lots.tolist(), 9)
    assert np.array_equal(found.indices, indices)
    assert found.k == min(9, len(lots) - max(sizes))


def test_lots_of_one_image_each_are_leave_one_out():
    bank = Bank(np.random.default_rng(3).integers(0, 3, (50, 2)))
    found, expected = leave_one_lot_out(bank, range(50), 7), leave_one_out(bank, 7)
    assert np.array_equal(found.distances, expected.distances) and np.array_equal(found.indices, expected.indices)


def test_lots_by_hand():
    found = leave_one_lot_out(Bank([[0], [1], [10], [12]]), ["a", "a", None, None], 2)
    assert found.indices.tolist() == [[2, 3], [2, 3], [1, 0], [1, 0]]
    assert found.distances.tolist() == [[100, 144], [81, 121], [81, 100], [121, 144]]


@pytest.mark.parametrize("lots", [["a"] * 3, [None] * 3, np.zeros(3, int)])
def test_a_single_lot_is_refused(lots):
    with pytest.raises(Refused, match="at least two lots to compare them with each other, got 1"):
        leave_one_lot_out(Bank(np.eye(3)), lots, 1)


def test_bad_arguments_are_refused():
    with pytest.raises(Refused, match="k of at least 1, got 0"):
        leave_one_lot_out(Bank(np.eye(3)), [0, 1, 2], 0)
    with pytest.raises(ValueError, match="a lot for each of 3 vectors, got 2"):
        leave_one_lot_out(Bank(np.eye(3)), [0, 1], 1)


def test_folders_are_lots():
    names = ["mon/1.png", "mon/2.png", "tue/late/1.png", "tue\\early\\1.png", "1.png", "./1.png", "/1.png"]
    assert lots_by_folder(names) == ["mon", "mon", "tue/late", "tue/early", None, None, None]


@pytest.mark.parametrize(
    ("pattern", "name", "lot"),
    [
        ("(*)_*", "L7_01_x.png", "L7"),
        ("(*)_??.png", "L7_01_x_02.png", "L7_01_x"),
        ("(L??)*", "L07-1.png", "L07"),
        ("*-(*)-*", "cam-L7-1-2.png", "L7"),
        ("*(*).png", "abc.png", "abc"),
        ("(*)", "a.png", "a.png"),
        ("(*)_*", "x/L7_01.png", "L7"),
        ("(*)/*", "x/y/01.png", "x"),
        ("*/(*)/*", "x\\y\\01.png", "y"),
        ("*\\((*)\\)*", "part (12).png", "12"),
        ("(*).*", "a.b.png", "a"),
        ("(a.c)*", "abc.png", None),
        ("(*)_*", "_01.png", None),
        ("(*)_*", "none.png", None),
        ("(*)\n", "a\n", "a"),
        ("*()x", "ax", None),
    ],
)
def test_patterns(pattern, name, lot):
    if lot is not None:
        assert lots_by_pattern([name], pattern) == [lot]
        return
    with pytest.raises(Refused, match="matches none of 1 names"):
        lots_by_pattern([name], pattern)


TOKENS = st.lists(st.sampled_from(["a", "b", "_", "?", "*", "."]), max_size=7)


@given(TOKENS, TOKENS, TOKENS, st.lists(st.text("ab_.", max_size=9), min_size=1, max_size=5))
def test_patterns_mean_what_a_lazy_regular_expression_means(before, inside, behind, names):
    as_regex = lambda tokens: "".join({"*": ".*?", "?": "."}.get(token, re.escape(token)) for token in tokens)  # noqa: E731
    plain = re.compile(f"{as_regex(before)}({as_regex(inside)}){as_regex(behind)}", re.DOTALL)
    expected = [match[1] or None if (match := plain.fullmatch(name)) else None for name in names]
    pattern = f"{''.join(before)}({''.join(inside)}){''.join(behind)}"
    if any(expected):
        assert lots_by_pattern(names, pattern) == expected
    else:
        with pytest.raises(Refused, match="matches none of"):
            lots_by_pattern(names, pattern)


@pytest.mark.parametrize(
    "pattern", ["", "*", "L7", "(*", "*)", ")(", "(a)(b)", "((a))", "\\(a\\)", "(" + "*" * 200 + ")"]
)
def test_a_bad_pattern_is_refused_with_an_example(pattern):
    with pytest.raises(Refused, match="one pair of parentheses around the lot, such as"):
        lots_by_pattern(["a.png"], pattern)


def test_a_pattern_that_matches_nothing_names_an_example():
    with pytest.raises(Refused, match=r"matches none of 2 names, for instance not part-1\.png"):
        lots_by_pattern(["part-1.png", "part-2.png"], "(*)_*")
    with pytest.raises(Refused, match="matches none of 0 names"):
        lots_by_pattern([], "(*)_*")


def test_no_pattern_takes_long():
    """With backtracking this would take longer than anyone lives; the test ends or it does not."""
    with pytest.raises(Refused, match="matches none"):
        lots_by_pattern(["a" * 4000], "(" + "*a" * 90 + ")b")


def test_lots_from_a_table():
    names = ["mon/1.png", "tue/1.png", "tue/2.png", "3.png"]
    data = "\ufefffile;lot\r\n2.png;B 1\r\nmon/1.png;A\r\n1.png;C\r\ngone.png;D\r\nmon\\1.png;A\r\n"
    for form in (data, data.encode()):
        read = lots_from_csv(form, names)
        assert read.lots == ["A", None, "B 1", None]
        assert read.unknown == ["gone.png"]
        assert read.ambiguous == ["1.png"]


def test_a_file_in_two_lots_is_refused():
    with pytest.raises(Refused, match=r"The file x/1\.png is listed twice, as A and as B"):
        lots_from_csv("file,lot\n1.png,A\nx/1.png,B\n", ["x/1.png"])


@pytest.mark.parametrize("data", ["file,label\na,b\n", "file,lot\na.png,\n", b"PK\x03\x04"])
def test_a_bad_table_is_refused(data):
    with pytest.raises(Refused):
        lots_from_csv(data, ["a.png"])
