"""The contract of a technique: what a module under `techniques/` defines, and what the plan may ask it.

A technique is one module: docstring, `Config`, class, `DEFINITION`. The definition is a plain value. Before a run the
plan asks it to *judge* a column: what survives, whether distinct values stay distinct, how long an output may get.
From that verdict `problems` derives everything that would go wrong, the same way for every technique. During a run
the built technique maps columns to columns, and knows nothing of batches, tables or runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Generic, Protocol, TypeVar

from elute_anonymizer.domain.canonical import canonical
from elute_anonymizer.domain.columns import Column
from elute_anonymizer.domain.keys import DomainKey
from elute_wire.errors import Problem
from elute_wire.schema import LogicalType


class Kept(StrEnum):
    """A property of the values that survives a technique, and so stays visible in its output."""

    VALUE = "value"
    NULLS = "nulls"
    EMPTY = "empty"
    EQUALITY = "equality"
    ORDER = "order"
    LENGTH = "length"
    FORMAT = "format"
    PART = "part"
    INTERVALS = "intervals"


class Uniqueness(StrEnum):
    """Whether distinct values get distinct outputs."""

    BIJECTIVE = "bijective"
    COLLISION_RESISTANT = "collision_resistant"
    LOSSY = "lossy"


class Equality(StrEnum):
    """How a column's unique indexes compare its values."""

    EXACT = "exact"
    LOOSE = "loose"
    """Different texts can be equal: citext, a collation that ignores case."""


class Need(StrEnum):
    """What a technique needs beside the value."""

    KEY = "key"
    SUBJECT = "subject"


@dataclass(frozen=True, slots=True)
class ColumnFacts:
    """What the plan knows of a column.

    Attributes:
        name: The column's name.
        source_type: The source's own name of the type, for example `character varying(40)`.
        logical: What the values mean.
        nullable: Whether NULL may be written.
        unique: Whether its values must stay apart.
        equality: How its indexes compare.
        max_length: The most characters of a value, where the type has such a limit.
        precision: The digits of a numeric type, where it has a limit.
        scale: The digits of a numeric type behind the point, where fixed.
        labels: The values of an enum type.
        constraints: The names of what else reads its values: checks, exclusions, partial indexes, a partitioning.
    """

    name: str
    source_type: str
    logical: LogicalType
    nullable: bool = True
    unique: bool = False
    equality: Equality = Equality.EXACT
    max_length: int | None = None
    precision: int | None = None
    scale: int | None = None
    labels: tuple[str, ...] | None = None
    constraints: tuple[str, ...] = ()


@dataclass(frozen=True)
class Cells:
    """One column of one batch, as a technique sees it.

    Attributes:
        values: n values of the column's Arrow type, nulls allowed.
        logical: What they mean.
        subject: The canonical subject of every row, n strings, for a technique that needs one.
    """

    values: Column
    logical: LogicalType
    subject: Column | None = None

    @cached_property
    def canonical(self) -> Column:
        """The canonical form of every value, n strings: what a pseudonym depends on."""
        return canonical(self.values, self.logical)


class Technique(Protocol):
    """A technique with its options, for one column."""

    def apply(self, cells: Cells) -> Column:
        """Scrub the cells of one batch.

        Each output depends on its own row, the options and the key alone. NULL stays NULL unless the technique's
        verdict says otherwise; a value that the technique cannot read is never returned as it was.

        Returns:
            n values of the same Arrow type.

        Raises:
            ValueRejected: A value cannot be taken, and the options say to refuse it.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a technique with its options does to a column.

    Attributes:
        keeps: What survives.
        uniqueness: Whether distinct values stay distinct, as the column's own indexes compare them.
        longest: The most characters of an output; None when no output is longer than its value.
        outputs: All the outputs there can be, where they are known before the run.
        problems: What only the technique itself can find wrong.
    """

    keeps: frozenset[Kept]
    uniqueness: Uniqueness
    longest: int | None = None
    outputs: frozenset[str] | None = None
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class Exercise:
    """What a technique does before the first batch comes, so that no batch waits for a compiler.

    Attributes:
        options: Valid options.
        cells: Values that take it through compiled loops; one is enough.
    """

    options: Mapping[str, object]
    cells: Cells


C = TypeVar("C")


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition(Generic[C]):
    """A technique, described.

    Attributes:
        name: What policies call it; the module's name.
        effect: What it does, in one line.
        config: The model of its options.
        accepts: The types it takes; the output has the same type.
        needs: What it needs beside the value.
        reversible: Whether who holds the key can get the value back from the output.
        judge: What the technique does to a column under given options.
        build: Makes the technique for a type under given options: of the column it knows no more, so that two tables
            share their pseudonyms.
        example: Valid options.
        exercises: What goes through every compiled loop that it has to itself.
        source: The standard, paper or page behind it.
    """

    name: str
    effect: str
    config: type[C]
    accepts: frozenset[LogicalType]
    needs: frozenset[Need] = frozenset()
    reversible: bool = False
    judge: Callable[[C, ColumnFacts], Verdict]
    build: Callable[[C, LogicalType, DomainKey], Technique]
    example: Mapping[str, object] = field(hash=False)
    exercises: tuple[Exercise, ...] = field(default=(), hash=False)
    source: str


def problems(definition: Definition[C], config: C, column: ColumnFacts) -> Iterator[Problem]:
    """Find what would go wrong with a technique on a column, before any row moves."""
    named = f"{definition.name} on column {column.name}"
    if column.logical not in definition.accepts:
        accepted = ", ".join(sorted(definition.accepts))
        opaque = column.logical is LogicalType.OPAQUE
        state = "travels unread" if opaque else f"has type {column.source_type}"
        yield Problem("type-not-accepted", f"{named}: it {state}", hint=f"the technique takes {accepted}")
        return
    verdict = definition.judge(config, column)
    if Kept.VALUE in verdict.keeps:
        return
    yield from verdict.problems
    if column.unique and verdict.uniqueness is Uniqueness.LOSSY:
        hint = "use token, permute_int, fpe that refuses others, or a fake of form unique"
        yield Problem("uniqueness-lost", f"{named}: two values of a unique column could become equal", hint=hint)
    labels = None if column.labels is None else set(column.labels)
    if labels is not None and (verdict.outputs is None or not verdict.outputs <= labels):
        hint = f"use constant with one of {len(labels)} labels, null, or keep it"
        yield Problem("enum-label", f"{named}: type {column.source_type} would not take the output", hint=hint)
    elif column.max_length is not None and verdict.longest is not None and verdict.longest > column.max_length:
        message = f"{named}: outputs have up to {verdict.longest} characters, {column.source_type} takes fewer"
        yield Problem("too-long", message, hint="choose options with a shorter output, or another technique")
    for constraint in column.constraints:
        hint = "keep the column, or take it out of the constraint in the source's structure first"
        yield Problem("column-constrained", f"{named}: constraint {constraint} reads its values", hint=hint)


TEXTUAL = frozenset({LogicalType.TEXT})
INTEGERS = frozenset({LogicalType.INT16, LogicalType.INT32, LogicalType.INT64})
EVERYTHING = frozenset(LogicalType)
