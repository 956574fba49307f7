"""PostgreSQL, both ends."""

from elute_connector.connectors.postgresql.definition import DEFINITION

__all__ = ["DEFINITION"]
