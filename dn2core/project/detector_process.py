"""A detector in a process of its own: it can be stopped, it can fail by itself, and its memory can be measured.

The two share a folder. The child reads `task.json`, `normals.npy` and `queries.npy` there, and leaves `result.json`,
and `scores.npy` where there are scores. Meanwhile `state.json` tells what it is doing and how far it is.
"""

import importlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from dn2core.detect.baselines import Training, detector_of, fitted
from dn2core.errors import DN2Error, sentence
from dn2core.project.fsio import storage_errors
from dn2core.project.lifeline import end_with_parent

CODE = "import sys; from dn2core.project.detector_process import main; main(sys.argv[1])"
POLL_SECONDS = 0.1
START_SECONDS = 300  # until it has begun: libraries are loaded first
GRACE = 1.5  # times the time limit, for a fit that should have ended by itself, and for the scoring
AT_ONCE = 256  # images scored between two signs of progress
POLITE = 5  # niceness: people who look at images come first


@dataclass(frozen=True)
class Outcome:
    """What became of a detector: scores, or the code of an error and its parameters."""

    scores: np.ndarray | None  # (q,) float64, higher = more anomalous
    error_code: str | None = None
    error_params: dict = field(default_factory=dict)
    fit_seconds: float | None = None
    score_seconds: float | None = None  # for all queries together
    memory_bytes: int | None = None  # the most it took beyond libraries, normals and queries; None where unknown
    notes: dict = field(default_factory=dict)  # as `Training.notes`

    @property
    def error(self) -> str | None:
        return sentence(self.error_code, self.error_params) if self.error_code else None


def run_detector(
    name: str,
    normals: np.ndarray,
    queries: np.ndarray,
    *,
    seconds: float = 120.0,
    seed: int = 0,
    tell: Callable[[float], None] | None = None,
    threads: int | None = None,
) -> Outcome:
    """Fit a detector and score the queries in a child process. Whatever happens there is an outcome.

    Args:
        name: a key of DETECTORS.
        normals: (n, d) float32 features or (n, side, side, 3) uint8 images, as the detector sees them.
        queries: (q, ...) likewise.
        seconds: the time limit of a training; what has not ended after GRACE times as long is ended.
        tell: called several times a second with the share done, 0 to 1; what it raises ends the child and is raised.
        threads: of numeric libraries; by default half of the processors.

    Raises:
        Refused: for an unknown detector.
        StorageError: when the temporary folder cannot take the arrays.
    """
    detector_of(name)
    with tempfile.TemporaryDirectory(prefix="dn2-detector-") as folder:
        place = Path(folder)
        with storage_errors(place):
            np.save(place / "normals.npy", normals, allow_pickle=False)
            np.save(place / "queries.npy", queries, allow_pickle=False)
            (place / "task.json").write_text(json.dumps({"detector": name, "seconds": seconds, "seed": seed}))
        child = _start(place, threads or max(1, (os.cpu_count() or 1) // 2))
        try:
            late = _watch(child, place, seconds, tell or (lambda share: None))
        finally:
            child.kill()
            child.wait()
            child.stdin.close()
        return Outcome(None, "DETECTOR_OUT_OF_TIME", {"seconds": round(late)}) if late else _result(child, place)


def _start(place: Path, threads: int) -> subprocess.Popen:
    limits = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), str(threads))
    with open(place / "output.txt", "wb") as output:
        return subprocess.Popen(
            [sys.executable, "-c", CODE, str(place)],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            env={**os.environ, **limits},
            cwd=Path(__file__).parents[2],
        )


def _watch(child: subprocess.Popen, place: Path, seconds: float, tell: Callable[[float], None]) -> float | None:
    """Wait for the end; returns how long the stage took that was not over in time, None when all was."""
    stage, began = "start", time.monotonic()
    while child.poll() is None:
        now, share = _state(place)
        if now != stage:
            stage, began = now, time.monotonic()
        tell(share)
        took = time.monotonic() - began
        if took > (START_SECONDS if stage == "start" else GRACE * seconds):
            return took
        time.sleep(POLL_SECONDS)
    return None


