"""A partition on its way in: its units, what their streams must be, and the door that they pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from elute_connector.domain.dataset_name import DatasetName
from elute_connector.domain.target import ColumnBinding, Fence
from elute_wire.errors import CatalogChanged, Place, StreamCorrupted, TreatmentMissing
from elute_wire.schema import FieldFacts


@dataclass(frozen=True, slots=True)
class ExpectedField:
    """What a field of a stream must be; `treatment` is empty only where scrubbing is off."""

    name: str
    source_type: str
    treatment: str


@dataclass(frozen=True, slots=True)
class UnitLoad:
    """One slice of a dataset on its way in.

    Attributes:
        dataset: The dataset.
        target: The table to write: the dataset, or one of its leaves.
        fields: What the stream's fields must be, in order.
        columns: How they are written, in the same order.
        text_mode: Whether the rows are written as text.
    """

    dataset: DatasetName
    target: DatasetName
    fields: tuple[ExpectedField, ...]
    columns: tuple[ColumnBinding, ...]
    text_mode: bool = False


@dataclass(frozen=True, slots=True)
class PartitionLoad:
    """What one call loads in one transaction.

    Attributes:
        partition_id: The partition.
        fence: The run's fence.
        epoch: The number of this claim.
        units: Its slices, in order.
        policy_digest: SHA-256 of the pinned policy version, 32 bytes; None where scrubbing is off.
        max_rejected_rows: The most rows that may be set aside.
    """

    partition_id: str
    fence: Fence
    epoch: int
    units: tuple[UnitLoad, ...]
    policy_digest: bytes | None
    max_rejected_rows: int


@dataclass(slots=True)
class Progress:
    """How far a load is: rows written and not yet committed, bytes of Arrow data received."""

    rows: int = 0
    bytes: int = 0


def refuse_untreated(unit: UnitLoad, fields: Sequence[FieldFacts], stream_policy: bytes, policy: bytes | None) -> None:
    """The last door: let a stream in only when it is what the plan said, every field treated as the policy says.

    Args:
        unit: What is expected.
        fields: What the stream says of its fields.
        stream_policy: The policy digest that the stream names; empty when no anonymizer took part.
        policy: The digest that the run was started with; None where scrubbing is off.

    Raises:
        TreatmentMissing: A field is untreated, or treated otherwise than the policy says.
        CatalogChanged: The fields are not those of the plan.
        StreamCorrupted: The lanes are not those of the plan.
    """
    dataset = str(unit.dataset)
    expected = [(field.name, field.source_type) for field in unit.fields]
    if [(field.name, field.source_type) for field in fields] != expected:
        raise CatalogChanged(
            f"opening the stream of dataset {dataset}: its columns or their types are not those of the plan",
            hint="plan again, look at what is new, and accept it",
            place=Place(dataset=dataset),
        )
    if policy is not None and stream_policy != policy:
        raise TreatmentMissing(
            f"opening the stream of dataset {dataset}: it was scrubbed under {_named(stream_policy)}, "
            f"the run's policy is {_named(policy)}",
            hint="a run uses the one policy version that it was started with; start it again",
            place=Place(dataset=dataset),
        )
    for field, wanted, binding in zip(fields, unit.fields, unit.columns, strict=True):
        if policy is not None and (not field.treatment or field.treatment != wanted.treatment):
            raise TreatmentMissing(
                f"opening the stream of dataset {dataset}: column {field.name} is "
                f"{'treated by another rule' if field.treatment else 'not treated by any rule'}",
                hint="every column of a scrubbed dataset is covered by a rule or kept on purpose",
                place=Place(dataset=dataset, column=field.name),
            )
        if field.lane is not binding.lane:
            raise StreamCorrupted(
                f"opening the stream of dataset {dataset}: column {field.name} travels in the {field.lane} lane, "
                f"the plan says {binding.lane}",
                place=Place(dataset=dataset, column=field.name),
            )


def _named(digest: bytes) -> str:
    return f"policy {digest.hex()[:12]}" if digest else "no policy"
