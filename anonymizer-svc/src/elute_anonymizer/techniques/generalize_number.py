"""Generalize number: write the lower bound of the band that a number lies in.

Numbers below `min` count as `min` and numbers above `max` as `max`, which hides the few at the ends. NaN and the
infinities stay. Decimals keep their digits behind the point: 12.50 in bands of 10 becomes 10.00; where a type's least
value lies inside a band, give a `min`, or the store refuses what lies in that band.
"""

from __future__ import annotations

from decimal import ROUND_FLOOR, Context, Decimal
from typing import Any, Self

import numpy as np
import pyarrow as pa
from pydantic import Field, model_validator

from elute_anonymizer.application.options import Options
from elute_anonymizer.domain.columns import Column
from elute_anonymizer.domain.keys import DomainKey
from elute_anonymizer.domain.technique import INTEGERS, Cells, ColumnFacts, Definition, Kept, Uniqueness, Verdict
from elute_wire.errors import Problem
from elute_wire.schema import LogicalType

_FLOATS = frozenset({LogicalType.FLOAT32, LogicalType.FLOAT64})

# PostgreSQL's numeric has at most 131072 digits before and 16383 behind the point.
_EXACT = Context(prec=150_000)


class Config(Options):
    """The bands: `origin`, `origin + band`, and so on in both directions."""

    band: Decimal = Field(gt=0, le=10**15, strict=False)
    """How wide a band is."""
    origin: Decimal = Field(Decimal(0), ge=-(10**15), le=10**15, strict=False)
    """Where one of the bands begins."""
    min: Decimal | None = Field(None, ge=-(10**15), le=10**15, strict=False)
    """What smaller numbers count as."""
    max: Decimal | None = Field(None, ge=-(10**15), le=10**15, strict=False)
    """What greater numbers count as."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min is not None and self.max is not None and self.min >= self.max:
            raise ValueError("min must be below max")
        return self


class GeneralizeNumber:
    """Writes the lower bound of each number's band."""

    def __init__(self, config: Config, logical: LogicalType, _key: DomainKey) -> None:
        self._config = config
        self._logical = logical

    def apply(self, cells: Cells) -> Column:
        """Return the lower bounds, in the column's own type."""
        values = cells.values
        if self._logical is LogicalType.DECIMAL:
            # Decimals of any length have no numpy form; distinct ones are few compared with rows as a rule.
            encoded = values.dictionary_encode()
            floors = [self._decimal(text) for text in encoded.dictionary.to_pylist()]
            return pa.array(floors, pa.string()).take(encoded.indices)
        mask = np.asarray(values.is_null())
        filled = values.fill_null(0).to_numpy()
        bounds = self._floats(filled) if self._logical in _FLOATS else self._integers(filled)
        return pa.array(bounds.astype(filled.dtype), mask=mask)

    def _integers(self, values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        wide = values.astype(np.int64)
        band, origin = int(self._config.band), int(self._config.origin)
        if self._config.min is not None:
            wide = np.maximum(wide, int(self._config.min))
        if self._config.max is not None:
            wide = np.minimum(wide, int(self._config.max))
        # The remainder cannot overflow where the difference could; the lowest band of a type may begin below it.
        distance = (wide % band - origin % band) % band
        least = np.iinfo(values.dtype).min
        return np.where(wide < least + distance, least, wide - distance)

    def _floats(self, values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        band, origin = float(self._config.band), float(self._config.origin)
        least = -np.inf if self._config.min is None else float(self._config.min)
        greatest = np.inf if self._config.max is None else float(self._config.max)
        finite = np.isfinite(values)
        clipped = np.clip(np.where(finite, values, 0).astype(np.float64), least, greatest)
        with np.errstate(over="ignore"):
            bounds = np.floor((clipped - origin) / band) * band + origin
        # Near the end of a float's range a band is below its precision: the number is its own lower bound.
        return np.where(finite, np.where(np.isfinite(bounds), bounds, clipped), values)

    def _decimal(self, text: str) -> str:
        value = Decimal(text)
        if not value.is_finite():
            return text
        exponent = value.as_tuple().exponent
        if self._config.min is not None:
            value = max(value, self._config.min)
        if self._config.max is not None:
            value = min(value, self._config.max)
        band, origin = self._config.band, self._config.origin
        rest = _EXACT.remainder(_EXACT.subtract(value, origin), band)
        bound = _EXACT.subtract(value, rest if rest >= 0 else _EXACT.add(rest, band))
        return format(bound.quantize(Decimal((0, (1,), int(exponent))), ROUND_FLOOR, _EXACT), "f")


def judge(config: Config, column: ColumnFacts) -> Verdict:
    """Order stays, not strictly: numbers of one band become equal."""
    return Verdict(
        keeps=frozenset({Kept.NULLS, Kept.ORDER, Kept.FORMAT, Kept.PART}),
        uniqueness=Uniqueness.LOSSY,
        problems=tuple(_problems(config, column)),
    )


def _problems(config: Config, column: ColumnFacts) -> list[Problem]:
    named = f"generalize_number on column {column.name}: {column.source_type}"
    bits = {LogicalType.INT16: 16, LogicalType.INT32: 32, LogicalType.INT64: 64}.get(column.logical)
    ends = [end for end in (config.min, config.max) if end is not None]
    if bits is None:
        return []
    found = []
    if any(number != int(number) for number in (config.band, config.origin, *ends)):
        found.append(Problem("option-misfit", f"{named} has no fractions, the bands do", hint="choose whole numbers"))
    if any(abs(end) >= 2 ** (bits - 1) for end in ends):
        found.append(Problem("option-misfit", f"{named} does not hold min or max", hint="choose ends within the type"))
    if config.band == 1:
        found.append(Problem("no-effect", f"{named} stays as it is in bands of 1", hint="choose wider bands"))
    return found


DEFINITION = Definition(
    name="generalize_number",
    effect="Writes the lower bound of the band that a number lies in.",
    config=Config,
    accepts=INTEGERS | _FLOATS | {LogicalType.DECIMAL},
    judge=judge,
    build=GeneralizeNumber,
    example={"band": 5, "min": 0, "max": 90},
    source="ISO/IEC 20889:2018, generalization, top and bottom coding",
)
