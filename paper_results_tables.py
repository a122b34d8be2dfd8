"""Make the results tables: ``python paper_results_tables.py --preset core --formats md csv png``."""

import sys

from r2po.cli import main

if __name__ == "__main__":
    sys.exit(main(["paper_results_tables", *sys.argv[1:]], program="paper_results_tables.py"))
