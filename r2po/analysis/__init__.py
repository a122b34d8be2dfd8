"""What run logs say: summaries and figures. Reads logs and nothing else; runs nothing again."""
