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
