"""What this connector is."""

from __future__ import annotations

from elute_connector.connectors.postgresql.client import Config, Secrets
from elute_connector.connectors.postgresql.store import PostgresStore
from elute_connector.connectors.postgresql.type_facts import PostgresTypeFacts
from elute_connector.domain.connector import ConnectorDefinition, Role

DEFINITION = ConnectorDefinition(
    name="postgresql",
    summary="Reads and writes PostgreSQL 14 and later, in its own binary format where both ends agree.",
    config=Config,
    secrets=Secrets,
    open=PostgresStore,
    types=PostgresTypeFacts(),
    roles=frozenset(Role),
    example={"host": "db.example.com", "port": 5432, "database": "shop", "user": "elute", "sslmode": "verify-full"},
)
