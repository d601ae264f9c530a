"""Results to files."""

from dn2core.report.csv import history_csv, results_csv
from dn2core.report.html import Report, report_html

__all__ = ["Report", "history_csv", "report_html", "results_csv"]
