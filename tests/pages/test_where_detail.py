"""Where an opened picture is unusual: which mode found it, the heat over it, the place beside what it should be."""

from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pytest

from dn2core.project.snapshot import snapshot
from pages.parts import where_detail
from pages.parts.text import md
from pages.parts.where_detail import Places, where_words
from tests.pages.app import filled, opened, texts
from tests.pages.test_detail import judged

LIMIT = 2.0


@dataclass(frozen=True)
class View:
    scores: np.ndarray
    limit: float
    percentiles: np.ndarray
    flagged: np.ndarray


@pytest.fixture
def project(store, fake_encoder):
    return filled(store, "Bolts", 24, scored=3)


@pytest.fixture
def zoomed(monkeypatch):
    """What the zoom of the panel was given."""
    seen = {}
    monkeypatch.setattr("pages.parts.detail.gallery", lambda **given: None)
    monkeypatch.setattr("pages.parts.detail.compare_zoom", lambda **given: (seen.clear(), seen.update(given)))
    return seen


def distances(peak: float) -> np.ndarray:
    found = np.full((4, 5), 0.5, np.float32)
    found[1, 3] = peak
    return found


@pytest.fixture
def patches(monkeypatch, project):
    """The patches of three images: one place above the limit, none, not compared yet."""
    given = SimpleNamespace(scores=[3.0, 1.0, np.nan], limit=LIMIT, on=True)

    def view(_, shown):
        scores = np.array(given.scores, np.float32)
        return View(scores, given.limit, 30 * scores, scores > given.limit) if given.on else None

    def heat(_, item_id):
        score = given.scores[snapshot(project).scored.position(item_id)]
        return (distances(score), given.limit)

    def matches(_, item_id):
        normals = snapshot(project).normals
        return [
            SimpleNamespace(item_id=int(i), name=name, left=0.6, top=0.25, right=0.8, bottom=0.5, distance=1.0)
            for i, name in zip(normals.ids[:9], normals.names[:9], strict=True)
        ]

    fakes = {"patch_view": view, "patch_heat": heat, "patch_matches": matches}
    for name, fake in fakes.items():
        monkeypatch.setattr(f"pages.parts.where_detail.{name}", fake)
    return given


def images(project) -> list[str]:
    return [str(i) for i in snapshot(project).scored.ids.tolist()]


def test_the_heat_lies_over_the_picture_on_the_scale_of_the_project(project, patches, zoomed):
    first = images(project)[0]
    opened("score", project=project.id, image=first)
    assert zoomed["overlay_url"].split("?")[0].endswith(f"/{first}") and "/dn2/heat/" in zoomed["overlay_url"]
    assert [word for _, _, word in zoomed["legend"] if word] == [
        "half the limit or less: not painted",
        "limit: faint below",
        "1.5 times or more",
    ]
    (line,) = zoomed["contours"]
    middle = (np.min(line, axis=0) + np.max(line, axis=0)) / 2
    assert middle == pytest.approx([0.7, 0.375], abs=0.01)  # of the cell at (1, 3)
    before = zoomed["overlay_url"]
    patches.limit = 2.5
    opened("score", project=project.id, image=first)
    assert zoomed["overlay_url"] != before  # so that the browser asks anew


def test_a_picture_whose_places_are_all_usual_has_no_outline(project, patches, zoomed):
    opened("score", project=project.id, image=images(project)[1])
    assert "/dn2/heat/" in zoomed["overlay_url"] and zoomed["contours"] == []


def test_a_few_cells_above_the_limit_outline_no_place_where_the_image_is_not_flagged(
    project, patches, zoomed, monkeypatch
):
    monkeypatch.setattr("pages.parts.where_detail.patch_heat", lambda *_: (distances(LIMIT + 0.1), LIMIT))
    opened("score", project=project.id, image=images(project)[1])
    assert "/dn2/heat/" in zoomed["overlay_url"] and zoomed["contours"] == []


def test_what_the_network_saw_has_no_heat(project, patches, zoomed):
    opened("score", project=project.id, image=images(project)[0], saw="1")
    assert "overlay_url" not in zoomed


def test_without_patches_the_picture_is_as_before(project, patches, zoomed):
    patches.on = False
    at = opened("score", project=project.id, image=images(project)[0])
    assert "overlay_url" not in zoomed
    assert not any("Found by" in text or "unusual place" in text for text in texts(at.main))


def test_normals_have_no_heat(project, patches, zoomed):
    at = opened("normals", project=project.id, image=str(snapshot(project).normals.ids[0]))
    assert not at.exception and "overlay_url" not in zoomed


def test_what_is_not_compared_yet_is_said(project, patches, zoomed):
    at = opened("score", project=project.id, image=images(project)[2])
    assert any("places are not compared yet" in text for text in texts(at.main))
    assert "overlay_url" not in zoomed


