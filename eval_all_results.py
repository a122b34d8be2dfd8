"""Sum up every experiment under a folder: ``python eval_all_results.py --logs-root logs``."""

import sys

from r2po.cli import main

if __name__ == "__main__":
    sys.exit(main(["eval_all_results", *sys.argv[1:]], program="eval_all_results.py"))
