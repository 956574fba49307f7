"""What PostgreSQL's types mean, for a plan."""

from __future__ import annotations

from collections.abc import Sequence

from elute_connector.connectors.postgresql.codecs.families import logical_of
from elute_connector.connectors.postgresql.lanes import CopyFormat, copy_format
from elute_connector.domain.datatype import DataType
from elute_wire.schema import LogicalType

_TYPMOD_HEADER = 4


class PostgresTypeFacts:
    """Answers from a type's name and modifier.

    Source: https://www.postgresql.org/docs/current/catalog-pg-attribute.html (atttypmod)
    """

    def logical(self, data_type: DataType) -> LogicalType:
        """What its values mean to steps and techniques."""
        return logical_of(data_type)

    def max_length(self, data_type: DataType) -> int | None:
        """The most characters of a `varchar(n)`, a `char(n)` or a `name`."""
        base = data_type.base
        if base.name in ("varchar", "bpchar") and base.typmod >= 0:
            return base.typmod - _TYPMOD_HEADER
        return 63 if base.name == "name" else None

    def precision(self, data_type: DataType) -> tuple[int | None, int | None]:
        """The digits of a `numeric(p, s)`, in all and after the point; the scale may be negative."""
        base = data_type.base
        if base.name != "numeric" or base.typmod < 0:
            return None, None
        modifier = base.typmod - _TYPMOD_HEADER
        return modifier >> 16 & 0xFFFF, ((modifier & 0x7FF) ^ 0x400) - 0x400

    def text_mode(self, data_types: Sequence[DataType]) -> bool:
        """Whether one of the types has no binary form that means the same in another database."""
        return copy_format(data_types) is CopyFormat.TEXT

    def version(self, server_version: int) -> str:
        """The version as people write it: 180004 is `18.4`."""
        return f"{server_version // 10000}.{server_version % 10000}"
