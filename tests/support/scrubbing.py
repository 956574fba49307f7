"""What tests of scrubbing share: a fixed key ring, and one column through one technique."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from elute_anonymizer.application.policy import Pin, Policy, Rule
from elute_anonymizer.application.scrubbing import compile_policy
from elute_anonymizer.domain.keys import KeyRing, KeyVersion
from elute_wire.schema import ARROW_TYPES, FieldFacts, Lane, LogicalType, arrow_field

RING = KeyRing(
    "test",
    {
        1: KeyVersion(bytes(range(32)), datetime(2026, 1, 1, tzinfo=UTC)),
        2: KeyVersion(bytes(range(32, 64)), datetime(2026, 2, 1, tzinfo=UTC)),
    },
    current=1,
)
GOLDEN = Path(__file__).parents[1] / "elute_anonymizer" / "golden.json"


def typed(values: Sequence[str | None], logical: LogicalType) -> Any:
    """Read texts as an array of a logical type."""
    return pc.cast(pa.array(values, pa.string()), ARROW_TYPES[logical])


def scrub(
    technique: str,
    options: Mapping[str, object],
    values: Any,
    logical: LogicalType = LogicalType.TEXT,
    *,
    subject: Any = None,
    domain: str = "test",
    key_version: int = 1,
) -> Any:
    """Scrub one column through a compiled policy, subject column beside it."""
    subject_name = "" if subject is None else "subject"
    rule = Rule("/scrub/rules/0", (Pin("value", "any"),), technique, json.dumps(options), domain, subject_name)
    kept = (Pin("subject", "text"),) if subject is not None else ()
    fields = [arrow_field(FieldFacts("value", "any", Lane.TYPED, logical))]
    arrays = [values]
    if subject is not None:
        fields.append(arrow_field(FieldFacts("subject", "text", Lane.TYPED, LogicalType.TEXT)))
        arrays.append(subject)
    schema = pa.schema(fields)
    scrubber = compile_policy(Policy("public.t", (rule,), kept, key_version), schema, RING)
    return scrubber.scrub(pa.RecordBatch.from_arrays(arrays, schema=schema)).column(0)


def golden_output(case: Mapping[str, Any]) -> list[str | None]:
    """Scrub a case of the golden file, its output written as text."""
    logical = LogicalType(case["type"])
    subject = pa.array(case["subject"], pa.string()) if "subject" in case else None
    scrubbed = scrub(case["technique"], case["options"], typed(case["values"], logical), logical, subject=subject)
    written: list[str | None] = pc.cast(scrubbed, pa.string()).to_pylist()
    return written
