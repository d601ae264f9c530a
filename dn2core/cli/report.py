"""`report`: a project as it stands or stood, in one HTML file, and all results as CSV beside it."""

from datetime import datetime
from pathlib import Path

from dn2core.cli.images import find_project
from dn2core.ingest.names import show
from dn2core.project import Store, data_dir
from dn2core.project.captures import captures
from dn2core.project.reporting import report_of, results_of
from dn2core.project.snapshot import past_snapshot
from dn2core.report import report_html


def report(name: str, *, html: str, csv: str | None = None, state: int | None = None) -> int:
    """Write the files; `state` is an entry of the history, whose state is reported instead of the present one."""
    project = find_project(Store(data_dir()), name)
    view = project.snapshot() if state is None else past_snapshot(project, state)
    judged = view.judge()
    made = report_of(project, view, judged, when=datetime.now().astimezone())
    Path(html).write_bytes(report_html(made))
    print(f"{show(made.project)}: {made.answer}")
    print(f"Report: {html}")
    if csv:
        Path(csv).write_bytes(results_of(project, view, judged, captures(project, view)))
        print(f"Results: {csv}")
    return 0
