"""One end of a run: an open session, and what PostgreSQL's own programs need to open another."""

from __future__ import annotations

from dataclasses import dataclass

from elute_connector.connectors.postgresql.catalog import Connection
from elute_connector.connectors.postgresql.client import Config, Secrets


@dataclass(frozen=True, slots=True)
class Access:
    """A database as one role reaches it.

    Attributes:
        config: Where it is.
        secrets: What proves the role.
        connection: An open session; its transactions are its user's.
        snapshot_id: The exported snapshot to read the schema under; empty for the present.
    """

    config: Config
    secrets: Secrets
    connection: Connection
    snapshot_id: str = ""
