"""Where an image differs: the distance of each of its patches to the nearest patches of normals.

Two banks to compare with. One of all normals' patches, thinned (PatchCore: Roth et al., Towards Total Recall in
Industrial Anomaly Detection, 2022); or one of the image's own nearest normals (SPADE: Cohen & Hoshen, Sub-Image Anomaly
Detection with Deep Pyramid Correspondences, 2020).

A patch that lies where normal patches are rare may lie farther from them than one where they are dense. So each squared
distance is divided by a power of the neighbour's own spread in the bank, as `forms.density` does for whole images.

Patches are (rows, columns, dim) float32 grids; a distance map is (rows, columns) float32, a root of squared distances,
higher = more anomalous, NaN where a mask hides the cell.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from dn2core.errors import Refused

BANK = 20_000  # patches
FAR = 0.2  # share of them that is taken for lying far from the others
NEIGHBOURS = 3
SPREAD = 5  # neighbours in the bank that a bank patch's own spread is the mean squared distance to
POWER = 0.42  # of the spread
LEAST_SPREAD = 0.1  # of the median
DIRECTIONS = 64  # of the bank, in which patches are compared; what lies beside them counts by its length alone
SMOOTHED = 0.7  # cells, standard deviation of the Gaussian over a distance map
TOP = 10  # cells whose mean is the image's score
NEAREST_NORMALS = 10  # whose patches a bank of an image's own consists of
CALIBRATED = 300  # normals that set the limit: enough for a budget of 1 in 100

_GROUP = 128  # bank patches whose nearest is found together
_ROWS = 256  # patches of an image that are compared at once
_SAMPLE = 4_000  # bank patches by which it is judged how far a patch lies
_COARSE = 32  # directions of largest variance in which that is judged

Load = Callable[[int], np.ndarray]
Tell = Callable[[int, int], None]


@dataclass(frozen=True)
class Matched:
    """For each patch of some: its nearest in the bank. `distances` (p, k) squared L2 ascending, `rows` (p, k)."""

    distances: np.ndarray
    rows: np.ndarray


class PatchBank:
    """Patches of normals to compare with.

    Args:
        patches: (m, dim) float32, m >= 1.
        owners: (m,) the normal that each belongs to, ascending.
        cells: (m,) where in that normal's grid it lies, row * columns + column.
        spread: (m,) as this class found it before; None computes it. `even` takes all as equal.

    Attributes:
        spread: (m,) float32, mean squared distance to the SPREAD nearest others of the bank.
    """

    def __init__(
        self,
        patches: np.ndarray,
        owners: np.ndarray,
        cells: np.ndarray,
        *,
        spread: np.ndarray | None = None,
        even: bool = False,
    ):
        if patches.ndim != 2 or not len(patches) or not len(patches) == len(owners) == len(cells):
            raise Refused("PATCHES_SHAPE", got=f"{patches.shape}, {len(owners)} owners, {len(cells)} cells")
        self.patches = np.ascontiguousarray(patches, np.float32)
        self.owners, self.cells = np.asarray(owners), np.asarray(cells)
        self._turn = _directions(self.patches, DIRECTIONS) if self.patches.shape[1] > DIRECTIONS + 1 else None
        self._bank = _on_device(self._shortened(self.patches))
        if even:
            spread = np.ones(len(patches), np.float32)
        self.spread = self._own_spread() if spread is None else np.asarray(spread, np.float32)
        self._weights = np.maximum(self.spread, LEAST_SPREAD * np.median(self.spread)) ** POWER
        self._weights[self._weights == 0] = 1  # all are the same patch

    def match(self, patches: np.ndarray, k: int = NEIGHBOURS, without: Iterable[int] = ()) -> Matched:
        """The nearest of the bank, exactly by what `_shortened` leaves; fewer than k where the bank has fewer.

        Args:
            patches: (p, dim) float32.
            without: owners whose patches do not count.
        """
        patches = np.ascontiguousarray(patches, np.float32)
        if patches.ndim != 2 or patches.shape[1] != self.patches.shape[1]:
            raise Refused("PATCHES_DIFFER", wanted=self.patches.shape[1], got=str(patches.shape))
        hidden = [slice(*np.searchsorted(self.owners, (owner, owner + 1))) for owner in without]
        left = len(self.owners) - sum(part.stop - part.start for part in hidden)
        return _nearest(self._bank, self._shortened(patches), min(k, left), hidden)

    def distance_map(
        self, patches: np.ndarray, *, looked_at: np.ndarray | None = None, without: Iterable[int] = ()
    ) -> np.ndarray:
        """(rows, columns, dim) patches -> (rows, columns) float32 distance map.

        Args:
            looked_at: (rows, columns) bool; the other cells are NaN.
            without: as `match`; with nothing left to compare with all is NaN.
        """
        grid = patches.shape[:2]
        looked_at = np.ones(grid, bool) if looked_at is None else looked_at
        found = self.match(patches[looked_at], without=without)
        distances = np.full(grid, np.nan, np.float32)
        if found.rows.shape[1]:
            distances[looked_at] = np.sqrt((self.weighted(found) ** 2).mean(axis=1))
        return smoothed(distances)

    def _shortened(self, patches: np.ndarray) -> np.ndarray:
        """In the directions of largest variance, and the length of the rest as one number more.

        A quarter of the work. Squared distances come out smaller by what the rests differ in direction; on the sets of
        benchmarks/patches ROC AUC falls by 0.1 with it.
        """
        if self._turn is None:
            return patches
        short = patches @ self._turn
        rest = np.einsum("ij,ij->i", patches, patches) - np.einsum("ij,ij->i", short, short)
        return np.column_stack([short, np.sqrt(np.maximum(rest, 0))])

    def weighted(self, found: Matched) -> np.ndarray:
        """(p, k) distances in the units of a distance map: each by its neighbour's spread, and the root of it."""
        return np.sqrt(found.distances / self._weights[found.rows])

    def _own_spread(self) -> np.ndarray:
        if len(self.patches) == 1:
            return np.ones(1, np.float32)
        k = min(SPREAD, len(self.patches) - 1)
        found = _nearest(self._bank, self._shortened(self.patches), k + 1, [])
        # Itself comes first, or a patch that equals it, at distance 0 as well.
        return found.distances[:, 1:].mean(axis=1)


