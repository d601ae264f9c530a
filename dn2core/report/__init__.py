"""Results to files."""

from dn2core.report.csv import results_csv

__all__ = ["results_csv"]
