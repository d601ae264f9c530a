"""All detectors by name, in the order in which a table shows them."""

from dn2core.detect.baselines import classical
from dn2core.detect.baselines.deep import fit_by
from dn2core.detect.baselines.detector import Detector
from dn2core.detect.baselines.dn2 import nearest_normals
from dn2core.errors import Refused

DN2, DN2_PAPER = "dn2", "dn2_paper"
_TORCH = ("torch.nn",)

DETECTORS: dict[str, Detector] = {
    detector.name: detector
    for detector in (
        Detector(
            DN2_PAPER,
            "DN2 (paper)",
            "nearest neighbours",
            "features",
            "Mean of the squared distances to the 2 nearest normals (Bergman, Cohen & Hoshen 2020).",
            nearest_normals(k=2, form="mean", normalise=False),
        ),
        Detector(
            DN2,
            "DN2 (recommended)",
            "nearest neighbours",
            "features",
            "Features of unit length; mean of the squared distances to the 10 nearest normals,"
            " divided by the square root of these normals' own scores.",
            nearest_normals(k=10, form="density", normalise=True),
        ),
        Detector(
            "pca",
            "PCA reconstruction",
            "reconstruction",
            "features",
            "What the 64 largest directions of the normals cannot reproduce of an image: squared distance.",
            classical.pca,
            imports=("sklearn.decomposition",),
        ),
        Detector(
            "k_means",
            "K-means",
            "reconstruction",
            "features",
            "Squared distance to the nearest of 32 centres of the normals.",
            classical.k_means,
            imports=("sklearn.cluster",),
        ),
        Detector(
            "gaussian_mixture",
            "Gaussian mixture",
            "density",
            "features",
            "How unlikely an image is under up to 4 Gaussians in the normals' 64 largest directions and one even spread"
            " in the others.",
            classical.gaussian_mixture,
            imports=("pyod.models.gmm", "sklearn.decomposition"),
        ),
        Detector(
            "kernel_density",
            "Kernel density",
            "density",
            "features",
            "How unlikely an image is under Gaussian kernels of Scott's width around each normal, in the normals' 64"
            " largest directions, and one even spread in the others.",
            classical.kernel_density,
            imports=("pyod.models.kde", "sklearn.decomposition"),
        ),
        Detector(
            "mahalanobis",
            "Mahalanobis",
            "density",
            "features",
            "Squared Mahalanobis distance from the mean of the normals; covariance shrunk (Ledoit & Wolf 2004).",
            classical.mahalanobis,
            imports=("sklearn.covariance",),
        ),
        Detector(
            "oc_svm",
            "OC-SVM",
            "one class",
            "features",
            "One-class support vector machine with RBF kernel, nu = 0.1 (Schölkopf et al. 2001).",
            classical.one_class_svm,
            imports=("pyod.models.ocsvm",),
        ),
        Detector(
            "svdd",
            "SVDD",
            "one class",
            "features",
            "Distance from the centre of the smallest ball that holds 90 % of the normals (Tax & Duin 2004)."
            " Without a kernel: with an RBF kernel it ranks images exactly as OC-SVM does.",
            classical.svdd,
            imports=("sklearn.svm",),
        ),
        Detector(
            "lof",
            "LOF",
            "density",
            "features",
            "Local outlier factor among 20 neighbours (Breunig et al. 2000), normals as the reference.",
            classical.local_outlier_factor,
            imports=("pyod.models.lof",),
        ),
        Detector(
            "isolation_forest",
            "Isolation forest",
            "isolation",
            "features",
            "How few random cuts part an image from the normals: 200 trees (Liu, Ting & Zhou 2008).",
            classical.isolation_forest,
            imports=("pyod.models.iforest",),
        ),
        Detector(
            "autoencoder_l2",
            "Autoencoder (L2)",
            "reconstruction",
            "images",
            "What a narrow network that learned to copy the normals cannot copy of an image: squared difference of the"
            " pixels.",
            fit_by("autoencoder", "fit_l2"),
            trains=True,
            imports=_TORCH,
        ),
        Detector(
            "autoencoder_ssim",
            "Autoencoder (SSIM)",
            "reconstruction",
            "images",
            "The same, learned and measured by structural similarity (Bergmann et al. 2019).",
            fit_by("autoencoder", "fit_ssim"),
            trains=True,
            imports=_TORCH,
        ),
        Detector(
            "autoencoder_perceptual",
            "Autoencoder (perceptual)",
            "reconstruction",
            "images",
            "The same, learned and measured by the features of a network trained on ImageNet.",
            fit_by("autoencoder", "fit_perceptual"),
            trains=True,
            imports=(*_TORCH, "timm"),
        ),
        Detector(
            "deep_svdd",
            "Deep SVDD",
            "one class",
            "images",
            "Distance from the centre in a network trained to map the normals close to one point (Ruff et al. 2018).",
            fit_by("deep_svdd", "fit"),
            trains=True,
            imports=_TORCH,
        ),
        Detector(
            "rotnet",
            "RotNet (answers)",
            "self-supervised",
            "images",
            "How unsure a network is of the rotation by 0, 90, 180 or 270 degrees that it learned to tell of normals"
            " (Gidaris et al. 2018).",
            fit_by("rotnet", "fit_answers"),
            trains=True,
            imports=_TORCH,
        ),
        Detector(
            "rotnet_features",
            "RotNet (features)",
            "self-supervised",
            "images",
            "DN2 as in the paper on the features of that network instead of ImageNet's.",
            fit_by("rotnet", "fit_features"),
            trains=True,
            imports=_TORCH,
        ),
        Detector(
            "geom",
            "GEOM",
            "self-supervised",
            "images",
            "How unsure a network is which of 72 geometric transformations an image went through"
            " (Golan & El-Yaniv 2018).",
            fit_by("geom", "fit"),
            trains=True,
            imports=_TORCH,
        ),
        Detector(
            "mhrot",
            "MHRot",
            "self-supervised",
            "images",
            "Rotation and two shifts, told by three heads of one network (Hendrycks et al. 2019).",
            fit_by("mhrot", "fit"),
            trains=True,
            imports=_TORCH,
        ),
        Detector(
            "goad",
            "GOAD",
            "self-supervised",
            "images",
            "How far each transformed view of an image is from the centre of its transformation"
            " (Bergman & Hoshen 2020).",
            fit_by("goad", "fit"),
            trains=True,
            imports=_TORCH,
        ),
    )
}


def detector_of(name: str) -> Detector:
    """The table's row of that name."""
    if name not in DETECTORS:
        raise Refused("UNKNOWN_DETECTOR", name=name, known=", ".join(DETECTORS))
    return DETECTORS[name]
