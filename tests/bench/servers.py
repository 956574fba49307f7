"""A PostgreSQL server for measures: durable as a production server is, with room for what is measured."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from elute_gateway.embedded.postgresql import PostgresServer
from tests.support.postgresql import DEFAULT_VERSION, Database, discard, new_server

# fsync, synchronous_commit and full_page_writes are PostgreSQL's own defaults: nothing is gained by forgetting.
_SETTINGS = {
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "autovacuum": "on",
    "shared_buffers": "1GB",
    "maintenance_work_mem": "256MB",
    "max_wal_size": "8GB",
    "checkpoint_timeout": "30min",
    "max_connections": "100",
}


@contextmanager
def running_server(**settings: str) -> Iterator[PostgresServer]:
    """Run a server of this measure's own, and remove it after."""
    server = new_server(DEFAULT_VERSION, {**_SETTINGS, **settings})
    try:
        server.initialize()
        server.start()
        yield server
    finally:
        discard(server)


def fresh(server: PostgresServer, name: str) -> Database:
    """Make an empty database, dropping one of that name."""
    home = Database(server, "postgres", DEFAULT_VERSION)
    home.run(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    home.run(f"CREATE DATABASE {name}")
    return Database(server, name, DEFAULT_VERSION)


def settle(server: PostgresServer) -> None:
    """Write out what earlier work left dirty, so that it is not charged to the next."""
    Database(server, "postgres", DEFAULT_VERSION).run("CHECKPOINT")
