"""The contract of a step: what a module under `steps/` defines.

A step is one module: docstring, `Config`, a function, `DEFINITION`. The function says, for a configuration and the
columns that come in, what the step changes: which columns it renames, which it makes and by which Polars expression,
which rows it cannot take. Everything else follows from that one value, the same way for every step: the columns that
go on, which columns must be readable, the problems of a plan, and the work on batches. So a step holds no state, does
no I/O, runs no Python per row, and cannot do anything to a column that its change does not say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, Generic, TypeVar

import polars as pl

from elute_transform.domain.column import Column, Columns
from elute_wire.errors import Problem


@dataclass(frozen=True, slots=True)
class Made:
    """A column that a step makes, or makes anew.

    Attributes:
        value: How, out of the columns that come in; each row's value comes from that row alone.
        column: What it is from here on.
    """

    value: pl.Expr
    column: Column


@dataclass(frozen=True, slots=True)
class Rejection:
    """Rows that a step cannot take.

    Attributes:
        column: The column whose value is at fault.
        why: What is wrong with it, to follow the column's name: `is infinite`.
        where: True for the rows at fault; evaluated before any value is made.
    """

    column: str
    why: str
    where: pl.Expr


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What a step, so configured, changes; nothing else happens to a dataset.

    Even with problems it names the columns as well as it can, so that later steps are judged too.

    Attributes:
        renames: New names by old ones.
        makes: Columns by name: one that comes in keeps its place, a new one goes to the end.
        rejects: Rows that the step cannot take.
        problems: What is wrong. Pointers start at the step's configuration: `/columns/0`.
    """

    renames: Mapping[str, str] = field(default_factory=dict)
    makes: Mapping[str, Made] = field(default_factory=dict)
    rejects: tuple[Rejection, ...] = ()
    problems: tuple[Problem, ...] = ()

    def outgoing(self, columns: Columns) -> dict[str, Column]:
        """Return the columns that go on.

        Args:
            columns: Those that come in.
        """
        carried = {self.renames.get(name, name): column for name, column in columns.items()}
        return carried | {name: made.column for name, made in self.makes.items()}

    @property
    def reads(self) -> frozenset[str]:
        """The columns whose values it looks at."""
        expressions = [made.value for made in self.makes.values()] + [rejection.where for rejection in self.rejects]
        return frozenset(name for expression in expressions for name in expression.meta.root_names())


C = TypeVar("C")


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition(Generic[C]):
    """A step, described.

    Attributes:
        name: What pipelines call it; the module's name.
        effect: What it does, in one line.
        config: The model of its configuration.
        change: What it changes, given a configuration and the columns that come in.
        example: A valid configuration, for the columns of `elute_transform.domain.sample`.
        source: The standard or manual behind it.
    """

    name: str
    effect: str
    config: type[C]
    change: Callable[[C, Columns], Change]
    example: Mapping[str, object] = field(hash=False)
    source: str = ""


AnyDefinition = Definition[Any]


def pointer(*parts: str | int) -> str:
    """Return the JSON pointer (RFC 6901) that leads through `parts`."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)


def unknown_column(name: str, columns: Columns, at: str) -> Problem:
    """Describe a column that does not come in, with the nearest names that do.

    Args:
        name: What the configuration says.
        columns: Those that come in.
        at: Where it says so, a pointer from the step's configuration.
    """
    return Problem("unknown-column", f"there is no column {name}", nearest(name, columns), pointer=at, column=name)


def nearest(name: str, known: Iterable[str]) -> str:
    """Return a hint that offers the known names most like `name`; empty when none is like it."""
    offers = get_close_matches(name, list(known), n=3)
    return f"did you mean {' or '.join(offers)}?" if offers else ""
