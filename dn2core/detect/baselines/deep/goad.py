"""GOAD: each transformation's views gather around a centre of their own (Bergman & Hoshen 2020).

The images' variant: the 72 transformations of GEOM, centre triplet loss, beside it a classifier at a tenth of the
weight. Simplified: a smaller network, and the final centres are the means over at most CENTRED normals.
"""

import numpy as np
import torch
from torch import nn
from torch.nn.functional import cross_entropy, leaky_relu

from dn2core.detect.baselines.deep import networks
from dn2core.detect.baselines.deep.training import Course, inputs, outputs, pixels
from dn2core.detect.baselines.deep.views import geometric
from dn2core.detect.baselines.detector import Scorer, Training

DIM = 64
STEPS = 300
BATCH = 4  # normals, by every transformation each
MARGIN = 1.0
CLASSIFIER = 0.1  # weight of its loss
EPSILON = 1e-6  # likelihood that no view falls below: far from all centres nothing is known (section 3.2)
CENTRED = 500


class Embedding(nn.Module):
    """(b, 3, side, side) -> (b, DIM); the classifier on it is for training alone."""

    def __init__(self, side: int, views: int):
        super().__init__()
        self.encoder = networks.encoder(side, DIM)
        self.classifier = nn.Linear(DIM, views)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.encoder(x)


def fit(normals: np.ndarray, training: Training) -> Scorer:
    """Score: minus the log probability that a view belongs to its own centre, averaged over all transformations."""
    course, views = Course(normals, training), geometric(normals.shape[1])
    images, count = pixels(normals), len(views.labels)
    network = networks.initialised(Embedding(normals.shape[1], count), course.generator)

    def embedded(images: torch.Tensor) -> torch.Tensor:
        return network(inputs(views.all_of(images), course.device)).view(len(images), count, DIM)

    def loss(rows: torch.Tensor) -> torch.Tensor:
        embeddings = embedded(images[rows])
        logits = network.classifier(leaky_relu(embeddings, 0.1)).flatten(0, 1)
        right = torch.arange(count, device=course.device).repeat(len(rows))
        return centre_triplet(embeddings, embeddings.mean(0)) + CLASSIFIER * cross_entropy(logits, right)

    course.train(network, loss, steps=STEPS, batch=BATCH, views=count)
    network.encoder = networks.folded(network.encoder)
    some = np.sort(np.random.default_rng(training.seed).permutation(len(normals))[:CENTRED])
    centres = torch.from_numpy(outputs(normals[some], embedded, views=count).mean(0)).to(course.device)

    def score(images: torch.Tensor) -> torch.Tensor:
        likelihoods = torch.exp(-squared_distances(embedded(images), centres)) + EPSILON
        return -torch.log(likelihoods.diagonal(dim1=1, dim2=2) / likelihoods.sum(2)).mean(1)

    return lambda queries: outputs(queries, score, views=count).astype(np.float64)


def centre_triplet(embeddings: torch.Tensor, centres: torch.Tensor) -> torch.Tensor:
    """How much nearer than MARGIN the nearest wrong centre is than the right one, on average.

    Args:
        embeddings: (b, M, d), one of every transformation.
        centres: (M, d).
    """
    distances = squared_distances(embeddings, centres)
    right = distances.diagonal(dim1=1, dim2=2)
    own = torch.eye(len(centres), dtype=torch.bool, device=distances.device)
    wrong = distances.masked_fill(own, torch.inf).min(2).values
    return (right + MARGIN - wrong).clamp_min(0).mean()


def squared_distances(embeddings: torch.Tensor, centres: torch.Tensor) -> torch.Tensor:
    """(b, M, d) and (C, d) -> (b, M, C)."""
    across = embeddings @ centres.T
    return ((embeddings**2).sum(2, keepdim=True) - 2 * across + (centres**2).sum(1)).clamp_min(0)
