"""What planning asks of the other services."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from elute_gateway.domain.catalog import Catalog, DataType, LogicalType
from elute_gateway.domain.connection import Connection
from elute_gateway.domain.names import ColumnName, DatasetName
from elute_gateway.domain.plan import Binding, Effect, Lane, Plan
from elute_gateway.domain.stream import Stream
from elute_wire.errors import Problem


@dataclass(frozen=True, slots=True)
class Cleaned:
    """What steps make of a dataset's columns."""

    stream: Stream
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class ColumnFacts:
    """What must hold for a column's scrubbed values.

    Attributes:
        name: The column.
        formatted: The source's own name of its type, or `made by ` and a step's name.
        type: Its type; None for a column that a step made.
        logical: What its values mean.
        nullable: Whether NULL may be written.
        unique: Whether a key has it, or it refers to one.
        loose_equality: Whether such a key may hold different values equal.
    """

    name: str
    formatted: str
    type: DataType | None
    logical: LogicalType
    nullable: bool
    unique: bool
    loose_equality: bool


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the anonymizer makes of a plan's columns, and the key version that it means."""

    effects: Mapping[ColumnName, Effect]
    key_version: int
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class DatasetBinding:
    """How the target takes a dataset: the lane and binding of each column."""

    columns: Mapping[str, tuple[Lane, Binding]]
    load_through_root: bool
    text_mode: bool


@dataclass(frozen=True, slots=True)
class TargetAnswer:
    """How the target takes each dataset that it can take."""

    bindings: Mapping[DatasetName, DatasetBinding]
    problems: tuple[Problem, ...]


class Stores(Protocol):
    """The connector service, as far as planning needs it."""

    async def discover(self, connection: Connection) -> Catalog:
        """Answer what a store holds.

        Raises:
            StoreError: It cannot be reached or read.
            ServiceUnavailable: No connector answers.
        """
        ...

    async def plan_target(
        self, plan: Plan, source: Connection, target: Connection, types: Iterable[DataType]
    ) -> TargetAnswer:
        """Answer how the columns of a plan would reach the target.

        Raises:
            StoreError: The target cannot be reached or read.
            ServiceUnavailable: No connector answers.
        """
        ...


class Cleaning(Protocol):
    """The transform service, as far as planning needs it."""

    async def validate(self, streams: Sequence[Stream]) -> Sequence[Cleaned]:
        """Answer what their steps make of streams, one answer for each.

        Raises:
            ServiceUnavailable: No transform service answers.
        """
        ...


class Scrubbing(Protocol):
    """The anonymizer service, as far as planning needs it."""

    async def validate(self, plan: Plan, facts: Mapping[DatasetName, Sequence[ColumnFacts]]) -> Judgement:
        """Answer what the rules of a plan make of columns.

        Raises:
            KeyUnavailable: There is no such key ring, or it lacks the version.
            ServiceUnavailable: No anonymizer answers.
        """
        ...
