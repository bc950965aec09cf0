"""``python -m chinchilla_lib`` is the command line."""

import sys

from chinchilla_lib.cli import main

if __name__ == "__main__":
    sys.exit(main())
