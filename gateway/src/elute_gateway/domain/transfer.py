"""What the data plane says to the gateway: snapshots, progress and results; never a row."""

from __future__ import annotations

from dataclasses import dataclass

from elute_gateway.domain.connection import Connection
from elute_gateway.domain.ledger import UnitResult
from elute_gateway.domain.names import DatasetName
from elute_wire.errors import Problem


@dataclass(frozen=True, slots=True)
class Ends:
    """The two stores of a run."""

    source: Connection
    target: Connection


@dataclass(frozen=True, slots=True)
class HeldSnapshot:
    """A sign of life of a held snapshot.

    Attributes:
        snapshot_id: What reads under it name it by; void after its holder's end, so it is never stored.
        visible: What it sees, in the source's own notation. Two snapshots that see the same are the same moment.
        age_seconds: Its age.
        handing_over: Whether its holder is about to stop.
    """

    snapshot_id: str
    visible: str
    age_seconds: float = 0.0
    handing_over: bool = False


@dataclass(frozen=True, slots=True)
class Fence:
    """The run's table in the target that decides whose rows count."""

    schema: str
    table: str


@dataclass(frozen=True, slots=True)
class Prepared:
    """A target that is ready, and what a person should know about it."""

    fence: Fence
    notes: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class LoadProgress:
    """Rows written so far and not yet committed, and bytes of Arrow data received."""

    rows: int
    loaded_bytes: int


@dataclass(frozen=True, slots=True)
class LoadResult:
    """A partition that is in; `already_done` says that it had been before this call."""

    units: tuple[UnitResult, ...]
    already_done: bool = False


@dataclass(frozen=True, slots=True)
class FinishProgress:
    """An object that was made: its phase (`index`, `foreign key` …), its name, and how many there are."""

    phase: str
    object: str
    made: int
    total: int
    notes: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class DigestSelection:
    """What to sum: a dataset's rows under a filter, and the content of columns, if any."""

    dataset: DatasetName
    columns: tuple[str, ...] = ()
    filter: str = ""


@dataclass(frozen=True, slots=True)
class DatasetDigest:
    """The sums of one dataset; `content` is empty when only rows were counted, or the store can do no more."""

    dataset: DatasetName
    rows: int
    content: str = ""
