"""Compiling an expression: through all its doors, to a column of a given type."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from elute_transform.domain.column import INTEGERS, POLARS_TYPES, Columns
from elute_transform.domain.expression.tree import Tree, TreeRefused
from elute_transform.domain.expression.words import admit
from elute_transform.domain.step import Rejection
from elute_wire.errors import PlanRefused, Problem
from elute_wire.schema import LogicalType

# Polars computes dates within ±262,143 years and panics beyond; an interval adds less than 10,000 at a time.
_MAX_DAYS = 200_000 * 365
_LIMITS: Mapping[LogicalType, int] = {
    LogicalType.DATE: _MAX_DAYS,
    LogicalType.TIMESTAMP: _MAX_DAYS * 86_400_000_000,
    LogicalType.TIMESTAMP_TZ: _MAX_DAYS * 86_400_000_000,
}
"""How far from 1970 a computation may start, in days or microseconds. `infinity` is further."""

_CANONICAL: Mapping[LogicalType, str] = {
    LogicalType.DECIMAL: r"\A(?:-?[0-9]+(?:\.[0-9]+)?|NaN|-?Infinity)\z",
    LogicalType.UUID: r"\A[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\z",
}
"""What a text must look like to be carried as one of these types."""

_WHOLE = frozenset({*INTEGERS, LogicalType.DECIMAL})
_FLOATS = frozenset({LogicalType.FLOAT32, LogicalType.FLOAT64})
_RESULTS: Mapping[type[pl.DataType], frozenset[LogicalType]] = {
    pl.Null: frozenset(POLARS_TYPES),
    pl.Boolean: frozenset({LogicalType.BOOLEAN}),
    pl.Int8: _WHOLE,
    pl.Int16: _WHOLE,
    pl.Int32: _WHOLE,
    pl.Int64: _WHOLE,
    pl.Int128: _WHOLE,
    pl.UInt32: _WHOLE,
    pl.Decimal: _FLOATS | {LogicalType.DECIMAL},
    pl.Float32: _FLOATS,
    pl.Float64: _FLOATS,
    pl.String: frozenset({LogicalType.TEXT, LogicalType.JSON, *_CANONICAL}),
    pl.Date: frozenset({LogicalType.DATE}),
    pl.Time: frozenset({LogicalType.TIME}),
    pl.Binary: frozenset({LogicalType.BINARY}),
}
"""What a result of each Polars type may be used as, without a person saying CAST."""


@dataclass(frozen=True, slots=True)
class Scalar:
    """A compiled expression.

    Attributes:
        value: What it makes: n values of the type it was compiled for, nulls allowed.
        rejects: The rows that it cannot take.
    """

    value: pl.Expr
    rejects: tuple[Rejection, ...]


def compile_scalar(expression: str, columns: Columns, result: LogicalType, name: str) -> Scalar:
    """Compile a SQL scalar expression.

    NULL follows SQL's three-valued logic. The value of a row depends on that row alone.

    Args:
        expression: What the user wrote.
        columns: The columns that it may read.
        result: The type that it is to make; numbers are narrowed to it, and a value that does not fit is an error.
        name: The column that it makes, for the words of rejections.

    Raises:
        PlanRefused: It is no such expression; every problem found is in `problems`.
    """
    named, problems = admit(expression, columns)
    if problems:
        raise PlanRefused("compiling an expression", problems=problems)
    try:
        tree = Tree(pl.sql_expr(expression), columns)
    except TreeRefused as refused:
        raise PlanRefused("compiling an expression", problems=[refused.problem]) from None
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
        raise _refused("expression-syntax", "the expression is no SQL scalar expression") from None
    if not named <= tree.columns <= columns.keys():
        raise _refused("expression-syntax", "the expression reads other columns than it seems to")
    for column in sorted(tree.columns):
        if columns[column].logical not in POLARS_TYPES:
            raise _refused(
                "opaque-column", f"column {column} has type {columns[column].source_type}", "no step reads it"
            )
    value, read = tree.expression(), {column: columns[column] for column in sorted(tree.columns)}
    made = _dtype(value, read)
    _require_agreement(tree, read)
    rejects = tuple(_out_of_range(column, columns[column].logical) for column in sorted(tree.computed))
    return _typed(Scalar(value, rejects), made, result, name)


def _require_agreement(tree: Tree, read: Columns) -> None:
    """Refuse what Polars would convert in silence, row by row and not always the way that was meant."""
    if not all(_dtype(dated, read).is_temporal() for dated in tree.dated):
        hint = "read it with its format: DATE(text, '%Y-%m-%d'), STRPTIME(text, '%d.%m.%Y %H:%M')"
        raise _refused("expression-format", "a date or time is cast from what is none", hint)
    if not all(isinstance(_dtype(condition, read), pl.Boolean | pl.Null) for condition in tree.conditions):
        raise _refused("expression-type", "AND and OR join conditions only", "compare: `orders > 0 AND level > 0`")
    for group in tree.matched:
        kinds = {_kind(dtype) for dtype in (_dtype(value, read) for value in group) if not isinstance(dtype, pl.Null)}
        if len(kinds) > 1:
            message = f"the expression mixes {' and '.join(sorted(kinds))}"
            raise _refused("expression-type", message, "convert with CAST")


def _kind(dtype: pl.DataType) -> str:
    return "number" if dtype.is_numeric() else str(dtype.base_type()).lower()


def _dtype(value: pl.Expr, columns: Columns) -> pl.DataType:
    """Find the type that an expression makes, by making it out of one row of NULLs."""
    row = pl.DataFrame(
        {name: pl.Series([None], dtype=POLARS_TYPES[column.logical]) for name, column in columns.items()}
    )
    try:
        return row.select(value.alias("made")).schema["made"]
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
        types = ", ".join(f"{name} {column.logical}" for name, column in columns.items()) or "it reads no column"
        hint = "convert with CAST; dates in quotes need the word DATE, TIMESTAMP or TIMESTAMPTZ before them"
        raise _refused("expression-type", f"the expression does not fit its types: {types}", hint) from None


def _typed(scalar: Scalar, made: pl.DataType, result: LogicalType, name: str) -> Scalar:
    """Narrow what an expression makes to the type that it is for."""
    value, rejects = scalar.value, scalar.rejects
    if result not in _results(made):
        message = f"the expression makes {str(made).lower()}, not {result}"
        raise _refused("expression-result", message, "name another type, or convert with CAST")
    if isinstance(made, pl.String) and result in _CANONICAL:
        where = value.str.contains(_CANONICAL[result]).not_()
        rejects += (Rejection(name, f"would not be a canonical {result}", where),)
    return Scalar(value.cast(POLARS_TYPES[result]), rejects)


def _results(made: pl.DataType) -> frozenset[LogicalType]:
    if isinstance(made, pl.Datetime):
        return frozenset({LogicalType.TIMESTAMP_TZ if made.time_zone else LogicalType.TIMESTAMP})
    return _RESULTS.get(made.base_type(), frozenset())


def _out_of_range(column: str, logical: LogicalType) -> Rejection:
    limit = _LIMITS[logical]
    where = pl.col(column).to_physical().is_between(-limit, limit).not_()
    return Rejection(column, "is infinite, or too far away to compute with", where)


def _refused(code: str, message: str, hint: str = "") -> PlanRefused:
    return PlanRefused("compiling an expression", problems=[Problem(code, message, hint)])
