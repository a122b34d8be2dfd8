"""``python -m r2po``."""

import sys

from r2po.cli import main

if __name__ == "__main__":
    sys.exit(main())
