"""Clean: strangers and copies are found, decided on and dropped in one step that can be taken back."""

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from dn2core.detect import Bank, flagged_of, forecast
from dn2core.detect.cleaning import clean
from dn2core.detect.near_duplicates import near_duplicates
from dn2core.errors import NotFound
from dn2core.project import run_pending
from dn2core.project.cleaning import drop_normals
from dn2core.project.events import history
from dn2core.project.history_words import event_words
from dn2core.project.impact import impact
from dn2core.project.labels import set_label
from dn2core.project.normals import add_normals
from pages.parts import clean_draft, clean_trial, duplicates
from pages.parts.clean_charts import before_after, bins
from pages.parts.clean_draft import Draft, digest, plan, proposal, proposed_count, second_ones
from pages.parts.clean_words import share_words
from tests.pages.app import give, opened, texts


def blocks(seed: int, shade: int, nudge: int = 0) -> bytes:
    """A picture of sixteen blocks around a shade; nudged, another file that looks the same."""
    values = shade + np.random.default_rng(seed).integers(-12, 13, (4, 4))
    pixels = np.kron(values, np.ones((8, 8), int))
    pixels[0, 0] += nudge
    out = io.BytesIO()
    Image.fromarray(np.stack([pixels] * 3, axis=-1).astype(np.uint8)).save(out, "PNG")
    return out.getvalue()


SIX = "13"  # percent of 48 normals


def strange(name: str) -> bool:
    return int(name[:3]) >= 42


@pytest.fixture
def project(store, fake_encoder):
    """40 normals, copies of two of them, and 6 bright strangers; scored are 6 good parts and 3 more strangers."""
    project = store.create("Bolts")
    normals = [blocks(seed, 100) for seed in range(40)] + [blocks(seed, 100, nudge=16) for seed in (3, 7)]
    give(project, "normal", [*normals, *(blocks(200 + seed, 180) for seed in range(6))], name="{i:03}.png")
    give(
        project,
        "scored",
        [blocks(300 + seed, 100) for seed in range(6)] + [blocks(400 + i, 180) for i in range(3)],
        name="new {i}.png",
    )
    run_pending(store)
    return project


@pytest.fixture(autouse=True)
def galleries(monkeypatch):
    """What each gallery was given, by its key without the project; nothing is opened."""
    seen = {}
    monkeypatch.setattr(
        "pages.parts.components.gallery.gallery", lambda **given: seen.update({given["key"].rpartition("_")[0]: given})
    )
    return seen


def words(at) -> str:
    """All words of the page, as they are read."""
    return " ".join(texts(at.main)).replace("\u00a0", " ").replace("\u2060", "").replace("\\", "")


def address(at, name: str) -> str | None:
    value = at.query_params.get(name)
    return value[0] if isinstance(value, list) else value


def names(project) -> list[str]:
    return list(project.snapshot().normals.names)


def marked(galleries, key: str = "dn2_suspects") -> dict[str, str]:
    """Marks by name, of those that have one."""
    given = galleries[key]
    return {name: mark for name, mark in zip(given["details"], given["marks"], strict=True) if mark}


def test_strangers_come_first_and_are_proposed(project, galleries):
    at = opened("clean", project=project.id, share=SIX)
    assert not at.exception and not at.error
    assert "Are strangers among the normals?" in words(at) and "dropping 6 changes 3 verdicts" in words(at)
    assert all(strange(name) for name in galleries["dn2_suspects"]["details"][:6])
    assert set(marked(galleries)) == {name for name in names(project) if strange(name)}
    # They hid the three scored ones like them.
    assert "3 flags appear" in words(at) and "Strangers may have been hiding them." in words(at)
    assert {name[:5] for name in galleries["dn2_clean_appearing"]["details"]} == {"new 6", "new 7", "new 8"}
    assert project.state().version == 1  # nothing was written


def test_the_automatic_share_is_explained(project, galleries):
    at = opened("clean", project=project.id, share="automatic")
    cleaning = clean(project.snapshot().bank)
    assert cleaning.drop[cleaning.order[:6]].all()
    assert f"dropping {cleaning.drop.sum()} changes" in words(at)
    assert marked(galleries).keys() == {name for name, drop in zip(names(project), cleaning.drop, strict=True) if drop}
    assert f"{cleaning.estimate.clump} normals keep to themselves" in words(at)
    assert f"In all {100 * cleaning.share:.1f} % of the normals." in words(at)
    assert f"compared with its {cleaning.k} nearest others" in words(at)
    at.button(key="dn2_clean_apply").click().run()
    said = event_words(history(project, newest=1)[0]).replace("\u00a0", " ")
    dropped = f"{cleaning.drop.sum()} normals dropped as strangers"
    assert f"{dropped} (those that stand apart and the fringe, {100 * cleaning.share:.1f} %)" in said


