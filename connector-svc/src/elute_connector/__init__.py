"""Elute's connector service: reads and writes data stores."""
