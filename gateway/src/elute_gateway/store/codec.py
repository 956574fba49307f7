"""How the store writes what is opaque to SQL: a partition's units, a failure."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from elute_gateway.domain.ledger import Unit
from elute_gateway.domain.names import DatasetName
from elute_gateway.domain.run import Failure


def units_text(units: Sequence[Unit]) -> str:
    """Write units as a JSON array."""
    rows = [
        [*_pair(unit.dataset), b64encode(unit.slice).decode(), unit.estimated_rows, unit.estimated_bytes]
        for unit in units
    ]
    return json.dumps(rows, separators=(",", ":"))


def units_from(text: str) -> tuple[Unit, ...]:
    """Read what `units_text` wrote."""
    return tuple(
        Unit(DatasetName(schema, name), b64decode(cut), rows, size)
        for schema, name, cut, rows, size in json.loads(text)
    )


def failure_object(failure: Failure | None) -> dict[str, str] | None:
    """Write a failure as a JSON object."""
    return asdict(failure) if failure else None


def failure_from(read: Mapping[str, str] | None) -> Failure | None:
    """Read what `failure_object` wrote."""
    return Failure(**read) if read else None


def _pair(name: DatasetName) -> list[str]:
    return [name.schema, name.name]
