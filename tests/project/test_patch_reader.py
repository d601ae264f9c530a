"""Maps are read without the network that made them: nothing is fetched, and nobody is waited for."""

import pytest

from dn2core.errors import Refused, WeightsUnavailable
from dn2core.features.backbones import BACKBONES
from dn2core.features.patches import load_patch_encoder, patch_layout
from dn2core.project import encoders
from dn2core.project.encoders import patch_reader_for


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    def fetching(*_, **__):
        raise AssertionError("would be downloaded")

    monkeypatch.setattr("urllib.request.urlopen", fetching)
    encoders._hash_of.cache_clear()


@pytest.mark.parametrize("tiles", [1, 2])
def test_it_reads_what_the_encoder_makes(tmp_path, tiles):
    encoder = load_patch_encoder("efficientnet_lite0", tiles=tiles, runtime="torch")
    reader = patch_reader_for("efficientnet_lite0", tiles, tmp_path)
    assert (reader.layout, reader.fingerprint) == (encoder.layout, encoder.fingerprint)


def test_weights_that_are_not_there_are_not_needed_and_not_waited_for(tmp_path):
    with encoders._lock:  # somebody else waits for a download
        reader = patch_reader_for("resnet18", 2, tmp_path / "none")
    assert reader.layout == patch_layout("resnet18", 2)
    assert reader.fingerprint != patch_reader_for("resnet18", 1, tmp_path / "none").fingerprint
    assert not (tmp_path / "none").exists()


def test_where_only_the_weights_could_tell_it_is_a_sentence_at_once(tmp_path):
    """Of one network only the first digits of its weights' hash are known."""
    name = "wide_resnet50_2"
    with encoders._lock, pytest.raises(WeightsUnavailable, match=BACKBONES[name].title):
        patch_reader_for(name, 1, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_network_without_maps_is_refused(tmp_path):
    with pytest.raises(Refused, match="gives no maps"):
        patch_reader_for("dinov2_vits14", 1, tmp_path)
