"""Many runs at once: on one machine, or on a Ray cluster."""