def thinned_bank(
    load: Load,
    seeds: Sequence[int],
    looked_at: np.ndarray,
    *,
    size: int = BANK,
    far: float = FAR,
    tell: Tell = lambda done, total: None,
) -> PatchBank:
    """A bank of at most `size` patches of all normals: most at random, the rest for lying far from those.

    Each cell of each normal draws a number from its normal's seed, and the smallest are taken: so it does not matter in
    which order the normals come, and one that joins or leaves changes the choice little. Then every patch is compared
    with a sample of those; of each normal the cells that are farther than all around them stand for election, and the
    farthest are taken, so that what is rare among the normals is not forgotten. That is one pass over the patches,
    where a greedy coreset takes one for each patch that it chooses.

    Args:
        load: position of a normal -> its (rows, columns, dim) patches; called twice for each.
        seeds: one a normal, from its content.
        looked_at: (rows, columns) bool, the cells that count.
        size: patches of the bank.
        far: share of the bank for the far ones.
        tell: called with (normals done, in all).
    """
    n, cells = len(seeds), np.flatnonzero(looked_at)
    drawn = np.stack([np.random.default_rng(seed).random(looked_at.size, np.float32)[cells] for seed in seeds])
    base = drawn.size if drawn.size <= size else max(1, round(size * (1 - far)))
    taken = drawn <= np.partition(drawn, base - 1, axis=None)[base - 1]
    count = 0 if drawn.size <= size else size - int(taken.sum())
    total = 2 * n if count else n
    chosen, parts = [cells[row] for row in taken], []
    for at, mine in enumerate(chosen):
        parts.append(_flat(load(at))[mine])
        tell(at + 1, total)
    if count:
        order = np.argsort(drawn[taken], kind="stable")[:_SAMPLE]
        sample = np.concatenate(parts)[order]
        for at, mine, patches in _far_ones(load, chosen, sample, looked_at, count, lambda done: tell(n + done, total)):
            chosen[at], parts[at] = np.concatenate([chosen[at], mine]), np.concatenate([parts[at], patches])
    owners = np.repeat(np.arange(n), [len(mine) for mine in chosen])
    rounded = np.concatenate(parts).astype(np.float16)  # as a bank is kept, so that it is the same when it comes back
    return PatchBank(rounded, owners, np.concatenate(chosen))


def bank_of(maps: Sequence[np.ndarray], owners: Sequence[int], looked_at: np.ndarray) -> PatchBank:
    """All patches of a few normals: what SPADE compares with; no patch counts for less where they are rare."""
    cells = np.flatnonzero(looked_at)
    order = np.argsort(owners, kind="stable")
    return PatchBank(
        np.concatenate([_flat(maps[at])[cells] for at in order]),
        np.repeat(np.asarray(owners)[order], len(cells)),
        np.tile(cells, len(order)),
        even=True,
    )


def patch_score(distances: np.ndarray) -> float:
    """An image's score: the mean of the TOP largest of its distance map; higher = more anomalous, NaN without any."""
    values = distances[~np.isnan(distances)]
    if not len(values):
        return float("nan")
    top = min(TOP, len(values))
    return float(np.partition(values, -top)[-top:].astype(np.float64).mean())


def smoothed(distances: np.ndarray) -> np.ndarray:
    """A distance map, averaged by a Gaussian over the cells that are looked at; NaN stays where it is."""
    from scipy.ndimage import gaussian_filter

    known = ~np.isnan(distances)
    values = gaussian_filter(np.where(known, distances, 0), SMOOTHED, mode="nearest")
    if known.all():
        return values
    shares = gaussian_filter(known.astype(np.float32), SMOOTHED, mode="nearest")
    return np.where(known, values / np.maximum(shares, 1e-6), np.nan).astype(np.float32)


