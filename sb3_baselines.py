"""Run the Stable-Baselines3 baselines: ``python sb3_baselines.py --config configs/sb3_baselines/cartpole_sb3.yaml``."""

import sys

from r2po.cli import main

if __name__ == "__main__":
    sys.exit(main(["sb3_baselines", *sys.argv[1:]], program="sb3_baselines.py"))
