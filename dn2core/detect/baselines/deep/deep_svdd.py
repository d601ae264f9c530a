"""Deep SVDD: a network that maps all normals close to one point (Ruff et al. 2018, one-class objective).

As there: no layer can add a constant, for then all images could go to the point; the encoder is trained first as half
of an autoencoder; the point is the mean of the normals before the second training, moved away from zero.
Simplified: a smaller network, fewer steps, one learning-rate schedule.
"""

import numpy as np
import torch
from torch import nn

from dn2core.detect.baselines.deep import networks, reconstruction
from dn2core.detect.baselines.deep.training import Course, inputs, outputs, pixels
from dn2core.detect.baselines.detector import Scorer, Training

DIM = 32
BATCH_COPYING = 64
STEPS_COPYING, STEPS = 200, 400
SHARE_COPYING = 0.4  # of the time
AWAY = 0.1  # no coordinate of the centre is nearer to zero


def fit(normals: np.ndarray, training: Training) -> Scorer:
    """Score: squared distance from the centre."""
    course = Course(normals, training)
    images, side = pixels(normals), normals.shape[1]
    encoder = networks.encoder(side, DIM, bias=False)
    copier = networks.initialised(nn.Sequential(encoder, networks.decoder(side, DIM)), course.generator)

    def copying(rows: torch.Tensor) -> torch.Tensor:
        x = inputs(images[rows], course.device)
        return reconstruction.l2(x, copier(x)).mean()

    course.train(copier, copying, steps=STEPS_COPYING, batch=BATCH_COPYING, part=(0, SHARE_COPYING))
    first = outputs(normals, lambda images: encoder(inputs(images, course.device)))
    centre = torch.from_numpy(centre_of(first)).to(course.device)

    def distances(images: torch.Tensor) -> torch.Tensor:
        return ((encoder(inputs(images, course.device)) - centre) ** 2).sum(1)

    course.train(encoder, lambda rows: distances(images[rows]).mean(), steps=STEPS, part=(SHARE_COPYING, 1))
    return lambda queries: outputs(queries, distances).astype(np.float64)


def centre_of(outputs: np.ndarray) -> np.ndarray:
    """(d,): the mean of (n, d), every coordinate at least AWAY from zero, which weights of zero reach trivially."""
    mean = outputs.mean(0)
    return np.where(mean < 0, np.minimum(mean, -AWAY), np.maximum(mean, AWAY))
