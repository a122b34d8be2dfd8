"""Test R2PO against its baselines: ``python paper_significance_tests.py --comparison-mode all``."""

import sys

from r2po.cli import main

if __name__ == "__main__":
    sys.exit(main(["paper_significance_tests", *sys.argv[1:]], program="paper_significance_tests.py"))
