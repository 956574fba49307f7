"""Redact: replace every text by one fixed text.

It says that there was something, and nothing more. NULL stays NULL and '' stays ''; `constant` replaces '' too.
"""

from __future__ import annotations

import pyarrow as pa
from pydantic import Field

from elute_anonymizer.application.options import Options
from elute_anonymizer.domain.columns import Column
from elute_anonymizer.domain.keys import DomainKey
from elute_anonymizer.domain.technique import TEXTUAL, Cells, ColumnFacts, Definition, Kept, Uniqueness, Verdict
from elute_anonymizer.domain.text import where_filled
from elute_wire.schema import LogicalType


class Config(Options):
    """What to write instead."""

    text: str = Field("[redacted]", alias="with", min_length=1, max_length=1000)
    """The text."""


class Redact:
    """Replaces every text by one fixed text."""

    def __init__(self, config: Config, _logical: LogicalType, _key: DomainKey) -> None:
        self._text = config.text

    def apply(self, cells: Cells) -> Column:
        """Return the text for every value with content."""
        return where_filled(cells.values, pa.repeat(self._text, len(cells.values)))


def judge(config: Config, _column: ColumnFacts) -> Verdict:
    """Only NULL and '' stay visible."""
    return Verdict(
        keeps=frozenset({Kept.NULLS, Kept.EMPTY}),
        uniqueness=Uniqueness.LOSSY,
        longest=len(config.text),
    )


DEFINITION = Definition(
    name="redact",
    effect="Replaces every text by one fixed text.",
    config=Config,
    accepts=TEXTUAL,
    judge=judge,
    build=Redact,
    example={"with": "[text removed]"},
    source="ISO/IEC 20889:2018, suppression",
)
