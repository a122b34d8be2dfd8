"""How the policies of one run came about, shown in a terminal: rounds, scores, repairs, failures and differences."""
