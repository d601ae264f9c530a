"""Detectors: the right direction, oracles by hand and by optimisation, and normals that ask too much."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.stats import multivariate_normal
from sklearn.covariance import LedoitWolf

from dn2core.detect import Bank, form_scores, knn_scores, leave_one_out
from dn2core.detect.baselines import (
    DETECTORS,
    DN2,
    DN2_PAPER,
    FAMILIES,
    Detector,
    Training,
    classical,
    fitted,
    in_words,
)
from dn2core.detect.baselines import detector_of as detector_named
from dn2core.errors import Refused
from dn2core.explore import roc_auc

CLASSICAL = [name for name, detector in DETECTORS.items() if detector.sees == "features"]
NEED_SPREAD = ("gaussian_mixture", "kernel_density", "mahalanobis")


@pytest.fixture(scope="module", autouse=True)
def few_trees():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(classical, "TREES", 60)
        yield


def features(n: int, d: int = 24, *, seed: int = 0, at: float = 0.0) -> np.ndarray:
    """(n, d) float32 around a direction; `at` turns it away."""
    rng = np.random.default_rng(seed)
    centre = np.zeros(d)
    centre[0], centre[1] = 10 * np.cos(at), 10 * np.sin(at)
    return (centre + rng.normal(size=(n, d))).astype(np.float32)


def scores_of(name: str, normals, queries, seed: int = 0) -> np.ndarray:
    return fitted(DETECTORS[name], normals, Training(seed=seed))(queries)


@pytest.mark.parametrize("name", CLASSICAL)
def test_unusual_images_score_higher_whatever_pyod_takes_for_contaminated(name):
    normals, good, bad = features(300), features(60, seed=1), features(60, seed=2, at=1.0)
    score = fitted(DETECTORS[name], normals, Training())
    assert roc_auc(score(good), score(bad)) > 0.75


@pytest.mark.parametrize("name", CLASSICAL)
def test_the_same_seed_gives_the_same_scores_and_no_query_depends_on_another(name):
    normals, queries = features(80), features(5, seed=1)
    scores = scores_of(name, normals, queries)
    np.testing.assert_array_equal(scores, scores_of(name, normals, queries))
    one_by_one = fitted(DETECTORS[name], normals, Training())
    np.testing.assert_allclose(scores, [one_by_one(query[None])[0] for query in queries], rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("name", CLASSICAL)
@pytest.mark.parametrize("n", [2, 5])
def test_few_normals_in_many_dimensions_give_finite_scores(name, n):
    queries = np.concatenate([features(4, 100, seed=1), 1e4 * features(2, 100, seed=2), np.zeros((1, 100), "f4")])
    scores = scores_of(name, features(n, 100), queries)
    assert scores.shape == (7,) and scores.dtype == np.float64 and np.isfinite(scores).all()


@pytest.mark.parametrize("name", CLASSICAL)
def test_identical_normals_are_defined_or_refused_in_a_sentence(name):
    normals = np.repeat(features(1), 12, axis=0)
    queries = np.concatenate([normals[:1], features(3, seed=1, at=1.0)])
    if name in NEED_SPREAD:
        with pytest.raises(Refused, match="the features of all 12 are the same"):
            scores_of(name, normals, queries)
    else:
        scores = scores_of(name, normals, queries)
        assert np.isfinite(scores).all() and scores[0] == scores.min()


@settings(max_examples=20, deadline=None)
@given(st.data())
def test_whatever_the_normals_scores_are_finite_or_refused(data):
    name = data.draw(st.sampled_from(CLASSICAL))
    n, d = data.draw(st.integers(2, 12)), data.draw(st.integers(1, 6))
    values = st.sampled_from([0.0, 1.0, 1.0, -2.0, 1e-6, 1e5])
    normals = np.array(data.draw(st.lists(values, min_size=n * d, max_size=n * d)), np.float32).reshape(n, d)
    queries = np.concatenate([normals, np.ones((1, d), np.float32)])
    try:
        assert np.isfinite(scores_of(name, normals, queries)).all()
    except Refused as error:
        assert error.code == "NORMALS_ALL_ALIKE" and name in NEED_SPREAD


def test_one_normal_and_broken_numbers_are_refused():
    with pytest.raises(Refused, match="at least 2"):
        scores_of("pca", features(1), features(2))
    broken = features(5)
    broken[3, 2] = np.nan
    with pytest.raises(Refused, match="first at row 3"):
        scores_of("k_means", broken, features(2))
    with pytest.raises(Refused, match="first at row 3"):
        scores_of("k_means", features(9), broken)


def test_scores_that_are_not_finite_are_refused():
    bad = Detector("bad", "Bad", "density", "features", "", lambda normals, training: lambda q: np.array([1, np.inf]))
    with pytest.raises(Refused, match="1 of 2 are not"):
        fitted(bad, features(4), Training())(features(2))


def test_dn2_is_what_the_app_computes():
    normals, queries = features(40), features(9, seed=1)
    bank = Bank(normals)
    np.testing.assert_array_equal(
        scores_of(DN2_PAPER, normals, queries), knn_scores(bank.search(queries, 2).distances, 2)
    )
    bank = Bank(normals, normalise=True)
    expected = form_scores("density", bank.search(queries, 10), leave_one_out(bank, 10), 10)
    np.testing.assert_array_equal(scores_of(DN2, normals, queries), expected)


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_pca_is_the_distance_to_the_plane_of_the_largest_singular_vectors(monkeypatch):
    monkeypatch.setattr(classical, "DIRECTIONS", 3)
    normals, queries = features(50, 8), features(6, 8, seed=1)
    mean = unit(normals).mean(0)
    rest = np.linalg.svd(unit(normals) - mean)[2][3:]  # the directions that the plane lacks
    expected = (((unit(queries) - mean) @ rest.T) ** 2).sum(1)
    np.testing.assert_allclose(scores_of("pca", normals, queries), expected, rtol=1e-4)


def test_mahalanobis_is_the_one_of_the_shrunk_covariance():
    normals, queries = features(40, 60), features(6, 60, seed=1)
    expected = LedoitWolf().fit(unit(normals.astype(np.float64))).mahalanobis(unit(queries))
    np.testing.assert_allclose(scores_of("mahalanobis", normals, queries), expected, rtol=1e-4)


def test_the_mixture_of_few_normals_is_one_gaussian_and_sees_what_is_off_its_plane(monkeypatch):
    monkeypatch.setattr(classical, "DIRECTIONS", 3)
    monkeypatch.setattr(classical, "NARROWEST", 1e-9)
    normals, queries = features(200, 6), features(8, 6, seed=1)
    found = unit(normals)
    values, vectors = np.linalg.eigh(np.cov(found.T, bias=True))
    values = np.concatenate([np.full(3, values[:3].mean()), values[3:]])  # probabilistic PCA
    model = multivariate_normal(found.mean(0), vectors @ np.diag(values) @ vectors.T)
    scores, expected = scores_of("gaussian_mixture", normals, queries), -model.logpdf(unit(queries))
    np.testing.assert_allclose(scores - scores[0], expected - expected[0], rtol=0.02, atol=0.02)


def test_kernel_density_by_hand(monkeypatch):
    monkeypatch.setattr(classical, "DIRECTIONS", 2)
    normals = np.array([[3, 4, 0, 0], [4, 3, 0, 0], [5, 12, 0, 0], [12, 5, 0, 0]], np.float32)
    queries = np.array([[1, 1, 0, 0], [0, 1, 0, 0]], np.float32)
    points, asked = unit(normals), unit(queries)
    width = np.sqrt(np.linalg.eigvalsh(np.cov(points.T))[2:].mean()) * 4 ** (-1 / 6)
    squared = ((asked[:, None] - points) ** 2).sum(2)
    expected = -np.log(np.exp(-squared / (2 * width**2)).sum(1))
    scores = scores_of("kernel_density", normals, queries)
    np.testing.assert_allclose(np.diff(scores), np.diff(expected), rtol=1e-5)


def test_svdd_finds_the_ball_that_a_general_solver_finds(monkeypatch):
    monkeypatch.setattr(classical, "OUTSIDE", 0.25)
    normals, queries = features(16, 4), features(5, 4, seed=1)
    points = unit(normals.astype(np.float64))
    gram, most = points @ points.T, 1 / (0.25 * 16)
    solved = minimize(  # the dual of Tax & Duin (2004), equation 9
        lambda a: a @ gram @ a - a @ np.diag(gram),
        np.full(16, 1 / 16),
        jac=lambda a: 2 * gram @ a - np.diag(gram),
        bounds=[(0, most)] * 16,
        constraints={"type": "eq", "fun": lambda a: a.sum() - 1},
        options={"ftol": 1e-14, "maxiter": 1000},
    )
    expected = ((unit(queries) - solved.x @ points) ** 2).sum(1)
    np.testing.assert_allclose(scores_of("svdd", normals, queries), expected, rtol=1e-3)


def test_k_means_of_as_many_centres_as_normals_is_the_nearest_normal():
    normals, queries = features(20), features(7, seed=1)
    expected = ((unit(queries)[:, None] - unit(normals)) ** 2).sum(2).min(1)
    np.testing.assert_allclose(scores_of("k_means", normals, queries), expected, rtol=1e-3)


def test_what_did_not_converge_is_noted(monkeypatch):
    from pyod.models import gmm

    real = gmm.GMM
    monkeypatch.setattr(gmm, "GMM", lambda parts, **options: real(4, **{**options, "max_iter": 1, "tol": 0}))
    training = Training()
    fitted(DETECTORS["gaussian_mixture"], features(300), training)
    assert training.notes["not_converged"] == 1
    assert "not converged after 1 iterations" in in_words(training.notes)


def test_the_table():
    assert [DETECTORS[name].name for name in DETECTORS] == list(DETECTORS)
    assert {detector.family for detector in DETECTORS.values()} == set(FAMILIES)
    assert all(detector.trains == (detector.sees == "images") for detector in DETECTORS.values())
    with pytest.raises(Refused, match="Expected a detector out of dn2_paper, dn2, pca"):
        detector_named("nearest")


def test_the_table_alone_loads_no_library_of_a_detector():
    code = "import sys, dn2core.detect.baselines; print([m for m in ('torch', 'pyod', 'openvino') if m in sys.modules])"
    told = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(__file__).parents[2], check=True
    )
    assert told.stdout.strip() == "[]"


def test_a_training_tells_and_ends():
    heard = []
    training = Training(seconds=0.0, told=heard.append)
    training.tell(0.5)
    assert heard == [0.5] and training.out_of_time and not Training(seconds=60).out_of_time

    def stop(share):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Training(told=stop).tell(0.1)
