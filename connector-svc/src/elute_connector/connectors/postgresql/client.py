"""Reaches a PostgreSQL: what a person says of a server, and sessions whose settings are pinned.

Two clients share one `Config`: asyncpg for all that the connector does itself, and libpq for pg_dump. Every session
has the same settings, so that the text of a value is the same everywhere.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Coroutine
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

import asyncpg
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from elute_connector.connectors.postgresql.errors import mapped
from elute_wire.errors import PlanRefused

OLDEST_VERSION = 14

NO_PASSFILE = f"{os.devnull}/none"
"""A file that cannot exist: passwords come from a connection's secrets alone, never from a file of the host's user."""

PINNED_SETTINGS = {
    "bytea_output": "hex",
    "client_encoding": "UTF8",
    "client_min_messages": "error",
    "DateStyle": "ISO, YMD",
    "default_transaction_read_only": "off",
    "extra_float_digits": "3",
    "idle_in_transaction_session_timeout": "0",
    "IntervalStyle": "postgres",
    "jit": "off",
    "lc_monetary": "C",
    "row_security": "off",
    "search_path": "",
    "standard_conforming_strings": "on",
    "statement_timeout": "0",
    "synchronous_commit": "on",
    "TimeZone": "UTC",
    "xmloption": "content",
}
"""What every session says of itself.

`row_security = off` makes a policy that would hide rows an error. An empty `search_path` qualifies every name, in
the text of `reg*` values too. `synchronous_commit = on`: a server that is killed must not forget a partition that it
has said to be in.
"""

Result = TypeVar("Result")

_LAST_WORD_SECONDS = 0.5
_KEEPALIVES = {"TCP_KEEPIDLE": 30, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 3}
"""A server that has vanished without a word is given up after a minute, in seconds and probes."""


class _Session(asyncpg.Connection):
    """asyncpg's own, with TCP's keep-alives on."""

    def __init__(self, protocol: Any, transport: asyncio.Transport, *rest: Any) -> None:  # noqa: ANN401 - asyncpg's own
        super().__init__(protocol, transport, *rest)
        opened = transport.get_extra_info("socket")
        if opened.family in (socket.AF_INET, socket.AF_INET6):
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for option, value in _KEEPALIVES.items():
                # Not every system has every option.
                if hasattr(socket, option):
                    opened.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)


class SslMode(StrEnum):
    """libpq's `sslmode`.

    Source: https://www.postgresql.org/docs/current/libpq-ssl.html
    """

    DISABLE = "disable"
    ALLOW = "allow"
    PREFER = "prefer"
    REQUIRE = "require"
    VERIFY_CA = "verify-ca"
    VERIFY_FULL = "verify-full"


class Config(BaseModel):
    """Where a PostgreSQL is and as whom to enter it.

    Attributes:
        host: A host name, an address, or the folder of a Unix socket.
        port: The port, or the socket's number.
        database: The database.
        user: The role.
        sslmode: How much of the transport is checked.
        sslrootcert: The file of the certificate authorities, on the connector's machine.
        sslcert: The file of the client's certificate.
        sslkey: The file of the client's key.
        connect_timeout_seconds: How long a connection attempt may take.
        lock_timeout_seconds: How long a statement of ours waits for a lock.
        encoding: What the bytes of an SQL_ASCII database are; such a database is refused without it.
        tools_folder: The folder of `pg_dump` and `pg_restore`; found on the PATH when empty.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = Field(min_length=1, max_length=255)
    port: int = Field(default=5432, ge=1, le=65535)
    database: str = Field(min_length=1, max_length=63)
    user: str = Field(min_length=1, max_length=63)
    sslmode: SslMode = SslMode.PREFER
    sslrootcert: str = ""
    sslcert: str = ""
    sslkey: str = ""
    connect_timeout_seconds: int = Field(default=10, ge=1, le=300)
    lock_timeout_seconds: int = Field(default=30, ge=1, le=3600)
    encoding: str = Field(default="", pattern="^[A-Za-z0-9_-]*$", max_length=32)
    tools_folder: str = ""


