"""Compare methods over all environments: ``python paper_robust_statistics.py --metric best_reward``."""

import sys

from r2po.cli import main

if __name__ == "__main__":
    sys.exit(main(["paper_robust_statistics", *sys.argv[1:]], program="paper_robust_statistics.py"))
