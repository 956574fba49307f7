"""A process that runs a small service, for the tests of the runner; its argument says how it behaves."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from elute_wire.errors import KeyUnavailable
from elute_wire.identity import ServiceName
from elute_wire.server import Service, run
from elute_wire.settings import ServiceSettings
from tests.support.wire import CONTRACTS, Pretend

CANARY = "jane.doe@example.com"


class Stubborn(Pretend):
    """Blocks a thread and does not drain."""

    async def drain(self) -> None:
        await asyncio.to_thread(time.sleep, 60)


@asynccontextmanager
async def opened(settings: ServiceSettings) -> AsyncIterator[Service]:
    match sys.argv[1]:
        case "keyless":
            raise KeyUnavailable("reading the key ring: none is set")
        case "broken":
            raise ValueError(CANARY)
        case "stubborn":
            yield Stubborn()
        case _:
            yield Pretend()
            sys.stdout.write(f"closed with {settings.threads} threads\n")


if __name__ == "__main__":
    sys.exit(run(ServiceName.CONNECTOR, ServiceSettings, CONTRACTS, opened))
