"""Owners and grantees that a schema names, and the target's server may not know."""

from __future__ import annotations

import re
from collections.abc import Sequence

from elute_connector.connectors.postgresql.catalog import Connection
from elute_connector.connectors.postgresql.target.archive import Entry
from elute_connector.domain.target import CreateOptions
from elute_wire.errors import Problem

# pg_dump's own statements: one grantee each, quoted where needed.
_GRANTEE = re.compile(r'^GRANT .* TO ("(?:[^"]|"")+"|\S+?)(?: WITH GRANT OPTION)?;$', re.MULTILINE)
_MISSING = """
    SELECT name FROM unnest($1::text[]) AS named(name)
    WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) ORDER BY 1
"""


async def missing_roles(
    connection: Connection, entries: Sequence[Entry], options: CreateOptions
) -> tuple[Problem, ...]:
    """Answer a problem for every role that entries name and a server lacks."""
    named = {entry.owner for entry in entries if entry.owner not in {"", "-"}} if options.owners else set()
    for entry in entries:
        if entry.kind == "ACL":
            named |= {_unquoted(grantee) for grantee in _GRANTEE.findall(entry.sql)} - {"PUBLIC"}
    return tuple(
        Problem(
            code="no-such-role",
            message=f"the target's server has no role {row['name']}, who owns or may use what is to be copied",
            hint="make the role there first, or leave owners and grants out",
        )
        for row in await connection.fetch(_MISSING, sorted(named))
    )


def _unquoted(name: str) -> str:
    return name[1:-1].replace('""', '"') if name.startswith('"') else name
