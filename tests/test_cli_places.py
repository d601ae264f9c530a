"""What `score` says of places beside the whole images' verdicts."""

from dataclasses import replace

import numpy as np
import pytest

from dn2core.cli import main
from dn2core.project import Store, run_pending
from dn2core.project.snapshot import Snapshot
from tests.patch_stand_in import part, use_fake_patches


@pytest.fixture
def bolts(tmp_path, monkeypatch, fake_encoder):
    """A project of 14 normals, and a folder of two good parts and one with a spot, which pass as whole images."""
    use_fake_patches(monkeypatch)
    monkeypatch.setenv("DN2_DATA", str(tmp_path / "data"))
    good, new = tmp_path / "good", tmp_path / "new"
    good.mkdir(), new.mkdir()
    for i in range(14):
        (good / f"n{i:02}.png").write_bytes(part(i))
    for i, spot in enumerate([None, None, (2, 5)]):
        (new / f"s{i}.png").write_bytes(part(100 + i, spot))
    main(["build", "Bolts", str(good)])
    judge = Snapshot.judge

    def calm(self, *given):
        judged = judge(self, *given)
        return replace(judged, flagged=np.zeros_like(judged.flagged), verdicts=np.full(len(judged.flagged), "pass"))

    monkeypatch.setattr(Snapshot, "judge", calm)
    store = Store(tmp_path / "data")
    return store, store.open(store.projects()[0].id), new


def said(capsys, *arguments) -> str:
    capsys.readouterr()
    assert main(["score", "Bolts", *map(str, arguments)]) == 0
    return capsys.readouterr().out


def test_without_places_nothing_is_said_of_them(bolts, capsys):
    _, _, new = bolts
    out = said(capsys, new)
    assert "3 images: 0 flagged, 3 pass" in out and "place" not in out


def test_a_pass_that_a_place_flags_is_told(bolts, capsys):
    store, project, new = bolts
    project.change_settings(patches="bank", budget=0.1)
    assert "The places of 3 images are not compared yet" in said(capsys, new)
    run_pending(store)
    out = said(capsys, new)
    assert "1 of the passes is flagged by a place alone: see --csv" in out and "not compared" not in out
    assert "flagged by a place" not in said(capsys, new / "s0.png", new / "s1.png")  # of those given now alone
    (new / "s3.png").write_bytes(part(300, (6, 1)))
    out = said(capsys, new)
    assert "1 of the passes is flagged" in out and "The places of 1 image are not compared yet" in out
    run_pending(store)
    assert "2 of the passes are flagged by a place alone" in said(capsys, new)
