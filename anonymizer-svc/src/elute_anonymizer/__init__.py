"""Elute's anonymizer service: scrubs columns by keyed, deterministic techniques."""
