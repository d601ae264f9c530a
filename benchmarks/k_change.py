"""What a change of k costs on the server: python benchmarks/k_change.py

10,000 scored images and 2,000 normals with 50 neighbours each. `judge` is what a page asks for at a new k;
`sweep` is what the slider gets once, to move while the thumb moves. Target: the 95th percentile at most 50 ms.
"""

import argparse
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from dn2core.detect import Found, ScoreTable, changes
from dn2core.explore import sweep_table

TARGET_MS = 50


def neighbours(rng: np.random.Generator, rows: int, k: int) -> Found:
    distances = np.sort(rng.gamma(8, size=(rows, k)).astype(np.float32), axis=1)
    return Found(distances, rng.integers(0, 2_000, (rows, k)), k, k)


def milliseconds(call) -> float:
    start = time.perf_counter()
    call()
    return 1_000 * (time.perf_counter() - start)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--scored", type=int, default=10_000)
    parser.add_argument("--normals", type=int, default=2_000)
    args = parser.parse_args()

    rng = np.random.default_rng(0)
    loo, found = neighbours(rng, args.normals, 50), neighbours(rng, args.scored, 50)
    tables = [milliseconds(lambda: ScoreTable(loo, found)) for _ in range(args.rounds)]
    table = ScoreTable(loo, found)
    now = table.judge(2)
    measured = {
        "judge at another k": [
            milliseconds(lambda k=k: table.judge(k)) for _ in range(args.rounds) for k in range(1, 51)
        ],
        "judge and list changes": [
            milliseconds(lambda k=k: changes(now, table.judge(k))) for _ in range(args.rounds) for k in range(1, 51)
        ],
        "sweep over all k": [milliseconds(lambda: sweep_table(table)) for _ in range(5 * args.rounds)],
        "scores for every k, once": tables,
    }
    print(f"{args.scored:,} scored images, {args.normals:,} normals, 50 neighbours, k = 1 ... 50")
    for name, times in measured.items():
        middle, high = np.percentile(times, [50, 95])
        print(f"{name:<26} median {middle:7.2f} ms   95th percentile {high:7.2f} ms")
    held = np.percentile(measured["judge and list changes"], 95) <= TARGET_MS
    print(f"a k change at most {TARGET_MS} ms: {'yes' if held else 'NO'}")
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
