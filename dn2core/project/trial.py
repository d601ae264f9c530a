"""A file decoded in a process of its own, to learn whether that kills the process."""

import subprocess
import sys
from pathlib import Path

from dn2core.errors import Rejected
from dn2core.ingest.sources import Source

TRIAL_SECONDS = 60
CODE = """
import sys
from dn2core.errors import Rejected
from dn2core.ingest import decode
try:
    decode(sys.stdin.buffer.read(), at_least=int(sys.argv[1]))
except Rejected:
    pass
"""


def survives(source: Source, at_least: int) -> bool:
    """Whether decoding the file ends by itself, with whatever result, in reasonable time."""
    try:
        data = source.read()
    except (Rejected, OSError):
        return True
    try:
        ended = subprocess.run(
            [sys.executable, "-c", CODE, str(at_least)],
            input=data,
            capture_output=True,
            timeout=TRIAL_SECONDS,
            cwd=Path(__file__).parents[2],
        )
    except subprocess.TimeoutExpired:
        return False
    return ended.returncode in (0, 1)
