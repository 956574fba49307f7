import pyarrow as pa
import pyarrow.compute as pc
import pytest

from elute_anonymizer.domain.technique import ColumnFacts
from elute_anonymizer.techniques.constant import DEFINITION, Config
from elute_wire.schema import ARROW_TYPES, LogicalType
from tests.support.scrubbing import scrub

UUID = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"


@pytest.mark.parametrize(
    ("logical", "value", "written"),
    [
        (LogicalType.TEXT, "", ""),
        (LogicalType.BOOLEAN, True, "true"),
        (LogicalType.INT16, -5, "-5"),
        (LogicalType.INT64, 2**63 - 1, "9223372036854775807"),
        (LogicalType.FLOAT64, 0.5, "0.5"),
        (LogicalType.DECIMAL, "12.50", "12.50"),
        (LogicalType.DECIMAL, 3, "3"),
        (LogicalType.DATE, "1970-01-02", "1970-01-02"),
        (LogicalType.TIME, "12:30:00", "12:30:00.000000"),
        (LogicalType.TIMESTAMP, "1970-01-02 03:04:05", "1970-01-02 03:04:05.000000"),
        (LogicalType.TIMESTAMP_TZ, "1970-01-02T03:04:05+02:00", "1970-01-02 01:04:05.000000Z"),
        (LogicalType.UUID, UUID, UUID),
        (LogicalType.JSON, '{"a": [1]}', '{"a": [1]}'),
    ],
)
def test_a_type_takes_its_constants(logical: LogicalType, value: object, written: str) -> None:
    values = pa.array([None, None], ARROW_TYPES[logical])
    scrubbed = scrub("constant", {"value": value, "nulls": "replace"}, values, logical)
    assert pc.cast(scrubbed, pa.string()).to_pylist() == [written] * 2
    assert scrub("constant", {"value": value}, values, logical).null_count == 2


@pytest.mark.parametrize(
    ("logical", "value"),
    [
        (LogicalType.TEXT, 5),
        (LogicalType.BOOLEAN, 1),
        (LogicalType.BOOLEAN, "true"),
        (LogicalType.INT16, 2**15),
        (LogicalType.INT32, True),
        (LogicalType.INT32, 1.5),
        (LogicalType.DECIMAL, "1e5"),
        (LogicalType.DECIMAL, True),
        (LogicalType.DATE, "yesterday"),
        (LogicalType.DATE, 5),
        (LogicalType.TIME, "25:00"),
        (LogicalType.UUID, UUID.upper()),
        (LogicalType.JSON, "{"),
    ],
)
def test_a_constant_of_another_type_is_a_problem_of_the_plan(logical: LogicalType, value: object) -> None:
    verdict = DEFINITION.judge(Config.model_validate({"value": value}), ColumnFacts("c", "t", logical))
    assert [problem.code for problem in verdict.problems] == ["value-misfit"]
