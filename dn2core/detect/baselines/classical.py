"""Detectors without a network of their own, by scikit-learn and PyOD, on features of unit length.

Each function is the fit of one detector; see `Detector`. The settings are fixed, the same for every set of normals:
nobody who has only normals could tune them. Libraries are imported where they are used, for they take seconds.
"""

import warnings
from collections.abc import Callable

import numpy as np

from dn2core.detect.baselines.detector import Scorer, Training
from dn2core.errors import Refused

# Enough for the spread of 2,000 photographs; densities in more directions need more normals than people have.
DIRECTIONS = 64
CENTRES = 32
MIXED = 4  # Gaussians; each has DIRECTIONS * (DIRECTIONS + 3) / 2 numbers, so it wants ...
NORMALS_EACH = 250  # ... that many normals at least
OUTSIDE = 0.1  # the share of the normals that may lie outside of a boundary (nu)
NEIGHBOURS = 20
TREES = 200
ROUNDING = 1e-12  # variances of unit-length float32 features below it mean nothing
NARROWEST = 1e-3  # a variance counts as at least this share of the average one


def pca(normals: np.ndarray, training: Training) -> Scorer:
    """Squared distance to the plane through the normals' mean along their largest directions."""
    plane = _Plane(_unit(normals), training)
    return lambda queries: plane.off(_unit(queries))


def k_means(normals: np.ndarray, training: Training) -> Scorer:
    """Squared distance to the nearest of the centres."""
    from sklearn.cluster import KMeans

    unit = _unit(normals)
    centres = min(CENTRES, len(np.unique(unit, axis=0)))
    model = _quietly(KMeans(centres, n_init=3, random_state=training.seed).fit, unit)
    training.notes["parts"] = centres
    if model.n_iter_ >= model.max_iter:
        training.notes["not_converged"] = model.n_iter_
    return lambda queries: model.transform(_unit(queries)).min(axis=1) ** 2


