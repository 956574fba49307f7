"""The columns of a dataset on their way: as they leave the steps, before anything is scrubbed."""

from __future__ import annotations

from dataclasses import dataclass, replace

from elute_gateway.domain.catalog import Column, Dataset, LogicalType
from elute_gateway.domain.pipeline import Step


@dataclass(frozen=True, slots=True)
class StreamField:
    """A column of a stream.

    Attributes:
        name: Its name.
        type: The source's own name of its type; for a column that a step made, `made by ` and the step's name.
        logical: What its values mean.
        nullable: Whether NULL is possible.
        source: The source's column, perhaps under another name; None for a column that a step made.
    """

    name: str
    type: str
    logical: LogicalType
    nullable: bool
    source: Column | None

    @property
    def origin(self) -> str:
        """The column that the source's structure knows it as: what its keys and constraints name."""
        return self.source.name if self.source else self.name


@dataclass(frozen=True, slots=True)
class Stream:
    """A dataset's columns after its steps.

    Attributes:
        dataset: The dataset.
        fields: The columns that go on, generated ones left out.
        steps: The steps, in their order.
        touched: The source's columns that a step reads or writes.
        changed: The columns whose values may differ from the source's.
    """

    dataset: Dataset
    fields: tuple[StreamField, ...]
    steps: tuple[Step, ...] = ()
    touched: frozenset[str] = frozenset()
    changed: frozenset[str] = frozenset()


def unchanged(dataset: Dataset, steps: tuple[Step, ...] = ()) -> Stream:
    """Describe a dataset's columns as the source sends them; generated columns are never sent."""
    fields = tuple(
        StreamField(column.name, column.type.formatted, column.type.logical, column.nullable, column)
        for column in dataset.columns
        if not column.generated
    )
    return Stream(dataset, fields, steps)


@dataclass(frozen=True, slots=True)
class MadeField:
    """A column as it leaves the steps, by their own account.

    The words are those of `StreamField`, but `origin`: the incoming column that it is, empty for one that a step made.
    """

    name: str
    type: str
    logical: LogicalType
    nullable: bool
    origin: str


def cleaned(stream: Stream, fields: tuple[MadeField, ...], touched: frozenset[str], changed: frozenset[str]) -> Stream:
    """Describe a stream after its steps."""
    before = {field.name: field for field in stream.fields}
    after = tuple(
        StreamField(
            field.name,
            field.type,
            field.logical,
            field.nullable,
            before[field.origin].source if field.origin else None,
        )
        for field in fields
    )
    return replace(stream, fields=after, touched=touched, changed=changed)
