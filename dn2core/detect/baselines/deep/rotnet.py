"""Rotation prediction (RotNet, Gidaris et al. 2018), as a detector by its answers and by its features."""

import numpy as np
import torch

from dn2core.detect.bank import Bank
from dn2core.detect.baselines.deep import prediction
from dn2core.detect.baselines.deep.training import inputs, outputs
from dn2core.detect.baselines.deep.views import rotations
from dn2core.detect.baselines.detector import Scorer, Training
from dn2core.detect.scores import knn_scores

STEPS = 700
K = 2

fit_answers = prediction.detector(rotations, STEPS)


def fit_features(normals: np.ndarray, training: Training) -> Scorer:
    """The paper's score, on what the trained network sees of the image as it stands instead of ImageNet's features."""
    network, course = prediction.trained(normals, training, rotations(normals.shape[1]), STEPS)

    def features(images: torch.Tensor) -> torch.Tensor:
        return network.features(inputs(images, course.device))

    bank = Bank(outputs(normals, features))
    return lambda queries: knn_scores(bank.search(outputs(queries, features), K).distances, K).astype(np.float64)
