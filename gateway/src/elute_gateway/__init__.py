"""Elute's control plane: REST API, planning, durable runs, store and the elute command."""
