"""Policy search with language models: R2PO, its baselines and its ablations."""
