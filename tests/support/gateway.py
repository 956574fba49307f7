"""What a gateway's store holds before a run can start."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from elute_gateway.domain.catalog import DatasetKind, LogicalType
from elute_gateway.domain.connection import Connection, SealedSecret, StoredConnection
from elute_gateway.domain.ledger import NewPartition, Snapshot, Unit, UnitResult
from elute_gateway.domain.names import DatasetName
from elute_gateway.domain.pipeline import Limits, Structure, Verify
from elute_gateway.domain.plan import ColumnPlan, DatasetPlan, ExtractedColumn, Lane, Plan
from elute_gateway.domain.run import NewRun
from elute_gateway.store.connections import Connections
from elute_gateway.store.database import Database
from elute_gateway.store.documents import pipelines, policies
from elute_gateway.store.generations import Generations
from elute_gateway.store.runs import Runs

WORKSPACE = "default"
SHOP, SHOP_QA = "conn-shop", "conn-shop-qa"
ORDERS, ITEMS, NOTES = (DatasetName("public", name) for name in ("orders", "items", "notes"))


async def declare(store: Database) -> None:
    """Make two connections, and a pipeline with its policy."""
    connections = Connections(store, WORKSPACE)
    for id_, name in ((SHOP, "shop"), (SHOP_QA, "shop-qa")):
        secret = SealedSecret("0011223344556677", b"p" * 32, b"sealed")
        await connections.insert(StoredConnection(name, Connection(id_, "postgresql", '{"host":"db"}', secret)))
    await policies(store, WORKSPACE).save("pol-1", "shop-to-qa", "{}", b"d" * 32, "key-1")
    await pipelines(store, WORKSPACE).save("pip-1", "shop-to-qa", "{}", b"d" * 32, "key-1")


def new_run(parallel_partitions: int = 4) -> NewRun:
    return NewRun("pip-1", 1, parallel_partitions, policy_id="pol-1", policy_version=1, started_by="key-1")


def run_plan(
    *names: DatasetName, references: Mapping[DatasetName, Sequence[DatasetName]] | None = None, **values: Any
) -> Plan:
    """A plan that keeps every column of its datasets."""
    datasets = tuple(
        DatasetPlan(
            name=name,
            kind=DatasetKind.TABLE,
            filter="",
            extracted=(ExtractedColumn("id", "f1", "integer", Lane.WIRE),),
            steps=(),
            rules=(),
            columns=(
                ColumnPlan(
                    name="id",
                    source_type="integer",
                    type="f1",
                    logical=LogicalType.INT32,
                    changed=False,
                    treatment="keep",
                    technique="keep",
                    domain="",
                    inherited="",
                    lane=Lane.WIRE,
                    origin="id",
                ),
            ),
            fingerprint=f"fingerprint of {name}",
            references=tuple((references or {}).get(name, ())),
        )
        for name in names or (ORDERS,)
    )
    defaults: dict[str, Any] = {
        "structure": Structure.KEEP,
        "take_along": frozenset(),
        "verify": Verify.ROWS,
        "limits": Limits(),
        "key_version": 0,
        "policy": None,
    }
    return Plan(
        pipeline="shop-to-qa", source="shop", target="shop-qa", datasets=datasets, views=(), **(defaults | values)
    )


def partitions(count: int, dataset: DatasetName = ORDERS, generation: int = 1) -> list[NewPartition]:
    return [
        NewPartition(f"s{generation}p{number:06d}", (Unit(dataset, b"%d" % number, 10, 1000),))
        for number in range(1, count + 1)
    ]


async def running(store: Database, run_id: str, gateway: str, count: int, parallel_partitions: int = 4) -> None:
    """Put a run of `count` partitions into the ledger, owned by a gateway."""
    runs = Runs(store, WORKSPACE)
    await runs.insert(run_id, new_run(parallel_partitions), None, b"r" * 32)
    run = await runs.take_over(run_id, gateway, 60)
    assert run is not None
    await Generations(store).begin(run_id, run.epoch, Snapshot(1, "10:20:"), partitions(count), ends=(SHOP, SHOP_QA))


def result(dataset: DatasetName, rows: int) -> UnitResult:
    return UnitResult(dataset, rows, rows, 0, 0, rows * 100, b"x" * 16, {"extract": rows})
