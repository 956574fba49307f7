"""Starts the anonymizer service."""

from __future__ import annotations

import sys

from elute_anonymizer.grpc_api.service import CONTRACTS, open_service
from elute_anonymizer.settings import AnonymizerSettings
from elute_wire import memory
from elute_wire.identity import ServiceName
from elute_wire.server import run


def main() -> int:
    """Serve until told to stop, and return the exit code."""
    memory.keep_few_heaps()
    return run(ServiceName.ANONYMIZER, AnonymizerSettings, CONTRACTS, open_service)


if __name__ == "__main__":
    sys.exit(main())
