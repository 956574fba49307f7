import pyarrow as pa
import pytest

from elute_wire.errors import ValueRejected
from elute_wire.schema import ARROW_TYPES, LogicalType
from tests.support.scrubbing import scrub

RANGE = {"min": 1, "max": 2**31 - 1}


def test_a_number_has_one_pseudonym_in_every_type() -> None:
    numbers = [1, 42, 2**31 - 1]
    outputs = [
        scrub("permute_int", RANGE, pa.array(values, ARROW_TYPES[logical]), logical).to_pylist()
        for values, logical in (
            (numbers, LogicalType.INT32),
            (numbers, LogicalType.INT64),
            ([str(number) for number in numbers], LogicalType.TEXT),
        )
    ]
    assert outputs[0] == outputs[1] == [int(text) for text in outputs[2]]


@pytest.mark.parametrize("logical", [LogicalType.INT16, LogicalType.INT32, LogicalType.INT64])
def test_the_ends_of_a_type_are_permuted_within_it(logical: LogicalType) -> None:
    bits = ARROW_TYPES[logical].bit_width
    ends = pa.array([-(2 ** (bits - 1)), 2 ** (bits - 1) - 1, 0, None], ARROW_TYPES[logical])
    scrubbed = scrub("permute_int", {}, ends, logical)
    assert scrubbed.null_count == 1
    assert len(set(scrubbed.to_pylist())) == 4


def test_text_of_64_bits_agrees_with_the_integer() -> None:
    ends = [-(2**63), 2**63 - 1, 0]
    numbers = scrub("permute_int", {}, pa.array(ends), LogicalType.INT64).to_pylist()
    texts = scrub("permute_int", {}, pa.array([str(end) for end in ends])).to_pylist()
    assert [int(text) for text in texts] == numbers


@pytest.mark.parametrize(
    "value", ["007", "-0", "+1", "1.0", " 1", "1e3", "9223372036854775808", "0", "2147483648", "x", ""]
)
def test_what_is_no_canonical_decimal_of_the_range_is_refused_or_null(value: str) -> None:
    values = pa.array(["5", value, None])
    with pytest.raises(ValueRejected, match="1 of 3 values"):
        scrub("permute_int", RANGE, values)
    first, *rest = scrub("permute_int", {**RANGE, "others": "null"}, values).to_pylist()
    assert first is not None
    assert rest == [None, None]


def test_integers_outside_of_the_range_are_refused() -> None:
    with pytest.raises(ValueRejected, match="2 of 3 values"):
        scrub("permute_int", RANGE, pa.array([0, 5, 2**31]), LogicalType.INT64)
