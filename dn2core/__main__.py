"""`python -m dn2core`: the command line."""

import sys

from dn2core.cli import main

if __name__ == "__main__":
    sys.exit(main())
