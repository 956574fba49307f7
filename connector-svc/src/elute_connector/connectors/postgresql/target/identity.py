"""Tells whether two sessions are in the same database, whatever names and addresses led to it."""

from __future__ import annotations

import secrets

import asyncpg

from elute_connector.connectors.postgresql.catalog import Connection
from elute_wire.errors import PlanRefused, Problem

_PROBE = """
    SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 2 AND classid = $1 AND objid = $2
                   AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))
"""
_SYSTEM = """
    SELECT (pg_control_system()).system_identifier AS system,
           (SELECT oid FROM pg_database WHERE datname = current_database()) AS database,
           pg_is_in_recovery() AS standby
"""

SAME_DATABASE = Problem(
    code="target-equals-source",
    message="the target is the source: its rows would be lost before they are read",
    hint="choose another database as the target",
)


async def same_database(source: Connection, target: Connection) -> bool:
    """Whether what is written to the target appears in the source.

    A lock that the target's session takes for a moment is seen by every session of the same database, and by no
    other. A standby does not see it; there the identity of the system tells, which a copy shares with its origin.
    """
    high, low = secrets.randbits(31), secrets.randbits(31)
    await target.execute("SELECT pg_advisory_lock($1::int, $2::int)", high, low)
    try:
        if await source.fetchval(_PROBE, high, low):
            return True
    finally:
        await target.execute("SELECT pg_advisory_unlock($1::int, $2::int)", high, low)
    try:
        one, other = await source.fetchrow(_SYSTEM), await target.fetchrow(_SYSTEM)
    except asyncpg.InsufficientPrivilegeError:
        return False
    if one is None or other is None:
        return False
    alike = (one["system"], one["database"]) == (other["system"], other["database"])
    return bool(alike and one["standby"])


async def refuse_same_database(source: Connection, target: Connection) -> None:
    """Raise when the target is the source.

    Raises:
        PlanRefused: It is.
    """
    if await same_database(source, target):
        raise PlanRefused(
            f"preparing the target: {SAME_DATABASE.message}", hint=SAME_DATABASE.hint, problems=(SAME_DATABASE,)
        )
