"""Draw reward over episodes: ``python paper_reward_curves.py --preset core --output curves.png``."""

import sys

from r2po.cli import main

if __name__ == "__main__":
    sys.exit(main(["paper_reward_curves", *sys.argv[1:]], program="paper_reward_curves.py"))