class Secrets(BaseModel):
    """What proves the role; sealed on its way here, and kept in memory only."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    password: SecretStr = SecretStr("")


async def connect(
    config: Config, secrets: Secrets, *, application_name: str, command_timeout_seconds: float | None = None
) -> asyncpg.Connection:
    """Open a session with the pinned settings.

    Args:
        config: The server.
        secrets: The password.
        application_name: What `pg_stat_activity` shows, at most 63 bytes.
        command_timeout_seconds: How long one statement may take; None for no limit.

    Raises:
        StoreUnreachable: The server does not answer.
        StoreLoginRefused: The server does not accept the role.
        PlanRefused: The server is older than 14, or its encoding is SQL_ASCII and none is declared.
    """
    with mapped(f"connecting to postgresql {config.host}:{config.port}/{config.database}"):
        connection = await asyncpg.connect(
            _url(config, _tls(config)),
            # An empty password too: without any, asyncpg would look for one in this user's files.
            password=secrets.password.get_secret_value(),
            timeout=config.connect_timeout_seconds,
            command_timeout=command_timeout_seconds,
            connection_class=_Session,
            server_settings={
                **PINNED_SETTINGS,
                "application_name": application_name,
                "lock_timeout": f"{config.lock_timeout_seconds}s",
            },
        )
    try:
        _refuse_unfit(connection, config)
    except BaseException:
        connection.terminate()
        raise
    return connection


async def unless_lost(connection: asyncpg.Connection, work: Coroutine[Any, Any, Result]) -> Result:
    """Wait for work in a session, and give it up when the session is lost.

    asyncpg's COPY waits for ever for a connection that breaks while the server reads nothing.

    Raises:
        ConnectionResetError: The session was lost, and the work did not notice.
    """
    lost = asyncio.Event()

    def tell(_: object) -> None:
        lost.set()

    connection.add_termination_listener(tell)
    working, losing = asyncio.ensure_future(work), asyncio.ensure_future(lost.wait())
    try:
        await asyncio.wait((working, losing), return_when=asyncio.FIRST_COMPLETED)
        # The work's own word on why the session ended is the better one.
        await asyncio.wait((working,), timeout=_LAST_WORD_SECONDS)
        if not working.done():
            raise ConnectionResetError
        return working.result()
    finally:
        connection.remove_termination_listener(tell)
        losing.cancel()
        working.cancel()
        await asyncio.wait((working,))
        if not working.cancelled():
            working.exception()  # what is not looked at would be logged


def _refuse_unfit(connection: asyncpg.Connection, config: Config) -> None:
    version = connection.get_server_version()
    if version.major < OLDEST_VERSION:
        raise PlanRefused(
            f"connecting to postgresql {config.host}:{config.port}: the server is version {version.major}",
            hint=f"Elute reads and writes PostgreSQL {OLDEST_VERSION} and later",
        )
    encoding = connection.get_settings().server_encoding
    if encoding == "SQL_ASCII" and not config.encoding:
        raise PlanRefused(
            f"connecting to postgresql database {config.database}: its encoding is SQL_ASCII",
            hint="say what its bytes are with the connection's setting `encoding`, for example `UTF8` or `LATIN1`",
        )


def libpq_environment(config: Config, secrets: Secrets, *, application_name: str) -> dict[str, str]:
    """Build the environment that pg_dump connects by: nothing of it is in an argument list."""
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        "LC_ALL": "C.UTF-8",
        "PGHOST": config.host,
        "PGPORT": str(config.port),
        "PGDATABASE": config.database,
        "PGUSER": config.user,
        "PGSSLMODE": config.sslmode.value,
        "PGAPPNAME": application_name,
        "PGCONNECT_TIMEOUT": str(config.connect_timeout_seconds),
        "PGCLIENTENCODING": "UTF8",
        "PGPASSFILE": NO_PASSFILE,
        "PGOPTIONS": f"-c lock_timeout={config.lock_timeout_seconds}s -c row_security=off",
    }
    optional = {
        "PGSSLROOTCERT": config.sslrootcert,
        "PGSSLCERT": config.sslcert,
        "PGSSLKEY": config.sslkey,
        "PGPASSWORD": secrets.password.get_secret_value(),
    }
    return environment | {name: value for name, value in optional.items() if value}


def tool(config: Config, name: str) -> str:
    """Return the path of one of PostgreSQL's programs, for example `pg_dump`."""
    return str(Path(config.tools_folder) / name) if config.tools_folder else name


def _tls(config: Config) -> dict[str, str]:
    files = {"sslrootcert": config.sslrootcert, "sslcert": config.sslcert, "sslkey": config.sslkey}
    return {"sslmode": config.sslmode.value} | {name: value for name, value in files.items() if value}


def _url(config: Config, query: dict[str, str]) -> str:
    place = {"host": config.host, "port": str(config.port), "user": config.user}
    return f"postgresql:///{quote(config.database, safe='')}?{urlencode({**place, **query}, quote_via=quote)}"
