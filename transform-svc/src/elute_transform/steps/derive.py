"""Derive: make a column out of the others by a SQL scalar expression.

A new column goes to the end; one that exists keeps its place and gets new values. NULL follows SQL: an operator with a
NULL operand gives NULL, AND and OR know three values, CASE without a hit gives NULL; of the functions only COALESCE,
IFNULL, CONCAT and CONCAT_WS, GREATEST and LEAST pass NULLs over. `/` always gives a fraction; dividing by zero gives
infinity, `%` by zero gives NULL. Integers are computed in 128 bits, and one that does not fit the type of the column is
an error. Exact decimals, UUIDs and JSON travel as text: an exact decimal needs a CAST before arithmetic or comparison.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import polars as pl
from pydantic import AfterValidator, Field, WithJsonSchema

from elute_transform.application.options import ColumnName, Options
from elute_transform.domain.column import POLARS_TYPES, Column, Columns
from elute_transform.domain.expression import MAX_CHARACTERS, compile_scalar
from elute_transform.domain.step import Change, Definition, Made, pointer
from elute_wire.errors import PlanRefused
from elute_wire.schema import LogicalType


def _makeable(logical: LogicalType) -> LogicalType:
    if logical not in POLARS_TYPES:
        raise ValueError("no step makes values of that type")
    return logical


class Config(Options):
    """The column, what it is made of, and its type."""

    column: ColumnName
    """The column to make."""
    expression: Annotated[str, Field(min_length=1, max_length=MAX_CHARACTERS)]
    """A SQL scalar expression over the columns that come in; their names are compared exactly."""
    type: Annotated[LogicalType, AfterValidator(_makeable), WithJsonSchema({"enum": list(POLARS_TYPES)})]
    """What the values mean."""


def change(config: Config, columns: Columns) -> Change:
    """Make the column; with a wrong expression, a column of NULLs, so that later steps are judged too."""
    column = Column("made by derive", config.type)
    try:
        scalar = compile_scalar(config.expression, columns, config.type, config.column)
    except PlanRefused as refused:
        problems = tuple(replace(problem, pointer=pointer("expression")) for problem in refused.problems)
        return Change(makes={config.column: Made(pl.lit(None, POLARS_TYPES[config.type]), column)}, problems=problems)
    return Change(makes={config.column: Made(scalar.value, column)}, rejects=scalar.rejects)


DEFINITION = Definition(
    name="derive",
    effect="Makes a column out of the others by a SQL scalar expression.",
    config=Config,
    change=change,
    example={"column": "full_name", "expression": "first_name || ' ' || COALESCE(last_name, '')", "type": "text"},
    source="https://docs.pola.rs/api/python/stable/reference/sql/",
)
