"""Canonical JSON: one text for one value, so that its digest means something."""

from __future__ import annotations

import hashlib
import json


def canonical_json(value: object) -> str:
    """Write a value as JSON with sorted keys, no white space and no escapes that are not needed.

    Source: RFC 8785, for values whose numbers are integers or come from a JSON text; keys are sorted by code point.

    Raises:
        ValueError: A number is not finite.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def sha256(value: object) -> str:
    """Return the SHA-256 of a value's canonical JSON, hexadecimal."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()
