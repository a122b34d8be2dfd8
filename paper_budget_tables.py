"""Make the tables at the same budget: ``python paper_budget_tables.py --at 1000 episodes``."""

import sys

from r2po.cli import main

if __name__ == "__main__":
    sys.exit(main(["paper_budget_tables", *sys.argv[1:]], program="paper_budget_tables.py"))
