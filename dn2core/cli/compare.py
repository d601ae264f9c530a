"""`bench compare`: DN2 beside other detectors on a project's own images."""

from tqdm import tqdm

from dn2core.cli.images import find_project
from dn2core.detect.baselines import DETECTORS, DN2, in_words
from dn2core.explore.comparison import Compared, Standing
from dn2core.ingest.names import show
from dn2core.project import Store, data_dir
from dn2core.project.comparing import (
    Comparison,
    Entry,
    chosen,
    compare,
    compared_in,
    newest_comparison,
)


def compare_project(name: str, *, detectors: list[str] | None, backbones: list[str], seconds: float) -> int:
    """Run the detectors here, all by default, keep their results with the project, and print what is kept."""
    names = chosen(list(DETECTORS) if detectors is None else detectors, backbones)
    project = find_project(Store(data_dir()), name)
    with tqdm(disable=None, bar_format="{desc} {percentage:3.0f}%|{bar}| {elapsed}") as bar:

        def told(stage: str, done: int, total: int) -> None:
            bar.set_description(stage.capitalize(), refresh=False)
            bar.total, bar.n = total, done
            bar.refresh()

        compare(project, names, seconds=seconds, told=told)
    kept, view = newest_comparison(project), project.snapshot()
    found = compared_in(project, kept, view)
    print(_heading(show(project.name), kept, found))
    print(_table(kept, found))
    for entry in kept.entries.values():
        told_of = [entry.error] if entry.error else in_words(entry.notes)
        if told_of:
            print(f"{entry.title}: {'; '.join(told_of)}")
    return 0 if kept.scores else 1


def _heading(name: str, kept: Comparison, found: Compared) -> str:
    lines = [
        f"{name}: fitted on {_of(len(kept.normal_ids), kept.normals)} normals (version {kept.version}),"
        f" {_of(len(found.positions), kept.scored)} scored images, {found.good:,} good, {found.defects:,} defects"
    ]
    if found.unscored:
        lines.append(f"{found.unscored:,} images that some detector could not score are left out for all.")
    if not found.good or not found.defects:
        lines.append(
            "Without good parts and defects among the labels there is no ROC AUC: what follows is how far the others"
            f" agree with {DETECTORS[DN2].title}."
        )
    return "\n".join(lines)


def _table(kept: Comparison, found: Compared) -> str:
    rows = [("", "ROC AUC, %", "beside DN2", "rank corr.", f"of its top {found.top}", "fit, s", "ms/image", "MB")]
    rows += [_row(entry, found.standings.get(name)) for name, entry in kept.entries.items()]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        )
        for row in rows
    )


def _row(entry: Entry, standing: Standing | None) -> tuple[str, ...]:
    if standing is None:
        return (entry.title, *["-"] * 7)
    area, gain = standing.roc_auc, standing.gain
    return (
        entry.title,
        "-" if area is None else f"{100 * area.value:.1f} ({100 * area.low:.1f} to {100 * area.high:.1f})",
        "-" if gain is None else f"{100 * gain.value:+.1f} ({100 * gain.low:+.1f} to {100 * gain.high:+.1f})",
        "-" if standing.correlation is None else f"{standing.correlation:.2f}",
        f"{standing.shared}",
        f"{entry.fit_seconds:.1f}",
        f"{entry.score_ms:.2f}",
        "-" if entry.memory_bytes is None else f"{entry.memory_bytes / 1e6:,.0f}",
    )


def _of(used: int, there: int) -> str:
    return f"{used:,}" if used == there else f"{used:,} of {there:,}"