def test_apply_is_one_entry_with_the_way_back(project):
    at = opened("clean", project=project.id, share=SIX)
    at.button(key="dn2_clean_apply").click().run()
    assert not at.exception and not any(strange(name) for name in names(project))
    entry = history(project, newest=1)[0]
    assert "6 normals dropped as strangers (own share, 13.0\u00a0%)" in event_words(entry)
    assert "6 normals dropped: version 2." in words(at)
    assert project.snapshot().set_aside == 6
    at.button(key="dn2_changed_undo").click().run()
    assert sum(map(strange, names(project))) == 6


def test_undo_takes_back_the_drop_and_nothing_that_another_tab_did(project):
    at = opened("clean", project=project.id, share=SIX)
    add_normals(project, project.snapshot().scored.ids[:2])  # meanwhile
    at.button(key="dn2_clean_apply").click().run()
    assert "6 normals dropped: version 3." in words(at) and project.state().n == 44
    at.button(key="dn2_changed_undo").click().run()
    assert project.state().n == 50 and {"new 0.png", "new 1.png"} < set(names(project))


def test_what_another_tab_dropped_is_not_called_ones_own(project):
    at = opened("clean", project=project.id, share=SIX)
    gone = [i for i, name in zip(project.snapshot().normals.ids, names(project), strict=True) if strange(name)]
    drop_normals(project, gone[:4])
    at.button(key="dn2_clean_apply").click().run()
    assert "2 normals dropped: version 3. 4 others were none any more." in words(at)
    at.button(key="dn2_changed_undo").click().run()
    assert project.state().n == 44


def test_what_another_tab_dropped_cannot_be_taken_back_here(project):
    at = opened("clean", project=project.id, share=SIX)
    drop_normals(
        project, [i for i, name in zip(project.snapshot().normals.ids, names(project), strict=True) if strange(name)]
    )
    version = project.state().version
    at.button(key="dn2_clean_apply").click().run()
    assert "Nothing was dropped: somebody else changed these normals meanwhile." in words(at)
    assert project.state().version == version
    assert not [button for button in at.button if button.key == "dn2_changed_undo"]


def test_what_a_person_says_counts_and_stays(project, galleries):
    at = opened("clean", project=project.id, share=SIX)
    ids = dict(zip(galleries["dn2_suspects"]["details"], galleries["dn2_suspects"]["ids"], strict=True))
    stranger, good = "042.png", "010.png"
    order = galleries["dn2_suspects"]["ids"]
    for name, key in ((stranger, "keep"), (good, "drop")):
        at.query_params["image"] = str(ids[name])
        at.run()
        at.button(key=f"dn2_decide_{key}").click().run()
        following = order[order.index(ids[name]) + 1]
        assert address(at, "image") == str(following)  # on to the next one
    del at.query_params["image"]
    at.switch_page("normals.py").run()  # the page is left, the draft stays
    at.query_params["project"] = project.id
    at.switch_page("clean.py")
    at.query_params["project"] = project.id
    at.run()
    assert address(at, "share") == SIX
    marks = marked(galleries)
    assert (marks[stranger], marks[good]) == ("kept by you", "dropped by you")
    assert galleries["dn2_suspects"]["ids"] == order  # nothing moves
    at.button(key="dn2_clean_apply").click().run()
    left = names(project)
    assert stranger in left and good not in left and len(left) == 42
    assert project.snapshot().set_aside == 5  # somebody looked at the good one
    assert marked(galleries)[stranger] == "kept by you"


def test_keys_in_the_gallery_decide(project, galleries):
    at = opened("clean", project=project.id, share=SIX)
    given = galleries["dn2_suspects"]
    assert given["keys"] == "DK"
    first, last = given["ids"][0], given["ids"][-1]
    asked = []

    def gallery(**now):
        if now["key"].startswith("dn2_suspects") and not asked:
            asked.append(now)
            now["pressed"]([("K", first), ("D", last), ("D", 10**9)])
        galleries[now["key"].rpartition("_")[0]] = now

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pages.parts.components.gallery.gallery", gallery)
        at.run()
    assert not at.exception
    marks = galleries["dn2_suspects"]["marks"]
    assert (marks[0], marks[-1]) == ("kept by you", "dropped by you")


