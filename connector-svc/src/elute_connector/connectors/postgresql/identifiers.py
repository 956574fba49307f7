"""Quotes names for SQL. Nothing else of ours may put a name into a statement."""

from __future__ import annotations

from elute_connector.domain.dataset_name import DatasetName
from elute_wire.errors import InvalidRequest

MAX_NAME_BYTES = 63


def quoted(name: str) -> str:
    """Quote one identifier.

    Raises:
        InvalidRequest: It is empty, holds a NUL, or is longer than 63 bytes, where PostgreSQL would cut it.
    """
    if not name or "\0" in name or len(name.encode()) > MAX_NAME_BYTES:
        raise InvalidRequest(f"quoting a name of {len(name.encode())} bytes: PostgreSQL takes 1 to {MAX_NAME_BYTES}")
    return '"' + name.replace('"', '""') + '"'


def qualified(name: DatasetName) -> str:
    """Quote a dataset's name with its schema."""
    return f"{quoted(name.schema)}.{quoted(name.name)}"
