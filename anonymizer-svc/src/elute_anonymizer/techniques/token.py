"""Token: replace every value by a keyed, meaningless word.

The token is HMAC-SHA-256 of the canonical value, so that equal values share one token wherever the domain is the same,
and nobody without the key can test a guess. NULL stays NULL and '' stays ''.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field

from elute_anonymizer.application.options import Options
from elute_anonymizer.domain.columns import Bytes, Column
from elute_anonymizer.domain.hashing import hmac_sha256
from elute_anonymizer.domain.keys import DomainKey
from elute_anonymizer.domain.technique import Cells, ColumnFacts, Definition, Kept, Need, Uniqueness, Verdict
from elute_anonymizer.domain.text import fixed_width, where_filled
from elute_wire.errors import Problem
from elute_wire.schema import LogicalType

UNIQUE_DIGITS = 30
"""Hexadecimal digits that make a token collision-resistant: 120 keyed bits."""

UUID_CHARACTERS = 36

# Where each character of a UUID comes from: a digit of the hash, or one of the two characters behind the digits.
_HYPHEN, _VERSION = 32, 33
_UUID_ORDER = np.array(
    [
        *range(8),
        _HYPHEN,
        *range(8, 12),
        _HYPHEN,
        _VERSION,
        *range(13, 16),
        _HYPHEN,
        *range(16, 20),
        _HYPHEN,
        *range(20, 32),
    ]
)


class Config(Options):
    """How a token looks. A `uuid` column always gets UUIDs."""

    format: Literal["text", "uuid"] = "text"
    """Digits, or the form of a UUID of version 4."""
    digits: int = Field(32, ge=8, le=64)
    """How many hexadecimal digits; a unique column needs 30."""
    prefix: str = Field("", max_length=32)
    """What stands in front of the digits."""


class Token:
    """Replaces every value by the digits of its HMAC."""

    def __init__(self, config: Config, logical: LogicalType, key: DomainKey) -> None:
        self._config = config
        self._as_uuid = _as_uuid(config, logical)
        self._key = key.derive("token")

    def apply(self, cells: Cells) -> Column:
        """Return a token for every value with content."""
        digits = hmac_sha256(self._key, cells.canonical)
        if self._as_uuid:
            return where_filled(cells.values, fixed_width(_uuids(digits)))
        prefix = np.frombuffer(self._config.prefix.encode(), np.uint8)
        rows = np.empty((len(digits), len(prefix) + self._config.digits), np.uint8)
        rows[:, : len(prefix)] = prefix
        rows[:, len(prefix) :] = digits[:, : self._config.digits]
        return where_filled(cells.values, fixed_width(rows))


def judge(config: Config, column: ColumnFacts) -> Verdict:
    """Equality stays, and uniqueness from 120 keyed bits on."""
    as_uuid = _as_uuid(config, column.logical)
    # A UUID of version 4 has 122 free bits.
    unique = as_uuid or config.digits >= UNIQUE_DIGITS
    misfit = Problem(
        "option-misfit",
        f"token on column {column.name}: a UUID has neither prefix nor a number of digits",
        hint="leave out prefix and digits",
    )
    return Verdict(
        keeps=frozenset({Kept.NULLS, Kept.EMPTY, Kept.EQUALITY}),
        uniqueness=Uniqueness.COLLISION_RESISTANT if unique else Uniqueness.LOSSY,
        longest=UUID_CHARACTERS if as_uuid else len(config.prefix) + config.digits,
        problems=(misfit,) if as_uuid and config.model_fields_set & {"prefix", "digits"} else (),
    )


def _as_uuid(config: Config, logical: LogicalType) -> bool:
    return config.format == "uuid" or logical is LogicalType.UUID


def _uuids(digits: Bytes) -> Bytes:
    """Write (n, 64) digits as UUIDs of version 4 (RFC 9562), the version that every validator takes."""
    source = np.empty((len(digits), 34), np.uint8)
    source[:, :32] = digits[:, :32]
    source[:, _HYPHEN], source[:, _VERSION] = ord("-"), ord("4")
    # The variant's digit is 8, 9, a or b: two bits fixed, the other two the digit's own.
    digit = source[:, 16]
    value = np.where(digit < ord("a"), digit - ord("0"), digit - ord("a") + 10)
    source[:, 16] = np.frombuffer(b"89ab", np.uint8)[value & 3]
    return source[:, _UUID_ORDER]


DEFINITION = Definition(
    name="token",
    effect="Replaces every value by a keyed word: equal values share one token.",
    config=Config,
    accepts=frozenset({LogicalType.TEXT, LogicalType.UUID}),
    needs=frozenset({Need.KEY}),
    judge=judge,
    build=Token,
    example={"prefix": "cus_"},
    source="RFC 2104 (HMAC), FIPS 180-4 (SHA-256), RFC 9562 (UUID)",
)