def test_both_scores_stand_side_by_side(project, patches, zoomed):
    from pages.parts.look import percent

    at = opened("score", project=project.id, image=images(project)[0])
    (table,) = [text for text in texts(at.main) if text.startswith("|")]
    shown = snapshot(project)
    judgement = shown.judge()
    whole = f"{judgement.scores[0] / judgement.limit:.2f} x"
    *_, of_whole, of_patches = table.split("\n")
    assert md(percent(judgement.percentiles[0])) in of_whole and md(whole) in of_whole
    assert md("90.0 %") in of_patches and f"**{md('1.50 x')}**" in of_patches


def test_the_place_stands_beside_the_parts_that_should_have_looked_like_it(project, patches, zoomed):
    at = opened("score", project=project.id, image=images(project)[0])
    assert any("The most unusual place" in text for text in texts(at.main))
    told = [caption for element in at.image for caption in element.captions]
    assert told == ["this image", *[md(name) for name in snapshot(project).normals.names[:3]]]  # nearest first


def test_of_a_long_name_the_end_stands_under_a_close_up():
    assert where_detail._end("a.png") == "a.png"
    assert where_detail._end("line 3/night/" + 40 * "x" + "/part 0071.png", 16) == "…x/part 0071.png"


def test_a_pass_that_a_place_flags_says_so_beside_it(project, patches, zoomed):
    judgement = snapshot(project).judge()
    passes = np.flatnonzero(~judgement.flagged)
    patches.scores = [3.0] * 3
    for at in range(3):
        read = badges(opened("score", project=project.id, image=images(project)[at]))
        assert any("flagged by a place" in one and "orange" in one for one in read) == (at in passes)
        assert any("pass" in one for one in read) == (at in passes)
    patches.scores = [1.0] * 3
    assert len(badges(opened("score", project=project.id, image=images(project)[passes[0]]))) == 1


def badges(at) -> list[str]:
    """Those of the verdict."""
    assert not at.exception
    return [text.value for text in at.main.markdown if "-badge[" in text.value]


def test_a_picture_that_is_lost_leaves_the_rest_of_the_panel(project, patches, zoomed):
    first = images(project)[0]
    item = project.item(int(first))
    (path,) = (project.folder / "originals").rglob(f"{item.sha256}*")
    path.unlink()
    at = opened("score", project=project.id, image=first)
    assert not at.exception and not any("The most unusual place" in text for text in texts(at.main))
    assert any("Found by" in text for text in texts(at.main))


def test_without_a_limit_there_is_no_heat_and_it_is_said(project, patches, zoomed):
    patches.limit = np.nan
    at = opened("score", project=project.id, image=images(project)[0])
    assert "overlay_url" not in zoomed and any("no limit for a single place" in text for text in texts(at.main))
    assert any("The most unusual place" in text for text in texts(at.main))


def test_the_difference_from_the_normal_stands_in_the_address(project, patches, zoomed):
    first = images(project)[0]
    near = snapshot(project).neighbours_of(int(first), 2)
    at = opened("score", project=project.id, image=first)
    at.toggle(key="dn2_difference").set_value(True).run()
    assert at.query_params["difference"] in ("1", ["1"])
    assert zoomed["overlay_url"].endswith(f"/{first}/{near[0].item_id}") and "/difference/" in zoomed["overlay_url"]
    assert [word for _, _, word in zoomed["legend"] if word] == ["alike", "very different"]
    opened("score", project=project.id, image=first, difference="1", against=str(near[1].item_id))
    assert zoomed["overlay_url"].endswith(f"/{first}/{near[1].item_id}")  # from the one that stands beside it
    at.button(key="dn2_back").click().run()
    assert "difference" not in at.query_params


def there(multiple: float, **more) -> Places:
    return Places(
        **{"item_id": 1, "score": multiple * LIMIT, "percentile": 0.0, "limit": LIMIT, "flagged": multiple > 1} | more
    )


@pytest.mark.parametrize(
    ("beyond", "multiple", "sentence"),
    [
        (True, 2.5, "Found by both: the whole image is unusual ({whole}), and so is one place (2.50 x the limit)."),
        (
            False,
            2.5,
            "Found by a place alone: the whole image is usual ({whole}), one place is not (2.50 x the limit).",
        ),
        (
            True,
            0.8,
            "Found by the whole image alone ({whole}): no single place is unusual (the worst 0.80 x the limit).",
        ),
        (
            False,
            0.8,
            "Found by neither: the whole image is usual ({whole}), and so is each place (the worst 0.80 x the limit).",
        ),
    ],
)
def test_which_mode_found_it_in_one_sentence(beyond, multiple, sentence):
    said = where_words(there(multiple), judged(percentile=71.0, beyond=beyond))
    assert said == sentence.format(whole="percentile 71.0 %")


def test_a_limit_of_zero_has_no_multiples():
    assert where_words(there(1, limit=0.0, flagged=True), judged(percentile=100.0, beyond=False)).endswith(
        "(– the limit)."
    )
    assert where_detail.where_overlay(None, None, 1, None) == {}
