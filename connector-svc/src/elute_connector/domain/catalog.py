"""What a relational store holds: its datasets, their columns, keys and other rules, and nothing of its rows."""

from __future__ import annotations

import hashlib
import json
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass, field, fields, is_dataclass
from enum import StrEnum
from functools import lru_cache

from elute_connector.domain.constraint import Check, Exclusion, ForeignKey, KeyKind, UniqueKey
from elute_connector.domain.dataset_name import DatasetName
from elute_connector.domain.datatype import DataType


class DatasetKind(StrEnum):
    """What a dataset is in its store."""

    TABLE = "table"
    PARTITIONED = "partitioned"
    VIEW = "view"
    MATERIALIZED_VIEW = "materialized_view"
    FOREIGN_TABLE = "foreign_table"


class Identity(StrEnum):
    """Whether the store numbers a column itself, and whether a writer may say otherwise."""

    NONE = "none"
    ALWAYS = "always"
    BY_DEFAULT = "by_default"


class Generated(StrEnum):
    """Whether a column is computed from others, and when."""

    NONE = "none"
    STORED = "stored"
    VIRTUAL = "virtual"


@dataclass(frozen=True, slots=True)
class Collation:
    """The order and equality of a column's texts; a non-deterministic one calls different texts equal."""

    schema: str
    name: str
    deterministic: bool


@dataclass(frozen=True, slots=True)
class Column:
    """One column; `position` is the store's own number, so dropped columns leave gaps."""

    name: str
    position: int
    type: DataType
    nullable: bool = True
    has_default: bool = False
    identity: Identity = Identity.NONE
    generated: Generated = Generated.NONE
    collation: Collation | None = None


class PartitionStrategy(StrEnum):
    """How a partitioned dataset chooses a row's leaf."""

    RANGE = "range"
    LIST = "list"
    HASH = "hash"


@dataclass(frozen=True, slots=True)
class Leaf:
    """One leaf of a partitioned dataset.

    Attributes:
        name: The leaf's own name.
        kind: TABLE or FOREIGN_TABLE.
        key_columns: The columns that route a row to it, on all levels above it.
        hashes_user_type: Whether a level above it hashes a user type, whose hashes differ between databases:
            a row may belong to another leaf there.
    """

    name: DatasetName
    kind: DatasetKind
    key_columns: tuple[str, ...]
    hashes_user_type: bool


@dataclass(frozen=True, slots=True)
class Partitioning:
    """How the root of a partitioned dataset is divided; `key_expression` tells that its key is not only columns."""

    strategy: PartitionStrategy
    key_columns: tuple[str, ...]
    key_expression: bool
    leaves: tuple[Leaf, ...]


class LiteralKind(StrEnum):
    """Where metadata may hold constants, which may be personal data."""

    DEFAULT = "default"
    GENERATED = "generated"
    CHECK = "check"
    COMMENT = "comment"
    BOUND = "bound"
    INDEX = "index"
    VIEW = "view"
    RULE = "rule"
    TRIGGER = "trigger"
    POLICY = "policy"
    FUNCTION = "function"


@dataclass(frozen=True, slots=True, order=True)
class LiteralPlace:
    """A place in the metadata that holds constants: where, never what.

    Attributes:
        kind: What holds them.
        name: The name of the column, constraint, index, leaf or function; empty for the dataset itself.
    """

    kind: LiteralKind
    name: str


