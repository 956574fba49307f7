"""Sets the target's sequences: past every number that its rows have, and at least where the source's stand.

Sequences live outside of every snapshot, so they are read when the rows are in: what the source numbered meanwhile
is then behind them.
"""

# ruff: noqa: S608 - names come from the server's own quoting

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg

from elute_connector.connectors.postgresql.catalog import Connection
from elute_connector.connectors.postgresql.identifiers import qualified, quoted
from elute_connector.domain.dataset_name import DatasetName
from elute_wire.errors import Problem, Severity

_CHUNK = 200

# The sequences of the selected tables: owned by a column (serial, identity) or used by a column's default. A column
# of a partition counts for its root, whose rows it holds.
_SEQUENCES = r"""
WITH RECURSIVE chosen(oid, root) AS (
    SELECT c.oid, c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE (n.nspname, c.relname) IN (SELECT * FROM unnest($1::text[], $2::text[]))
    UNION
    SELECT c.oid, chosen.root FROM chosen JOIN pg_inherits i ON i.inhparent = chosen.oid
    JOIN pg_class c ON c.oid = i.inhrelid AND c.relispartition
), used(sequence, relation, number) AS (
    SELECT d.objid, d.refobjid, d.refobjsubid FROM pg_depend d
    WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjsubid > 0
      AND d.deptype IN ('a', 'i')
    UNION
    SELECT d.refobjid, f.adrelid, f.adnum FROM pg_attrdef f
    JOIN pg_depend d ON d.classid = 'pg_attrdef'::regclass AND d.objid = f.oid AND d.refclassid = 'pg_class'::regclass
)
SELECT DISTINCT s.seqrelid, sn.nspname::text AS schema,
       sc.relname::text AS name, rn.nspname::text AS table_schema, r.relname::text AS table_name,
       a.attname::text AS column, t.typcategory = 'N' AS numeric, r.relkind = 'p' AS partitioned,
       s.seqincrement AS step, s.seqmin AS low, s.seqmax AS high, s.seqcycle AS cycles,
       has_sequence_privilege(s.seqrelid, 'SELECT') AS readable
FROM pg_sequence s JOIN pg_class sc ON sc.oid = s.seqrelid JOIN pg_namespace sn ON sn.oid = sc.relnamespace
JOIN used ON used.sequence = s.seqrelid JOIN chosen ON chosen.oid = used.relation
JOIN pg_class r ON r.oid = chosen.root JOIN pg_namespace rn ON rn.oid = r.relnamespace
JOIN pg_attribute ua ON ua.attrelid = used.relation AND ua.attnum = used.number
JOIN pg_attribute a ON a.attrelid = r.oid AND a.attname = ua.attname JOIN pg_type t ON t.oid = a.atttypid
ORDER BY 2, 3, 4, 5, 6
"""


@dataclass(frozen=True, slots=True)
class Numbering:
    """Where a sequence stands: its last number, and whether that was given out already."""

    last: int
    called: bool


async def set_all(
    source: Connection, target: Connection, datasets: Sequence[DatasetName], free: Sequence[DatasetName]
) -> tuple[tuple[DatasetName, ...], tuple[Problem, ...]]:
    """Set the sequences of datasets, and free-standing ones.

    Args:
        source: A session of the source.
        target: A session of the target, whose rows are in.
        datasets: The datasets.
        free: Other sequences that the run made.

    Returns:
        The sequences that were set, and what a person should know.
    """
    theirs = await _used(source, datasets)
    ours = await _used(target, datasets)
    readable = [row for row in theirs if row["readable"]]
    standing = await _read(source, [*{_name(row) for row in readable} | set(free)])
    by_column = {_column(row): standing[_name(row)] for row in readable}
    highest = await _extremes(target, [row for row in ours if row["numeric"] and not row["cycles"]])
    wanted = await _read(target, [*{_name(row) for row in ours}])
    for row in ours:
        name = _name(row)
        wanted[name] = _next(row, by_column.get(_column(row), wanted[name]), highest.get(name))
    wanted |= {name: standing[name] for name in free if name not in wanted}
    await _write(target, wanted)
    return tuple(wanted), tuple(_unreadable(row) for row in theirs if not row["readable"])


def _next(row: asyncpg.Record, standing: Numbering, highest: int | None) -> Numbering:
    """Choose the furthest of where a sequence stands and what the rows hold."""
    step = row["step"]
    given = standing.last if standing.called else standing.last - step
    if highest is not None and (highest > given if step > 0 else highest < given):
        standing = Numbering(highest, called=True)
    return Numbering(min(max(standing.last, row["low"]), row["high"]), standing.called)


def _unreadable(row: asyncpg.Record) -> Problem:
    return Problem(
        "sequence-unreadable",
        f"the source's sequence {_name(row)} may not be read; the target's is set by its rows alone",
        severity=Severity.WARNING,
    )


def _name(row: asyncpg.Record) -> DatasetName:
    return DatasetName(row["schema"], row["name"])


def _column(row: asyncpg.Record) -> tuple[str, str, str]:
    return row["table_schema"], row["table_name"], row["column"]


async def _used(connection: Connection, datasets: Sequence[DatasetName]) -> list[asyncpg.Record]:
    return await connection.fetch(_SEQUENCES, [name.schema for name in datasets], [name.name for name in datasets])


async def _read(connection: Connection, names: Sequence[DatasetName]) -> dict[DatasetName, Numbering]:
    """Read where sequences stand."""
    found: dict[DatasetName, Numbering] = {}
    for at in range(0, len(names), _CHUNK):
        chunk = names[at : at + _CHUNK]
        query = " UNION ALL ".join(
            f"SELECT {number} AS number, last_value, is_called FROM {qualified(name)}"
            for number, name in enumerate(chunk)
        )
        for row in await connection.fetch(query):
            found[chunk[row["number"]]] = Numbering(row["last_value"], row["is_called"])
    return found


async def _extremes(connection: Connection, rows: Sequence[asyncpg.Record]) -> dict[DatasetName, int]:
    """Read the furthest number that the columns of each sequence hold."""
    found: dict[DatasetName, int] = {}
    for at in range(0, len(rows), _CHUNK):
        chunk = rows[at : at + _CHUNK]
        for answer in await connection.fetch(" UNION ALL ".join(map(_extreme, range(len(chunk)), chunk))):
            furthest, row = answer["furthest"], chunk[answer["number"]]
            if furthest is not None and furthest.is_finite():
                pick = max if row["step"] > 0 else min
                found[_name(row)] = pick(int(furthest), found.get(_name(row), int(furthest)))
    return found


def _extreme(number: int, row: asyncpg.Record) -> str:
    table = qualified(DatasetName(row["table_schema"], row["table_name"]))
    aggregate = "max" if row["step"] > 0 else "min"
    only = "" if row["partitioned"] else "ONLY "
    return f"SELECT {number} AS number, {aggregate}({quoted(row['column'])})::numeric AS furthest FROM {only}{table}"


async def _write(connection: Connection, wanted: dict[DatasetName, Numbering]) -> None:
    await connection.execute(
        "SELECT setval(s::regclass, n, c) FROM unnest($1::text[], $2::bigint[], $3::bool[]) AS w(s, n, c)",
        [qualified(name) for name in wanted],
        [at.last for at in wanted.values()],
        [at.called for at in wanted.values()],
    )
