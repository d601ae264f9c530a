"""Which transformation was it? A network that learned to tell on normals is unsure, or wrong, about other images."""

from collections.abc import Callable

import numpy as np
import torch
from torch import nn
from torch.nn.functional import cross_entropy, leaky_relu, log_softmax

from dn2core.detect.baselines.deep import networks
from dn2core.detect.baselines.deep.training import Course, inputs, outputs, pixels
from dn2core.detect.baselines.deep.views import Views
from dn2core.detect.baselines.detector import Scorer, Training

FEATURES = 128


class Predictor(nn.Module):
    """(b, 3, side, side) -> features (b, FEATURES), and for each question the logits of its answers."""

    def __init__(self, side: int, classes: tuple[int, ...]):
        super().__init__()
        self.encoder = networks.encoder(side, FEATURES)
        self.heads = nn.ModuleList(nn.Linear(FEATURES, count) for count in classes)

    def features(self, x: torch.Tensor) -> torch.Tensor:
        return leaky_relu(self.encoder(x), 0.1)

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        features = self.features(x)
        return [head(features) for head in self.heads]


def trained(normals: np.ndarray, training: Training, views: Views, steps: int) -> tuple[Predictor, Course]:
    """A predictor of the views' labels; every normal is shown by a transformation drawn anew each time."""
    course = Course(normals, training)
    images = pixels(normals)
    network = networks.initialised(Predictor(normals.shape[1], views.classes), course.generator)
    labels = views.labels.to(course.device)

    def loss(rows: torch.Tensor) -> torch.Tensor:
        which = course.draw(len(views.labels), (len(rows),))
        logits = network(inputs(views.of(images[rows], which), course.device))
        return sum(cross_entropy(head, labels[which, i]) for i, head in enumerate(logits))

    course.train(network, loss, steps=steps)
    network.encoder = networks.folded(network.encoder)
    return network, course


def scorer(network: Predictor, course: Course, views: Views) -> Scorer:
    """Minus the log probability of the right answer, added up over heads and averaged over all transformations."""
    labels = views.labels.to(course.device)

    def score(images: torch.Tensor) -> torch.Tensor:
        logits = network(inputs(views.all_of(images), course.device))
        b = len(images)
        right = sum(
            -log_softmax(head, 1).view(b, len(labels), -1)[:, torch.arange(len(labels)), labels[:, i]]
            for i, head in enumerate(logits)
        )
        return right.mean(1)

    return lambda queries: outputs(queries, score, views=len(labels)).astype(np.float64)


def detector(make: Callable[[int], Views], steps: int) -> Callable[[np.ndarray, Training], Scorer]:
    """The fit of a detector that predicts these views."""

    def fit(normals: np.ndarray, training: Training) -> Scorer:
        views = make(normals.shape[1])
        return scorer(*trained(normals, training, views, steps), views)

    return fit
