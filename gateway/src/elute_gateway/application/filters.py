"""Row filters, read far enough to refuse a bad one early: the connector parses each again and writes it anew."""

from __future__ import annotations

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

MAX_CHARACTERS = 10_000
"""The most characters of a filter."""

HINT = "a filter compares columns with literals, for example: created_at >= DATE '2024-01-01' AND status <> 'draft'"

_LOGIC: tuple[type[exp.Expr], ...] = (
    exp.Paren, exp.And, exp.Or, exp.Not, exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Is, exp.In,
    exp.Between, exp.Like, exp.ILike, exp.Boolean, exp.Column,
)  # fmt: skip
_ALLOWED = (
    *_LOGIC, exp.Identifier, exp.Literal, exp.Null, exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Mod, exp.Neg, exp.Cast,
    exp.DataType, exp.DataTypeParam, exp.Lower, exp.Upper, exp.Length, exp.Coalesce, exp.Abs,
)  # fmt: skip


class FilterError(ValueError):
    """A filter cannot be used; the message names the construct and no literal."""


def columns_read(expression: str) -> tuple[str, ...]:
    """Find the columns that a filter reads, as PostgreSQL folds their names.

    Raises:
        FilterError: It is not one boolean expression of columns, literals, comparisons and a few functions.
    """
    if len(expression) > MAX_CHARACTERS:
        raise FilterError(f"a filter has at most {MAX_CHARACTERS:,} characters")
    try:
        trees = sqlglot.parse(expression, dialect="postgres")
    except SqlglotError:
        raise FilterError("the filter is not a SQL expression") from None
    tree = trees[0] if len(trees) == 1 else None
    if tree is None:
        raise FilterError("the filter is not one SQL expression")
    for node in tree.walk():
        if not isinstance(node, _ALLOWED):
            raise FilterError(f"a filter cannot have {type(node).__name__.lower()}")
        if isinstance(node, exp.Column) and len(node.parts) != 1:
            raise FilterError("a filter names columns without their table")
    if not isinstance(tree, _LOGIC):
        raise FilterError("the filter is neither true nor false")
    names = (_folded(column) for column in tree.find_all(exp.Column))
    return tuple(sorted(dict.fromkeys(names)))


def _folded(column: exp.Column) -> str:
    return column.name if column.this.args.get("quoted") else column.name.lower()
