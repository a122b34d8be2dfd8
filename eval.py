"""Sum up the runs of a log directory: ``python eval.py --logdir logs/cartpole_props``."""

import sys

from r2po.cli import main

if __name__ == "__main__":
    sys.exit(main(["eval", *sys.argv[1:]], program="eval.py"))
