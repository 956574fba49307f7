"""A target: what is asked of it before, between and after the rows, and what it answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from elute_connector.domain.dataset_name import DatasetName
from elute_wire.errors import Problem
from elute_wire.schema import Lane, LogicalType


class Structure(StrEnum):
    """Where the target's schema comes from."""

    CREATE = "create"
    KEEP = "keep"


@dataclass(frozen=True, slots=True)
class Fence:
    """The table of a run, in its target, that decides whose rows count."""

    schema: str
    table: str


@dataclass(frozen=True, slots=True)
class FencePartition:
    """A partition's row of the fence; `datasets` lets a repair say what is incomplete."""

    id: str
    datasets: tuple[DatasetName, ...] = ()


@dataclass(frozen=True, slots=True)
class TargetField:
    """A column of the stream that reaches the target.

    Attributes:
        name: The stream's column, and the target's.
        type: The fingerprint of the source's type; empty for a column that a step made.
        lane: How it travels.
        logical: What its values mean.
        treatment: `keep`, or the JSON pointer of its rule.
    """

    name: str
    type: str
    lane: Lane
    logical: LogicalType
    treatment: str


@dataclass(frozen=True, slots=True)
class TargetDataset:
    """A dataset on its way to the target, under the same name there."""

    name: DatasetName
    fields: tuple[TargetField, ...]
    text_mode: bool = False


@dataclass(frozen=True, slots=True)
class ColumnBinding:
    """How one column reaches the target; `cast` names what the sink converts, empty when nothing."""

    name: str
    lane: Lane
    target_type: str
    target_formatted: str
    cast: str = ""


@dataclass(frozen=True, slots=True)
class DatasetBinding:
    """How a dataset reaches the target.

    Attributes:
        name: The dataset.
        columns: Its columns, in the order of the stream's fields.
        load_through_root: Whether rows find their leaf in the target, because it may be another one there.
        text_mode: Whether rows are written as text.
    """

    name: DatasetName
    columns: tuple[ColumnBinding, ...]
    load_through_root: bool = False
    text_mode: bool = False


@dataclass(frozen=True, slots=True)
class TargetPlan:
    """The datasets that can be loaded, and every reason why others cannot."""

    bindings: tuple[DatasetBinding, ...]
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class CreateOptions:
    """What is taken along with the tables."""

    owners: bool = False
    grants: bool = False
    comments: bool = False


@dataclass(frozen=True, slots=True)
class Preparation:
    """What a run asks of its target before it loads.

    Attributes:
        run_id: The run; names its fence.
        structure: Where the target's schema comes from.
        datasets: All datasets of the run.
        partitions: The partitions to add to the fence; with `restarted`, those of the new plan.
        create: What is taken along, for `Structure.CREATE`.
        restarted: The datasets that are emptied and start again under a new snapshot.
        retired: The partitions of the restarted datasets' former plan, by their ids.
    """

    run_id: str
    structure: Structure
    datasets: tuple[DatasetName, ...]
    partitions: tuple[FencePartition, ...]
    create: CreateOptions = field(default_factory=CreateOptions)
    restarted: tuple[DatasetName, ...] = ()
    retired: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Prepared:
    """A target that is ready, and what a person should know of it."""

    fence: Fence
    notes: tuple[Problem, ...] = ()


class RunState(StrEnum):
    """How far a run is in its target."""

    PREPARING = "preparing"
    LOADING = "loading"
    FINISHING = "finishing"


@dataclass(frozen=True, slots=True)
class RunMarker:
    """What tells that a target is half-loaded: the run, since when, and the datasets concerned.

    `sequences` are those that the run made.
    """

    run_id: str
    structure: Structure
    state: RunState
    started: datetime
    datasets: tuple[DatasetName, ...]
    sequences: tuple[DatasetName, ...] = ()


@dataclass(frozen=True, slots=True)
class FinishEvent:
    """How far the finishing of a target is.

    Attributes:
        phase: What is being made, a word of the wire contract (`index`, `foreign key`, …); at last `done`.
        object: The object just made, as `schema.name`.
        made: Objects made so far.
        total: Objects to make in all.
        notes: What a person should know.
    """

    phase: str
    object: str
    made: int
    total: int
    notes: Sequence[Problem] = ()


@dataclass(frozen=True, slots=True)
class DigestSelection:
    """One dataset to sum.

    Attributes:
        dataset: The dataset.
        columns: The columns whose content is summed; none: rows are only counted.
        filter: A condition on its rows, as a person wrote it; empty for all.
    """

    dataset: DatasetName
    columns: tuple[str, ...] = ()
    filter: str = ""


@dataclass(frozen=True, slots=True)
class DatasetDigest:
    """The rows of a dataset, and the sums of its content as decimal text; empty when not asked or not possible."""

    dataset: DatasetName
    rows: int
    content: str = ""
