"""Run one experiment from a config file: ``python main.py --config configs/cartpole/cartpole_props.yaml``."""

import sys

from r2po.cli import main

if __name__ == "__main__":
    sys.exit(main(["run", *sys.argv[1:]], program="main.py"))
