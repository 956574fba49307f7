"""How a column may travel from a source's type to a target's: as the bytes that it is, typed, or not at all."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from elute_connector.connectors.postgresql.codecs.conversions import CONVERSIONS
from elute_connector.connectors.postgresql.codecs.families import codec_of
from elute_connector.connectors.postgresql.types import portable
from elute_connector.domain.datatype import DataType, TypeKind
from elute_wire.schema import LogicalType


class CopyFormat(StrEnum):
    """How all columns of a dataset leave the source and enter the target."""

    BINARY = "binary"
    """The wire lane's bytes are those of the types' send functions."""
    TEXT = "text"
    """The wire lane's bytes are the text of the types' output functions, in UTF-8."""


class Use(StrEnum):
    """What happens to a column on its way."""

    CARRIED = "carried"
    """Nothing reads it, though a rule may set it to NULL."""
    TOUCHED = "touched"
    """A step or technique reads or writes its values."""


@dataclass(frozen=True, slots=True)
class Wire:
    """The column travels as its own bytes."""


@dataclass(frozen=True, slots=True)
class Typed:
    """The column travels as a logical type.

    Attributes:
        logical: What the source sends.
        cast: What changes on the way, for the plan (`integer → bigint`); empty when the types are the same.
    """

    logical: LogicalType
    cast: str = ""


@dataclass(frozen=True, slots=True)
class Refused:
    """The column cannot travel: why, and what would help."""

    reason: str
    hint: str


LaneChoice: TypeAlias = Wire | Typed | Refused


def copy_format(carried: Iterable[DataType]) -> CopyFormat:
    """Answer the format of a dataset by the types of its carried columns, at both ends.

    One column whose bytes have no meaning elsewhere, or that has none, takes the whole dataset to text.
    """
    return CopyFormat.BINARY if all(portable(data_type) for data_type in carried) else CopyFormat.TEXT


def choose_lane(source: DataType, target: DataType, use: Use) -> LaneChoice:
    """Decide how a column travels; never in a way that changes a value in silence.

    The server reads any bytes of the right length as any type, so the wire lane needs the same type at both ends.
    """
    same = source.fingerprint == target.fingerprint
    if use is Use.CARRIED and same:
        return Wire()
    reader, writer = codec_of(source), codec_of(target)
    if use is Use.TOUCHED and (reader is None or writer is None):
        opaque = source if reader is None else target
        return Refused(
            f"no step and no technique reads or writes {opaque.formatted}",
            hint="keep the column, or set it to NULL",
        )
    if same and reader:
        return Typed(reader.logical)
    cast = f"{source.formatted} → {target.formatted}"
    if reader is None or writer is None:
        return Refused(f"{cast}: {_difference(source.base, target.base)}", hint="give the target the source's own type")
    if _convertible(source, reader.logical, target, writer.logical):
        return Typed(reader.logical, cast)
    return Refused(
        f"{cast}: no conversion keeps every value",
        hint="give the target the source's own type, or make a column of the target's type with a step",
    )


def _convertible(source: DataType, read: LogicalType, target: DataType, written: LogicalType) -> bool:
    """Whether a conversion keeps every value, or fails on the first that it would change."""
    if read is written:
        # `jsonb` itself drops duplicate keys, blanks and the order of keys.
        return target.base.name != "jsonb" or source.base.name == "jsonb"
    return (read, written) in CONVERSIONS


def _difference(source: DataType, target: DataType) -> str:
    """Say how two types that are carried as bytes differ."""
    if source.kind is not target.kind:
        return f"a {source.kind.value} type is not a {target.kind.value} type"
    match source.kind:
        case TypeKind.COMPOSITE:
            return "the attributes are not the same in the same order"
        case TypeKind.ARRAY | TypeKind.RANGE | TypeKind.MULTIRANGE:
            return "the elements are not of the same type"
        case _:
            return "the types are not the same"
