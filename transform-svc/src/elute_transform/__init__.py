"""Elute's transform service: cleans batches, step by step."""
