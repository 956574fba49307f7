"""Date shift: move every date by a number of days that depends on its subject.

All dates of one subject (a patient, a customer) move together, so intervals inside a subject survive; the number is
keyed, never zero, and at most `days` in either direction. The subject is another column's value as it was before
scrubbing. A NULL subject is a subject of its own. Infinite dates stay infinite.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from pydantic import Field

from elute_anonymizer.application.options import Options
from elute_anonymizer.domain.cmac import ColumnMac
from elute_anonymizer.domain.columns import Column
from elute_anonymizer.domain.draws import below, lanes
from elute_anonymizer.domain.keys import DomainKey
from elute_anonymizer.domain.technique import Cells, ColumnFacts, Definition, Kept, Need, Uniqueness, Verdict
from elute_anonymizer.domain.temporal import LIMITS, Limits, numbers, with_numbers
from elute_anonymizer.domain.text import Text
from elute_wire.schema import LogicalType


class Config(Options):
    """How far dates move."""

    days: int = Field(ge=1, le=36_500)
    """The most days, in either direction."""


class DateShift:
    """Moves every date by its subject's number of days."""

    def __init__(self, config: Config, logical: LogicalType, key: DomainKey) -> None:
        self._days = config.days
        self._limits = LIMITS[logical]
        self._mac = ColumnMac(key.derive("date_shift"))

    def apply(self, cells: Cells) -> Column:
        """Return the moved dates."""
        steps = self._shift(cells) * self._limits.day
        return with_numbers(cells.values, _moved(numbers(cells.values), steps, self._limits))

    def _shift(self, cells: Cells) -> npt.NDArray[np.int64]:
        """Draw a number of days for every row from -days to days without 0."""
        first, _, _, _ = lanes(self._mac.words(Text.of(cells.subject)))
        drawn = below(first, 2 * self._days) - self._days
        return np.where(drawn >= 0, drawn + 1, drawn)


def _moved(values: npt.NDArray[np.int64], steps: npt.NDArray[np.int64], limits: Limits) -> npt.NDArray[np.int64]:
    # A date that would leave the type's range moves the other way: that breaks its intervals, never its secrecy.
    leaves = np.where(steps > 0, values > limits.greatest - steps, values < limits.least - steps)
    return np.where(np.isin(values, limits.infinities), values, values + np.where(leaves, -steps, steps))


def judge(_config: Config, _column: ColumnFacts) -> Verdict:
    """Intervals inside a subject stay, and the time of day."""
    return Verdict(
        keeps=frozenset({Kept.NULLS, Kept.INTERVALS, Kept.FORMAT}),
        uniqueness=Uniqueness.LOSSY,
    )


DEFINITION = Definition(
    name="date_shift",
    effect="Moves every date by a keyed number of days that its subject shares.",
    config=Config,
    accepts=frozenset({LogicalType.DATE, LogicalType.TIMESTAMP, LogicalType.TIMESTAMP_TZ}),
    needs=frozenset({Need.KEY, Need.SUBJECT}),
    reversible=True,
    judge=judge,
    build=DateShift,
    example={"days": 30},
    source="Hripcsak et al., Preserving temporal relations in clinical data while maintaining privacy (2016)",
)
