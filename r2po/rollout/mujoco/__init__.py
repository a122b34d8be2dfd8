"""The compiled engine for MuJoCo's environments."""
