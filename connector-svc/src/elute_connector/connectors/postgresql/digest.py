"""Counts rows and sums their content inside the database, so that two databases can be compared without moving a row.

Each row becomes one text: every column's own output text behind its length, so that no two rows share one by the way
their values adjoin. The two halves of that text's MD5, as signed numbers, are summed each for itself: sums do not
depend on the order of rows, and two equal sums over different rows would take a collision.

The answers of two databases agree only under pinned session settings (`client.PINNED_SETTINGS`).
"""

# ruff: noqa: S608 - identifiers are quoted, filters are written anew from parsed ones

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from elute_connector.connectors.postgresql.catalog import Connection
from elute_connector.connectors.postgresql.codecs.families import OUTPUT_TEXT
from elute_connector.connectors.postgresql.errors import mapped
from elute_connector.connectors.postgresql.filters import rendered
from elute_connector.connectors.postgresql.identifiers import qualified, quoted
from elute_connector.connectors.postgresql.selection import RELATION
from elute_connector.domain.dataset_name import DatasetName
from elute_connector.domain.target import DatasetDigest, DigestSelection
from elute_wire.errors import NotFound, Place

# Types above the first number that initdb leaves to users may have a cast to text that is not their output. That of xml
# is what is stored: it has the declaration that no output, and so no copy by anybody, has.
_COLUMNS = """
    SELECT n.nspname::text AS schema, c.relname::text AS name, c.relkind::text AS kind, a.attname::text AS column,
           a.atttypid < 16384 AND a.atttypid <> 'pg_catalog.xml'::regtype AS builtin
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    WHERE (n.nspname, c.relname) IN (SELECT * FROM unnest($1::text[], $2::text[]))
"""
_UTF8 = "UTF8"
_COUNTED_TOGETHER = 200


@dataclass(slots=True)
class _Relation:
    """A relation: whether it is a plain table, and its columns with whether a cast shows their text."""

    plain: bool
    columns: dict[str, bool] = field(default_factory=dict)


async def digest(connection: Connection, selections: Sequence[DigestSelection]) -> tuple[DatasetDigest, ...]:
    """Count the rows of datasets, and sum their content where columns are named.

    Args:
        connection: A session with pinned settings, under whatever snapshot the caller has.
        selections: The datasets; rows of tables that inherit from one are left out, rows of partitions are not.

    Returns:
        One per selection, in order. The content is `high:low`, two decimal numbers.

    Raises:
        NotFound: A dataset or a column is not there.
        InvalidRequest: A filter says what a filter may not.
        StoreError: The server or the way to it failed.
    """
    with mapped("summing content"):
        relations = await _relations(connection, [selection.dataset for selection in selections])
        encoding = await connection.fetchval("SHOW server_encoding")
    sources = [_source(selection, relations.get(selection.dataset)) for selection in selections]
    counts = await _counts(
        connection,
        [source for selection, source in zip(selections, sources, strict=True) if not selection.columns],
    )
    return tuple(
        [
            await _sum(connection, selection, relations[selection.dataset], source, encoding)
            if selection.columns
            else DatasetDigest(selection.dataset, next(counts))
            for selection, source in zip(selections, sources, strict=True)
        ]
    )


def _source(selection: DigestSelection, relation: _Relation | None) -> str:
    """Write what stands behind FROM."""
    place = Place(dataset=str(selection.dataset))
    if relation is None:
        raise NotFound(f"summing content: there is no dataset {selection.dataset}", place=place)
    unknown = [name for name in selection.columns if name not in relation.columns]
    if unknown:
        raise NotFound(f"summing dataset {selection.dataset}: there is no column {unknown[0]}", place=place)
    where = f" WHERE {rendered(selection.filter, relation.columns)}" if selection.filter else ""
    only = "ONLY " if relation.plain else ""
    return f"{only}{qualified(selection.dataset)} AS {RELATION}{where}"


async def _counts(connection: Connection, sources: Sequence[str]) -> Iterator[int]:
    """Count rows, of many sources by one statement: of a thousand small tables the round trips would take longest."""
    counts: list[int] = []
    for start in range(0, len(sources), _COUNTED_TOGETHER):
        parts = [
            f"SELECT {place} AS place, count(*) AS rows FROM {source}"
            for place, source in enumerate(sources[start : start + _COUNTED_TOGETHER])
        ]
        with mapped("counting rows"):
            counts += [row["rows"] for row in await connection.fetch(f"{' UNION ALL '.join(parts)} ORDER BY place")]
    return iter(counts)


async def _sum(
    connection: Connection, selection: DigestSelection, relation: _Relation, source: str, encoding: str
) -> DatasetDigest:
    with mapped(f"summing dataset {selection.dataset}"):
        row = await connection.fetchrow(_statement(selection.columns, relation, source, encoding))
    return DatasetDigest(selection.dataset, row["rows"], row["content"]) if row else DatasetDigest(selection.dataset, 0)


def _statement(columns: Sequence[str], relation: _Relation, source: str, encoding: str) -> str:
    """Write the query; OFFSET 0 keeps each level from being computed once per mention."""
    texts = ", ".join(
        f"{_text(f'{RELATION}.{quoted(name)}', builtin=relation.columns[name])} AS c{place}"
        for place, name in enumerate(columns)
    )
    # Characters, not bytes: databases of two encodings have the same text.
    parts = ", ".join(f"coalesce(length(c{place}) || ':' || c{place}, '-')" for place in range(len(columns)))
    whole = f"array_to_string(ARRAY[{parts}], '')"
    hashed = whole if encoding == _UTF8 else f"convert_to({whole}, '{_UTF8}')"
    halves = " || ':' || ".join(
        f"coalesce(sum(('x' || substr(hash, {first}, 16))::bit(64)::bigint), 0)" for first in (1, 17)
    )
    return (
        f"SELECT count(*) AS rows, {halves} AS content FROM ("
        f"SELECT md5({hashed}) AS hash FROM (SELECT {texts} FROM {source} OFFSET 0) AS texts OFFSET 0) AS hashes"
    )


def _text(value: str, *, builtin: bool) -> str:
    return f"{value}::text" if builtin else OUTPUT_TEXT.format(value)


async def _relations(connection: Connection, names: Iterable[DatasetName]) -> dict[DatasetName, _Relation]:
    wanted = list(dict.fromkeys(names))
    found: dict[DatasetName, _Relation] = {}
    for row in await connection.fetch(_COLUMNS, [n.schema for n in wanted], [n.name for n in wanted]):
        relation = found.setdefault(DatasetName(row["schema"], row["name"]), _Relation(row["kind"] == "r"))
        if row["column"] is not None:  # a table may have no column at all
            relation.columns[row["column"]] = row["builtin"]
    return found
