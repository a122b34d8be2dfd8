"""Black-box search: numerical optimizers, which ask no model."""