def calibrating(n: int, most: int = CALIBRATED, seed: int = 0) -> np.ndarray:
    """(c,) positions of the normals that set the limit, ascending: all up to `most`, else so many drawn."""
    if n <= most:
        return np.arange(n)
    return np.sort(np.random.default_rng(seed).choice(n, most, replace=False))


def _far_ones(load: Load, chosen: list, sample: np.ndarray, looked_at: np.ndarray, count: int, tell) -> list[tuple]:
    """(position of a normal, its cells, their patches): the `count` cells of all that lie farthest from a sample."""
    turn = _directions(sample, _COARSE)
    coarse = _on_device(sample @ turn)
    inside = looked_at.ravel()
    most = 4 * count // len(chosen) + 1  # of one normal: what is strange as a whole shall not take the whole bank
    found = []
    for at, taken in enumerate(chosen):
        patches = _flat(load(at))
        far = np.full(inside.size, -np.inf, np.float32)
        far[inside] = _nearest(coarse, patches[inside] @ turn, 1, []).distances[:, 0]
        far[taken] = -np.inf
        peaks = _peaks(far.reshape(looked_at.shape))
        peaks = peaks[np.argsort(-far[peaks], kind="stable")[:most]]
        found.append((at, peaks, patches[peaks].astype(np.float16), far[peaks]))
        tell(at + 1)
    distances = np.concatenate([far for *_, far in found])
    last = -np.inf if len(distances) <= count else np.partition(distances, -count)[-count]
    if (distances >= last).sum() > count:  # of patches that lie equally far none, rather than whichever came first
        last = np.nextafter(last, np.float32(np.inf))
    return [(at, cells[far >= last], patches[far >= last]) for at, cells, patches, far in found]


def _peaks(distances: np.ndarray) -> np.ndarray:
    """Cells that lie as far as any of the eight around them: neighbouring patches show much of the same."""
    from scipy.ndimage import maximum_filter

    return np.flatnonzero((distances == maximum_filter(distances, 3, mode="nearest")) & np.isfinite(distances))


def _directions(patches: np.ndarray, count: int) -> np.ndarray:
    """(dim, count) the directions in which patches are largest (their second moments', not centred)."""
    some = patches[:: -(-len(patches) // BANK)].astype(np.float64)
    _, vectors = np.linalg.eigh(some.T @ some)
    return np.ascontiguousarray(vectors[:, ::-1][:, :count], np.float32)


def _flat(patches: np.ndarray) -> np.ndarray:
    return patches.reshape(-1, patches.shape[-1])


def _on_device(patches: np.ndarray):
    """(m, dim + 1) patches, each with its squared norm behind it, filled up to whole groups by ones infinitely far."""
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    bank = torch.from_numpy(np.ascontiguousarray(patches, np.float32))
    bank = torch.cat([bank, (bank * bank).sum(dim=1, keepdim=True)], dim=1)
    filling = torch.zeros(-len(bank) % _GROUP, bank.shape[1])
    filling[:, -1] = float("inf")
    return torch.cat([bank, filling]).to(device)


def _nearest(bank, patches: np.ndarray, k: int, hidden: list[slice]) -> Matched:
    """The k nearest of the bank to (p, dim) patches.

    The k nearest lie in the k groups whose own nearest are the nearest: to find those costs one minimum a group, and
    only what is in them is sorted. The distances come out of one product, without the patch's own square, which ranks
    nothing; it is written to the same memory each time, for fresh memory costs more than the product.

    Args:
        hidden: rows of the bank that do not count.
    """
    import torch

    if k == 0 or not len(patches):
        return Matched(np.empty((len(patches), k), np.float32), np.empty((len(patches), k), np.int64))
    groups = min(k, len(bank) // _GROUP)
    distances, rows = [], []
    with torch.inference_mode():
        patches = torch.from_numpy(patches).to(bank.device)
        memory = torch.empty(_ROWS, len(bank), device=bank.device)
        for some in patches.split(_ROWS):
            asked = torch.cat([-2 * some, torch.ones_like(some[:, :1])], dim=1)
            table = torch.mm(asked, bank.T, out=memory[: len(some)])
            for part in hidden:
                table[:, part] = float("inf")
            # A group are patches that lie far from each other in memory: so the minima of many are taken side by side.
            table = table.view(len(some), _GROUP, -1)
            near = table.amin(dim=1).topk(groups, dim=1, largest=False).indices
            inside = table.gather(2, near[:, None, :].expand(-1, _GROUP, -1)).flatten(1)
            best = inside.topk(k, dim=1, largest=False)
            within = best.indices // groups * table.shape[2] + near.gather(1, best.indices % groups)
            squared = (best.values + (some * some).sum(dim=1, keepdim=True)).clamp_min(0)
            distances.append(squared.cpu().numpy())
            rows.append(within.cpu().numpy())
    return Matched(np.concatenate(distances), np.concatenate(rows))
