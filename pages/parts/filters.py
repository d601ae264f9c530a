"""The filters of the Score page. They live in the address, so a link or a reload brings the same pictures."""

from dataclasses import dataclass

import numpy as np
import streamlit as st

VERDICTS = ("reject", "review", "pass")
LABELS = ("defect", "good", "unsure", "none")


@dataclass(frozen=True)
class Filters:
    """Which scored images are shown; the default shows all."""

    verdicts: tuple[str, ...] = ()  # none chosen: all
    low: float = 0.0  # percentile among the normals, both ends included
    high: float = 100.0
    name: str = ""  # contained in the name, whatever its case
    batch: int | None = None
    labels: tuple[str, ...] = ()  # none chosen: all; "none" lets images through of which nothing was said
    capture: bool = False  # those only whose capture is to be checked


def read(params) -> Filters:
    """Filters from the address; what makes no sense there counts as not given."""
    wanted = params.get("verdict", "").split(",")
    low, high = _percentile(params.get("from"), 0.0), _percentile(params.get("to"), 100.0)
    if low > high:
        low, high = 0.0, 100.0
    batch = params.get("batch", "")
    return Filters(
        verdicts=tuple(verdict for verdict in VERDICTS if verdict in wanted),
        low=low,
        high=high,
        name=params.get("name", "")[:200],
        labels=tuple(label for label in LABELS if label in params.get("label", "").split(",")),
        capture=params.get("capture") == "1",
        batch=int(batch) if batch.isascii() and batch.isdecimal() and len(batch) < 10 else None,
    )


def write(filters: Filters) -> None:
    """Put the filters in the address; what shows all leaves no trace there."""
    words = {
        "verdict": ",".join(filters.verdicts),
        "label": ",".join(filters.labels),
        "from": f"{filters.low:g}" if filters.low > 0 else "",
        "to": f"{filters.high:g}" if filters.high < 100 else "",
        "name": filters.name,
        "capture": "1" if filters.capture else "",
        "batch": "" if filters.batch is None else str(filters.batch),
    }
    for name, word in words.items():
        if word:
            st.query_params[name] = word
        elif name in st.query_params:
            del st.query_params[name]


def matching(filters: Filters, shown, judged, labels: np.ndarray, odd: np.ndarray) -> np.ndarray:
    """Positions of the scored images that the filters let through, in the order in which they came.

    Args:
        labels: (q,) as `labels_of` gives them.
        odd: (q,) bool, whether there are findings about the capture.
    """
    keep = np.ones(len(shown.scored), bool)
    if filters.verdicts:
        keep &= np.isin(judged.verdicts, filters.verdicts)
    if (filters.low, filters.high) != (0, 100):
        # Without normals to compare with there is no percentile: only the whole range lets such images through.
        keep &= (judged.percentiles >= filters.low) & (judged.percentiles <= filters.high)
    if filters.labels:
        keep &= np.isin(labels, [label if label != "none" else "" for label in filters.labels])
    if filters.capture:
        keep &= odd
    if filters.batch is not None:
        keep &= shown.scored.batches == filters.batch
    if filters.name:
        wanted = filters.name.casefold()
        keep &= np.fromiter((wanted in name.casefold() for name in shown.scored.names), bool, len(keep))
    return np.flatnonzero(keep)


def _percentile(word: str | None, default: float) -> float:
    try:
        value = float(word)
    except (TypeError, ValueError):
        return default
    return value if 0 <= value <= 100 else default
