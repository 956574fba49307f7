"""Get ready before the first batch: import every technique, and have the machine code of their loops at hand."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pyarrow as pa

from elute_anonymizer.application.examination import techniques
from elute_anonymizer.domain.keys import KEY_BYTES, DomainKey
from elute_anonymizer.domain.technique import Cells
from elute_wire.schema import LogicalType

_EXERCISES: tuple[tuple[str, Mapping[str, object], str], ...] = (
    ("fake", {"kind": "email", "mail_host": "keep"}, "a@b.example"),
    ("fpe", {"format": "phone"}, "+1 202 5550147"),
    ("fpe", {"format": "card"}, "4111 1111 1111 1111"),
)
"""Techniques with options and a value that go through every compiled loop, which a test proves."""


def warm() -> None:
    """Scrub a few values under a key of zeros: half a second, and several where nothing is compiled yet."""
    for name, options, value in _EXERCISES:
        definition = techniques()[name]
        config = definition.config.model_validate_json(json.dumps(options))
        technique = definition.build(config, LogicalType.TEXT, DomainKey(bytes(KEY_BYTES)))
        technique.apply(Cells(pa.array([value]), LogicalType.TEXT))
