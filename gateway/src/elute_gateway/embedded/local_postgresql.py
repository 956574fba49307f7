"""The PostgreSQL server that `elute up --postgresql` runs beside the services: a target to try things with.

It has one empty database, listens on 127.0.0.1 for as long as the system runs, and comes back when it dies.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import asyncpg

from elute_gateway.embedded.postgresql import (
    LOOPBACK,
    SUPERUSER,
    PostgresServer,
    free_port,
    is_free,
    wheel_programs,
)
from elute_wire.errors import ServiceUnavailable

DATABASE = "qa"

_WANTED_PORT = 8650
_PAUSE_SECONDS = 1.0
_SETTINGS = {"shared_buffers": "128MB", "max_wal_size": "2GB", "max_connections": "100"}


class LocalPostgresql:
    """One server in a folder of its own; its port stays the same, for connections are declared with it.

    Attributes:
        name: What it is called, for people.
    """

    name = "PostgreSQL server"

    def __init__(self, home: Path, on_death: Callable[[LocalPostgresql, int], None]) -> None:
        """Describe a server; nothing happens yet.

        Args:
            home: Its folder; made if absent.
            on_death: Told of it and its exit code (negative: the signal that ended it); it is started again.
        """
        self._home = home
        self._on_death = on_death
        self._server: PostgresServer | None = None
        self._running: asyncio.Task[None] | None = None
        self._stopping = False
        self._turn = asyncio.Lock()

    @property
    def address(self) -> str:
        """The address of its database, as `elute connect add` takes it; the password is not in it."""
        assert self._server is not None  # noqa: S101  # asked for once started
        return f"postgresql://{SUPERUSER}@{LOOPBACK}:{self._server.port}/{DATABASE}"

    @property
    def password_file(self) -> Path:
        """The file of the superuser's password."""
        return self._home / "password"

    @property
    def log(self) -> Path:
        """Where the server writes what happens to it."""
        return self._home / "server.log"

    async def start(self) -> None:
        """Make the cluster and its database if there are none yet, and keep the server running.

        Raises:
            ServiceUnavailable: No PostgreSQL is installed with Elute, its port is taken, or it does not start.
        """
        server = PostgresServer(self._home, wheel_programs(), port=self._port(), settings=_SETTINGS)
        await asyncio.to_thread(_start, server)
        self._server = server
        self._running = asyncio.create_task(self._keep_running(server), name="postgresql")
        await _make_database(server)

    async def stop(self) -> None:
        """Stop the server; safe to repeat."""
        self._stopping = True
        if self._server is not None:
            async with self._turn:
                await asyncio.to_thread(self._server.stop)
        if self._running is not None:
            await asyncio.wait({self._running})

    async def _keep_running(self, server: PostgresServer) -> None:
        while True:
            code = await asyncio.to_thread(server.wait)
            if self._stopping:
                return
            self._on_death(self, code)
            await asyncio.sleep(_PAUSE_SECONDS)
            async with self._turn:
                if self._stopping:
                    return
                with suppress(ServiceUnavailable):  # its log says why; told again, and tried again
                    await asyncio.to_thread(server.start)

    def _port(self) -> int:
        """Choose a port at the first start, and take the same one ever after."""
        file = self._home / "port"
        if not file.exists():
            self._home.mkdir(mode=0o700, parents=True, exist_ok=True)
            port = _WANTED_PORT if is_free(_WANTED_PORT) else free_port()
            file.write_text(f"{port}\n", encoding="ascii")
        return int(file.read_text(encoding="ascii"))


def _start(server: PostgresServer) -> None:
    server.initialize()
    try:
        server.start()
    except ServiceUnavailable:
        if is_free(server.port):
            raise
        raise ServiceUnavailable(
            f"starting the PostgreSQL server in {server.home}: port {server.port} is taken",
            hint=f"end what listens there, or write another port into {server.home / 'port'} "
            "and into the connections that name it",
        ) from None


async def _make_database(server: PostgresServer) -> None:
    connection = await asyncpg.connect(
        host=str(server.socket_directory),
        port=server.port,
        user=SUPERUSER,
        password=server.password,
        database="postgres",
    )
    try:
        if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", DATABASE):
            await connection.execute(f"CREATE DATABASE {DATABASE}")
    finally:
        await connection.close()