def test_a_word_on_an_image_can_be_taken_back(project, galleries):
    at = opened("clean", project=project.id, share=SIX)
    at.query_params["image"] = str(galleries["dn2_suspects"]["ids"][0])
    at.run()
    at.button(key="dn2_decide_keep").click().run()
    at.query_params["image"] = str(galleries["dn2_suspects"]["ids"][0])
    at.run()
    at.button(key="dn2_decide_none").click().run()
    assert "would be dropped" in words(at)


def test_who_looked_at_all_of_them_vouches(project):
    at = opened("clean", project=project.id, share=SIX)
    assert "Otherwise the limit can promise 1 in 4 false alarms at best, instead of 1 in 14." in words(at)
    at.checkbox(key="dn2_clean_vouched").check().run()
    assert "Otherwise" not in words(at)
    at.button(key="dn2_clean_apply").click().run()
    assert project.snapshot().set_aside == 0 and project.state().n == 42


def test_limits_explain_the_wider_interval(project):
    drop_normals(
        project, [i for i, name in zip(project.snapshot().normals.ids, names(project), strict=True) if strange(name)]
    )
    at = opened("limits", project=project.id)
    assert not at.exception
    assert "6 normals were dropped by their distance alone" in words(at)
    judged = project.snapshot().judge()
    [table] = [frame.value for frame in at.dataframe if "Rests on" in frame.value]
    _, low, high = flagged_of(forecast(judged.normal_scores, judged.limit, set_aside=6), 1000)
    assert table["95 % interval"].tolist() == [f"{low} – {high}"] and table["Can promise"].tolist() == ["1 in 4"]


def test_vouching_is_for_what_was_on_trial_then(project):
    at = opened("clean", project=project.id, share=SIX)
    at.checkbox(key="dn2_clean_vouched").check().run()
    at.segmented_control(key="dn2_clean_how").set_value("half").run()
    assert at.checkbox(key="dn2_clean_vouched").value is False
    at = opened("clean", project=project.id, share=SIX)
    at.checkbox(key="dn2_clean_vouched").check().run()
    at.query_params["share"] = "25"  # a link
    at.run()
    assert at.checkbox(key="dn2_clean_vouched").value is False
    at.query_params["share"] = SIX
    at.run()
    assert at.checkbox(key="dn2_clean_vouched").value is True  # of just these it was said
    drop_normals(project, project.snapshot().normals.ids[-2:])  # in another tab
    at.run()
    assert at.checkbox(key="dn2_clean_vouched").value is False
    at.button(key="dn2_clean_apply").click().run()
    assert project.snapshot().set_aside == 8


def test_the_share_is_ones_own_or_the_papers(project, galleries):
    at = opened("clean", project=project.id)
    at.segmented_control(key="dn2_clean_how").set_value("half").run()
    assert address(at, "share") == "half" and "dropping 24" in words(at)
    at.segmented_control(key="dn2_clean_how").set_value("own").run()
    at.slider(key="dn2_clean_percent").set_value(0).run()
    assert address(at, "share") == "0"
    assert "Nothing is dropped by its distance" in words(at) and at.button(key="dn2_clean_apply").disabled
    at.slider(key="dn2_clean_percent").set_value(25).run()
    assert len(marked(galleries)) == 12
    at.button(key="dn2_clean_apply").click().run()
    assert "own share, 25.0" in event_words(history(project, newest=1)[0])
    assert address(at, "share") is None


def test_those_that_stand_apart_alone(project, galleries):
    at = opened("clean", project=project.id)
    assert at.segmented_control(key="dn2_clean_how").value == "apart"
    assert set(marked(galleries)) == {name for name in names(project) if strange(name)}
    at.button(key="dn2_clean_apply").click().run()
    assert "(those that stand apart, 12.5" in event_words(history(project, newest=1)[0])


def test_a_link_brings_the_share_back(project, galleries):
    at = opened("clean", project=project.id, share="10")
    assert at.slider(key="dn2_clean_percent").value == 10 and len(marked(galleries)) == 5
    for nonsense in ("95", "<b>"):
        at = opened("clean", project=project.id, share=nonsense, cut=nonsense, part=nonsense, list=nonsense)
        assert not at.exception and address(at, "share") is None
        assert len(marked(galleries)) == clean(project.snapshot().bank).estimate.clump


