"""A served service, and channels to it."""

from __future__ import annotations

import io
import json
import logging
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import structlog

from elute_wire import telemetry
from elute_wire.channel import ServiceChannel
from elute_wire.identity import ServiceName
from elute_wire.server import Server
from elute_wire.settings import LogFormat, LogLevel, ServiceSettings
from elute_wire.tls import Certificates
from tests.support.wire import CONTRACTS, Client, Connect, Pretend, Serve


@pytest.fixture
def serve(tmp_path: Path) -> Serve:
    @asynccontextmanager
    async def serving(service: Pretend | None = None, **settings: object) -> AsyncIterator[Server]:
        told = ServiceSettings.model_validate({"listen_address": f"unix:{tmp_path}/s.sock", **settings})
        server = Server(ServiceName.CONNECTOR, told, CONTRACTS, service or Pretend())
        try:
            await server.start()
            yield server
        finally:
            await server.stop()

    return serving


@pytest.fixture
def connect() -> Connect:
    @asynccontextmanager
    async def connected(server: Server, certificates: Certificates | None = None) -> AsyncIterator[Client]:
        async with ServiceChannel(server.address, certificates) as channel:
            yield Client(channel)

    return connected


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], list[dict[str, Any]]]]:
    stream = io.StringIO()
    root = logging.getLogger()
    before = root.handlers[:], root.level
    for module, hook in ((sys, "excepthook"), (sys, "unraisablehook"), (threading, "excepthook")):
        monkeypatch.setattr(module, hook, getattr(module, hook))
    monkeypatch.setenv("GRPC_VERBOSITY", "ERROR")
    telemetry.configure("connector", LogLevel.DEBUG, LogFormat.JSON, stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    logging.captureWarnings(False)
    root.handlers[:], root.level = before
    structlog.reset_defaults()
