"""Where an image differs: the distance of each of its patches to the nearest patches of normals.

Two banks to compare with. One of all normals' patches, thinned (PatchCore: Roth et al., Towards Total Recall in
Industrial Anomaly Detection, 2022); or one of the image's own nearest normals (SPADE: Cohen & Hoshen, Sub-Image Anomaly
Detection with Deep Pyramid Correspondences, 2020).

Both papers compare all stages of the network as one long vector. Here each stage is compared by itself, in its own
grid, and the distances are put together: what is strange to one stage alone does not drown in what the others find
usual, and a coarse stage has a quarter of the patches. The first stage are the picture's own colours.

A patch that lies where normal patches are rare may lie farther from them than one where they are dense. So each squared
distance is divided by a power of the neighbour's own spread in the bank, as `forms.density` does for whole images; and
by the spread that is usual in its stage, so that stages have one unit; what colours count, see `distance_maps`.

The patches of an image are a list, one (rows, columns, channels) float32 grid a stage: colours, then the finest first.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from dn2core.detect.distance_maps import balanced, coarser, finer, together
from dn2core.errors import Refused

BANK = 30_000  # patches, of all stages together
FAR = 0.2  # share of them that is taken for lying far from the others
NEIGHBOURS = 3
SPREAD = 5  # neighbours in the bank that a bank patch's own spread is the mean squared distance to
POWER = 0.42  # of the spread, in units of the usual one
LEAST_SPREAD = 0.1  # of the usual one, the mean of all
LEAST = 1e-4  # usual spread: patches that are alike differ by rounding
DIRECTIONS = 64  # of the bank, in which patches are compared; what lies beside them counts by its length alone
NEAREST_NORMALS = 10  # whose patches a bank of an image's own consists of
COARSER = 0.5  # what the distances of a coarser stage count in such a bank, where they are as they are: they are larger
CALIBRATED = 300  # normals that set the limit: enough for a budget of 1 in 100

_GROUP = 128  # bank patches whose nearest is found together
_ROWS = 256  # patches of an image that are compared at once
_SAMPLE = 2_000  # bank patches by which it is judged how far a patch lies
_COARSE = 32  # directions of largest variance in which that is judged

Stages = Sequence[np.ndarray]
Load = Callable[[int], Stages]
Tell = Callable[[int, int], None]


@dataclass(frozen=True)
class Matched:
    """For each patch of some: its nearest in the bank. `distances` (p, k) squared L2 ascending, `rows` (p, k)."""

    distances: np.ndarray
    rows: np.ndarray


class StageBank:
    """Patches of normals of one stage to compare with.

    Args:
        patches: (m, channels) float32, m >= 1.
        owners: (m,) the normal that each belongs to, ascending.
        cells: (m,) where in that normal's grid it lies, row * columns + column.
        spread: (m,) as this class found it before; None computes it. `even` leaves distances as they are.

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
        usual = max(float(self.spread.mean()), LEAST)
        self._weights = usual * np.maximum(self.spread / usual, LEAST_SPREAD) ** POWER

    def match(self, patches: np.ndarray, k: int = NEIGHBOURS, without: Iterable[int] = ()) -> Matched:
        """The nearest of the bank, exactly by what `_shortened` leaves; fewer than k where the bank has fewer.

        Args:
            patches: (p, channels) float32.
            without: owners whose patches do not count.
        """
        patches = np.ascontiguousarray(patches, np.float32)
        if patches.ndim != 2 or patches.shape[1] != self.patches.shape[1]:
            raise Refused("PATCHES_DIFFER", wanted=self.patches.shape[1], got=str(patches.shape))
        hidden = [slice(*np.searchsorted(self.owners, (owner, owner + 1))) for owner in without]
        left = len(self.owners) - sum(part.stop - part.start for part in hidden)
        return _nearest(self._bank, self._shortened(patches), min(k, left), hidden)

    def distances(self, patches: np.ndarray, without: Iterable[int] = ()) -> np.ndarray:
        """(p, channels) patches -> (p,) float32 distances to the NEIGHBOURS nearest together; NaN with none left."""
        found = self.match(patches, without=without)
        if not found.rows.shape[1]:
            return np.full(len(patches), np.nan, np.float32)
        return np.sqrt((self.weighted(found) ** 2).mean(axis=1))

    def weighted(self, found: Matched) -> np.ndarray:
        """(p, k) distances in the units of a distance map: each by its neighbour's spread, and the root of it."""
        return np.sqrt(found.distances / self._weights[found.rows])

    def _shortened(self, patches: np.ndarray) -> np.ndarray:
        """In the directions of largest variance, and the length of the rest as one number more.

        Squared distances come out smaller by what the rests differ in direction; on the sets of benchmarks/patches ROC
        AUC falls by 0.1 at the most with it.
        """
        if self._turn is None:
            return patches
        short = _turned(patches, self._turn)
        rest = np.einsum("ij,ij->i", patches, patches) - np.einsum("ij,ij->i", short, short)
        return np.column_stack([short, np.sqrt(np.maximum(rest, 0))])

    def _own_spread(self) -> np.ndarray:
        if len(self.patches) == 1:
            return np.ones(1, np.float32)
        k = min(SPREAD, len(self.patches) - 1)
        found = _nearest(self._bank, self._shortened(self.patches), k + 1, [])
        # Itself comes first, or a patch that equals it, at distance 0 as well.
        return found.distances[:, 1:].mean(axis=1)