def gaussian_mixture(normals: np.ndarray, training: Training) -> Scorer:
    """Negative log-likelihood: Gaussians in the plane of the largest directions, one even spread off it."""
    from pyod.models.gmm import GMM

    plane = _Plane(_unit(normals), training, must_differ=True)
    parts = int(np.clip(len(normals) // NORMALS_EACH, 1, MIXED))
    # The projections have variance 1 on average, so the floor of a variance is a share of it.
    model = GMM(parts, reg_covar=NARROWEST, max_iter=200, random_state=training.seed)
    _quietly(model.fit, plane.along(_unit(normals)))
    training.notes["parts"] = parts
    if not model.converged_:
        training.notes["not_converged"] = model.n_iter_
    return lambda queries: plane.unlikely(_unit(queries), model.decision_function)


def kernel_density(normals: np.ndarray, training: Training) -> Scorer:
    """Negative log-density: Gaussian kernels of Scott's width in the plane, one even spread off it."""
    from pyod.models.kde import KDE

    plane = _Plane(_unit(normals), training, must_differ=True)
    width = len(normals) ** (-1 / (plane.count + 4))  # Scott (1992); the average deviation is 1 here
    model = KDE(bandwidth=width).fit(plane.along(_unit(normals)))
    return lambda queries: plane.unlikely(_unit(queries), model.decision_function)


def mahalanobis(normals: np.ndarray, training: Training) -> Scorer:
    """Squared Mahalanobis distance from the normals' mean, their covariance shrunk as Ledoit & Wolf do it."""
    from sklearn.covariance import LedoitWolf

    unit = _unit(normals)
    _check_differ(unit)
    model = LedoitWolf(store_precision=False).fit(unit.astype(np.float64))
    variances, directions = np.linalg.eigh(model.covariance_)
    # With two or three normals nothing is shrunk, and in most directions there is no variance at all.
    whiten = directions / np.sqrt(np.maximum(variances, NARROWEST * variances.mean()))
    return lambda queries: (((_unit(queries) - model.location_) @ whiten) ** 2).sum(axis=1)


def one_class_svm(normals: np.ndarray, training: Training) -> Scorer:
    """How far outside of the boundary, in kernel space; RBF kernel of the normals' own width."""
    from pyod.models.ocsvm import OCSVM

    model = OCSVM(kernel="rbf", gamma="scale", nu=OUTSIDE).fit(_unit(normals))
    return lambda queries: model.decision_function(_unit(queries)).ravel()


def svdd(normals: np.ndarray, training: Training) -> Scorer:
    """Squared distance from the centre of the smallest ball that holds all normals but a share.

    On vectors of equal length the dual problem of the ball is the one of a one-class SVM with linear kernel
    (Tax & Duin 2004, section 2): the centre is the same weighted mean of the normals.
    """
    from sklearn.svm import OneClassSVM

    model = OneClassSVM(kernel="linear", nu=OUTSIDE, tol=1e-5).fit(_unit(normals))
    weights = model.dual_coef_[0] / model.dual_coef_.sum()
    centre = weights @ model.support_vectors_
    return lambda queries: ((_unit(queries) - centre) ** 2).sum(axis=1)


def local_outlier_factor(normals: np.ndarray, training: Training) -> Scorer:
    """Local density of the neighbours over that of the image."""
    from pyod.models.lof import LOF

    model = LOF(n_neighbors=min(NEIGHBOURS, len(normals) - 1), novelty=True).fit(_unit(normals))
    return lambda queries: model.decision_function(_unit(queries))


def isolation_forest(normals: np.ndarray, training: Training) -> Scorer:
    """How few random cuts separate the image from the normals."""
    from pyod.models.iforest import IForest

    model = IForest(n_estimators=TREES, random_state=training.seed).fit(_unit(normals))
    return lambda queries: model.decision_function(_unit(queries))


class _Plane:
    """The normals' mean, and the directions (r, d) in which they spread most, r <= DIRECTIONS.

    Off the plane the normals count as one Gaussian that is as wide in every direction as they are on average
    (probabilistic PCA: Tipping & Bishop 1999). Without it a density would not see what is off the plane.
    """

    def __init__(self, unit: np.ndarray, training: Training, *, must_differ: bool = False):
        from sklearn.decomposition import PCA

        if must_differ:
            _check_differ(unit)
        # With more than half of all directions there is hardly anything off the plane.
        most = min(DIRECTIONS, len(unit) - 1, max(1, unit.shape[1] // 2))
        with np.errstate(invalid="ignore"):  # identical normals: shares of a variance of 0
            model = PCA(most, random_state=training.seed).fit(unit.astype(np.float64))
        spread = model.explained_variance_
        real = spread > ROUNDING
        self._mean, self._directions = model.mean_, model.components_[real]
        self._variance = spread[real].mean() if real.any() else 1.0
        left = max(1, unit.shape[1] - len(self._directions))
        self._variance_off = max(self.off(unit).mean() / left, NARROWEST * self._variance)
        self.count = training.notes["directions"] = len(self._directions)

    def along(self, unit: np.ndarray) -> np.ndarray:
        """(n, r) float64 coordinates in the plane, of variance 1 on average over normals and directions."""
        return (unit - self._mean) @ self._directions.T / np.sqrt(self._variance)

    def off(self, unit: np.ndarray) -> np.ndarray:
        """(n,) float64 squared distances to the plane."""
        centred = unit - self._mean
        return ((centred - centred @ self._directions.T @ self._directions) ** 2).sum(axis=1)

    def unlikely(self, unit: np.ndarray, along: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        """(n,) negative log-densities but for a constant, from those of the coordinates in the plane."""
        return along(self.along(unit)) + self.off(unit) / (2 * self._variance_off)


def _unit(features: np.ndarray) -> np.ndarray:
    """Of length 1; a vector of zeros stays as it is."""
    norms = np.linalg.norm(features.astype(np.float64), axis=1, keepdims=True)
    return (features / np.where(norms > 0, norms, 1)).astype(np.float32)


def _check_differ(unit: np.ndarray) -> None:
    if np.ptp(unit, axis=0).max() < 1e-6:
        raise Refused("NORMALS_ALL_ALIKE", n=len(unit))


def _quietly(fit, features: np.ndarray):
    """Without the warning that a fit did not converge: who calls looks at that and notes it."""
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return fit(features)
