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
_HINT = "a filter compares columns with literals, for example: created_at >= DATE '2024-01-01' AND status <> 'draft'"

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
        InvalidRequest: It is no such expression; the message names the construct or the column, and no literal.
    """
    if len(condition) > _MAX_CHARACTERS:
        raise InvalidRequest(f"parsing a row filter: it has more than {_MAX_CHARACTERS} characters", hint=_HINT)
    try:
        trees = sqlglot.parse(condition, dialect="postgres")
    except SqlglotError:
        raise InvalidRequest("parsing a row filter: it is not a SQL expression", hint=_HINT) from None
    if len(trees) != 1 or trees[0] is None:
        raise InvalidRequest("parsing a row filter: it is not one SQL expression", hint=_HINT)
    tree = trees[0]
    for node in tree.walk():
        _refuse(node, columns)
        if isinstance(node, exp.Column):
            node.set("table", exp.to_identifier(RELATION))
            node.set("this", exp.to_identifier(_name(node), quoted=True))
    return f"({tree.sql(dialect='postgres', comments=False)})"


def _refuse(node: exp.Expr, columns: Collection[str]) -> None:
    if not isinstance(node, _ALLOWED):
        raise InvalidRequest(f"parsing a row filter: {type(node).__name__.lower()} is not allowed in it", hint=_HINT)
    if isinstance(node, exp.Column) and (len(node.parts) != 1 or _name(node) not in columns):
        raise InvalidRequest(f"parsing a row filter: the dataset has no column {node.sql()}", hint=_HINT)
    if isinstance(node, exp.Cast) and node.to.this not in _CASTS:
        raise InvalidRequest("parsing a row filter: a cast to that type is not allowed in it", hint=_HINT)


def _name(column: exp.Column) -> str:
    """The column that the server would take a name for: folded to lower case unless quoted."""
    return column.name if column.this.args.get("quoted") else column.name.lower()
