"""The images of a comparison, the same for all detectors, read as each of them sees them."""

import io
import time
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image

from dn2core.errors import Refused
from dn2core.project import encoders, stored
from dn2core.project.catalogue import dump
from dn2core.project.labels import labels, labels_of
from dn2core.project.snapshot import Snapshot

if TYPE_CHECKING:
    from dn2core.project.project import Project

MOST_NORMALS = 5_000  # more are sampled
MOST_SCORED = 10_000  # likewise; labelled ones are all there
SIDE = 64  # pixels of the images that detectors see which train a network
AT_ONCE = 64  # images read or encoded between two signs of progress

Told = Callable[[str, int, int], None]  # what is being done; steps done, and in all


class Seen(NamedTuple):
    """Images as a detector sees them."""

    normals: np.ndarray  # (n, ...) those that could be read
    queries: np.ndarray  # (q, ...) all
    readable: np.ndarray  # (q,) bool: which queries could be read


class ComparedImages:
    """Normals to fit to and images to score. Where there are too many, a sample, the same one each time.

    Raises:
        Refused: NOTHING_SCORED.
    """

    def __init__(self, project: "Project", view: Snapshot):
        if len(view.scored) == 0:
            raise Refused("NOTHING_SCORED")
        self.project, self.view = project, view
        self._pictures: Seen | None = None
        rng = np.random.default_rng(0)
        n = len(view.normals)
        self.normals = np.sort(rng.choice(n, min(n, MOST_NORMALS), replace=False))
        self.scored = _with_all_labelled(labels_of(view.scored, labels(project)) != "", MOST_SCORED, rng)

    @property
    def normal_ids(self) -> np.ndarray:
        return self.view.normals.ids[self.normals]

    @property
    def ids(self) -> np.ndarray:
        return self.view.scored.ids[self.scored]

    @cached_property
    def features(self) -> Seen:
        """(., d) float32 as the project's network gave them."""
        seen = (self.project.features(ids.tolist(), self.view.state.fingerprint) for ids in self._image_ids)
        return Seen(*seen, np.ones(len(self.scored), bool))

    def pictures(self, told: Told) -> Seen:
        """(., SIDE, SIDE, 3) uint8, the whole image each."""
        if self._pictures is None:
            ids = np.concatenate([self.normal_ids, self.ids]).tolist()
            pictures, readable = np.zeros((len(ids), SIDE, SIDE, 3), np.uint8), np.zeros(len(ids), bool)
            for start in range(0, len(ids), AT_ONCE):
                for at, data in enumerate(self.project.thumbnails(ids[start : start + AT_ONCE]), start=start):
                    if data:
                        pictures[at], readable[at] = _small(data), True
                told("reading images", min(start + AT_ONCE, len(ids)), len(ids))
            self._pictures = self._parted(pictures, readable)
        return self._pictures

    def encoded(self, backbone: str, told: Told) -> tuple[Seen, int, float]:
        """(., d) float32 of another network; how many images were encoded for that, and for how many seconds.

        Vectors that are stored are taken from there; those made here are not kept.

        Raises:
            WeightsUnavailable: as `load_encoder`.
        """
        state = self.view.state
        told("loading the network", 0, 0)  # of unknown length: it may have to be downloaded
        encoder = encoders.encoder_for(backbone, state.preset, self.project.weights_dir)
        ids = np.concatenate(self._image_ids)
        wanted, back = np.unique(ids, return_inverse=True)
        with self.project.db.read() as db:
            rows = db.execute(
                "SELECT i.id, i.sha256, i.format, i.bytes, v.image_id AS known FROM images i LEFT JOIN vectors v"
                " ON v.image_id = i.id AND v.fingerprint = ? WHERE i.id IN (SELECT value FROM json_each(?))",
                (encoder.fingerprint, dump(wanted.tolist())),
            ).fetchall()
        features, readable = np.zeros((len(wanted), encoder.dim), np.float32), np.zeros(len(wanted), bool)

        def put(image_ids: list[int], vectors: np.ndarray) -> None:
            at = np.searchsorted(wanted, image_ids)
            features[at], readable[at] = vectors, True

        known = [row["id"] for row in rows if row["known"] is not None]
        if known:
            put(known, self.project.features(known, encoder.fingerprint))
        missing = [row for row in rows if row["known"] is None]
        began, chunk = time.monotonic(), {}
        for done, (image_id, view) in enumerate(stored.views(self.project, missing, encoder), start=1):
            if view is not None:
                chunk[image_id] = view
            if chunk and (len(chunk) == AT_ONCE or done == len(missing)):
                put(list(chunk), encoder.encode_views(list(chunk.values())))
                chunk = {}
            told("encoding", done, len(missing))
        return self._parted(features[back], readable[back]), len(missing), time.monotonic() - began

    @property
    def _image_ids(self) -> tuple[np.ndarray, np.ndarray]:
        return self.view.normals.image_ids[self.normals], self.view.scored.image_ids[self.scored]

    def _parted(self, images: np.ndarray, readable: np.ndarray) -> Seen:
        n = len(self.normals)
        return Seen(images[:n][readable[:n]], images[n:], readable[n:])


def _with_all_labelled(labelled: np.ndarray, most: int, rng: np.random.Generator) -> np.ndarray:
    """Sorted positions: all where that is not too many, else the labelled ones and a sample of the others."""
    others = np.flatnonzero(~labelled)
    room = max(0, most - int(labelled.sum()))
    if len(others) > room:
        others = rng.choice(others, room, replace=False)
    return np.sort(np.concatenate([np.flatnonzero(labelled), others]))


def _small(jpeg: bytes) -> np.ndarray:
    """(SIDE, SIDE, 3) uint8 of a thumbnail; its proportions are not kept, as the networks' input is a square."""
    return np.asarray(Image.open(io.BytesIO(jpeg)).convert("RGB").resize((SIDE, SIDE), Image.Resampling.BILINEAR))
