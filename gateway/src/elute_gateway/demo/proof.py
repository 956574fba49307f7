"""Looks at both databases after the demo's run, and answers what it sees: counted, searched, not assumed."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg

_TABLES = """
    SELECT c.oid::regclass::text AS name FROM pg_class c
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
    ORDER BY 1
"""
_KEYS = """
    SELECT count(*) FILTER (WHERE contype = 'f') AS foreign_keys,
           count(*) FILTER (WHERE contype = 'f' AND NOT convalidated) AS not_valid,
           count(*) FILTER (WHERE contype IN ('p', 'u')) AS unique_keys
    FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND conparentid = 0
"""
_ORPHANS = """
    SELECT format(
        'SELECT count(*) FROM %s AS a WHERE %s AND NOT EXISTS (SELECT FROM %s AS b WHERE %s)', conrelid::regclass,
        string_agg(format('a.%I IS NOT NULL', mine.attname), ' AND '), confrelid::regclass,
        string_agg(format('a.%I = b.%I', mine.attname, theirs.attname), ' AND '))
    FROM pg_constraint
    CROSS JOIN LATERAL unnest(conkey, confkey) AS pair (mine, theirs)
    JOIN pg_attribute AS mine ON mine.attrelid = conrelid AND mine.attnum = pair.mine
    JOIN pg_attribute AS theirs ON theirs.attrelid = confrelid AND theirs.attnum = pair.theirs
    WHERE contype = 'f' AND connamespace = 'public'::regnamespace AND conparentid = 0
    GROUP BY pg_constraint.oid, conrelid, confrelid
"""
_EMAIL = r"[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+"

LOOK = (
    ("customers", "first_name"),
    ("customers", "last_name"),
    ("customers", "email"),
    ("customers", "phone"),
    ("customers", "birth_date"),
    ("addresses", "street"),
    ("payments", "card_number"),
    ("tickets", "body"),
)
"""What the before/after table shows, of the first row of each table."""


@dataclass(frozen=True, slots=True)
class Proof:
    """What was seen.

    Attributes:
        before_after: Table, column, the value in the source, the value in the target.
        rows: Rows in the source and in the target, by table.
        foreign_keys: How many the target has.
        invalid_keys: How many of them PostgreSQL does not hold valid.
        orphans: Rows of the target that refer to nothing.
        unique_keys: How many keys and UNIQUE constraints the target has, all of them built from its rows.
        emails: Different e-mail addresses in the source, wherever they stand.
        emails_left: How many of them stand anywhere in the target.
    """

    before_after: Sequence[tuple[str, str, str, str]]
    rows: dict[str, tuple[int, int]]
    foreign_keys: int
    invalid_keys: int
    orphans: int
    unique_keys: int
    emails: int
    emails_left: int

    @property
    def holds(self) -> bool:
        """Whether everything is as promised."""
        counts_agree = all(before == after for before, after in self.rows.values())
        return counts_agree and not (self.invalid_keys or self.orphans or self.emails_left)


async def prove(source_dsn: str, target_dsn: str) -> Proof:
    """Look at both databases.

    Args:
        source_dsn: Where the shop is.
        target_dsn: Where its scrubbed copy is.
    """
    source, target = await asyncpg.connect(source_dsn), await asyncpg.connect(target_dsn)
    try:
        tables = [row["name"] for row in await source.fetch(_TABLES)]
        before, after = await asyncio.gather(_counts(source, tables), _counts(target, tables))
        ours, theirs = await asyncio.gather(_emails(source, tables), _emails(target, tables))
        (keys,) = await target.fetch(_KEYS)
        orphans = [await target.fetchval(query) for (query,) in await target.fetch(_ORPHANS)]
        before_after = [await _pair(source, target, table, column) for table, column in LOOK]
    finally:
        await source.close()
        await target.close()
    return Proof(
        before_after=before_after,
        rows={table: (before[table], after[table]) for table in tables},
        foreign_keys=keys["foreign_keys"],
        invalid_keys=keys["not_valid"],
        orphans=sum(orphans),
        unique_keys=keys["unique_keys"],
        emails=len(ours),
        emails_left=len(ours & theirs),
    )


async def _counts(connection: asyncpg.Connection, tables: Sequence[str]) -> dict[str, int]:
    return {table: await connection.fetchval(f"SELECT count(*) FROM {table}") for table in tables}  # noqa: S608 - regclass


async def _emails(connection: asyncpg.Connection, tables: Sequence[str]) -> set[str]:
    """Find every e-mail address in every column of every table, inside free text too."""
    found: set[str] = set()
    for table in tables:
        rows = await connection.fetch(
            f"SELECT DISTINCT lower(match[1]) FROM {table} AS t, regexp_matches(t::text, $1, 'g') AS match "  # noqa: S608 - regclass
            "WHERE strpos(t::text, '@') > 0",
            f"({_EMAIL})",
        )
        found.update(row[0] for row in rows)
    return found


async def _pair(
    source: asyncpg.Connection, target: asyncpg.Connection, table: str, column: str
) -> tuple[str, str, str, str]:
    query = f"SELECT {column}::text FROM {table} ORDER BY id LIMIT 1"  # noqa: S608 - our own names
    return table, column, await source.fetchval(query), await target.fetchval(query)
