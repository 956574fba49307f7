"""Constant: replace every value by one given value, of almost any type.

Unlike `redact` it also replaces '', and NULL where the options say so.
"""

from __future__ import annotations

import json
import re
from datetime import time
from typing import Annotated, Any, Literal, TypeAlias

import pyarrow as pa
from pydantic import Field

from elute_anonymizer.application.options import Options
from elute_anonymizer.domain.columns import Column, pc
from elute_anonymizer.domain.keys import DomainKey
from elute_anonymizer.domain.technique import EVERYTHING, Cells, ColumnFacts, Definition, Kept, Uniqueness, Verdict
from elute_wire.errors import Problem
from elute_wire.schema import ARROW_TYPES, LogicalType

Scalar: TypeAlias = Any
"""A `pa.Scalar`; see `Column`."""

_FORMS = {
    LogicalType.UUID: re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
    LogicalType.DECIMAL: re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?"),
}


_INTEGER, _NUMBER = frozenset({int}), frozenset({int, float})
_KINDS = {
    LogicalType.BOOLEAN: frozenset({bool}),
    LogicalType.INT16: _INTEGER,
    LogicalType.INT32: _INTEGER,
    LogicalType.INT64: _INTEGER,
    LogicalType.FLOAT32: _NUMBER,
    LogicalType.FLOAT64: _NUMBER,
    LogicalType.DECIMAL: frozenset({int, float, str}),
}
"""The kinds of JSON value that a type takes; every other type takes text."""


class Config(Options):
    """What to write instead."""

    value: Annotated[str, Field(max_length=10_000)] | int | float | bool
    """The value, written as JSON writes it; dates and times as ISO 8601 does."""
    nulls: Literal["keep", "replace"] = "keep"
    """Whether NULL stays NULL or gets the value too."""


class Constant:
    """Replaces every value by one."""

    def __init__(self, config: Config, logical: LogicalType, _key: DomainKey) -> None:
        self._scalar = _scalar(config, logical)
        self._replaces_null = config.nulls == "replace"

    def apply(self, cells: Cells) -> Column:
        """Return the constant for every value."""
        constants = pa.repeat(self._scalar, len(cells.values))
        if self._replaces_null or cells.values.null_count == 0:
            return constants
        return pc.if_else(pc.is_valid(cells.values), constants, None)


def judge(config: Config, column: ColumnFacts) -> Verdict:
    """Nothing but NULL stays visible."""
    try:
        _scalar(config, column.logical)
    except ValueError:
        message = f"constant on column {column.name}: {column.source_type} does not hold the value"
        misfit: tuple[Problem, ...] = (Problem("value-misfit", message, hint="write it as the type writes it"),)
    else:
        misfit = ()
    written = str(config.value)
    return Verdict(
        keeps=frozenset({Kept.NULLS}) if config.nulls == "keep" else frozenset(),
        uniqueness=Uniqueness.LOSSY,
        longest=len(written),
        outputs=frozenset({written}),
        problems=misfit,
    )


def _scalar(config: Config, logical: LogicalType) -> Scalar:
    """Write the value as a scalar of the column's Arrow type.

    Raises:
        ValueError: The type does not hold it.
    """
    value, arrow = config.value, ARROW_TYPES[logical]
    # bool is an int to Python, and no type takes both.
    if type(value) not in _KINDS.get(logical, {str}):
        raise ValueError("of another kind")
    if logical is LogicalType.JSON:
        # A constant of a JSON column is a document in its text form.
        json.loads(str(value))
    if (form := _FORMS.get(logical)) and not form.fullmatch(str(value)):
        raise ValueError("not of the type's form")
    if logical is LogicalType.TIME:
        # Arrow reads no times.
        return pa.scalar(time.fromisoformat(str(value)), arrow)
    if isinstance(value, str) or logical is LogicalType.DECIMAL:
        return pc.cast(pa.scalar(str(value)), arrow)
    return pa.scalar(value, arrow)


DEFINITION = Definition(
    name="constant",
    effect="Replaces every value by one given value.",
    config=Config,
    accepts=EVERYTHING - {LogicalType.OPAQUE, LogicalType.BINARY},
    judge=judge,
    build=Constant,
    example={"value": "1970-01-01"},
    source="ISO/IEC 20889:2018, suppression",
)
