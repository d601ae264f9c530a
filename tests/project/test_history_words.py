"""Entries of the history in words: what changed, from what to what, with whatever people wrote."""

from dataclasses import asdict, replace

import pytest

from dn2core.project import Settings
from dn2core.project.events import KINDS, Event
from dn2core.project.history_words import changed_settings, event_words

HOSTILE = "<img src=x> {name} {0.__class__} %s $x$ \ud800\u202e\n"


def event(kind="label", version=3, settings=None, **details) -> Event:
    return Event(7, 0.0, "Ada", kind, version, settings or Settings(), None, details)


def changed(before: Settings, **change) -> Event:
    return event("settings", settings=replace(before, **change), before=asdict(before))


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (event(label="good", note="", before=None, name="a.jpg"), "a.jpg: good part"),
        (event(label="defect", note="rim", before=None, name="a.jpg"), "a.jpg: confirmed defect – “rim”"),
        (event(label="", note="", before={}, name="a.jpg"), "a.jpg: label taken off"),
        (
            event(label="defect", note="", before={}, name="a.jpg", undone=3),
            "a.jpg: decision taken back, now confirmed defect",
        ),
        (event(label="", note="", before={}, name="a.jpg", undone=3), "a.jpg: decision taken back, now no label"),
        (
            event("normals", reason="12 normals added", n=1072, held=8),
            "Normals version 3: 12 normals added; 1,072 normals and 8 held out",
        ),
        (event("normals", version=1, reason="first", n=1), "Normals version 1: first; 1 normal"),
        (event("lots", how="none", images=5, lots=0), "Lots taken off all images"),
        (event("lots", how="folder", images=1200, lots=3), "Lots by folder: 3 lots, 1,200 images"),
        (event("lots", how="delivery", images=4, lots=2), "Lots by delivery: 2 lots, 4 images"),
        (event("lots", how="hand", images=4, lots=1), "Lots by hand: 1 lot, 4 images"),
        (event("lots", how="pattern (.)_", images=2, lots=1), "Lots by pattern (.)_: 1 lot, 2 images"),
        (
            event("delivery", scored=1000, flagged=14, limit=0.4213, k=2, version=3),
            "1,000 images scored: 14 flagged, 986 pass; limit 0.421 at k = 2, normals version 3",
        ),
        (
            event("delivery", scored=1, flagged=None, limit=None, k=1, version=1),
            "1 image scored, not judged: there was no limit",
        ),
        (
            event("delivery", scored=0, flagged=0, limit=0.4, k=2, known=1200, rejected=1),
            "No new image scored: 1,200 files known already, 1 file rejected",
        ),
        (
            event("delivery", scored=0, flagged=None, limit=None, k=2, known=1, rejected=0),
            "No new image scored: 1 file known already",
        ),
        (event("delivery", scored=0, flagged=0, limit=0.4, k=2), "No new image scored"),
    ],
)
def test_what_happened_in_one_line(entry, words):
    assert event_words(entry) == words


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"k": 5}, "k 2 → 5"),
        ({"budget": 1 / 200}, "false-alarm budget 1 in 100 → 1 in 200"),
        (
            {"budget": 0.3, "reject_budget": 0.05},
            "false-alarm budget 1 in 100 → 30.0\u00a0%, budget for rejects none → 1 in 20",
        ),
        ({"normalise": False}, "features of unit length → raw"),
        ({"form": "kth"}, "score form Mean of the squared distances → Squared distance to the k-th"),
        ({"calibration": "held_out"}, "limits rest on each normal against the others → held-out normals"),
        (
            {"backbone": "of another version", "preset": "gone"},
            "network EfficientNet-Lite0 → of another version, preset The whole image → gone",
        ),
    ],
)
def test_settings_tell_what_changed_from_what_to_what(change, words):
    entry = changed(Settings(), **change)
    assert event_words(entry) == words
    assert changed_settings(entry) == [name for name in asdict(Settings()) if name in change]


def test_old_and_strange_entries_are_told_as_well():
    assert event_words(event("settings")) == "Settings saved"
    old = event("settings", settings=replace(Settings(), k=3), before={"k": 2, "percentile": 99.0})
    assert event_words(old) == "k 2 → 3"


def test_what_people_wrote_comes_through_letter_by_letter():
    for entry in (
        event(label="good", note=HOSTILE, before=None, name=HOSTILE),
        event("normals", reason=HOSTILE, n=2),
        event("lots", how=HOSTILE, images=2, lots=1),
    ):
        assert HOSTILE in event_words(entry)
    assert {"label", "normals", "lots", "settings", "delivery"} == set(KINDS)
