"""How the store writes what is opaque to SQL: a run's plan, a partition's units, a failure."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from elute_gateway.domain.ledger import Unit
from elute_gateway.domain.names import DatasetName
from elute_gateway.domain.pipeline import Extra, Structure, Verify
from elute_gateway.domain.run import Failure, RunDataset, RunPlan, ScrubMode


def plan_text(plan: RunPlan) -> str:
    """Write a plan as JSON."""
    return json.dumps(
        {
            "source_id": plan.source_id,
            "target_id": plan.target_id,
            "structure": plan.structure,
            "scrub": plan.scrub,
            "policy_digest": plan.policy_digest.hex(),
            "take_along": sorted(plan.take_along),
            "verify": plan.verify,
            "partition_bytes": plan.partition_bytes,
            "max_cell_bytes": plan.max_cell_bytes,
            "datasets": [
                {
                    "name": _pair(dataset.name),
                    "fingerprint": dataset.fingerprint,
                    "recipe": b64encode(dataset.recipe).decode(),
                    "references": [_pair(name) for name in dataset.references],
                    "compared": dataset.compared,
                    "filter": dataset.filter,
                }
                for dataset in plan.datasets
            ],
        },
        separators=(",", ":"),
    )


def plan_from(text: str) -> RunPlan:
    """Read what `plan_text` wrote."""
    read = json.loads(text)
    return RunPlan(
        source_id=read["source_id"],
        target_id=read["target_id"],
        structure=Structure(read["structure"]),
        scrub=ScrubMode(read["scrub"]),
        policy_digest=bytes.fromhex(read["policy_digest"]),
        take_along=frozenset(map(Extra, read["take_along"])),
        verify=Verify(read["verify"]),
        partition_bytes=read["partition_bytes"],
        max_cell_bytes=read["max_cell_bytes"],
        datasets=tuple(
            RunDataset(
                name=DatasetName(*dataset["name"]),
                fingerprint=dataset["fingerprint"],
                recipe=b64decode(dataset["recipe"]),
                references=tuple(DatasetName(*name) for name in dataset["references"]),
                compared=tuple(dataset["compared"]),
                filter=dataset["filter"],
            )
            for dataset in read["datasets"]
        ),
    )


def units_text(units: Sequence[Unit]) -> str:
    """Write units as a JSON array."""
    rows = [
        [*_pair(unit.dataset), b64encode(unit.slice).decode(), unit.estimated_rows, unit.estimated_bytes]
        for unit in units
    ]
    return json.dumps(rows, separators=(",", ":"))


def units_from(text: str) -> tuple[Unit, ...]:
    """Read what `units_text` wrote."""
    return tuple(
        Unit(DatasetName(schema, name), b64decode(cut), rows, size)
        for schema, name, cut, rows, size in json.loads(text)
    )


def failure_object(failure: Failure | None) -> dict[str, str] | None:
    """Write a failure as a JSON object."""
    return asdict(failure) if failure else None


def failure_from(read: Mapping[str, str] | None) -> Failure | None:
    """Read what `failure_object` wrote."""
    return Failure(**read) if read else None


def _pair(name: DatasetName) -> list[str]:
    return [name.schema, name.name]
