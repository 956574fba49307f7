"""The third door of an expression: what Polars made of it, node by node.

Polars writes an expression as a tree of JSON; the form belongs to the pinned version of Polars, and a kind of node that
is not known here is refused. On the way integers are widened to 128 bits, because Polars lets integer arithmetic wrap
around in silence: in 128 bits a sum or product of columns has room, and a result that does not fit the type that it is
for is found when it is narrowed.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from enum import StrEnum, auto
from typing import Any, TypeAlias

import polars as pl

from elute_transform.domain.column import INSTANTS, INTEGERS, Columns
from elute_wire.errors import Problem
from elute_wire.schema import LogicalType

MAX_NODES = 300
MAX_GROWTH = 16
"""How much longer all replacements of an expression together may make a text, at most."""

_WIDE = "Int128"
_NARROW = frozenset({"Int8", "Int16", "Int32", "Int64", "UInt8", "UInt16", "UInt32", "UInt64"})
_GROUPS = frozenset({"Boolean", "StringExpr", "TemporalExpr"})
_COUNTS = frozenset({"LenChars", "LenBytes"})
_PARTS = frozenset(
    {"Year", "IsoYear", "Quarter", "Month", "Week", "WeekDay", "Day", "OrdinalDay", "Hour", "Minute", "Second"}
)
_ALTERNATIVES = frozenset({"Coalesce", "FillNull", "MaxHorizontal", "MinHorizontal"})
_CONJUNCTIONS = frozenset({"And", "Or", "LogicalAnd", "LogicalOr"})
_COMPARISONS = frozenset({"Eq", "EqValidity", "NotEq", "NotEqValidity", "Lt", "LtEq", "Gt", "GtEq"})


Node: TypeAlias = "dict[str, Any] | str"
"""A node as Polars writes it: `{kind: what belongs to it}`, or the kind alone."""


class Use(StrEnum):
    """What an expression does with a value."""

    PASSED = auto()
    TESTED = auto()
    COMPARED = auto()
    CONVERTED = auto()
    COMPUTED = auto()


class TreeRefused(Exception):
    """The expression holds what no scalar expression may hold."""

    def __init__(self, code: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.problem = Problem(code, message, hint)


class Tree:
    """An expression as its nodes.

    Attributes:
        columns: The columns that it reads.
        computed: Those dates and timestamps among them that it computes with, rather than passing or comparing them.
        dated: What it casts to a date, time or timestamp.
        conditions: What it joins by AND and OR.
        matched: Groups of values that stand for each other or against each other: the branches of CASE, what COALESCE
            is given, both sides of a comparison.
    """

    def __init__(self, expression: pl.Expr, columns: Columns) -> None:
        """Walk the nodes of `expression`.

        Raises:
            TreeRefused: A node is of a kind, or used in a way, that is not allowed.
        """
        self.columns: set[str] = set()
        self.computed: set[str] = set()
        self.dated: list[pl.Expr] = []
        self.conditions: list[pl.Expr] = []
        self.matched: list[list[pl.Expr]] = []
        self._known = columns
        self._nodes = 0
        self._growth = 1.0
        try:
            self._root = self._node(json.loads(expression.meta.serialize(format="json")), Use.PASSED)
        except RecursionError:
            raise TreeRefused("expression-too-large", "the expression nests too deep") from None

    def expression(self) -> pl.Expr:
        """Build the expression of the widened nodes."""
        return _expression(self._root)

    def _node(self, node: Node, use: Use) -> Node:
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise TreeRefused("expression-too-large", f"the expression has more than {MAX_NODES} parts")
        match node:
            case {"Column": str(name)}:
                return self._column(name, node, use)
            case {"Literal": literal}:
                return _widened(node) if _is_integer(literal) else node
            case {"Function": {"input": list(inputs), "function": function}}:
                inner = self._use(inputs, function, use)
                made = [self._node(entry, inner) for entry in inputs]
                if _function_name(function)[1] in _ALTERNATIVES:
                    self.matched.append([*map(_expression, made)])
                called = {"Function": {"input": made, "function": function}}
                return _widened(called) if _counts(function) else called
            case _:
                return self._operator(node, use)

    def _operator(self, node: Node, use: Use) -> Node:
        match node:
            case {"BinaryExpr": {"left": left, "op": str(operator), "right": right}}:
                inner = Use.COMPARED if operator in _COMPARISONS else Use.COMPUTED
                sides = [self._node(left, inner), self._node(right, inner)]
                if operator in _COMPARISONS:
                    self.matched.append([*map(_expression, sides)])
                if operator in _CONJUNCTIONS:
                    self.conditions += map(_expression, sides)
                return {"BinaryExpr": {"left": sides[0], "op": operator, "right": sides[1]}}
            case {"Ternary": {"predicate": predicate, "truthy": truthy, "falsy": falsy}}:
                branches = {"truthy": self._node(truthy, use), "falsy": self._node(falsy, use)}
                self.matched.append([*map(_expression, branches.values())])
                return {"Ternary": {"predicate": self._node(predicate, Use.COMPARED), **branches}}
            case {"Cast": {"expr": inner, "dtype": {"Literal": dtype}, "options": options}}:
                wide = _WIDE if isinstance(dtype, str) and dtype in _NARROW else dtype
                made = self._node(inner, Use.CONVERTED)
                if _is_temporal(dtype):
                    self.dated.append(_expression(made))
                return {"Cast": {"expr": made, "dtype": {"Literal": wide}, "options": options}}
            case _:
                kind = next(iter(node)) if isinstance(node, Mapping) else node
                hint = "an expression makes a row's value out of that row alone"
                raise TreeRefused("expression-kind", f"the expression holds {kind}, which is no scalar", hint)

    def _column(self, name: str, node: Node, use: Use) -> Node:
        self.columns.add(name)
        logical = self._known[name].logical if name in self._known else None
        if logical is LogicalType.DECIMAL and use in {Use.COMPARED, Use.COMPUTED}:
            message = f"column {name} is an exact decimal, which has no arithmetic of its own"
            hint = f"say how to read it: CAST({name} AS DECIMAL(18, 2)) or CAST({name} AS DOUBLE)"
            raise TreeRefused("expression-decimal", message, hint)
        if logical in INSTANTS and use in {Use.CONVERTED, Use.COMPUTED}:
            self.computed.add(name)
        return _widened(node) if logical in INTEGERS else node

    def _use(self, inputs: list[Node], function: Node, use: Use) -> Use:
        """Return what a function does with its inputs, when its own value is put to `use`."""
        group, name, options = _function_name(function)
        if name == "Replace":
            self._limit_growth(inputs)
        if name == "Strptime" and not options[-1]["format"]:
            hint = "name the format: STRPTIME(text, '%Y-%m-%d'), DATE(text, '%Y-%m-%d')"
            raise TreeRefused("expression-format", "a date is read from text without a format", hint)
        match group, name:
            case _, "Coalesce" | "FillNull":
                return use
            case _, _ if name in _ALTERNATIVES and use in {Use.PASSED, Use.COMPARED}:
                return Use.COMPARED
            case "Boolean", "IsNull" | "IsNotNull":
                return Use.TESTED
            case "Boolean", "IsIn" | "IsBetween":
                return Use.COMPARED
            case _:
                return Use.COMPUTED

    def _limit_growth(self, inputs: list[Node]) -> None:
        match inputs[1:]:
            case [{"Literal": {"Scalar": {"String": str(old)}}}, {"Literal": {"Scalar": {"String": str(new)}}}] if old:
                self._growth *= max(1.0, len(new) / len(old))
            case _:
                hint = "write both as text in single quotes"
                raise TreeRefused("expression-replace", "REPLACE needs a fixed text to find and a fixed new text", hint)
        if self._growth > MAX_GROWTH:
            message = f"the replacements can make a text more than {MAX_GROWTH} times as long"
            raise TreeRefused("expression-growth", message, "replace by shorter texts")


def _function_name(function: Node) -> tuple[str, str, Any]:
    """Return group, name and options of a function.

    Polars writes `"Coalesce"`, `{"Round": options}`, `{"Boolean": "Not"}` or `{"StringExpr": {"Split": options}}`.
    """
    if isinstance(function, str):
        return "", function, None
    [(outer, inner)] = function.items()
    if outer not in _GROUPS:
        return "", outer, inner
    if isinstance(inner, str):
        return outer, inner, None
    [(name, options)] = inner.items()
    return outer, name, options


def _expression(node: Node) -> pl.Expr:
    return pl.Expr.deserialize(io.BytesIO(json.dumps(node).encode()), format="json")


def _is_temporal(dtype: Node) -> bool:
    return dtype in ("Date", "Time") or (isinstance(dtype, dict) and "Datetime" in dtype)


def _counts(function: Node) -> bool:
    group, name, _ = _function_name(function)
    return (group == "StringExpr" and name in _COUNTS) or (group == "TemporalExpr" and name in _PARTS)


def _is_integer(literal: Node) -> bool:
    return isinstance(literal, dict) and "Int" in literal.get("Dyn", ())


def _widened(node: Node) -> Node:
    return {"Cast": {"expr": node, "dtype": {"Literal": _WIDE}, "options": "Strict"}}
