"""GEOM: which of 72 geometric transformations was it? (Golan & El-Yaniv 2018)

Simplified: where the authors fit a Dirichlet distribution to the normals' answers for each transformation, the score
is minus the log probability of the right answer, averaged over the transformations; a smaller network.
"""

from dn2core.detect.baselines.deep import prediction
from dn2core.detect.baselines.deep.views import geometric

STEPS = 700

fit = prediction.detector(geometric, STEPS)
