"""The demo: honest pictures, the same on every run, and projects that are laid out once."""

import hashlib
import io
import re

import numpy as np
import pytest
from PIL import Image

from dn2core.demo import PRODUCTS, demo_images, images_in_all, surfaces, write_demo
from dn2core.demo.defects import DEFECTS
from dn2core.demo.images import _drawn
from dn2core.project import demo, run_pending

EVERYWHERE = {"blur"}


@pytest.fixture(scope="module")
def pictures():
    """(product, part) -> its images; drawn once for all tests of this file."""
    return {(p.slug, part): list(demo_images(p, part)) for p in PRODUCTS for part in ("normal", "new")}


def test_enough_of_everything(pictures):
    assert len(PRODUCTS) >= 2
    for product in PRODUCTS:
        new = pictures[product.slug, "new"]
        good = sum(image.label == "good" for image in new)
        assert 60 <= len(pictures[product.slug, "normal"]) <= 80
        assert 30 <= len(new) <= 40 and 0.4 <= good / len(new) <= 0.6
        assert {image.label for image in new} == {"good", *DEFECTS} and len(DEFECTS) >= 5
    assert sum(map(len, pictures.values())) == images_in_all()


def test_file_names_tell_the_truth(pictures):
    for (slug, part), images in pictures.items():
        for number, image in enumerate(images, start=1):
            end = "" if part == "normal" else f"-{image.label}"
            assert image.name == f"{slug}-{part}-{number:03d}{end}.jpg"


def test_no_picture_twice_and_all_of_one_size(pictures):
    images = [image for part in pictures.values() for image in part]
    assert len({hashlib.sha256(image.data).digest() for image in images}) == len(images)
    assert {Image.open(io.BytesIO(image.data)).size for image in images} == {(surfaces.SIDE, surfaces.SIDE)}


def test_drawn_alone_or_after_others_it_is_the_same_picture(pictures):
    for product in PRODUCTS:
        for part, number in (("normal", 11), ("new", 0), ("new", 17)):
            expected = pictures[product.slug, part][number]
            assert _drawn(product, part, number, expected.label) == expected


def test_no_pixel_of_the_photograph_is_in_normals_and_in_new_images(monkeypatch):
    def marked(surface):
        side = 1024
        shade = np.zeros((side, side, 3), np.uint8)
        shade[:, round(surface.split * side) :] = 255
        return Image.fromarray(shade)

    monkeypatch.setattr(surfaces, "coloured", marked)
    for product in PRODUCTS:
        for seed in range(40):
            for part, shade in (("normal", 0), ("new", 255)):
                seen = surfaces.view(product.surface, part, np.random.default_rng(seed))
                assert (seen == shade).all(), (product.slug, part, seed)


@pytest.mark.parametrize("name", DEFECTS)
@pytest.mark.parametrize("product", PRODUCTS, ids=lambda product: product.slug)
def test_a_defect_is_seen_and_leaves_the_rest_alone(product, name):
    for seed in range(3):
        rng = np.random.default_rng(seed)
        image = surfaces.view(product.surface, "new", rng)
        before = image.copy()
        damaged = DEFECTS[name](image, rng, product.ground)
        assert damaged.shape == image.shape and np.isfinite(damaged).all()
        assert (image == before).all(), "the view that was given must stay as it was"
        changed = (abs(damaged - before).max(axis=2) > 12).mean()
        assert changed > 0.004, "nobody would see it"
        assert name in EVERYWHERE or changed < 0.9


def test_the_defects_are_found_by_the_recommended_preset(pictures):
    """What the demo promises: ROC AUC above 0.9 for each product, few of the good ones flagged."""
    from dn2core.detect import Bank, ScoreTable, leave_one_out
    from dn2core.explore.evaluation import roc_auc
    from dn2core.features import load_encoder
    from dn2core.project import PRESETS

    preset = PRESETS["recommended"]
    encoder = load_encoder(preset.backbone)
    for product in PRODUCTS:
        normal, new = (pictures[product.slug, part] for part in ("normal", "new"))
        bank = Bank(encoder.encode([_pixels(image) for image in normal]), normalise=True)
        found = bank.search(encoder.encode([_pixels(image) for image in new]), preset.k)
        result = ScoreTable(leave_one_out(bank, preset.k), found, form=preset.form).judge(preset.k)
        good = np.array([image.label == "good" for image in new])
        auc = roc_auc(result.scores[good], result.scores[~good])
        print(f"{product.slug}: ROC AUC {100 * auc:.1f} %, {result.flagged[~good].mean():.0%} of the defects flagged")
        assert auc > 0.94, product.slug
        assert result.flagged[good].mean() <= 0.2, product.slug
        assert result.flagged[~good].mean() >= 0.7, product.slug


def test_written_as_files(tmp_path, monkeypatch):
    monkeypatch.setattr("dn2core.demo.images.PRODUCTS", PRODUCTS[:1])
    drawn = []
    (product,) = write_demo(tmp_path, drawn=lambda: drawn.append(1))
    assert product.name == PRODUCTS[0].title
    assert len(product.normals) + len(product.new) == len(drawn)
    assert all(path.is_file() for path in product.normals + product.new)
    told = [re.search(r"-new-\d+-(\w+)\.jpg$", path.name).group(1) for path in product.new]
    assert told == product.labels


@pytest.fixture
def small(monkeypatch):
    """Two products with a handful of images each, and no map drawn of them."""
    monkeypatch.setattr("dn2core.project.maps.has_map", lambda *_: True)
    monkeypatch.setattr("dn2core.demo.images.NORMALS", 5)
    monkeypatch.setattr("dn2core.demo.images.GOOD", 2)
    monkeypatch.setattr("dn2core.demo.images.PER_DEFECT", 1)
    monkeypatch.setattr(demo, "PRODUCTS", PRODUCTS[:2])
    return 5, 2 + len(DEFECTS)


def test_the_demo_becomes_projects(store, fake_encoder, small):
    normals, new = small
    ids = demo.open_demo(store, wait=True)
    run_pending(store)
    cards = {card.id: card for card in store.projects()}
    assert [cards[i].name for i in ids] == [product.title for product in PRODUCTS[:2]]
    assert all((card.normals, card.scored) == (normals, new) for card in cards.values())


def test_the_first_normals_are_queued_when_it_returns(store, small, monkeypatch):
    monkeypatch.setattr(demo, "_lay_out_later", lambda parts: None)
    ids = demo.open_demo(store)
    (job,) = store.jobs.active()
    assert job.project_id == ids[0]
    (batch,) = store.open(ids[0]).batches("normal")
    assert batch.source == "demo"


def test_opening_it_again_opens_the_same(store, fake_encoder, small):
    ids = demo.open_demo(store, wait=True)
    run_pending(store)
    store.rename(ids[0], "Mine now")
    assert demo.open_demo(store, wait=True) == ids
    assert not [job for job in store.jobs.active() if job.kind == "intake"]


def test_an_interrupted_layout_is_completed(store, small, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(demo, "_lay_out_later", lambda parts: None)
        ids = demo.open_demo(store)
    assert demo.open_demo(store, wait=True) == ids
    roles = [batch.role for i in ids for batch in store.open(i).batches()]
    assert sorted(roles) == ["normal", "normal", "scored", "scored"]


def test_a_deleted_project_is_made_anew(store, small):
    ids = demo.open_demo(store, wait=True)
    store.delete(ids[1])
    again = demo.open_demo(store, wait=True)
    assert again[0] == ids[0] and again[1] != ids[1]
    assert len(store.open(again[1]).batches()) == 2


def _pixels(image) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(image.data)))
