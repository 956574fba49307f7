"""Ids: lower-case letters and digits, where a later one sorts after an earlier one."""

from __future__ import annotations

import secrets
import time

_DIGITS = "0123456789abcdefghjkmnpqrstvwxyz"
_TIME_DIGITS, _RANDOM_DIGITS = 10, 16


def new_id() -> str:
    """Make an id of 26 characters: milliseconds since 1970 (good until the year 37648), and 80 random bits."""
    return _written(time.time_ns() // 1_000_000, _TIME_DIGITS) + _written(secrets.randbits(80), _RANDOM_DIGITS)


def _written(number: int, digits: int) -> str:
    return "".join(_DIGITS[number >> 5 * place & 31] for place in reversed(range(digits)))
