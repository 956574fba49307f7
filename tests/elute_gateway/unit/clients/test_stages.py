"""Stages and requests as they are built from a plan."""

from __future__ import annotations

from dataclasses import replace

import pytest

from elute.v1 import catalog_pb2, connector_pb2, stage_pb2
from elute_gateway.clients import stages
from elute_gateway.domain.connection import Connection, SealedSecret
from elute_gateway.domain.plan import Plan
from tests.support.planning import QA, SHOP, Services, catalog, name, pipeline, policy, references, table

CUSTOMERS = table("customers", "id bigint", "email", partition_columns=("email",))
ORDERS = table("orders", "customer_id bigint", foreign_keys=references("customer_id -> customers.id"))
NAMED_DOMAIN = policy(
    '{columns: ["*.customers.id"], technique: token, domain: people}',
    '{columns: ["*.customers.email", "*.orders.customer_id"], technique: token}',
)
LEAF = catalog_pb2.DatasetName(schema="public", name="customers_1")
SOURCE = Connection("shop", "postgresql", '{"host":"a"}', SealedSecret("k", b"e", b"c"))
READING = stages.Reading(SOURCE, "00000003-1")


async def plan_of(scrub: str, **parts: str) -> Plan:
    return await Services(catalog(CUSTOMERS, ORDERS)).planner.plan(pipeline(scrub, **parts), SHOP, QA)


async def test_a_stage_reads_cleans_and_scrubs_in_that_order() -> None:
    scrub = policy('{columns: ["*.*.email"], technique: token}', keep='["*.*.*id"]')
    plan = await plan_of(scrub, clean="{public.customers: [{trim: {columns: [email]}}]}")
    slice_ = stage_pb2.Slice(leaf=LEAF, pages=stage_pb2.PageRange(first=0, end=9))
    stage = stages.stage_for(plan, plan.dataset(name("customers")), slice_, READING)
    assert plan.policy
    assert stage.anonymize.policy_digest.hex() == plan.policy.digest
    assert (stage.anonymize.key_ring, stage.anonymize.key_version) == ("shop", 3)
    (rule,) = stage.anonymize.rules
    assert (rule.pointer, rule.technique, rule.domain) == ("/scrub/rules/0", "token", "token")
    assert [(pin.name, pin.formatted_type) for pin in rule.columns] == [("email", "text")]
    assert [pin.name for pin in stage.anonymize.kept] == ["id"]
    transform = stage.input.transform
    assert [(s.step, s.config, s.pointer) for s in transform.steps] == [
        ("trim", '{"columns":["email"]}', "/clean/public.customers/0")
    ]
    extract = stage.input.input.extract
    assert extract.slice == slice_
    assert (extract.snapshot_id, extract.connection.secret.ciphertext) == ("00000003-1", b"c")
    assert [(c.name, c.formatted_type, c.lane) for c in extract.columns] == [
        ("id", "bigint", stage_pb2.LANE_WIRE),
        ("email", "text", stage_pb2.LANE_TYPED),
    ]


async def test_a_rule_in_two_domains_is_written_once_for_each() -> None:
    plan = await plan_of(NAMED_DOMAIN)
    orders = stages.anonymize(plan, plan.dataset(name("orders")))
    assert [(rule.pointer, rule.domain) for rule in orders.rules] == [("/scrub/rules/1", "people")]
    customers = stages.anonymize(plan, plan.dataset(name("customers")))
    assert [(rule.pointer, rule.domain) for rule in customers.rules] == [
        ("/scrub/rules/0", "people"),
        ("/scrub/rules/1", "token"),
    ]


async def test_without_policy_there_is_no_anonymizer() -> None:
    plan = await plan_of("off")
    dataset = plan.dataset(name("orders"))
    stage = stages.stage_for(plan, dataset, None, READING, limit_rows=5)
    assert stage.WhichOneof("operation") == "extract"
    assert not stage.extract.HasField("slice")
    assert stage.extract.limit_rows == 5
    assert [field.treatment for field in stages.expected_fields(dataset)] == [""]
    with pytest.raises(ValueError, match="without policy"):
        stages.anonymize(plan, dataset)


async def test_a_unit_goes_to_the_leaf_unless_rows_may_belong_elsewhere() -> None:
    plan = await plan_of(policy(keep='["*.*.*"]'))
    dataset = plan.dataset(name("customers"))
    unit = stages.unit_for(plan, dataset, stage_pb2.Slice(leaf=LEAF), READING)
    assert (unit.target, unit.dataset.name) == (LEAF, "customers")
    assert [(field.name, field.treatment) for field in unit.fields] == [("id", "keep"), ("email", "keep")]
    assert [column.target_formatted for column in unit.columns] == ["bigint", "text"]
    moved = replace(dataset, load_through_root=True)
    assert stages.unit_for(plan, moved, stage_pb2.Slice(leaf=LEAF), READING).target.name == "customers"


@pytest.mark.parametrize(
    ("scrub", "mode"),
    [
        (policy(keep='["*.*.*"]'), connector_pb2.SCRUB_MODE_REQUIRED),
        ("off", connector_pb2.SCRUB_MODE_OFF),
    ],
)
async def test_a_load_carries_the_policy_that_its_stream_must_repeat(
    scrub: str, mode: connector_pb2.ScrubMode.ValueType
) -> None:
    plan = await plan_of(scrub)
    fence = connector_pb2.Fence(schema="elute", table="run_1")
    writing = stages.Writing("run", "partition", QA, fence, epoch=7, batch_bytes=1 << 20)
    request = stages.load_request(plan, [], writing)
    assert (request.scrub, request.epoch, request.fence) == (mode, 7, fence)
    assert request.policy_digest.hex() == (plan.policy.digest if plan.policy else "")
    assert request.context.max_cell_bytes == plan.limits.max_cell_bytes
