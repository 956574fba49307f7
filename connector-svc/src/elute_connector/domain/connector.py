"""The connector contract: what a data store must be able to do to be a source, a target, or both.

A connector is a package below `connectors/` that shows a `DEFINITION`. It opens a store from a connection's settings:
a `Source`, a `Target`, or both in one. A store pools what is slow to open and is closed when nobody has used it for a
while. What all sources have in common (counts, limits of cells, leases of snapshots) is done around them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from elute_connector.domain.catalog import Catalog
from elute_connector.domain.dataset_name import DatasetName
from elute_connector.domain.datatype import DataType
from elute_connector.domain.extraction import Extraction, Slice
from elute_connector.domain.load import PartitionLoad, Progress
from elute_connector.domain.target import (
    DatasetDigest,
    DigestSelection,
    FinishEvent,
    Preparation,
    Prepared,
    Structure,
    TargetDataset,
    TargetPlan,
)
from elute_wire.errors import Problem
from elute_wire.schema import LogicalType


class Role(StrEnum):
    """What a connection is used for."""

    SOURCE = "source"
    TARGET = "target"


class TypeFacts(Protocol):
    """What a store's types mean, for those who plan without knowing the store."""

    def logical(self, data_type: DataType) -> LogicalType:
        """What its values mean to steps and techniques."""
        ...

    def max_length(self, data_type: DataType) -> int | None:
        """The most characters of a value; None where there is no bound."""
        ...

    def precision(self, data_type: DataType) -> tuple[int | None, int | None]:
        """Decimal digits in all and after the point; None where there is no bound."""
        ...

    def text_mode(self, data_types: Sequence[DataType]) -> bool:
        """Whether a dataset that carries these types unread is copied as text."""
        ...

    def version(self, server_version: int) -> str:
        """The store's version as people write it."""
        ...


class HeldSnapshot(Protocol):
    """A snapshot that a session of ours keeps alive, with the locks that make it one moment."""

    snapshot_id: str
    """What other sessions adopt it by; void when the holder ends."""
    visible: str
    """What it sees, in the store's own notation."""

    @property
    def lost(self) -> bool:
        """Whether the session is gone."""
        ...

    async def ended(self) -> None:
        """Wait until the session is gone, for whatever reason."""
        ...

    async def release(self) -> None:
        """End the session; safe to repeat."""
        ...


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What a connection lacks: none of the problems an error means that it can be used.

    Attributes:
        problems: The findings.
        server_version: The store's version; empty when it was not reached.
        encrypted: Whether the transport is encrypted.
    """

    problems: tuple[Problem, ...]
    server_version: str = ""
    encrypted: bool = False


@dataclass(frozen=True, slots=True)
class PlannedSlice:
    """A slice and what it is estimated to hold."""

    dataset: DatasetName
    slice: Slice
    estimated_rows: int
    estimated_bytes: int


class Store(Protocol):
    """An open data store. Every method raises `EluteError`s only, which hold no value of a cell."""

    async def check(self, role: Role, datasets: Sequence[DatasetName]) -> CheckResult:
        """Answer what the connection lacks for its role; a store that cannot be reached is a finding."""
        ...

    async def discover(self, snapshot_id: str = "") -> Catalog:
        """Answer what the store holds, under a snapshot or at present."""
        ...

    async def digest(self, snapshot_id: str, selections: Sequence[DigestSelection]) -> Sequence[DatasetDigest]:
        """Count rows and sum their content; a store that cannot sum counts, and leaves the content empty."""
        ...

    async def close(self) -> None:
        """Let go of all sessions."""
        ...


class Source(Store, Protocol):
    """A store that can be read."""

    async def hold_snapshot(
        self, datasets: Mapping[DatasetName, str], adopt_snapshot_id: str, lock_timeout_seconds: int
    ) -> HeldSnapshot:
        """Lock datasets and take or adopt a snapshot; their fingerprints must be those given, unless empty."""
        ...

    async def plan_partitions(
        self, snapshot_id: str, datasets: Sequence[DatasetName], target_bytes: int
    ) -> Sequence[PlannedSlice]:
        """Cut datasets into slices of about `target_bytes`, which together cover each once and whole."""
        ...

    def extracted(self, extraction: Extraction) -> AbstractAsyncContextManager[Any]:
        """Open a stream over one slice, made by `elute_connector.application.reading.streaming`."""
        ...


class Target(Store, Protocol):
    """A store that can be loaded."""

    async def plan_target(self, source: Source, structure: Structure, datasets: Sequence[TargetDataset]) -> TargetPlan:
        """Answer how every column would reach this store, and every reason why it cannot; change nothing."""
        ...

    async def prepare_target(self, preparation: Preparation, source: Source, snapshot_id: str) -> Prepared:
        """Make this store ready to be loaded; safe to repeat."""
        ...

    async def load(self, load: PartitionLoad, open_unit: Callable[[int], Any], progress: Progress) -> bytes:
        """Load a partition in one transaction; answer the serialized result."""
        ...

    def finish_target(self, run_id: str, source: Source, datasets: Sequence[DatasetName]) -> AsyncIterator[FinishEvent]:
        """Make the loaded target whole; safe to repeat."""
        ...

    def repair_target(self, run_id: str) -> AsyncIterator[FinishEvent]:
        """Bring an abandoned target back to validity, loading nothing."""
        ...


@dataclass(frozen=True, slots=True)
class ConnectorDefinition:
    """What a connector is.

    Attributes:
        name: Its name, which is its folder's and a connection's `system`.
        summary: Its effect, one line.
        config: The model of a connection's settings without secrets.
        secrets: The model of its secrets.
        open: Opens a store from both, with threads for what blocks; does no I/O.
        types: What the store's types mean.
        roles: What it can be used for: with `SOURCE` the store is a `Source`, with `TARGET` a `Target`.
        example: Settings that are valid.
    """

    name: str
    summary: str
    config: type[Any]
    secrets: type[Any]
    open: Callable[[Any, Any, Executor], Store]
    types: TypeFacts
    roles: frozenset[Role]
    example: Mapping[str, object]
