"""One normal joins or leaves, against a fresh search: OMP_NUM_THREADS=2 python benchmarks/feedback.py

100,000 scored images of 1,280 numbers, 1,000 normals, 50 neighbours. Each time counts all that is needed before the
new verdicts: the new bank, the scored images' table and the normals' own. A normal leaves in two ways: one that is
in as many rows as usual, and the one that is in the most. Target: each at most 300 ms. That the updated tables equal
fresh ones is checked in the same run.
"""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from dn2core.detect import Bank, Found, leave_one_out
from dn2core.detect.bank import faiss
from dn2core.detect.update import NeighbourTable, neighbour_table, own_neighbour_table, updated, updated_own

TARGET_MS = 300
K = 50


def vectors(rng: np.random.Generator, common: np.ndarray, n: int) -> np.ndarray:
    """As a network gives them: not negative, a few large numbers, images that resemble each other."""
    made = rng.standard_exponential((n, common.shape[1]), np.float32)
    made **= 2
    made *= 0.2
    made += common[rng.integers(0, len(common), n)]
    return made


def timed(call: Callable) -> tuple[float, tuple]:
    start = time.perf_counter()
    result = call()
    return 1_000 * (time.perf_counter() - start), result


def follow(
    tables: tuple[NeighbourTable, NeighbourTable], queries: np.ndarray, bank: Bank, keep: np.ndarray, added: np.ndarray
) -> tuple[Bank, NeighbourTable, NeighbourTable]:
    after = bank.changed(keep, added)
    return after, updated(tables[0], queries, after, keep), updated_own(tables[1], after, keep)


def same(a: Found, b: Found) -> bool:
    return np.array_equal(a.distances, b.distances) and np.array_equal(a.indices, b.indices)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--scored", type=int, default=100_000)
    parser.add_argument("--normals", type=int, default=1_000)
    parser.add_argument("--dim", type=int, default=1_280)
    parser.add_argument("--normalise", action="store_true", help="compare vectors of unit length")
    args = parser.parse_args()

    rng = np.random.default_rng(0)
    common = rng.gamma(0.5, size=(8, args.dim)).astype(np.float32)
    raw = vectors(rng, common, args.normals)
    bank = Bank(raw, normalise=args.normalise)
    queries = bank.prepare(vectors(rng, common, args.scored))
    print(f"faiss {faiss.__version__}, {faiss.omp_get_max_threads()} threads, median of {args.rounds} rounds")
    print(f"{args.scored:,} scored images, {args.normals:,} normals of {args.dim:,} numbers, {K} neighbours")
    tables = neighbour_table(bank, queries, K), own_neighbour_table(bank, K)

    held_by = np.bincount(tables[0].indices.ravel(), minlength=bank.n)
    usual, hub = np.argsort(held_by)[[bank.n // 2, -1]]
    all_stay, none = np.ones(bank.n, bool), np.empty((0, args.dim), np.float32)
    changes = {
        "a scored image joins": (all_stay, queries[7:8]),
        "ten scored images join": (all_stay, queries[10:20]),
        f"a normal of {held_by[usual]:,} rows leaves": (np.arange(bank.n) != usual, none),
        f"a normal of {held_by[hub]:,} rows leaves": (np.arange(bank.n) != hub, none),
    }
    held = True
    for name, (keep, added) in changes.items():
        after = bank.changed(keep, added)
        search, (found, loo) = timed(lambda after=after: (after.search_prepared(queries, K), leave_one_out(after, K)))
        times = []
        for _ in range(args.rounds):
            took, (_, table, own) = timed(lambda keep=keep, added=added: follow(tables, queries, bank, keep, added))
            times.append(took)
            if not (same(table.found, found) and same(own.found, loo)):
                print(f"{name}: the updated tables DIFFER from fresh ones")
                return 1
        middle = float(np.median(times))
        held &= middle <= TARGET_MS or "ten" in name
        ours = f"{middle:6.0f} ms (fastest {min(times):.0f})"
        print(f"{name:<34} {ours}   fresh search {search:7.0f} ms   {search / middle:5.1f} times as fast")
    print(f"one joins or leaves in at most {TARGET_MS} ms: {'yes' if held else 'NO'}")
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
