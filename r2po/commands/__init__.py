"""What commands do besides running experiments."""
