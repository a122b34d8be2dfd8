"""Batches of requests, which providers answer within a day at half the price: one file for each protocol."""
