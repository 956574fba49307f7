"""The ledger's nouns: what a run loads, piece by piece, and who works on which piece."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from elute_gateway.domain.names import DatasetName
from elute_wire.errors import InternalFault, Place

_OPENING_BYTES = 512 * 1024
"""What could be copied while a unit's stages are opened: a thousand tiny tables are work for several workers."""


class PartitionState(StrEnum):
    """How far a partition is. Only the target's fence knows for sure whether its rows are in."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    RETIRED = "retired"
    """Its dataset started again under another snapshot, with other partitions."""


@dataclass(frozen=True, slots=True)
class Unit:
    """A slice of a dataset; `slice` is opaque here, and what a key range holds in it is sealed."""

    dataset: DatasetName
    slice: bytes
    estimated_rows: int = 0
    estimated_bytes: int = 0


@dataclass(frozen=True, slots=True)
class NewPartition:
    """What one `Load` call loads in one transaction; its id is unique in its run."""

    id: str
    units: tuple[Unit, ...]

    @property
    def estimated_bytes(self) -> int:
        """Bytes to be expected, all units together."""
        return sum(unit.estimated_bytes for unit in self.units)

    @property
    def datasets(self) -> frozenset[DatasetName]:
        """The datasets that it has units of."""
        return frozenset(unit.dataset for unit in self.units)


@dataclass(frozen=True, slots=True)
class Claim:
    """A partition that this gateway may load until its lease ends.

    Attributes:
        run_id: The run.
        partition: The partition.
        generation: Which of the run's snapshots it is to be read under.
        epoch: The claim's number: one more than that of the last claimant.
        attempt: How often it was claimed.
        deaths: How many workers in a row ended while they loaded it.
    """

    run_id: str
    partition: NewPartition
    generation: int
    epoch: int
    attempt: int
    deaths: int


@dataclass(frozen=True, slots=True)
class Partition:
    """A partition as the ledger shows it."""

    id: str
    state: PartitionState
    generation: int
    datasets: tuple[DatasetName, ...]
    attempt: int
    epoch: int
    owner: str
    estimated_rows: int
    estimated_bytes: int
    rows: int
    loaded_bytes: int
    error_code: str


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits to be claimed: how many partitions, and for how many seconds the oldest."""

    partitions: int
    oldest_seconds: float


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One of a run's snapshots.

    Attributes:
        generation: Its number in the run, counted from 1.
        visible: What it sees, in the source's own notation.
        lost: Whether it ended before its rows were in.
    """

    generation: int
    visible: str
    lost: bool = False


@dataclass(frozen=True, slots=True)
class UnitResult:
    """What became of a unit's rows; `digest` is the stream's transport digest, 16 bytes."""

    dataset: DatasetName
    rows_read: int
    rows_written: int
    rows_filtered: int
    rows_rejected: int
    loaded_bytes: int
    digest: bytes
    stages: Mapping[str, int]
    """Rows that left each stage, by its operation, source first."""


def require_balance(partition: str, results: Iterable[UnitResult]) -> None:
    """Prove that no row was lost or made up: rows read = written + filtered + rejected.

    Raises:
        InternalFault: The numbers of a unit do not add up.
    """
    for unit in results:
        if unit.rows_read != unit.rows_written + unit.rows_filtered + unit.rows_rejected:
            message = (
                f"proving the rows of dataset {unit.dataset}: {unit.rows_read} read, but {unit.rows_written} written, "
                f"{unit.rows_filtered} filtered and {unit.rows_rejected} rejected"
            )
            raise InternalFault(message, place=Place(dataset=str(unit.dataset), partition=partition))


def packed(units: Sequence[Unit], target_bytes: int) -> list[tuple[Unit, ...]]:
    """Put small slices together until a partition has about the target's bytes, the largest partitions first.

    A large slice stays alone, and slices of one size stay in their order. Large first, because a large partition that
    begins last leaves the other workers idle.
    """
    packs: list[tuple[Unit, ...]] = []
    pack: list[Unit] = []
    size = 0
    for unit in sorted(units, key=lambda unit: -unit.estimated_bytes):
        weight = unit.estimated_bytes + _OPENING_BYTES
        if pack and size + weight > target_bytes:
            packs.append(tuple(pack))
            pack, size = [], 0
        pack.append(unit)
        size += weight
    if pack:
        packs.append(tuple(pack))
    return packs


def partitions_of(units: Sequence[Unit], generation: int, target_bytes: int) -> list[NewPartition]:
    """Make the partitions of one of a run's snapshots: each slice is in exactly one."""
    packs = packed(units, target_bytes)
    return [NewPartition(f"s{generation}p{number:06d}", pack) for number, pack in enumerate(packs, 1)]


def starting_again(
    unfinished: Iterable[DatasetName],
    references: Mapping[DatasetName, Iterable[DatasetName]],
    partitions: Iterable[Iterable[DatasetName]],
) -> frozenset[DatasetName]:
    """Find the datasets that need a new snapshot together, so that keys still join and no partition is torn.

    Args:
        unfinished: The datasets with a partition that is not in.
        references: By dataset, those that its foreign keys refer to.
        partitions: The datasets of each partition.

    Returns:
        The unfinished datasets and all that foreign keys, in either direction, or a shared partition connect to them.
    """
    neighbours: dict[DatasetName, set[DatasetName]] = {}
    links = [{name, *targets} for name, targets in references.items()]
    for group in [*links, *(set(partition) for partition in partitions)]:
        hub = min(group, default=None)
        for name in group:
            if hub is not None:
                neighbours.setdefault(hub, set()).add(name)
                neighbours.setdefault(name, set()).add(hub)
    found: set[DatasetName] = set()
    waiting = list(unfinished)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting.extend(neighbours.get(name, ()))
    return frozenset(found)
