"""Pictures of one place: cut out of an image, and out of the normals that should have looked like it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from dn2core.errors import DN2Error
from dn2core.explore.heatmap import Region, crop_box
from dn2core.ingest.decode import decode

if TYPE_CHECKING:
    from dn2core.project.patches import Match
    from dn2core.project.project import Project

NORMALS = 3
_LEAST = 1 / 5  # side of a close-up at least, as a share of the picture's longer side
_LEAST_PIXELS = 32
_DECODED = 1_600  # pixels of the shorter side that are enough to cut a close-up from
_KEPT = 320  # pixels of a close-up's longer side at most


@dataclass(frozen=True, eq=False)
class CloseUp:
    """A part of a picture, (h, w, 3) uint8; `distance` is that of the patch it was matched by, None for the image."""

    item_id: int
    name: str
    pixels: np.ndarray
    distance: float | None = None


def pixels(project: "Project", item_id: int, *, at_least: int | None = None) -> np.ndarray:
    """A stored picture, upright: (h, w, 3) uint8 RGB; with `at_least` it may come smaller, as `decode` says."""
    item = project.item(item_id)
    return decode(project.original(item.sha256, item.format), limits=project.limits, at_least=at_least).image


def close_ups(project: "Project", item_id: int, region: Region, matches: Sequence["Match"]) -> list[CloseUp]:
    """The region of an image, then as large a part around the match of each normal, up to `NORMALS` of them.

    Normals that are lost or damaged are left out.

    Args:
        matches: what of the normals should have looked like the region, the best first; a normal counts once.

    Raises:
        NotFound, StorageError, Rejected: when the image itself is gone or damaged.
    """
    image = pixels(project, item_id, at_least=_DECODED)
    height, width = image.shape[:2]
    left, top, right, bottom = crop_box(region, width, height, max(_LEAST_PIXELS, _LEAST * max(image.shape[:2])))
    found = [CloseUp(item_id, project.item(item_id).name, _small(image[top:bottom, left:right]))]
    share = max(right - left, bottom - top) / max(image.shape[:2])
    best: dict[int, Match] = {}
    for match in matches:
        best.setdefault(match.item_id, match)
    for match in best.values():
        if len(found) > NORMALS:
            break
        try:
            normal = pixels(project, match.item_id, at_least=_DECODED)
        except DN2Error:
            continue
        left, top, right, bottom = crop_box(match, normal.shape[1], normal.shape[0], share * max(normal.shape[:2]))
        found.append(CloseUp(match.item_id, match.name, _small(normal[top:bottom, left:right]), match.distance))
    return found


def _small(pixels: np.ndarray) -> np.ndarray:
    """A copy that is no larger than a close-up is shown."""
    picture = Image.fromarray(np.ascontiguousarray(pixels))
    picture.thumbnail((_KEPT, _KEPT), Image.Resampling.BOX)
    return np.array(picture)
