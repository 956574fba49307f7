"""A plan: what a run of a pipeline will do to every column, and everything that speaks against it.

Plain values throughout: a plan is stored, sent and restored as JSON.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from elute_gateway.domain.assignment import KEEP
from elute_gateway.domain.catalog import DatasetKind, LogicalType
from elute_gateway.domain.names import DatasetName
from elute_gateway.domain.pipeline import Extra, Limits, Step, Structure, Verify
from elute_gateway.domain.policy import Change, PolicyVersion
from elute_gateway.domain.problems import errors
from elute_wire.errors import Problem


class Lane(StrEnum):
    """How a column's values are carried: as the store's own bytes, or as their logical type."""

    WIRE = "wire"
    TYPED = "typed"


class Uniqueness(StrEnum):
    """Whether different values stay different."""

    LOSSY = "lossy"
    COLLISION_RESISTANT = "collision-resistant"
    BIJECTIVE = "bijective"


@dataclass(frozen=True, slots=True)
class Effect:
    """What becomes of a column's values.

    Attributes:
        summary: In a few words.
        keeps: What survives: `nulls`, `equality`, `order`, `length`, `format` ….
        loses: What does not, in the same words.
        uniqueness: Whether different values stay different.
        reversible: Whether a holder of the key can get the values back.
        reads_values: Whether the values are read, so that they must travel typed.
        keyed: Whether they depend on the key and the domain.
        logical: What the values mean afterwards.
    """

    summary: str
    keeps: tuple[str, ...]
    loses: tuple[str, ...]
    uniqueness: Uniqueness
    reversible: bool
    reads_values: bool
    keyed: bool
    logical: LogicalType


@dataclass(frozen=True, slots=True)
class ExtractedColumn:
    """A column as it is read; `type` is its fingerprint, `formatted` the source's own name of it."""

    name: str
    type: str
    formatted: str
    lane: Lane


@dataclass(frozen=True, slots=True)
class Binding:
    """How a column is written.

    Attributes:
        type: The fingerprint of the target column's type.
        formatted: The target's own name of that type.
        cast: What the sink converts, for example `integer → bigint`; empty when nothing.
    """

    type: str
    formatted: str
    cast: str


@dataclass(frozen=True, slots=True)
class ColumnPlan:
    """What happens to one column of a stream.

    Attributes:
        name: Its name.
        source_type: The source's own name of its type, or `made by ` and a step's name.
        type: The fingerprint of the source's type; empty for a column that a step made.
        logical: What its values mean when they reach the anonymizer.
        changed: Whether a step may have changed its values.
        treatment: `keep`, or the JSON pointer of its rule; empty when nothing covers it.
        technique: The technique's name; `keep` when it is kept.
        domain: What its pseudonyms depend on beside key and value; empty when it is kept.
        inherited: The column whose rule it takes over, as `schema.dataset.column`; empty when it has its own.
        lane: How it travels.
        effect: What becomes of its values; None until the anonymizer has answered.
        binding: How it is written; None until the target has answered.
        origin: The source's column that it is, perhaps under another name; empty for one that a step made.
    """

    name: str
    source_type: str
    type: str
    logical: LogicalType
    changed: bool
    treatment: str
    technique: str
    domain: str
    inherited: str
    lane: Lane
    effect: Effect | None = None
    binding: Binding | None = None
    origin: str = ""

    @property
    def scrubbed(self) -> bool:
        """Whether a rule treats it."""
        return self.treatment not in ("", KEEP)


@dataclass(frozen=True, slots=True)
class PlannedRule:
    """A rule and the columns of one dataset that it treats in one domain; `config` is a JSON object."""

    pointer: str
    technique: str
    config: str
    domain: str
    subject: str
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DatasetPlan:
    """What happens to one dataset.

    Attributes:
        name: Its name in source and target.
        kind: What it is.
        filter: The rows to copy, a boolean SQL expression; empty for all.
        extracted: The columns that are read, in the order of the stream.
        steps: The cleaning steps, in their order.
        rules: The rules that treat its columns.
        columns: The columns that reach the target, in the order of the stream.
        generated: The columns that the target computes.
        text_mode: Whether its values are carried and written as text.
        load_through_root: Whether rows of leaves are written through the partitioned table.
        estimated_rows: -1 when the source does not know.
        size_bytes: On the source's disk, indexes not counted.
        fingerprint: SHA-256 of the source's structure, hexadecimal; its snapshot must have the same.
        references: The datasets that its foreign keys refer to.
    """

    name: DatasetName
    kind: DatasetKind
    filter: str
    extracted: tuple[ExtractedColumn, ...]
    steps: tuple[Step, ...]
    rules: tuple[PlannedRule, ...]
    columns: tuple[ColumnPlan, ...]
    generated: tuple[str, ...] = ()
    text_mode: bool = False
    load_through_root: bool = False
    estimated_rows: int = -1
    size_bytes: int = 0
    fingerprint: str = ""
    references: tuple[DatasetName, ...] = ()

    @property
    def scrubbed(self) -> bool:
        """Whether a rule treats one of its columns."""
        return bool(self.rules)

    @property
    def carried_whole(self) -> bool:
        """Whether nobody on the way needs a column apart from its row: none is cleaned, scrubbed, converted or text."""
        touched = self.steps or self.rules or self.text_mode or not self.extracted
        return not touched and all(column.lane is Lane.WIRE for column in self.extracted)

    @property
    def comparable(self) -> tuple[str, ...]:
        """The columns whose contents must be equal in source and target; empty when only rows can be counted.

        They are all that is kept. Where a step or a cast may change one of them, or gives it another name, nothing
        is compared: a sum that leaves it out would look like more than it is.
        """
        kept = tuple(column for column in self.columns if not column.scrubbed)
        if any(c.changed or c.origin != c.name or (c.binding and c.binding.cast) for c in kept):
            return ()
        return tuple(column.name for column in kept)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run will do.

    Attributes:
        pipeline: The pipeline's name.
        source: The source's connection, by name.
        target: The target's connection, by name.
        structure: Where the target's schema comes from.
        take_along: What `structure: create` takes along.
        verify: How the target is compared in the end.
        limits: What a run may use.
        key_version: The version of the key that the anonymizer means; 0 when nothing is scrubbed.
        policy: The policy, expanded; None when rows are copied as they are.
        datasets: The datasets whose rows are copied.
        views: The selected views; they have no rows of their own.
        changes: What is different from the policy that was pinned before.
        problems: Everything that a person must mend or should know.
    """

    pipeline: str
    source: str
    target: str
    structure: Structure
    take_along: frozenset[Extra]
    verify: Verify
    limits: Limits
    key_version: int
    policy: PolicyVersion | None
    datasets: tuple[DatasetPlan, ...]
    views: tuple[DatasetName, ...]
    changes: tuple[Change, ...] = ()
    problems: tuple[Problem, ...] = ()

    @property
    def runnable(self) -> bool:
        """Whether nothing must be mended first."""
        return not errors(self.problems)

    def dataset(self, name: DatasetName) -> DatasetPlan:
        """Return the plan of one dataset.

        Raises:
            KeyError: The plan does not have it.
        """
        for dataset in self.datasets:
            if dataset.name == name:
                return dataset
        raise KeyError(str(name))
