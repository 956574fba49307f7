"""The `elute` command: the whole system on this machine, and a client of the public API."""

from elute_gateway.cli.app import main

__all__ = ["main"]
