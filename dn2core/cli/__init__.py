"""The command line: demo, build, score, doctor, bench."""

from dn2core.cli.main import main

__all__ = ["main"]
