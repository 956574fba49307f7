"""Generalize date: write the first moment of the year, quarter, month, week or day that a date lies in.

Dates before `not_before` become `not_before` first: that hides the few who are very old. Infinite dates stay infinite.
"""

from __future__ import annotations

from datetime import date
from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from elute_anonymizer.application.options import Options
from elute_anonymizer.domain.columns import Column
from elute_anonymizer.domain.keys import DomainKey
from elute_anonymizer.domain.technique import Cells, ColumnFacts, Definition, Kept, Uniqueness, Verdict
from elute_anonymizer.domain.temporal import LIMITS, numbers, with_numbers
from elute_wire.errors import Problem
from elute_wire.schema import LogicalType

_MONTHS = {"year": 12, "quarter": 3, "month": 1}

# 1970-01-01 was a Thursday: the Monday before lies three days back.
_DAYS = {"week": (7, -3), "day": (1, 0)}

_EPOCH = date(1970, 1, 1)


class Config(Options):
    """How coarse a date becomes."""

    to: Literal["year", "quarter", "month", "week", "day"]
    """The period whose first moment is written."""
    not_before: date | None = Field(None, strict=False)
    """What earlier dates count as."""


class GeneralizeDate:
    """Writes the first moment of the period that a date lies in."""

    def __init__(self, config: Config, logical: LogicalType, _key: DomainKey) -> None:
        self._to = config.to
        self._limits = LIMITS[logical]
        self._earliest = None if config.not_before is None else (config.not_before - _EPOCH).days

    def apply(self, cells: Cells) -> Column:
        """Return the first moment of each period."""
        values = numbers(cells.values)
        days = values // self._limits.day
        if self._earliest is not None:
            days = np.maximum(days, self._earliest)
        # The period that the type's first day lies in began before that day.
        floors = np.maximum(self._floors(days) * self._limits.day, self._limits.least)
        return with_numbers(cells.values, np.where(np.isin(values, self._limits.infinities), values, floors))

    def _floors(self, days: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        if self._to in _DAYS:
            length, origin = _DAYS[self._to]
            return (days - origin) // length * length + origin
        length = _MONTHS[self._to]
        # numpy's calendar is proleptic Gregorian over the whole range, as PostgreSQL's is; Arrow's ends at year 32767.
        months = days.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)
        return (months // length * length).astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)


def judge(config: Config, column: ColumnFacts) -> Verdict:
    """Order stays, not strictly: dates of one period become equal."""
    idle = Problem(
        "no-effect",
        f"generalize_date on column {column.name}: days of a date column stay as they are",
        hint="choose a longer period, or keep the column",
    )
    return Verdict(
        keeps=frozenset({Kept.NULLS, Kept.ORDER, Kept.FORMAT, Kept.PART}),
        uniqueness=Uniqueness.LOSSY,
        problems=(idle,) if config.to == "day" and column.logical is LogicalType.DATE else (),
    )


DEFINITION = Definition(
    name="generalize_date",
    effect="Writes the first moment of the year, quarter, month, week or day.",
    config=Config,
    accepts=frozenset({LogicalType.DATE, LogicalType.TIMESTAMP, LogicalType.TIMESTAMP_TZ}),
    judge=judge,
    build=GeneralizeDate,
    example={"to": "year", "not_before": "1935-01-01"},
    source="ISO/IEC 20889:2018, generalization",
)
