"""Several processes that work on the same sweep: what each tells the others in files, and what they share."""
