"""Permute int: replace every integer of a range by another of the same range, one to one.

Keys stay keys: distinct numbers stay distinct and joins hold. On a text column the same holds for canonical decimals
('42', not '042'), which get the pseudonym that the number gets. What lies outside the range, or is no canonical
decimal, is refused or becomes NULL.
"""

from __future__ import annotations

from typing import Literal, Self

import numpy as np
import pyarrow as pa
from pydantic import Field, model_validator

from elute_anonymizer.application.options import Options
from elute_anonymizer.domain.columns import Column, pc
from elute_anonymizer.domain.keys import DomainKey
from elute_anonymizer.domain.permutation import Permutation
from elute_anonymizer.domain.technique import (
    INTEGERS,
    TEXTUAL,
    Cells,
    ColumnFacts,
    Definition,
    Kept,
    Need,
    Uniqueness,
    Verdict,
)
from elute_wire.errors import Problem, ValueRejected
from elute_wire.schema import LogicalType

_RANGES = {
    LogicalType.INT16: (-(2**15), 2**15 - 1),
    LogicalType.INT32: (-(2**31), 2**31 - 1),
    LogicalType.INT64: (-(2**63), 2**63 - 1),
    # Text shares its pseudonyms with the widest integer.
    LogicalType.TEXT: (-(2**63), 2**63 - 1),
}
_CANONICAL = r"^(0|-?[1-9][0-9]{0,18})$"


class Config(Options):
    """The range; where none is given, the column's type has one."""

    min: int | None = Field(None, ge=-(2**63), le=2**63 - 1)
    """The least integer, together with `max`."""
    max: int | None = Field(None, ge=-(2**63), le=2**63 - 1)
    """The greatest."""
    others: Literal["refuse", "null"] = Field("refuse", exclude=True)
    """What becomes of a value outside the range: the end of the run, or NULL."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if (self.min is None) != (self.max is None):
            raise ValueError("min and max go together")
        if self.min is not None and self.max is not None and self.min >= self.max:
            raise ValueError("min must be below max")
        return self


class PermuteInt:
    """Replaces every integer of a range by another of the same range."""

    def __init__(self, config: Config, logical: LogicalType, key: DomainKey) -> None:
        self._refuses = config.others == "refuse"
        self._least, self._greatest = _range(config, logical)
        # The range is part of the key: two ranges share no pseudonym, also where they overlap.
        secret = key.derive(f"permute_int {self._least} {self._greatest}")
        self._permutation = Permutation(secret, self._greatest - self._least + 1)

    def apply(self, cells: Cells) -> Column:
        """Return the pseudonym of every integer, in the column's own type."""
        numbers = _numbers(cells)
        inside = pc.and_(pc.greater_equal(numbers, self._least), pc.less_equal(numbers, self._greatest))
        taken = pc.if_else(inside, numbers, None)
        lost = taken.null_count - cells.values.null_count
        if lost and self._refuses:
            raise ValueRejected(
                f"permuting integers: {lost} of {len(numbers)} values are no integers of the range",
                hint="widen min and max, or choose others: null",
            )
        # Two's complement makes the distance from the least value exact over the whole 64 bits.
        distance = pc.fill_null(taken, self._least).to_numpy().view(np.uint64) - np.uint64(self._least % 2**64)
        permuted = (self._permutation.apply(distance) + np.uint64(self._least % 2**64)).view(np.int64)
        return pc.cast(pa.array(permuted, mask=pc.is_null(taken).to_numpy(zero_copy_only=False)), cells.values.type)


def judge(config: Config, column: ColumnFacts) -> Verdict:
    """A bijection: equality stays, order and size go."""
    least, greatest = _range(config, column.logical)
    return Verdict(
        keeps=frozenset({Kept.NULLS, Kept.EQUALITY, Kept.FORMAT}),
        uniqueness=Uniqueness.BIJECTIVE,
        longest=max(len(str(least)), len(str(greatest))) if column.logical is LogicalType.TEXT else None,
        problems=tuple(_problems(config, column)),
    )


def _problems(config: Config, column: ColumnFacts) -> list[Problem]:
    least, greatest = _range(config, column.logical)
    type_least, type_greatest = _RANGES[column.logical]
    found = []
    if least < type_least or greatest > type_greatest:
        message = f"permute_int on column {column.name}: {column.source_type} does not hold {least} to {greatest}"
        found.append(Problem("range-too-wide", message, hint=f"stay within {type_least} to {type_greatest}"))
    if config.others == "null" and not column.nullable:
        message = f"permute_int on column {column.name}: it is NOT NULL, and others become NULL"
        found.append(Problem("not-nullable", message, hint="choose others: refuse"))
    return found


def _range(config: Config, logical: LogicalType) -> tuple[int, int]:
    if config.min is None or config.max is None:
        return _RANGES[logical]
    return config.min, config.max


def _numbers(cells: Cells) -> Column:
    """Read n integers as 64 bits; text that is no canonical decimal of 64 bits is NULL."""
    if cells.logical is not LogicalType.TEXT:
        return pc.cast(cells.values, pa.int64())
    decimal = pc.if_else(pc.match_substring_regex(cells.canonical, _CANONICAL), cells.canonical, None)
    wide = pc.cast(decimal, pa.decimal128(38, 0))
    least, greatest = (pa.scalar(bound, pa.decimal128(38, 0)) for bound in _RANGES[LogicalType.INT64])
    fits = pc.and_(pc.greater_equal(wide, least), pc.less_equal(wide, greatest))
    return pc.cast(pc.if_else(fits, decimal, None), pa.int64())


DEFINITION = Definition(
    name="permute_int",
    effect="Replaces every integer of a range by another of it, one to one.",
    config=Config,
    accepts=INTEGERS | TEXTUAL,
    needs=frozenset({Need.KEY}),
    reversible=True,
    judge=judge,
    build=PermuteInt,
    example={"min": 1, "max": 2147483647},
    source="NIST SP 800-38G Rev. 1; Black and Rogaway (2002)",
)