def test_too_many_to_go_on_is_a_sentence(project):
    project.change_settings(k=10)
    at = opened("clean", project=project.id, share="90")
    assert "Expected at least 11" in at.error[0].value.replace("\\", "")
    assert at.button(key="dn2_clean_apply").disabled and not at.exception
    assert project.state().version == 1


def test_known_defects_are_told(project):
    view = project.snapshot()
    stranger = next(i for i, name in zip(view.scored.ids.tolist(), view.scored.names, strict=True) if "new 7" in name)
    set_label(project, stranger, "defect")
    set_label(project, next(i for i in view.scored.ids.tolist() if i != stranger), "good")
    at = opened("clean", project=project.id, share=SIX)
    assert "1 known defect that passes now would be found" in words(at)
    set_label(project, stranger, "")  # not the newest label
    at.run()
    assert "known defect" not in words(at)


def test_copies_stand_as_pairs_and_the_second_goes(project, galleries):
    at = opened("clean", project=project.id, part="copies", share=SIX)
    assert "2 pairs of 48 normals are near-identical" in words(at)
    given = galleries["dn2_pairs"]
    assert given["group"] == 2
    pairs = {tuple(given["details"][i : i + 2]) for i in (0, 2)}
    assert pairs == {("003.png", "040.png"), ("007.png", "041.png")}
    at.toggle(key="dn2_clean_copies").set_value(True).run()
    assert {name for name, mark in marked(galleries, "dn2_pairs").items() if mark} == {"040.png", "041.png"}
    at.button(key="dn2_clean_apply").click().run()
    assert names(project) == [f"{i:03}.png" for i in range(40)]
    assert "2 dropped as copies" in event_words(history(project, newest=1)[0])
    assert project.snapshot().set_aside == 6  # a copy's twin stays and answers for it


def test_the_cut_off_moves(project, galleries):
    at = opened("clean", project=project.id, part="copies")
    at.slider(key="dn2_clean_cut").set_value(0.0).run()
    assert address(at, "cut") == "0.00" and "No pair is that close; the closest lies at" in words(at)
    at.slider(key="dn2_clean_cut").set_value(1.5).run()
    assert len(galleries["dn2_pairs"]["ids"]) > 4 and not at.exception


def test_the_closest_pairs_are_shown_wherever_the_cut_off_lies(project, galleries):
    at = opened("clean", project=project.id, part="copies", cut="0.00", share="0")
    given = galleries["dn2_beyond"]
    assert "dn2_pairs" not in galleries and len(given["ids"]) == 40 and set(given["marks"]) == {"closest"}
    pairs = {tuple(given["details"][i : i + 2]) for i in (0, 2)}
    assert pairs == {("003.png", "040.png"), ("007.png", "041.png")}
    view = project.snapshot()
    every, distances = near_duplicates(view.bank, 1e6)
    assert given["ids"] == view.normals.ids[every[:20].ravel()].tolist()
    low, high = (f"{distances[at] / view.spacing:.2f} x" for at in (0, 19))
    assert f"20 pairs at {low} to {high}" in words(at)
    at.query_params["image"] = str(given["ids"][5])
    at.run()
    at.button(key="dn2_decide_keep").click().run()
    assert address(at, "image") in {str(one) for one in given["ids"]}  # on to the next of these
    galleries.clear()
    at = opened("clean", project=project.id, part="copies")
    assert len(galleries["dn2_pairs"]["ids"]) == 4 and len(galleries["dn2_beyond"]["ids"]) == 36


def test_of_very_many_pairs_the_closest_are_shown(project, galleries, monkeypatch):
    monkeypatch.setattr(duplicates, "SHOWN", 3)
    at = opened("clean", project=project.id, part="copies", cut="1.50")
    found = int(words(at).partition(" pairs of 48 normals are near-identical")[0].split()[-1])
    assert f"The 3 closest pairs are shown, {found - 3} more are not." in words(at)
    assert len(galleries["dn2_pairs"]["ids"]) == 6


def test_what_was_found_is_not_looked_for_again(project, monkeypatch):
    looked = []
    monkeypatch.setattr(clean_trial, "near_duplicates", lambda *given: looked.append(given) or near_duplicates(*given))
    monkeypatch.setattr(clean_trial, "show", lambda name: looked.append(name) or name)
    at = opened("clean", project=project.id, part="copies", cut="0.90")
    once = len(looked)
    at.toggle(key="dn2_clean_copies").set_value(True).run()
    at.segmented_control(key="dn2_clean_part").set_value("audit").run()
    assert not at.exception and len(looked) == once > 0


