import math

import pyarrow as pa
import pytest

from elute_wire.schema import ARROW_TYPES, LogicalType
from tests.support.scrubbing import scrub


@pytest.mark.parametrize(
    ("logical", "options", "value", "bound"),
    [
        (LogicalType.INT32, {"band": 10}, 42, 40),
        (LogicalType.INT32, {"band": 10}, -1, -10),
        (LogicalType.INT32, {"band": 10, "origin": 5}, 42, 35),
        (LogicalType.INT32, {"band": 10, "min": 0, "max": 30}, 42, 30),
        (LogicalType.INT32, {"band": 10, "min": 0, "max": 30}, -42, 0),
        (LogicalType.INT16, {"band": 1000}, -32768, -32768),
        (LogicalType.INT64, {"band": 1000}, -(2**63), -(2**63)),
        (LogicalType.INT64, {"band": 1000, "origin": -3}, 2**63 - 1, 9223372036854774997),
        (LogicalType.DECIMAL, {"band": 10}, "12.50", "10.00"),
        (LogicalType.DECIMAL, {"band": "0.25"}, "-0.30", "-0.50"),
        (LogicalType.DECIMAL, {"band": 10, "max": 90}, "1" + "0" * 400, "90"),
        (LogicalType.DECIMAL, {"band": 7}, "1" + "0" * 400 + ".5", str(10**400 // 7 * 7) + ".0"),
        (LogicalType.DECIMAL, {"band": 10}, "NaN", "NaN"),
        (LogicalType.DECIMAL, {"band": 10, "max": 90}, "-Infinity", "-Infinity"),
        (LogicalType.FLOAT64, {"band": 0.5}, 1.3, 1.0),
        (LogicalType.FLOAT64, {"band": 0.5}, 1.7e308, 1.7e308),
        (LogicalType.FLOAT64, {"band": 0.5, "max": 10}, math.inf, math.inf),
        (LogicalType.FLOAT32, {"band": 10, "min": 0, "max": 20}, 31.5, 20.0),
    ],
)
def test_a_number_becomes_its_bands_lower_bound(
    logical: LogicalType, options: dict[str, object], value: object, bound: object
) -> None:
    values = pa.array([value, None], ARROW_TYPES[logical])
    assert scrub("generalize_number", options, values, logical).to_pylist() == [bound, None]


def test_nan_stays_nan() -> None:
    (nan,) = scrub("generalize_number", {"band": 1.5}, pa.array([math.nan]), LogicalType.FLOAT64).to_pylist()
    assert math.isnan(nan)
