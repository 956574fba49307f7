from typing import Any

import pyarrow as pa
import pytest

from elute_wire.schema import ARROW_TYPES, LogicalType
from tests.support.scrubbing import scrub

STORED = {LogicalType.DATE: pa.int32(), LogicalType.TIMESTAMP: pa.int64(), LogicalType.TIMESTAMP_TZ: pa.int64()}
DAY = {LogicalType.DATE: 1, LogicalType.TIMESTAMP: 86_400_000_000, LogicalType.TIMESTAMP_TZ: 86_400_000_000}
INFINITIES = {
    LogicalType.DATE: [2**31 - 1, -(2**31)],
    LogicalType.TIMESTAMP: [2**63 - 1, -(2**63)],
    LogicalType.TIMESTAMP_TZ: [2**63 - 1, -(2**63)],
}
every_type = pytest.mark.parametrize("logical", list(STORED))


def apply(
    technique: str, options: dict[str, object], numbers: list[int | None], logical: LogicalType, **more: Any
) -> Any:
    values = pa.array(numbers, STORED[logical]).view(ARROW_TYPES[logical])
    return scrub(technique, options, values, logical, **more).view(STORED[logical]).to_pylist()


@every_type
def test_intervals_inside_a_subject_survive_and_no_date_stays(logical: LogicalType) -> None:
    moments: list[int | None] = [number * DAY[logical] + number % 2 for number in range(3000)]
    subject = pa.array([str(number // 3) for number in range(3000)])
    moved = apply("date_shift", {"days": 2}, moments, logical, subject=subject)
    shifts = [after - before for before, after in zip(moments, moved, strict=True)]
    assert set(shifts) == {days * DAY[logical] for days in (-2, -1, 1, 2)}
    assert all(len(set(shifts[start : start + 3])) == 1 for start in range(0, 3000, 3))


@every_type
def test_infinities_and_nulls_stay(logical: LogicalType) -> None:
    numbers = [*INFINITIES[logical], None]
    assert apply("date_shift", {"days": 30}, numbers, logical, subject=pa.array(["a", "b", None])) == numbers
    assert apply("generalize_date", {"to": "year", "not_before": "1950-01-01"}, numbers, logical) == numbers


@every_type
def test_the_ends_of_a_type_are_moved_inwards(logical: LogicalType) -> None:
    least = -2_440_588 * DAY[logical]
    greatest = 2_145_042_905 if logical is LogicalType.DATE else 2**63 - 2
    subject = pa.array([str(number) for number in range(64)])
    up = apply("date_shift", {"days": 30}, [least] * 64, logical, subject=subject)
    down = apply("date_shift", {"days": 30}, [greatest] * 64, logical, subject=subject)
    assert min(up) > least
    assert max(down) < greatest


def test_the_same_subject_moves_alike_in_every_type_of_key() -> None:
    dates: list[int | None] = [0, 0]
    by_text = apply("date_shift", {"days": 300}, dates, LogicalType.DATE, subject=pa.array(["1", "2"]))
    again = apply("date_shift", {"days": 300}, dates[:1], LogicalType.DATE, subject=pa.array(["2"]))
    assert again == by_text[1:]


@pytest.mark.parametrize(
    ("period", "day", "first"),
    [
        ("year", "2024-12-31", "2024-01-01"),
        ("quarter", "2024-12-31", "2024-10-01"),
        ("month", "2024-02-29", "2024-02-01"),
        ("week", "2024-01-03", "2024-01-01"),
        ("week", "1969-12-28", "1969-12-22"),
        ("year", "1969-12-31", "1969-01-01"),
        ("month", "0001-05-06", "0001-05-01"),
    ],
)
def test_a_date_becomes_its_periods_first_day(period: str, day: str, first: str) -> None:
    values = pa.array([day]).cast(pa.date32())
    assert scrub("generalize_date", {"to": period}, values, LogicalType.DATE).cast(pa.string()).to_pylist() == [first]


def test_old_dates_become_the_period_of_the_bound() -> None:
    values = pa.array(["1911-05-06", "1950-07-01"]).cast(pa.date32())
    options = {"to": "year", "not_before": "1935-06-15"}
    assert scrub("generalize_date", options, values, LogicalType.DATE).cast(pa.string()).to_pylist() == [
        "1935-01-01",
        "1950-01-01",
    ]


@every_type
def test_the_ends_of_a_type_have_periods_within_it(logical: LogicalType) -> None:
    least = -2_440_588 * DAY[logical]
    greatest = 2_145_042_905 if logical is LogicalType.DATE else 2**63 - 2
    first, last = apply("generalize_date", {"to": "year"}, [least, greatest], logical)
    assert first == least
    assert greatest - 366 * DAY[logical] < last <= greatest
