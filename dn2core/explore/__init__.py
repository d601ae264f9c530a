"""Arrays to insight: maps, sweeps over k, evaluation."""

from dn2core.explore.evaluation import roc_auc
from dn2core.explore.projection import Projection, pca_map, place, umap_map
from dn2core.explore.sweep import Sweep, sweep_table

__all__ = ["Projection", "Sweep", "pca_map", "place", "roc_auc", "sweep_table", "umap_map"]
