"""Row filters: a condition that a person wrote, parsed, checked and written anew. No text of theirs reaches a server.

Only what every row answers for itself is let through: columns, literals, comparisons, logic, arithmetic and a few
functions. Clocks and random numbers are not: the partitions of one run must agree on what they leave out.
"""

from __future__ import annotations

from collections.abc import Collection

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from elute_connector.connectors.postgresql.selection import RELATION
from elute_wire.errors import InvalidRequest

_MAX_CHARACTERS = 10_000
_HINT = (
    "a filter compares columns with literals, text in single quotes, "
    "for example: created_at >= DATE '2024-01-01' AND status <> 'draft'"
)

_ALLOWED: tuple[type[exp.Expr], ...] = (
    exp.Column,
    exp.Identifier,
    exp.Literal,
    exp.Boolean,
    exp.Null,
    exp.Paren,
    exp.And,
    exp.Or,
    exp.Not,
    exp.EQ,
    exp.NEQ,
    exp.GT,
    exp.GTE,
    exp.LT,
    exp.LTE,
    exp.Is,
    exp.In,
    exp.Between,
    exp.Like,
    exp.ILike,
    exp.Add,
    exp.Sub,
    exp.Mul,
    exp.Div,
    exp.Mod,
    exp.Neg,
    exp.Cast,
    exp.DataType,
    exp.DataTypeParam,
    exp.Lower,
    exp.Upper,
    exp.Length,
    exp.Coalesce,
    exp.Abs,
)

_CASTS = {
    exp.DataType.Type[name]
    for name in (
        "BOOLEAN", "SMALLINT", "INT", "BIGINT", "FLOAT", "DOUBLE", "DECIMAL", "TEXT", "VARCHAR", "CHAR", "DATE", "TIME",
        "TIMESTAMP", "TIMESTAMPTZ", "UUID",
    )
}  # fmt: skip


def rendered(condition: str, columns: Collection[str]) -> str:
    """Write a condition for the relation that statements call `r`.

    Args:
        condition: A boolean SQL expression over the dataset's columns.
        columns: The dataset's columns.

    Raises:
        InvalidRequest: It is no such expression; the message names the construct and quotes nothing, because a value
            in double quotes is a name.
    """
    if len(condition) > _MAX_CHARACTERS or "\0" in condition:
        raise _refused(f"it has more than {_MAX_CHARACTERS} characters, or a NUL among them")
    try:
        return _rewritten(condition, columns)
    except SqlglotError:
        raise _refused("it is not a SQL expression") from None
    except RecursionError:
        raise _refused("it is nested too deeply") from None


def _rewritten(condition: str, columns: Collection[str]) -> str:
    trees = sqlglot.parse(condition, dialect="postgres")
    if len(trees) != 1 or trees[0] is None:
        raise _refused("it is not one SQL expression")
    tree = trees[0]
    for node in tree.walk():
        _check(node, columns)
        if isinstance(node, exp.Column):
            node.set("table", exp.to_identifier(RELATION))
            node.set("this", exp.to_identifier(_name(node), quoted=True))
    return f"({tree.sql(dialect='postgres', comments=False)})"


def _check(node: exp.Expr, columns: Collection[str]) -> None:
    if not isinstance(node, _ALLOWED):
        raise _refused(f"{type(node).__name__.lower()} is not allowed in it")
    if isinstance(node, exp.Column) and (len(node.parts) != 1 or _name(node) not in columns):
        place = node.this.meta.get("start")
        where = "" if place is None else f" at character {place + 1}"
        raise _refused(f"the dataset has no column of the name{where}")
    if isinstance(node, exp.Cast) and node.to.this not in _CASTS:
        raise _refused("a cast to that type is not allowed in it")
    if isinstance(node, (exp.Like, exp.ILike)) and not _is_pattern_match(node):
        raise _refused("LIKE compares a column with a pattern in single quotes")


def _is_pattern_match(node: exp.Like | exp.ILike) -> bool:
    # `LIKE(a, b)`, a function to PostgreSQL, is to sqlglot the operator with its sides exchanged.
    return isinstance(node.expression, exp.Literal) and not isinstance(node.this, exp.Literal)


def _refused(why: str) -> InvalidRequest:
    return InvalidRequest(f"parsing a row filter: {why}", hint=_HINT)


def _name(column: exp.Column) -> str:
    """The column that the server would take a name for: folded to lower case unless quoted."""
    return column.name if column.this.args.get("quoted") else column.name.lower()
