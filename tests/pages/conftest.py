"""The pages' own store: the one that the app under test opens."""

import pytest

from dn2core.project import open_service


@pytest.fixture
def store(tmp_path, monkeypatch):
    """A store in a temporary folder which the pages open as theirs; jobs run by `run_pending`."""
    monkeypatch.setenv("DN2_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("DN2_WORKERS", "0")
    service = open_service(tmp_path / "data", workers=False)
    yield service.store
    service.close()


@pytest.fixture
def galleries(monkeypatch):
    """What each gallery was given last, by the beginning of its key, and the opened picture as "zoom"."""
    seen = {}

    def note(**given):
        seen[given["key"].rpartition("_")[0]] = given

    monkeypatch.setattr("pages.parts.components.gallery.gallery", note)
    monkeypatch.setattr("pages.parts.detail.gallery", lambda **given: None)
    monkeypatch.setattr("pages.parts.detail.compare_zoom", lambda **given: seen.update(zoom=given))
    return seen