def test_with_very_many_normals_the_trial_is_made_when_asked_for(project, monkeypatch):
    monkeypatch.setattr(clean_trial, "LARGE", 40)
    tried = []
    monkeypatch.setattr(clean_trial, "impact", lambda *given, **more: tried.append(1) or impact(*given, **more))
    at = opened("clean", project=project.id, share=SIX)
    assert not at.exception and not tried
    assert "dropping 6" in words(at) and "worked out only when asked" in words(at)
    at.button(key="dn2_clean_ask").click().run()
    assert tried == [1] and "dropping 6 changes 3 verdicts" in words(at)
    assert not [button for button in at.button if button.key == "dn2_clean_ask"]
    at.slider(key="dn2_clean_percent").set_value(25).run()
    assert tried == [1] and "dropping 12" in words(at)
    at.segmented_control(key="dn2_clean_part").set_value("copies").run()
    assert not at.exception and at.button(key="dn2_clean_ask")
    at.button(key="dn2_clean_apply").click().run()
    assert project.state().n == 36


def test_the_audit_ranks_and_opens_with_the_exact_effect(project, galleries, monkeypatch):
    at = opened("clean", project=project.id, part="audit")
    assert not at.exception and "Which normals do the verdicts lean on?" in words(at)
    given = galleries["dn2_audit_hubs"]
    used = [int(caption.split()[0]) for caption in given["captions"]]
    assert used == sorted(used, reverse=True) and sum(used) == 2 * 48
    at.segmented_control(key="dn2_audit_list").set_value("effects").run()
    best = galleries["dn2_audit_effects"]["ids"][0]
    monkeypatch.setattr("pages.parts.components.gallery.gallery", lambda **now: best if "audit" in now["key"] else None)
    at.run()
    assert address(at, "image") == str(best)
    assert "If it is taken out of the normals" in words(at)


def test_never_used_ones_are_listed(project, galleries):
    at = opened("clean", project=project.id, part="audit", list="unused")
    assert not at.exception
    shown = project.snapshot()
    k = shown.judge().k
    leaned_on = set(shown.loo.indices[:, :k].ravel()) | set(shown.found.indices[:, :k].ravel())
    expected = [int(i) for at_, i in enumerate(shown.normals.ids) if at_ not in leaned_on]
    assert galleries.get("dn2_audit_unused", {"ids": []})["ids"] == expected


def test_without_scored_images_that_section_says_so(store, fake_encoder):
    project = store.create("Bolts")
    give(project, "normal", [blocks(i, 100) for i in range(30)] + [blocks(100 + i, 180) for i in range(3)])
    run_pending(store)
    at = opened("clean", project=project.id, share="automatic")
    assert not at.exception and "No images are scored yet" in words(at)
    at = opened("clean", project=project.id, part="audit", list="effects")
    assert not at.exception and "No images are scored yet" in words(at)


@pytest.mark.parametrize("n", [0, 1, 2, 4])
def test_few_normals_are_too_few_to_tell(store, fake_encoder, n):
    project = store.create("Bolts")
    if n:
        give(project, "normal", [blocks(i, 100) for i in range(n)])
        run_pending(store)
    at = opened("clean", project=project.id)
    assert not at.exception and not at.error
    assert {0: "No normals yet", 1: "nothing to compare"}.get(n, "Too few normals to tell") in words(at)
    for part in ("copies", "audit") if n == 2 else ():
        at = opened("clean", project=project.id, part=part)
        assert not at.exception and not at.error


def test_identical_normals_have_no_strangers(store, fake_encoder):
    project = store.create("Bolts")
    give(project, "normal", [_same(i) for i in range(24)])
    run_pending(store)
    for part in ("strangers", "copies", "audit"):
        at = opened("clean", project=project.id, part=part)
        assert not at.exception and not at.error
        expected = {"strangers": "all normals are the same image", "copies": "only exact copies are listed"}
        assert expected.get(part, "Which normals") in words(at)


