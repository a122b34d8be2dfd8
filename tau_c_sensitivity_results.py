"""Make the tables of R2PO's sensitivity to tau_c: ``python tau_c_sensitivity_results.py``."""

import sys

from r2po.cli import main

if __name__ == "__main__":
    sys.exit(main(["tau_c_sensitivity_results", *sys.argv[1:]], program="tau_c_sensitivity_results.py"))
