"""The paper's tables and curves, and the published figures."""
