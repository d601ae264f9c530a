"""MVTec AD's protocol, or any data set in its folders: normals, defects of several kinds, and where they are.

CATEGORY/train/good has the normals, CATEGORY/test/KIND the pictures to judge, those in `good` without a defect, and
CATEGORY/ground_truth/KIND/NAME_mask.png where the defect of KIND/NAME is (Bergmann et al., MVTec AD, CVPR 2019).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from dn2core.detect import Bank, form_scores, leave_one_out
from dn2core.detect.distance_maps import patch_score
from dn2core.detect.patches import balanced_bank, thinned_bank
from dn2core.errors import NotFound, Refused, Rejected
from dn2core.explore.curves import roc_auc
from dn2core.explore.localisation import enlarged, pixel_roc_auc, pro
from dn2core.ingest import decode

GOOD = "good"
LONGEST = 512  # pixels of the longer side at which maps are compared with masks: all pixels of a category are in memory
_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")
_AT_ONCE = 16  # pictures

Tell = Callable[[int, int], None]


@dataclass(frozen=True)
class Tested:
    """A picture to judge: its file, what kind of defect it has, and where its mask is; None of a good one."""

    picture: Path
    kind: str
    mask: Path | None


@dataclass(frozen=True)
class Category:
    """The files of one category."""

    name: str
    normals: tuple[Path, ...]
    tests: tuple[Tested, ...]


@dataclass(frozen=True)
class Measured:
    """Areas from 0 to 1; None where good pictures or defects are missing."""

    whole: float | None  # image ROC AUC of the whole-image score
    patches: float | None  # image ROC AUC of the patch score
    pixel: float | None  # ROC AUC of the patches' map
    pro: float | None  # per-region overlap of the patches' map


def categories(folder: str | Path, wanted: Sequence[str] = ()) -> list[Category]:
    """The categories below a folder by name, all of them or those wanted; nothing is decoded yet.

    Raises:
        NotFound: MVTEC_LAYOUT when it holds no category, MVTEC_EMPTY, MVTEC_MASK_MISSING.
        Refused: MVTEC_CATEGORY when one is wanted that is not there.
    """
    folder = Path(folder)
    found = [one.parents[1].name for one in sorted(folder.glob("*/train/good")) if (one.parents[1] / "test").is_dir()]
    if not found:
        raise NotFound("MVTEC_LAYOUT", folder=str(folder))
    strange = [name for name in wanted if name not in found]
    if strange:
        raise Refused("MVTEC_CATEGORY", known=", ".join(found), got=", ".join(strange))
    return [_category(folder / name) for name in wanted or found]


def measure(
    category: Category,
    whole,
    patches,
    *,
    normalise: bool,
    k: int,
    form: str,
    tell: Tell = lambda done, total: None,
) -> Measured:
    """Both scores and the map of every picture, against the truth.

    Args:
        whole: the encoder of the whole images; normalise, k and form as its scores are made.
        patches: the patch encoder; its bank is the thinned one of all normals.
        tell: called with (pictures read, in all).

    Raises:
        Refused: DATASET_PICTURE, MVTEC_MASK_SIZE.
    """
    total = len(category.normals) + len(category.tests)
    vectors, packed = [], []
    for some in _in_turn(category.normals):
        images = [_decoded(path) for path in some]
        vectors.append(whole.encode(images))
        packed += patches.encode(images)
        tell(len(packed), total)
    bank, layout = Bank(np.concatenate(vectors), normalise=normalise), patches.layout
    loo = leave_one_out(bank, k) if bank.n > 1 else None
    everywhere = np.ones((layout.grid, layout.grid), bool)

    def load(at: int) -> list[np.ndarray]:
        return layout.unpack(packed[at])

    thinned = thinned_bank(load, range(len(packed)), everywhere, layout.weights)
    thinned = balanced_bank(thinned, load, len(packed), everywhere)

    scores, patch_scores, maps, masks = [], [], [], []
    for some in _in_turn(category.tests):
        images = [_decoded(one.picture) for one in some]
        scores.append(form_scores(form, bank.search(whole.encode(images), k), loo, k))
        for one, image, of in zip(some, images, patches.encode(images), strict=True):
            distances = thinned.distance_map(layout.unpack(of))
            mask = _mask(one, image)
            patch_scores.append(patch_score(distances))
            maps.append(enlarged(distances, *mask.shape[::-1]))
            masks.append(mask)
        tell(len(category.normals) + len(maps), total)
    good = np.array([one.mask is None for one in category.tests])
    scores, patch_scores = np.concatenate(scores), np.array(patch_scores)
    return Measured(
        whole=roc_auc(scores[good], scores[~good]),
        patches=roc_auc(patch_scores[good], patch_scores[~good]),
        pixel=pixel_roc_auc(maps, masks),
        pro=pro(maps, masks),
    )


def _category(folder: Path) -> Category:
    kinds = sorted(one for one in (folder / "test").iterdir() if one.is_dir())
    tests = [
        Tested(picture, kind.name, None if kind.name == GOOD else _mask_of(folder, picture))
        for kind in kinds
        for picture in _pictures(kind)
    ]
    normals = _pictures(folder / "train" / GOOD)
    for place, there in ((folder / "train" / GOOD, normals), (folder / "test", tests)):
        if not there:
            raise NotFound("MVTEC_EMPTY", folder=str(place))
    missing = [one for one in tests if one.mask and not one.mask.exists()]
    if missing:
        first = missing[0]
        raise NotFound("MVTEC_MASK_MISSING", mask=str(first.mask), picture=str(first.picture), count=len(missing))
    return Category(folder.name, tuple(normals), tuple(tests))


def _pictures(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in _SUFFIXES and path.is_file())


def _mask_of(folder: Path, picture: Path) -> Path:
    return folder / "ground_truth" / picture.parent.name / f"{picture.stem}_mask.png"


def _in_turn(many: Sequence) -> Iterator[Sequence]:
    for start in range(0, len(many), _AT_ONCE):
        yield many[start : start + _AT_ONCE]


def _decoded(path: Path) -> np.ndarray:
    try:
        return decode(path.read_bytes()).image
    except Rejected as error:
        raise Refused("DATASET_PICTURE", file=str(path), reason=str(error)) from error


def _mask(tested: Tested, image: np.ndarray) -> np.ndarray:
    """(h, w) bool, of the picture's aspect, its longer side at most LONGEST."""
    height, width = image.shape[:2]
    scale = min(1, LONGEST / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    if tested.mask is None:
        return np.zeros(size[::-1], bool)
    mask = _decoded(tested.mask)
    if mask.shape[:2] != (height, width):
        got = f"{mask.shape[1]:,} x {mask.shape[0]:,}"
        raise Refused("MVTEC_MASK_SIZE", mask=str(tested.mask), wanted=f"{width:,} x {height:,}", got=got)
    return np.asarray(Image.fromarray(mask.max(axis=2)).resize(size, Image.Resampling.NEAREST)) > 0