def _state(place: Path) -> tuple[str, float]:
    try:
        return tuple(json.loads((place / "state.json").read_text()))
    except FileNotFoundError:
        return "start", 0.0


def _result(child: subprocess.Popen, place: Path) -> Outcome:
    try:
        told = json.loads((place / "result.json").read_text())
        scores = None if told["error_code"] else np.load(place / "scores.npy", allow_pickle=False)
    except (OSError, ValueError):  # killed, aborted, or the disk is full
        # On Linux the system kills with signal 9 when the memory is used up; nobody else sends it.
        killed = child.returncode in (-9, 137)
        return Outcome(None, *(("OUT_OF_MEMORY",) if killed else ("DETECTOR_CRASHED", {"status": child.returncode})))
    return Outcome(scores, **told)


# The child's side.


def main(folder: str) -> None:
    """The child: do the task of a folder."""
    end_with_parent()
    with suppress(OSError, AttributeError):
        os.nice(POLITE)
    with suppress(OSError):  # where the memory is used up, this process goes and not the server
        Path("/proc/self/oom_score_adj").write_text("800")
    do(Path(folder))


def do(place: Path) -> None:
    """Every end that can be foreseen is written down as a result."""
    result = {"error_code": None, "error_params": {}}
    try:
        result |= _work(place)
    except DN2Error as error:
        result |= {"error_code": error.code, "error_params": error.params}
    except MemoryError:
        result |= {"error_code": "OUT_OF_MEMORY"}
    except Exception as error:
        result |= {
            "error_code": "DETECTOR_FAILED",
            "error_params": {"reason": f"{type(error).__name__}: {error}"[:300]},
        }
    _write(place / "result.json", result)


def _work(place: Path) -> dict:
    task = json.loads((place / "task.json").read_text())
    detector = detector_of(task["detector"])
    normals, queries = (np.load(place / f"{name}.npy", allow_pickle=False) for name in ("normals", "queries"))
    for module in detector.imports:
        importlib.import_module(module)

    before = _memory_now()
    training = Training(seed=task["seed"], seconds=task["seconds"], told=_telling(place, "fit"))
    training.tell(0)
    began = time.perf_counter()
    score = fitted(detector, normals, training)
    fit_seconds = time.perf_counter() - began

    scores, tell = np.empty(len(queries)), _telling(place, "score")
    tell(0)
    began = time.perf_counter()
    for start in range(0, len(queries), AT_ONCE):
        rows = slice(start, start + AT_ONCE)
        scores[rows] = score(queries[rows])
        tell(min(1.0, (start + AT_ONCE) / len(queries)))
    score_seconds = time.perf_counter() - began
    peak = _memory_peak()
    np.save(place / "scores.npy", scores, allow_pickle=False)
    return {
        "fit_seconds": fit_seconds,
        "score_seconds": score_seconds,
        "memory_bytes": max(0, peak - before) if before is not None and peak is not None else None,
        "notes": training.notes,
    }


def _telling(place: Path, stage: str) -> Callable[[float], None]:
    """Write how far it is, a few times a second at most; fitting is told as the first nine tenths of all."""
    last = -1.0

    def tell(share: float) -> None:
        nonlocal last
        if time.monotonic() - last >= POLL_SECONDS or share in (0, 1):
            last = time.monotonic()
            done = 0.9 * share if stage == "fit" else 0.9 + 0.1 * share
            _write(place / "state.json", [stage, min(1.0, max(0.0, done))])

    return tell


def _write(path: Path, value) -> None:
    unfinished = path.with_suffix(".part")
    unfinished.write_text(json.dumps(value, default=float))
    os.replace(unfinished, path)


def _memory_now() -> int | None:
    """Bytes of memory in use, and the peak set back to it; None where the system does not tell."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
        return _status("VmRSS")
    return None


def _memory_peak() -> int | None:
    with suppress(OSError):
        return _status("VmHWM")
    return None


def _status(key: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(f"{key}:"))
