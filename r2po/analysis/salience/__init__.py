"""The salience analysis: what critics do with the worst rollout."""
