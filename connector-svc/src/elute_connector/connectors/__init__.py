"""The connectors: one folder per system."""
