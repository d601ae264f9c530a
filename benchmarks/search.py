"""Our search against raw FAISS, both in one run: python benchmarks/search.py

1,000 queries on a bank of 6,000 vectors of 1,280 numbers. Bank.search adds to FAISS that distances are exact,
do not depend on the batch, and that ties go by row; this measures what that costs. Target: at most 1.2 times.
Raw FAISS runs here with the matrix kernels that dn2core.detect chooses for it, the faster ones; with --plain it
is imported as it comes.
"""

import argparse
import sys
import time
from pathlib import Path

import numpy as np

if "--plain" in sys.argv:
    import faiss

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from dn2core.detect import Bank
from dn2core.detect.bank import faiss

TARGET = 1.2


def vectors(rng: np.random.Generator, n: int, dim: int) -> np.ndarray:
    """As a network gives them: not negative, a few large numbers, images that resemble each other."""
    common = rng.gamma(0.5, size=(8, dim))
    return (common[rng.integers(0, 8, n)] + 0.4 * rng.gamma(0.5, size=(n, dim))).astype(np.float32)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--bank", type=int, default=6_000)
    parser.add_argument("--queries", type=int, default=1_000)
    parser.add_argument("--dim", type=int, default=1_280)
    parser.add_argument("--plain", action="store_true", help="import FAISS before dn2core can choose its kernels")
    args = parser.parse_args()

    rng = np.random.default_rng(0)
    features, queries = vectors(rng, args.bank, args.dim), vectors(rng, args.queries, args.dim)
    bank = Bank(features)
    raw = faiss.IndexFlatL2(args.dim)
    raw.add(features)
    print(f"faiss {faiss.__version__}, {faiss.omp_get_max_threads()} threads, median of {args.rounds} rounds")
    print(f"{args.queries:,} queries on {args.bank:,} x {args.dim:,}")

    held = True
    for k in (2, 50):
        ways = {"raw": lambda k=k: raw.search(queries, k), "ours": lambda k=k: bank.search(queries, k)}
        times = {name: [] for name in ways}
        for turn in range(args.rounds + 1):  # taken in turns, so that a busy machine slows both; the first warms up
            for name, search in ways.items():
                start = time.perf_counter()
                search()
                if turn:
                    times[name].append(time.perf_counter() - start)
        ours, theirs = np.median(times["ours"]), np.median(times["raw"])
        held &= bool(ours / theirs <= TARGET)
        print(f"k={k:<3} raw FAISS {theirs:.4f} s   Bank.search {ours:.4f} s   ratio {ours / theirs:.3f}")
    print(f"at most {TARGET}: {'yes' if held else 'NO'}")
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
