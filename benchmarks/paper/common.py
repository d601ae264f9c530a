"""What the scripts share: Fashion-MNIST's features, and the page and plot that each leaves in its folder.

A script imports this first; it finds dn2core for those behind it.
"""

import argparse
import os
import platform
import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
from matplotlib import rcParams
from matplotlib.axes import Axes
from matplotlib.figure import Figure

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from dn2core.explore.fashion_mnist import encode, load_idx
from dn2core.features import load_encoder

HERE = Path(__file__).resolve().parent
CACHE = HERE.parent / ".cache"
LIBRARIES = ("numpy", "faiss-cpu", "scikit-learn", "torch", "openvino")

rcParams |= {
    "svg.hashsalt": "dn2",  # the same bytes for the same numbers
    "svg.fonttype": "none",
    "figure.figsize": (6.4, 3.6),
    "figure.constrained_layout.use": True,
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
}


@dataclass(frozen=True)
class Features:
    """train (n, d) and test (m, d) float32, with their labels (n,) and (m,)."""

    train: np.ndarray
    train_labels: np.ndarray
    test: np.ndarray
    test_labels: np.ndarray

    @property
    def classes(self) -> np.ndarray:
        return np.unique(self.train_labels)


def arguments(doc: str) -> argparse.ArgumentParser:
    """A parser that knows where the data lie and where the page goes."""
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    parser.add_argument("--data", default="/usr/share/datasets/fashion-mnist", help="folder with the idx files")
    parser.add_argument("--out", type=Path, default=HERE, help="folder for the page and the plot")
    return parser


def features(
    folder: str | Path,
    backbone: str = "efficientnet_lite0",
    preset: str = "whole",
    *,
    first: tuple[int | None, int | None] = (None, None),
) -> Features:
    """Fashion-MNIST as a network sees it; encoded once, then from benchmarks/.cache.

    Args:
        first: so many training and test images, from the beginning; None takes all.
    """
    data, encoder = load_idx(folder), load_encoder(backbone, preset=preset)
    train, test = map(slice, first)
    return Features(
        encode(data.train_images[train], encoder, cache=CACHE, progress=_tell),
        data.train_labels[train],
        encode(data.test_images[test], encoder, cache=CACHE, progress=_tell),
        data.test_labels[test],
    )


def percent(share: float | None, digits: int = 2) -> str:
    return "-" if share is None else f"{100 * share:.{digits}f}"


def spread(shares: Sequence[float], digits: int = 1) -> str:
    """Mean and standard deviation in percent; the mean alone of a single value."""
    around = f" ± {percent(np.std(shares, ddof=1), digits)}" if len(shares) > 1 else ""
    return percent(float(np.mean(shares)), digits) + around


def table(header: Sequence[object], rows: Sequence[Sequence[object]]) -> str:
    """A markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def machine() -> str:
    """Processor, cores, system and versions; nothing that names the machine itself."""
    libraries = ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
    return (
        f"{_processor()}, {os.cpu_count()} cores, {platform.system()} {platform.machine()},"
        f" Python {platform.python_version()}, {libraries}"
    )


def publish(
    out: Path,
    name: str,
    *,
    title: str,
    body: str,
    differs: str = "",
    seeds: str = "none: nothing is drawn",
    folder: str = "paper",
) -> None:
    """Print a script's tables, and write them as NAME.md with how they came about.

    Args:
        body: markdown: the tables and what they say.
        differs: what is not as in the paper, a sentence or a markdown list; "" where no paper has such a table.
        seeds: what was drawn by which seeds.
        folder: of the script, below benchmarks.
    """
    print(body, flush=True)
    command = shlex.join(["python", f"benchmarks/{folder}/{name}.py", *sys.argv[1:]])
    differs = differs and f"## What differs from the paper\n\n{differs}\n\n"
    plot = f"![{title}]({name}.svg)\n\n" if (out / f"{name}.svg").exists() else ""
    (out / f"{name}.md").write_text(
        f"# {title}\n\n{body}\n\n{plot}{differs}"
        f"## How to measure it again\n\n- `{command}`\n- Seeds: {seeds}\n- Machine: {machine()}\n",
        encoding="utf-8",
    )


@contextmanager
def plot(out: Path, name: str, x: str, y: str) -> Iterator[Axes]:
    """Axes to draw on, named with their units; NAME.svg afterwards. Before `publish`, which shows it."""
    figure = Figure()
    axes = figure.subplots()
    axes.set(xlabel=x, ylabel=y)
    axes.grid(axis="y", color="0.9")
    axes.set_axisbelow(True)
    yield axes
    figure.savefig(out / f"{name}.svg", metadata={"Date": None})


def dots(out: Path, name: str, x: str, rows: Sequence[str], columns: dict[str, Sequence[float | None]]) -> None:
    """NAME.svg with a line for each row and a mark for each column, whose values are shares; the first row on top."""
    with plot(out, name, x, "") as axes:
        for mark, (column, shares) in zip("osD^v", columns.items(), strict=False):
            axes.plot(100 * np.array(shares, float), range(len(rows)), mark, label=column)
        axes.set_yticks(range(len(rows)), rows)
        axes.invert_yaxis()
        axes.grid(axis="x", color="0.9")
        axes.figure.legend(loc="outside upper right", frameon=False, ncols=len(columns), fontsize=8)


def label(axes: Axes, x: float, y: float, text: str, colour: object) -> None:
    """A line's name at its right end, instead of a legend."""
    axes.annotate(text, (x, y), (5, 0), textcoords="offset points", color=colour, va="center", annotation_clip=False)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.partition(": ")[2] for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or "unknown processor"


def _tell(done: int, total: int) -> None:
    print(f"\r{done:,} of {total:,} images encoded", end="\n" if done == total else "", file=sys.stderr, flush=True)
