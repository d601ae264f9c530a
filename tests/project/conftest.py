"""Maps in this process are drawn by a quick stand-in; the real one is only for the worker."""

import pytest

from dn2core.explore import Projection, pca_map
from dn2core.project import maps


@pytest.fixture(autouse=True)
def quick_maps(monkeypatch):
    monkeypatch.setattr(maps, "umap_map", lambda features, neighbours: Projection(pca_map(features), "umap"))
