"""Does the critic overreact to the worst rollout: ``python paper_salience_analysis.py --logs-root logs``."""

import sys

from r2po.cli import main

if __name__ == "__main__":
    sys.exit(main(["paper_salience_analysis", *sys.argv[1:]], program="paper_salience_analysis.py"))
