from typing import Any

import pyarrow as pa
import pytest

from elute_anonymizer.application.policy import Pin, Policy, Rule
from elute_anonymizer.application.scrubbing import compile_policy
from elute_wire.errors import KeyUnavailable, PlanRefused, ValueRejected
from elute_wire.schema import FieldFacts, Lane, LogicalType, arrow_field, field_facts
from tests.support.scrubbing import RING

ID = FieldFacts("id", "bigint", Lane.TYPED, LogicalType.INT64)
EMAIL = FieldFacts("email", "text", Lane.TYPED, LogicalType.TEXT)
RAW = FieldFacts("raw", "jsonb", Lane.WIRE, LogicalType.JSON)
BORN = FieldFacts("born", "date", Lane.TYPED, LogicalType.DATE)


def schema(*fields: FieldFacts) -> pa.Schema:
    return pa.schema([arrow_field(field) for field in fields], {b"elute.policy": b"digest"})


def pin(field: FieldFacts) -> Pin:
    return Pin(field.name, field.source_type)


POLICY = Policy(
    "public.customers",
    (
        Rule("/scrub/rules/0", (pin(EMAIL),), "fake", '{"kind": "email"}', "email"),
        Rule("/scrub/rules/1", (pin(BORN),), "date_shift", '{"days": 30}', "customer", "id"),
        Rule("/scrub/rules/2", (pin(RAW),), "null"),
    ),
    (pin(ID),),
)
FIELDS = (ID, EMAIL, RAW, BORN)


def batch(fields: tuple[FieldFacts, ...] = FIELDS) -> pa.RecordBatch:
    columns: dict[str, Any] = {
        "id": pa.array([1, 2, 1], pa.int64()),
        "email": pa.array(["a@b.c", None, "a@b.c"]),
        "raw": pa.array([b"\x01", b"\x02", None]),
        "born": pa.array([0, 0, 10], pa.int32()).view(pa.date32()),
    }
    return pa.RecordBatch.from_arrays([columns[field.name] for field in fields], schema=schema(*fields))


def test_rows_without_any_column_stay_as_many() -> None:
    scrubber = compile_policy(Policy("public.empty", (), ()), schema(), RING)
    none: Any = pa.array([{}, {}, {}], pa.struct([]))
    rows = pa.RecordBatch.from_struct_array(none).replace_schema_metadata({b"elute.policy": b"digest"})
    assert scrubber.scrub(rows).num_rows == 3


def test_a_batch_comes_out_scrubbed_with_every_field_treated() -> None:
    scrubber = compile_policy(POLICY, schema(*FIELDS), RING)
    scrubbed = scrubber.scrub(batch())
    assert scrubbed.schema == scrubber.schema
    assert scrubbed.schema.metadata == {b"elute.policy": b"digest"}
    assert {field.name: field_facts(field).treatment for field in scrubbed.schema} == {
        "id": "keep",
        "email": "/scrub/rules/0",
        "raw": "/scrub/rules/2",
        "born": "/scrub/rules/1",
    }
    assert [(field_facts(field).lane, field_facts(field).source_type) for field in scrubbed.schema] == [
        (field.lane, field.source_type) for field in FIELDS
    ]
    assert scrubbed.column("id").to_pylist() == [1, 2, 1]
    assert scrubbed.column("raw").null_count == 3
    first, second, third = scrubbed.column("email").to_pylist()
    assert first == third != "a@b.c"
    assert second is None
    # Row 0 and 2 are of one subject: the ten days between them survive.
    days: Any = scrubbed.column("born").view(pa.int32()).to_pylist()
    assert days[2] - days[0] == 10
    assert 0 not in days[:2]


def test_the_order_of_columns_and_a_subject_behind_its_date_make_no_difference() -> None:
    reordered = (BORN, EMAIL, ID, RAW)
    expected = compile_policy(POLICY, schema(*FIELDS), RING).scrub(batch())
    found = compile_policy(POLICY, schema(*reordered), RING).scrub(batch(reordered))
    assert {name: found.column(name).to_pylist() for name in ("id", "email", "born")} == {
        name: expected.column(name).to_pylist() for name in ("id", "email", "born")
    }


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ((*FIELDS, FieldFacts("national_id", "text", Lane.TYPED, LogicalType.TEXT)), "uncovered-column"),
        ((ID, EMAIL, RAW), "unknown-column"),
        ((ID, FieldFacts("email", "citext", Lane.TYPED, LogicalType.TEXT), RAW, BORN), "column-changed"),
        ((ID, FieldFacts("email", "text", Lane.WIRE, LogicalType.TEXT), RAW, BORN), "type-not-accepted"),
        ((FieldFacts("id", "bigint", Lane.WIRE, LogicalType.INT64), EMAIL, RAW, BORN), "subject-unusable"),
        ((FieldFacts("id", "bigint", Lane.TYPED, LogicalType.INT64, "keep"), EMAIL, RAW, BORN), "treated-before"),
    ],
)
def test_a_stream_that_the_policy_was_not_saved_for_is_refused(fields: tuple[FieldFacts, ...], code: str) -> None:
    with pytest.raises(PlanRefused) as caught:
        compile_policy(POLICY, schema(*fields), RING)
    assert [problem.code for problem in caught.value.problems] == [code]


def test_a_field_without_our_metadata_is_refused() -> None:
    with pytest.raises(PlanRefused, match="lacks the metadata"):
        compile_policy(POLICY, pa.schema([pa.field("id", pa.int64())]), RING)


def test_a_batch_of_another_schema_is_refused() -> None:
    scrubber = compile_policy(POLICY, schema(*FIELDS), RING)
    with pytest.raises(PlanRefused, match="another schema"):
        scrubber.scrub(batch((EMAIL, ID, RAW, BORN)))


def test_a_missing_key_version_is_refused() -> None:
    policy = Policy(POLICY.dataset, POLICY.rules, POLICY.kept, key_version=7)
    with pytest.raises(KeyUnavailable, match="no version 7"):
        compile_policy(policy, schema(*FIELDS), RING)


def test_a_refused_value_names_its_column_and_not_itself() -> None:
    rule = Rule("/r", (pin(EMAIL),), "fpe", '{"format": "digits", "others": "refuse"}', "d")
    scrubber = compile_policy(Policy("s.t", (rule,)), schema(EMAIL), RING)
    with pytest.raises(ValueRejected) as caught:
        scrubber.scrub(pa.RecordBatch.from_arrays([pa.array(["canary"])], schema=schema(EMAIL)))
    assert caught.value.message.startswith("scrubbing column email of dataset s.t: encrypting: 1 of 1 values")
    assert "canary" not in str(caught.value)


def test_writing_a_default_out_changes_no_pseudonym_and_a_domain_does() -> None:
    def emails(config: str, domain: str = "email") -> list[Any]:
        rule = Rule("/r", (pin(EMAIL),), "fake", config, domain)
        scrubber = compile_policy(Policy("s.t", (rule,)), schema(EMAIL), RING)
        values = pa.RecordBatch.from_arrays([pa.array(["a@b.c", "d@e.f"])], schema=schema(EMAIL))
        return scrubber.scrub(values).column(0).to_pylist()

    plain = emails('{"kind": "email"}')
    assert emails('{"form": "unique", "kind": "email", "mail_host": "example"}') == plain
    assert not set(emails('{"kind": "email"}', "work_email")) & set(plain)
