"""Calls of all runs that wait, sent in batches: collected, sent, found again, watched, fetched and handed out."""
