"""Near-duplicates: the pairs of a comparison of all with all, and no more of them than can be looked at."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from dn2core.detect import Bank, leave_one_out, near_duplicates
from dn2core.detect.near_duplicates import NEAREST
from dn2core.errors import Refused


@given(st.integers(0, 2**32 - 1), st.integers(1, 9), st.integers(0, 12))
def test_few_normals_are_all_compared_with_all(seed, n, quarters):
    bank, cutoff = Bank(np.random.default_rng(seed).integers(0, 4, (n, 2))), quarters / 4
    pairs, distances = near_duplicates(bank, cutoff)
    between = np.linalg.norm(bank.features[:, None] - bank.features[None], axis=2)
    expected = sorted((between[a, b], a, b) for a in range(n) for b in range(a + 1, n) if between[a, b] <= cutoff)
    assert pairs.dtype == np.int64 and distances.dtype == np.float32
    assert pairs.tolist() == [[a, b] for _, a, b in expected]
    assert distances == pytest.approx([distance for distance, *_ in expected], abs=1e-6)


def test_thousands_of_the_same_image_are_one_group_of_few_pairs():
    bank = Bank(np.ones((3000, 4)))
    pairs, distances = near_duplicates(bank, 0.0)
    assert len(pairs) <= NEAREST * 3000 and not distances.any()
    graph = coo_matrix((np.ones(len(pairs)), pairs.T), shape=(3000, 3000))
    assert connected_components(graph, directed=False)[0] == 1


def test_neighbours_that_are_there_already_are_used():
    bank = Bank(np.random.default_rng(0).normal(size=(60, 2)))
    fresh, known = near_duplicates(bank, 0.4), near_duplicates(bank, 0.4, leave_one_out(bank, 20))
    assert len(fresh[0]) > 10
    assert all((one == other).all() for one, other in zip(fresh, known, strict=True))


@pytest.mark.parametrize("cutoff", [-0.1, float("nan"), float("inf")])
def test_a_cutoff_that_is_no_distance_is_refused(cutoff):
    with pytest.raises(Refused, match="distance of 0 or more"):
        near_duplicates(Bank(np.eye(3)), cutoff)
