"""Null: replace every value by NULL.

Suppression in the words of ISO/IEC 20889: nothing of the column is left.
"""

from __future__ import annotations

import pyarrow as pa

from elute_anonymizer.application.options import Options
from elute_anonymizer.domain.columns import Column
from elute_anonymizer.domain.keys import DomainKey
from elute_anonymizer.domain.technique import EVERYTHING, Cells, ColumnFacts, Definition, Uniqueness, Verdict
from elute_wire.errors import Problem
from elute_wire.schema import LogicalType


class Config(Options):
    """No options."""


class Null:
    """Replaces every value by NULL."""

    def __init__(self, _config: Config, _logical: LogicalType, _key: DomainKey) -> None:
        """Nothing to prepare: there are no options and nothing is keyed."""

    def apply(self, cells: Cells) -> Column:
        """Return as many NULLs as there are values."""
        return pa.nulls(len(cells.values), cells.values.type)


def judge(_config: Config, column: ColumnFacts) -> Verdict:
    """Nothing stays; NULLs never collide in a unique index."""
    message = f"null on column {column.name}: it is NOT NULL"
    refused = Problem("not-nullable", message, hint="use constant, redact or token")
    return Verdict(
        keeps=frozenset(),
        uniqueness=Uniqueness.COLLISION_RESISTANT,
        outputs=frozenset(),
        problems=() if column.nullable else (refused,),
    )


DEFINITION = Definition(
    name="null",
    effect="Replaces every value by NULL.",
    config=Config,
    accepts=EVERYTHING,
    judge=judge,
    build=Null,
    example={},
    source="ISO/IEC 20889:2018, suppression",
)