@dataclass(frozen=True)
class Part:
    """A patch of a normal: whose, where in a grid of side x side cells, and its distance as in a distance map."""

    owner: int
    row: int
    column: int
    side: int
    distance: float


class PatchBank:
    """The banks of all stages, colours first, and how much each stage counts."""

    def __init__(self, stages: Sequence[StageBank], weights: Sequence[float]):
        self.stages, self.weights = tuple(stages), tuple(weights)

    def distance_map(
        self, patches: Stages, *, looked_at: np.ndarray | None = None, without: Iterable[int] = ()
    ) -> np.ndarray:
        """The patches of an image -> (rows, columns) float32 distance map; as `stage_maps`."""
        return together(self.stage_maps(patches, looked_at=looked_at, without=without), self.weights)

    def stage_maps(
        self, patches: Stages, *, looked_at: np.ndarray | None = None, without: Iterable[int] = ()
    ) -> np.ndarray:
        """The patches of an image -> (stages, rows, columns) float32, the distances of each stage in the finest grid.

        Args:
            looked_at: (rows, columns) bool, in the finest grid; the other cells are NaN.
            without: owners whose patches do not count; with nothing left to compare with all is NaN.
        """
        grid, without = patches[0].shape[:2], tuple(without)
        looked_at = np.ones(grid, bool) if looked_at is None else looked_at
        maps = np.empty((len(self.stages), *grid), np.float32)
        for one, bank, stage in zip(maps, self.stages, patches, strict=True):
            inside = coarser(looked_at, stage.shape[:2])
            distances = np.full(inside.shape, np.nan, np.float32)
            distances[inside] = bank.distances(stage[inside], without)
            one[:] = np.where(looked_at, finer(distances, grid), np.nan)
        return maps

    def should_be(self, patches: Stages, row: int, column: int, k: int, without: Iterable[int] = ()) -> list[Part]:
        """What a cell of the finest grid should have looked like: the nearest parts of normals, nearest first.

        They are those of the stage to which the cell is strangest.
        """
        rows, without = patches[0].shape[0], tuple(without)
        found = []
        for bank, weight, stage in zip(self.stages, self.weights, patches, strict=True):
            side = stage.shape[0]
            matched = bank.match(stage[row * side // rows, column * side // rows][None], k, without)
            distances = weight * bank.weighted(matched)[0]
            found.append(
                [
                    Part(int(bank.owners[at]), *divmod(int(bank.cells[at]), side), side, distance)
                    for distance, at in sorted(zip(distances.tolist(), matched.rows[0].tolist(), strict=True))
                ]
            )
        return max(found, key=lambda parts: parts[0].distance if parts else 0.0)


def thinned_bank(
    load: Load,
    seeds: Sequence[int],
    looked_at: np.ndarray,
    weights: Sequence[float],
    *,
    size: int = BANK,
    far: float = FAR,
    tell: Tell = lambda done, total: None,
) -> PatchBank:
    """A bank of at most `size` patches of all normals, each stage by its share of the cells.

    Most are taken at random, the rest for lying far from those. Each cell of each normal draws a number from its
    normal's seed, and the smallest are taken: so it does not matter in which order the normals come, and one that joins
    or leaves changes the choice little. Then every patch is compared with a sample of those; of each normal the cells
    that are farther than all around them stand for election, and the farthest are taken, so that what is rare among the
    normals is not forgotten. That is one pass over the patches, where a greedy coreset takes one for each patch that it
    chooses.

    Args:
        load: position of a normal -> its patches; called twice for each, and once more for the first.
        seeds: one a normal, from its content.
        looked_at: (rows, columns) bool, the cells of the finest grid that count.
        weights: how much each stage counts.
        size: patches of the bank; each stage has one at least.
        far: share of the bank for the far ones.
        tell: called with (normals done, in all).
    """
    n, sides = len(seeds), [stage.shape[:2] for stage in load(0)]
    masks = [coarser(looked_at, side) for side in sides]
    cells = sum(mask.sum() for mask in masks)
    rngs = [np.random.default_rng(seed) for seed in seeds]
    choices = [_Choice(mask, rngs, max(1, round(size * mask.sum() / cells)), far) for mask in masks]
    total = 2 * n if any(choice.room for choice in choices) else n
    for at in range(n):
        for choice, stage in zip(choices, load(at), strict=True):
            choice.take(at, _flat(stage))
        tell(at + 1, total)
    if total > n:
        for at in range(n):
            for choice, stage in zip(choices, load(at), strict=True):
                choice.judge(at, _flat(stage))
            tell(n + at + 1, total)
    return PatchBank([choice.bank() for choice in choices], weights)


def bank_of(
    normals: Sequence[Stages], owners: Sequence[int], looked_at: np.ndarray, weights: Sequence[float]
) -> PatchBank:
    """All patches of a few normals: what SPADE compares with, by the weights of `even_weights`.

    No patch counts for less where they are rare: the spread of so many would take longer than the comparison, and each
    image would have units of its own.
    """
    order, banks = np.argsort(owners, kind="stable"), []
    for stage in range(len(weights)):
        maps = [normals[at][stage] for at in order]
        cells = np.flatnonzero(coarser(looked_at, maps[0].shape[:2]))
        banks.append(
            StageBank(
                np.concatenate([_flat(one)[cells] for one in maps]),
                np.repeat(np.asarray(owners)[order], len(cells)),
                np.tile(cells, len(order)),
                even=True,
            )
        )
    return PatchBank(banks, weights)


def even_weights(weights: Sequence[float]) -> tuple[float, ...]:
    """How much the stages count, colours, the finest and the coarser ones, where distances are left as they are."""
    return (*weights[:2], *(COARSER * weight for weight in weights[2:]))


def balanced_bank(bank: PatchBank, load: Load, n: int, looked_at: np.ndarray) -> PatchBank:
    """The bank with its colours weighed by how far those of its own n normals go, each without itself."""
    maps = (bank.stage_maps(load(at), looked_at=looked_at, without=[at]) for at in calibrating(n).tolist())
    return PatchBank(bank.stages, balanced(maps, bank.weights))


def calibrating(n: int, most: int = CALIBRATED, seed: int = 0) -> np.ndarray:
    """(c,) positions of the normals that set the limit, ascending: all up to `most`, else so many drawn."""
    if n <= most:
        return np.arange(n)
    return np.sort(np.random.default_rng(seed).choice(n, most, replace=False))


class _Choice:
    """Which patches of one stage come into the bank: first `take` of every normal, then, if there is room, `judge`.

    room: patches that are to be chosen for lying far.
    """

    def __init__(self, inside: np.ndarray, rngs: Sequence[np.random.Generator], size: int, far: float):
        self._inside, self._cells = inside, np.flatnonzero(inside)
        self._drawn = np.stack([rng.random(inside.size, np.float32)[self._cells] for rng in rngs])
        base = self._drawn.size if self._drawn.size <= size else max(1, round(size * (1 - far)))
        self._taken = self._drawn <= np.partition(self._drawn, base - 1, axis=None)[base - 1]
        self.room = 0 if self._drawn.size <= size else max(0, size - int(self._taken.sum()))
        self._most = 4 * self.room // len(rngs) + 1  # of one normal: what is strange as a whole shall not take all
        self._chosen, self._patches, self._far = [], [], []
        self._sample = self._turn = None

    def take(self, at: int, patches: np.ndarray) -> None:
        cells = self._cells[self._taken[at]]
        self._chosen.append(cells)
        self._patches.append(patches[cells])

    def judge(self, at: int, patches: np.ndarray) -> None:
        if not self.room:
            return
        if self._sample is None:
            order = np.argsort(self._drawn[self._taken], kind="stable")[:_SAMPLE]
            sample = np.concatenate(self._patches)[order]
            self._turn = _directions(sample, _COARSE)
            self._sample = _on_device(_turned(sample, self._turn))
        far = np.full(self._inside.size, -np.inf, np.float32)
        far[self._cells] = _least(self._sample, _turned(patches[self._cells], self._turn))
        far[self._chosen[at]] = -np.inf
        peaks = _peaks(far.reshape(self._inside.shape))
        peaks = peaks[np.argsort(-far[peaks], kind="stable")[: self._most]]
        self._far.append((peaks, patches[peaks].astype(np.float16), far[peaks]))

    def bank(self) -> StageBank:
        chosen, patches = self._chosen, self._patches
        if self._far:
            last = self._farthest()
            chosen = [
                np.append(mine, cells[far >= last]) for mine, (cells, _, far) in zip(chosen, self._far, strict=True)
            ]
            patches = [
                np.concatenate([mine, others[far >= last]])
                for mine, (_, others, far) in zip(patches, self._far, strict=True)
            ]
        owners = np.repeat(np.arange(len(chosen)), [len(mine) for mine in chosen])
        # As a bank is kept, so that it is the same when it comes back.
        rounded = np.concatenate(patches).astype(np.float16)
        return StageBank(rounded, owners, np.concatenate(chosen))

    def _farthest(self) -> float:
        """From which distance on a patch is chosen."""
        distances = np.concatenate([far for *_, far in self._far])
        last = -np.inf if len(distances) <= self.room else np.partition(distances, -self.room)[-self.room]
        # Of those that lie equally far none, rather than whichever came first.
        if (distances >= last).sum() > self.room:
            last = np.nextafter(last, np.float32(np.inf))
        return last


def _peaks(distances: np.ndarray) -> np.ndarray:
    """Cells that lie as far as any of the eight around them: neighbouring patches show much of the same."""
    from scipy.ndimage import maximum_filter

    return np.flatnonzero((distances == maximum_filter(distances, 3, mode="nearest")) & np.isfinite(distances))


def _directions(patches: np.ndarray, count: int) -> np.ndarray:
    """(dim, count) the directions in which patches are largest (their second moments', not centred)."""
    some = patches[:: -(-len(patches) // BANK)].astype(np.float64)
    _, vectors = np.linalg.eigh(some.T @ some)
    return np.ascontiguousarray(vectors[:, ::-1][:, :count], np.float32)


def _turned(patches: np.ndarray, directions: np.ndarray) -> np.ndarray:
    """A product by torch, as all others here: threads of numpy's would go on spinning and take its cores away."""
    import torch

    return torch.mm(torch.from_numpy(patches), torch.from_numpy(directions)).numpy()


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


def _least(bank, patches: np.ndarray) -> np.ndarray:
    """(p,) squared distances to the nearest of the bank: as `_nearest`, which tells which it is as well."""
    import torch

    with torch.inference_mode():
        patches = torch.from_numpy(patches).to(bank.device)
        memory = torch.empty(_ROWS, len(bank), device=bank.device)
        least = [
            torch.mm(_asked(some), bank.T, out=memory[: len(some)]).amin(dim=1) + (some * some).sum(dim=1)
            for some in patches.split(_ROWS)
        ]
        return torch.cat(least).clamp_min(0).cpu().numpy()


def _asked(patches):
    """(p, dim) -> (p, dim + 1), whose products with a bank on the device are squared distances but for their own."""
    import torch

    return torch.cat([-2 * patches, torch.ones_like(patches[:, :1])], dim=1)


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
            table = torch.mm(_asked(some), bank.T, out=memory[: len(some)])
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
