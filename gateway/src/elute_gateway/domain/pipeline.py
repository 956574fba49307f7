"""A pipeline as a person declares it: where rows come from and go to, how they are cleaned and scrubbed.

Every part that a problem may point at carries its JSON pointer (RFC 6901) in the document. Configurations of steps
and techniques are canonical JSON objects, opaque to the gateway: the services that own them judge them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from elute_gateway.domain.pattern import ColumnPattern, DatasetPattern

MEBIBYTE = 1024 * 1024


class Mode(StrEnum):
    """What becomes of the target's rows."""

    REPLACE = "replace"


class Structure(StrEnum):
    """Where the target's schema comes from."""

    CREATE = "create"
    KEEP = "keep"


class Extra(StrEnum):
    """What `structure: create` takes along only when asked."""

    OWNERS = "owners"
    GRANTS = "grants"
    COMMENTS = "comments"


class Verify(StrEnum):
    """How the target is compared with the source when all is loaded."""

    NONE = "none"
    COUNTS = "counts"
    ROWS = "rows"


@dataclass(frozen=True, slots=True)
class Filter:
    """The rows of some datasets to copy.

    Attributes:
        pattern: The datasets.
        expression: A boolean SQL scalar expression.
        columns: The columns that it reads.
        pointer: Where it stands.
    """

    pattern: DatasetPattern
    expression: str
    columns: tuple[str, ...]
    pointer: str


@dataclass(frozen=True, slots=True)
class Source:
    """What is read."""

    connection: str
    datasets: tuple[DatasetPattern, ...]
    excluded: tuple[DatasetPattern, ...] = ()
    filters: tuple[Filter, ...] = ()


@dataclass(frozen=True, slots=True)
class Target:
    """What is written."""

    connection: str
    mode: Mode = Mode.REPLACE
    structure: Structure = Structure.CREATE
    take_along: frozenset[Extra] = frozenset()


@dataclass(frozen=True, slots=True)
class Step:
    """One cleaning step; `config` is a JSON object."""

    name: str
    config: str
    pointer: str


@dataclass(frozen=True, slots=True)
class Cleaning:
    """The steps for some datasets."""

    pattern: DatasetPattern
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Rule:
    """A technique on columns.

    Attributes:
        pointer: Where it stands; the treatment of its columns.
        columns: The columns.
        technique: The technique's name.
        config: Its options, a JSON object.
        domain: What its pseudonyms depend on beside key and value; empty for the default.
        subject: The column with the key of whom a row is about; empty when the technique needs none.
        trusts: Constraints that a person says scrubbed values satisfy.
    """

    pointer: str
    columns: tuple[ColumnPattern, ...]
    technique: str
    config: str = "{}"
    domain: str = ""
    subject: str = ""
    trusts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Scrub:
    """The rules of a policy; `key_version` 0 is the ring's current one."""

    key_ring: str
    rules: tuple[Rule, ...]
    keep: tuple[ColumnPattern, ...] = ()
    key_version: int = 0


_SLICES_PER_WORKER = 6
_LEAST_SLICE_BYTES = 8 * MEBIBYTE
"""A slice of less costs more to open than it is worth."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a run may use."""

    parallel_partitions: int = 4
    partition_bytes: int = 64 * MEBIBYTE
    max_cell_bytes: int = 64 * MEBIBYTE

    def slice_bytes(self, total_bytes: int) -> int:
        """Choose the size of slices: at most a partition's, and smaller where each worker would get but a few.

        The fewer slices there are, the longer the other workers stand idle while the last one is loaded.

        Args:
            total_bytes: All that is to be cut.
        """
        fair = total_bytes // (_SLICES_PER_WORKER * self.parallel_partitions)
        return min(self.partition_bytes, max(_LEAST_SLICE_BYTES, fair))


@dataclass(frozen=True, slots=True)
class Pipeline:
    """A pipeline; `scrub` is None when rows are to be copied as they are."""

    name: str
    source: Source
    target: Target
    scrub: Scrub | None
    cleaning: tuple[Cleaning, ...] = ()
    verify: Verify = Verify.COUNTS
    limits: Limits = Limits()
