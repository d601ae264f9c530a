"""MHRot: how far rotated, how shifted up or down, how shifted left or right? Three heads (Hendrycks et al. 2019).

Simplified: a smaller network. The score is minus the log probabilities of the right answers of all three heads,
averaged over the 36 combinations.
"""

from dn2core.detect.baselines.deep import prediction
from dn2core.detect.baselines.deep.views import three_heads

STEPS = 700

fit = prediction.detector(three_heads, STEPS)
