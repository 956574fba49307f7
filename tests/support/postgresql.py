"""Running PostgreSQL servers of the versions that Elute claims, and fresh databases in them.

The wheel's servers (16, 18) have plpgsql and vector only: no contrib extension (citext, hstore, btree_gist, uuid-ossp),
no libxml, no ICU. A test of those takes version 15, Debian's.

In a test::

    @every_pair
    async def test_x_arrives_equal(source: Database, target: Database) -> None: ...

    @every_version
    async def test_y_is_discovered(database: Database) -> None: ...

Without a decorator `database`, `source` and `target` are of `DEFAULT_VERSION`.
"""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import asyncpg
import psycopg
import pytest

from elute_gateway.embedded.postgresql import (
    LOOPBACK,
    SUPERUSER,
    Authentication,
    PostgresServer,
    free_port,
    wheel_programs,
)

VERSIONS = (15, 16, 18)
DEFAULT_VERSION = 18
CONTRIB_VERSION = 15
"""The version that has contrib extensions and libxml."""

DEBIAN_PROGRAMS = Path("/usr/lib/postgresql/15/bin")

every_version = pytest.mark.parametrize("version", VERSIONS)
every_pair = pytest.mark.parametrize(("source_version", "target_version"), list(itertools.product(VERSIONS, VERSIONS)))

_QUICK = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "shared_buffers": "32MB",
    "max_connections": "60",
    "timezone": "UTC",
    "autovacuum": "off",
}


def programs(version: int) -> Path:
    """Answer the folder of one version's programs; skip the test where it is missing, fail it in CI."""
    if version != CONTRIB_VERSION:
        return wheel_programs(version)
    if not (DEBIAN_PROGRAMS / "postgres").exists():
        reason = f"PostgreSQL {version} is not installed: apt-get install postgresql postgresql-contrib (Debian 12)"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return DEBIAN_PROGRAMS


@dataclass(frozen=True)
class Database:
    """A database of a running server; clients are trusted."""

    server: PostgresServer
    name: str
    version: int

    @property
    def dsn(self) -> str:
        """Its address through the Unix socket, for libpq and asyncpg alike."""
        folder = quote(str(self.server.socket_directory), safe="")
        return f"postgresql://{SUPERUSER}@/{quote(self.name)}?host={folder}&port={self.server.port}"

    @property
    def loopback_dsn(self) -> str:
        """Its address through 127.0.0.1."""
        return f"postgresql://{SUPERUSER}@{LOOPBACK}:{self.server.port}/{quote(self.name)}"

    async def connect(self) -> asyncpg.Connection:
        """Open a connection; the caller closes it."""
        return await asyncpg.connect(self.dsn)

    def run(self, sql: str) -> str:
        """Run a script with psql, stopping at its first error, and answer what it prints (unaligned, rows only)."""
        command = [str(self.server.programs / "psql"), "--no-psqlrc", "--quiet", "--tuples-only", "--no-align"]
        options = ["--set=ON_ERROR_STOP=1", "--dbname", self.dsn]
        done = subprocess.run([*command, *options], input=sql, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise AssertionError(done.stderr)
        return done.stdout.strip()


class PostgresFleet:
    """One running server per version, started when a test first asks for it."""

    def __init__(self) -> None:
        self._servers: dict[int, PostgresServer] = {}
        self._homes: dict[int, psycopg.Connection] = {}
        self._numbers = itertools.count(1)

    def server(self, version: int) -> PostgresServer:
        """Answer the running server of a version."""
        if version not in self._servers:
            server = self._servers[version] = new_server(version)
            server.__enter__()
            # Kept open: a thousand databases are made and dropped, and psql takes longer to start than to make one.
            self._homes[version] = psycopg.connect(Database(server, "postgres", version).dsn, autocommit=True)
        return self._servers[version]

    @contextmanager
    def database(self, version: int, template: str = "template1") -> Iterator[Database]:
        """Make a database for one test, empty or a copy of another that nobody is connected to; drop it after."""
        server = self.server(version)
        home = self._homes[version]
        database = Database(server, f"test_{next(self._numbers)}", version)
        home.execute(f"CREATE DATABASE {database.name} TEMPLATE {template}")
        try:
            yield database
        finally:
            home.execute(f"DROP DATABASE {database.name} WITH (FORCE)")

    def stop(self) -> None:
        """Stop every server and remove its files."""
        for home in self._homes.values():
            home.close()
        for server in self._servers.values():
            discard(server)


def new_server(
    version: int, settings: Mapping[str, str] | None = None, authentication: Authentication = Authentication.TRUST
) -> PostgresServer:
    """Describe a server of a test's own, not yet made; it may kill and restart it. Clean up with `discard`.

    It has a socket and a port of 127.0.0.1, and forgets what an operating system's crash would lose.
    """
    found = programs(version)
    # Not pytest's folder: its paths are too long for a socket.
    home = Path(tempfile.mkdtemp(prefix="elute-pg-"))
    # Root may have to start the server as another user, who has to get there.
    home.chmod(0o711)
    return PostgresServer(
        home / str(version),
        found,
        port=free_port(),
        authentication=authentication,
        settings={**_QUICK, **(settings or {})},
    )


def discard(server: PostgresServer) -> None:
    """Stop a server and remove its files; a killed one would leave its shared memory behind."""
    server.stop()
    shutil.rmtree(server.home.parent, ignore_errors=True)
