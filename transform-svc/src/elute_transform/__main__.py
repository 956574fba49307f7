"""Starts the transform service."""

from __future__ import annotations

import sys

from elute_transform.grpc_api.service import CONTRACTS, open_service
from elute_wire import memory
from elute_wire.identity import ServiceName
from elute_wire.server import run
from elute_wire.settings import ServiceSettings


def main() -> int:
    """Serve until told to stop, and return the exit code."""
    memory.keep_few_heaps()
    return run(ServiceName.TRANSFORM, ServiceSettings, CONTRACTS, open_service)


if __name__ == "__main__":
    sys.exit(main())