@dataclass(frozen=True, slots=True)
class Dataset:
    """A table or view with all that binds its rows. Leaves of a partitioned table are part of it.

    Attributes:
        rows: Estimated rows, None when the store has never counted.
        size_bytes: Bytes on disk without indexes, 0 for views.
        pages: Pages of the main storage, leaves included, 0 for views.
        parents: The datasets that it inherits from.
        children: The datasets that inherit from it.
        literals: The places of its metadata that hold constants.
        row_security: Whether row policies decide who sees which row.
        owned_sequences: The sequences that belong to its columns.
    """

    name: DatasetName
    kind: DatasetKind
    columns: tuple[Column, ...]
    keys: tuple[UniqueKey, ...] = ()
    foreign_keys: tuple[ForeignKey, ...] = ()
    checks: tuple[Check, ...] = ()
    exclusions: tuple[Exclusion, ...] = ()
    partitioning: Partitioning | None = None
    parents: tuple[DatasetName, ...] = ()
    children: tuple[DatasetName, ...] = ()
    literals: tuple[LiteralPlace, ...] = ()
    row_security: bool = False
    owned_sequences: tuple[DatasetName, ...] = ()
    rows: int | None = field(default=None, compare=False)
    size_bytes: int = field(default=0, compare=False)
    pages: int = field(default=0, compare=False)

    @property
    def primary_key(self) -> UniqueKey | None:
        """The primary key, if there is one."""
        return next((key for key in self.keys if key.kind is KeyKind.PRIMARY), None)

    @property
    def fingerprint(self) -> str:
        """SHA-256 (hex) over everything but sizes."""
        return _digest(_structure(self))


@dataclass(frozen=True, slots=True)
class Sequence:
    """A sequence and, when a column owns it, that column."""

    name: DatasetName
    owner: DatasetName | None = None
    owner_column: str | None = None


@dataclass(frozen=True, slots=True)
class Extension:
    """An installed extension."""

    name: str
    version: str
    schema: str


@dataclass(frozen=True, slots=True)
class Catalog:
    """All that a database holds outside its system schemas.

    Attributes:
        datasets: The datasets, ordered by name.
        types: The enumerations, domains, composites and ranges that neither server nor extension defines.
        server_version: The server's number, for example 160014.
        encoding: The database's encoding, for example `UTF8`.
        literals: The functions whose bodies hold constants.
    """

    datasets: tuple[Dataset, ...]
    sequences: tuple[Sequence, ...]
    types: tuple[DataType, ...]
    extensions: tuple[Extension, ...]
    server_version: int = field(compare=False)
    encoding: str
    literals: tuple[LiteralPlace, ...] = ()

    @property
    def fingerprint(self) -> str:
        """SHA-256 (hex) over the structure; sizes and the server's version do not count."""
        return _digest(_structure(self))

    def dataset(self, name: DatasetName) -> Dataset | None:
        """Find a dataset by its name."""
        place = bisect_left(self.datasets, name, key=lambda dataset: dataset.name)
        found = self.datasets[place : place + 1]
        return found[0] if found and found[0].name == name else None


def reference_cycles(datasets: Iterable[Dataset]) -> tuple[tuple[DatasetName, ...], ...]:
    """Find the groups of datasets whose foreign keys form cycles; a dataset that references itself is a group of one.

    Returns:
        The strongly connected components with a cycle, each sorted, in the order of their first names.
    """
    targets = {d.name: {key.target for key in d.foreign_keys} for d in datasets}
    reach = {name: _reachable(name, targets) for name in targets}
    groups = {
        tuple(sorted(other for other in reach[name] if name in reach.get(other, ())))
        for name in targets
        if name in reach[name]
    }
    return tuple(sorted(groups))


def _reachable(start: DatasetName, targets: dict[DatasetName, set[DatasetName]]) -> set[DatasetName]:
    seen: set[DatasetName] = set()
    waiting = list(targets[start])
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting.extend(targets.get(name, ()))
    return seen


def _digest(structure: object) -> str:
    return hashlib.sha256(json.dumps(structure).encode()).hexdigest()


def _structure(value: object) -> object:
    """Reduce a value to lists of what takes part in its equality, in the order of the fields."""
    if isinstance(value, tuple):
        return [_structure(item) for item in value]
    kind: type = type(value)
    names = _compared(kind)
    return value if names is None else [_structure(getattr(value, name)) for name in names]


@lru_cache(maxsize=64)
def _compared(kind: type) -> tuple[str, ...] | None:
    """Name the fields that take part in equality; None for a kind that is no dataclass."""
    return tuple(item.name for item in fields(kind) if item.compare) if is_dataclass(kind) else None