def _same(i: int) -> bytes:
    """Another file of the same pixels: a size that the encoder shrinks to the same blocks."""
    pixels = np.full((32 + 8 * i, 32, 3), 100, np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


def test_the_past_is_only_looked_at(project, galleries):
    entry = history(project)[-1]
    at = opened("clean", project=project.id)
    at.button(key="dn2_clean_apply").click().run()
    at = opened("clean", project=project.id, state=str(entry.id))
    assert not at.exception and "of 48 stand" in words(at)
    assert at.button(key="dn2_clean_apply").disabled
    assert "keys" not in galleries["dn2_suspects"]
    stranger = galleries["dn2_suspects"]["ids"][0]
    at = opened("clean", project=project.id, state=str(entry.id), image=str(stranger))
    assert not at.exception
    with pytest.raises(KeyError):
        at.button(key="dn2_decide_drop")


# without a page


def cleaning_of(scores: list[float]):
    points = np.zeros((len(scores), 2), np.float32)
    points[:, 0] = np.arange(len(scores)) * 0.01
    points[-2:, 1] = 9
    return clean(Bank(points))


def test_every_share_takes_the_first_of_one_order():
    cleaning = cleaning_of([0.0] * 20)
    for percent in (0, 7, 50, 90):
        drop = proposal(cleaning, "own", percent)
        assert drop.sum() == round(percent * 20 / 100) == proposed_count(cleaning, "own", percent)
        assert set(np.flatnonzero(drop)) == set(cleaning.order[: drop.sum()].tolist())
    assert proposal(cleaning, "half", 7).sum() == 10
    apart = proposal(cleaning, "apart", 7)
    assert apart.sum() == cleaning.estimate.clump and apart[cleaning.order[: apart.sum()]].all()


def test_as_many_are_dropped_as_are_told():
    cleaning = cleaning_of([0.0] * 90)
    for percent in range(2, 91):
        told = share_words(Draft(how="own", percent=percent), cleaning)
        assert f"The {proposal(cleaning, 'own', percent).sum()} farthest normals are dropped." == told


def test_a_plan_puts_a_persons_word_first():
    cleaning, images = cleaning_of([0.0] * 20), np.arange(20) + 100
    pairs = np.array([[0, 1], [1, 2], [3, 19]])
    first, second = (int(images[row]) for row in cleaning.order[:2])
    draft = Draft(how="own", percent=10, kept=frozenset({first}), dropped=frozenset({105}), copies=True)
    planned = plan(draft, cleaning, images, pairs)
    assert set(images[planned.strangers]) == {second, 105}
    assert set(images[planned.seen]) == {105}
    assert not (planned.strangers & planned.copies).any()
    vouched = Draft(how="automatic", vouched=digest(images[cleaning.drop]))
    assert plan(vouched, cleaning, images, pairs).seen.tolist() == cleaning.drop.tolist()
    assert not plan(replace(vouched, how="half"), cleaning, images, pairs).seen.any()
    assert plan(vouched, cleaning, images[::-1].copy(), pairs).vouched is False
    assert not plan(Draft(), None, images, pairs).leaves.any()


def test_of_a_row_of_copies_one_stays():
    gone, kept = np.zeros(6, bool), np.zeros(6, bool)
    every = np.array([[0, 1], [0, 2], [1, 2]])
    assert second_ones(every, gone, kept).tolist() == [False, True, True, False, False, False]
    chain = np.array([[0, 1], [1, 2], [2, 3]])
    assert second_ones(chain, gone, kept).tolist() == [False, True, False, True, False, False]
    gone[0] = True  # its copy need not go, too
    assert second_ones(np.array([[0, 1]]), gone, kept).sum() == 0
    assert second_ones(np.empty((0, 2), np.int64), gone, kept).sum() == 0
    kept[5] = True
    assert second_ones(np.array([[4, 5]]), gone, kept).sum() == 0


def test_the_histogram_holds_every_normal():
    before, after = np.append(np.arange(40) / 40, 9.0), np.arange(40) / 50
    figure = before_after(before, after, (0.9, 0.7), 3)
    bars, outline = figure.data
    assert sum(bars.y) == 40 and sum(outline.y) == 41
    edges = bins(before, after)
    assert edges[0] == 0 and edges[-1] >= 9 and len(edges) <= 130
    assert len(bins(np.ones(3), np.ones(3))) >= 2


def test_a_draft_belongs_to_its_project(project, store):
    at = opened("clean", project=project.id)
    at.segmented_control(key="dn2_clean_how").set_value("half").run()
    assert set(at.session_state[clean_draft.KEY]) == {project.id}
    with pytest.raises(NotFound):
        store.open("no such project")
