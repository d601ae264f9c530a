"""Deep autoencoders: what a narrow network that learned to copy normals cannot copy of an image."""

from collections.abc import Callable

import numpy as np
import torch
from torch import nn

from dn2core.detect.baselines.deep import networks, reconstruction
from dn2core.detect.baselines.deep.training import Course, inputs, outputs, pixels
from dn2core.detect.baselines.detector import Scorer, Training

LATENT = 32
SOME = 128  # normals that show a distance what is usual
# Mini-batches and their size: about the same time for each distance.
STEPS_L2, STEPS_SSIM, STEPS_PERCEPTUAL = (450, 64), (370, 64), (210, 32)


def fit_l2(normals: np.ndarray, training: Training) -> Scorer:
    """Loss and score: mean squared difference of the pixels."""
    return _fit(normals, training, lambda some: reconstruction.l2, STEPS_L2)


def fit_ssim(normals: np.ndarray, training: Training) -> Scorer:
    """Loss and score: 1 - SSIM, averaged over the image (Bergmann et al. 2019, who keep the map)."""
    return _fit(normals, training, lambda some: reconstruction.dissimilarity, STEPS_SSIM)


def fit_perceptual(normals: np.ndarray, training: Training) -> Scorer:
    """Loss and score: distance of the frozen features of a network that was trained on ImageNet."""
    return _fit(normals, training, reconstruction.perceptual, STEPS_PERCEPTUAL)


def network(side: int, latent: int = LATENT) -> nn.Sequential:
    """(b, 3, side, side) from 0 to 1 -> the same shape, through `latent` numbers."""
    return nn.Sequential(networks.encoder(side, latent), networks.decoder(side, latent))


def _fit(
    normals: np.ndarray,
    training: Training,
    distance_by: Callable[[torch.Tensor], reconstruction.Distance],
    steps_and_batch: tuple[int, int],
) -> Scorer:
    course = Course(normals, training)
    images = pixels(normals)
    copier = networks.initialised(network(normals.shape[1]), course.generator)
    distance = distance_by(inputs(images[:SOME], course.device))

    def loss(rows: torch.Tensor) -> torch.Tensor:
        x = inputs(images[rows], course.device)
        return distance(x, copier(x)).mean()

    def score(images: torch.Tensor) -> torch.Tensor:
        x = inputs(images, course.device)
        return distance(x, copier(x))

    steps, batch = steps_and_batch
    course.train(copier, loss, steps=steps, batch=batch)
    return lambda queries: outputs(queries, score).astype(np.float64)
