"""The `elute` command: a client of the public API, and the starter of the system on one machine.

What a command needs is imported when it runs: `elute --help` answers at once.
"""

from elute_gateway.cli.app import main as main
