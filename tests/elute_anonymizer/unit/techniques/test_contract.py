"""Every technique keeps its contract: length, type, NULLs, determinism, and the facts that its definition declares."""

import json
import string
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from elute_anonymizer.application.examination import techniques
from elute_anonymizer.domain.keys import DomainKey
from elute_anonymizer.domain.technique import Cells, ColumnFacts, Definition, Kept, Need, Uniqueness, Verdict, problems
from elute_wire.errors import ValueRejected
from elute_wire.schema import ARROW_TYPES, LogicalType
from tests.support.scrubbing import GOLDEN

VALUES: dict[LogicalType, st.SearchStrategy[Any]] = {
    LogicalType.TEXT: st.text(max_size=40)
    | st.from_regex(r"\+?[0-9 ()/-]{1,20}", fullmatch=True)
    | st.from_regex(r"[a-z.]{1,10}@[a-z]{1,10}\.[a-z]{2,3}", fullmatch=True)
    | st.integers(-(2**63), 2**63 - 1).map(str),
    LogicalType.BOOLEAN: st.booleans(),
    LogicalType.INT16: st.integers(-(2**15), 2**15 - 1),
    LogicalType.INT32: st.integers(-(2**31), 2**31 - 1),
    LogicalType.INT64: st.integers(-(2**63), 2**63 - 1),
    LogicalType.FLOAT32: st.floats(width=32),
    LogicalType.FLOAT64: st.floats(),
    LogicalType.DECIMAL: st.decimals(-(10**20), 10**20, places=3).map(lambda number: format(number, "f"))
    | st.sampled_from(["NaN", "Infinity", "-Infinity"]),
    LogicalType.DATE: st.integers(-2_440_588, 2_145_042_905) | st.sampled_from([2**31 - 1, -(2**31)]),
    LogicalType.TIME: st.integers(0, 86_399_999_999),
    LogicalType.TIMESTAMP: st.integers(-210_866_803_200_000_000, 2**63 - 1) | st.just(-(2**63)),
    LogicalType.TIMESTAMP_TZ: st.integers(-210_866_803_200_000_000, 2**63 - 1) | st.just(-(2**63)),
    LogicalType.UUID: st.uuids().map(str),
    LogicalType.JSON: st.just('{"a": 1}'),
    LogicalType.BINARY: st.binary(max_size=20),
    LogicalType.OPAQUE: st.binary(max_size=20),
}
STORED = {
    LogicalType.DATE: pa.int32(),
    LogicalType.TIME: pa.int64(),
    LogicalType.TIMESTAMP: pa.int64(),
    LogicalType.TIMESTAMP_TZ: pa.int64(),
}
KEY, OTHER_KEY = DomainKey(bytes(range(32))), DomainKey(bytes(range(1, 33)))


def column(values: list[Any], logical: LogicalType) -> Any:
    stored = pa.array(values, STORED.get(logical, ARROW_TYPES[logical]))
    return stored.view(ARROW_TYPES[logical])


def cases() -> list[Any]:
    """Every technique on every type that it takes, with its example and with the options of the golden cases."""
    chosen: dict[str, Any] = {}
    for definition in techniques().values():
        for logical in sorted(definition.accepts):
            chosen[f"{definition.name}-{logical}"] = (definition, definition.example, logical)
    for case in json.loads(GOLDEN.read_text(encoding="utf-8")):
        options = "-".join(str(value) for value in case["options"].values())
        name = f"{case['technique']}-{case['type']}-{options}"
        chosen[name] = (techniques()[case["technique"]], case["options"], LogicalType(case["type"]))
    return [
        pytest.param(Case(definition, options, logical), id=name)
        for name, (definition, options, logical) in chosen.items()
        if not list(problems(definition, parsed(definition, options), ColumnFacts("c", "t", logical)))
    ]


def parsed(definition: Definition[Any], options: Mapping[str, object]) -> Any:
    return definition.config.model_validate_json(json.dumps(options))


@dataclass(frozen=True)
class Case:
    definition: Definition[Any]
    options: Mapping[str, object]
    logical: LogicalType

    @property
    def verdict(self) -> Verdict:
        column = ColumnFacts("c", "t", self.logical)
        return self.definition.judge(parsed(self.definition, self.options), column)

    def scrub(self, values: Any, subject: Any, key: DomainKey = KEY) -> Any:
        technique = self.definition.build(parsed(self.definition, self.options), self.logical, key)
        return technique.apply(Cells(values, self.logical, subject))


def subjects(values: Any) -> Any:
    return pa.array([str(row % 3) for row in range(len(values))], pa.string())


def stored(values: Any) -> list[Any]:
    """The values as numbers or texts: Python's dates do not reach as far as the types do, and NaN is not NaN."""
    if pa.types.is_temporal(values.type):
        values = values.view(pa.int32() if values.type.bit_width == 32 else pa.int64())
    return [str(value) if isinstance(value, float) else value for value in values.to_pylist()]


every_case = pytest.mark.parametrize("case", cases())


@every_case
@settings(max_examples=12, deadline=None)
@given(data=st.data())
def test_outputs_have_the_length_and_type_of_the_values_and_keep_their_nulls(case: Case, data: st.DataObject) -> None:
    values = column(data.draw(st.lists(st.none() | VALUES[case.logical], max_size=12)), case.logical)
    try:
        scrubbed = case.scrub(values, subjects(values))
    except ValueRejected:
        others = getattr(parsed(case.definition, case.options), "others", None)
        assert others == "refuse", "only a technique whose option `others` says so may refuse a value"
        return
    scrubbed.validate(full=True)
    assert (len(scrubbed), scrubbed.type) == (len(values), values.type), "the rows or the Arrow type changed"
    if Kept.NULLS in case.verdict.keeps:
        nulls = scrubbed.filter(values.is_null())
        assert nulls.null_count == len(nulls), "the verdict keeps NULLS, and some became values"


@every_case
@settings(max_examples=8, deadline=None)
@given(data=st.data())
def test_an_output_depends_on_its_own_row_alone(case: Case, data: st.DataObject) -> None:
    values = column(data.draw(st.lists(st.none() | VALUES[case.logical], min_size=1, max_size=9)), case.logical)
    subject = subjects(values)
    try:
        whole = case.scrub(values, subject)
    except ValueRejected:
        return
    cut = data.draw(st.integers(0, len(values)))
    parts = [
        *stored(case.scrub(values.slice(0, cut), subject.slice(0, cut))),
        *stored(case.scrub(values.slice(cut), subject.slice(cut))),
    ]
    assert parts == stored(whole), "an output depends on the rows beside it"


@every_case
def test_distinct_values_stay_distinct_where_the_verdict_says_so(case: Case) -> None:
    values = many(case)
    scrubbed = case.scrub(values, subjects(values))
    if case.verdict.uniqueness is not Uniqueness.LOSSY and case.definition.name != "null":
        assert scrubbed.drop_null().unique().sort().to_pylist() == sorted(scrubbed.drop_null().to_pylist())
    if Kept.EQUALITY in case.verdict.keeps:
        assert stored(case.scrub(pa.concat_arrays([values, values]), subjects([0] * 2 * len(values)))) == 2 * stored(
            case.scrub(values, subjects([0] * len(values)))
        )


@every_case
def test_no_value_is_returned_as_it_was(case: Case) -> None:
    values = many(case)
    scrubbed = case.scrub(values, subjects(values))
    same = sum(
        before == after for before, after in zip(stored(values), stored(scrubbed), strict=True) if before is not None
    )
    if Kept.VALUE in case.verdict.keeps:
        assert same == len(values) - 1, "the verdict keeps VALUE, and some changed"
    else:
        # A band's lower bound is its own generalization, and a permutation has a fixed point by chance.
        allowed = len(values) // 3 if Kept.ORDER in case.verdict.keeps else 2
        assert same <= allowed, f"{same} of {len(values)} values came back as they were"


@every_case
def test_outputs_keep_the_length_and_order_that_the_verdict_says(case: Case) -> None:
    values = many(case)
    scrubbed = case.scrub(values, subjects(values))
    verdict = case.verdict
    if Kept.VALUE in verdict.keeps:
        assert scrubbed.equals(values)
        return
    if case.logical is LogicalType.TEXT:
        sizes, before = pc.utf8_length(scrubbed), pc.utf8_length(values)
        longest = pc.max(sizes).as_py() or 0
        if verdict.longest is None:
            assert not pc.any(pc.greater(sizes, before)).as_py(), "the verdict has no `longest`, and an output grew"
        else:
            assert longest <= verdict.longest, f"an output has {longest} characters, `longest` is {verdict.longest}"
        if Kept.LENGTH in verdict.keeps:
            assert sizes.equals(before), "the verdict keeps LENGTH, and lengths changed"
    if Kept.ORDER in verdict.keeps:
        # The values of `many` ascend.
        numbers = [float(value) for value in stored(scrubbed) if value is not None]
        assert numbers == sorted(numbers), "the verdict keeps ORDER, and outputs of ascending values do not ascend"


@every_case
def test_another_key_shares_nothing(case: Case) -> None:
    values = many(case)
    subject = pa.array([str(row) for row in range(len(values))])
    one, other = (stored(case.scrub(values, subject, key)) for key in (KEY, OTHER_KEY))
    if Need.KEY not in case.definition.needs:
        assert one == other, "outputs depend on the key, and the definition does not say that it needs one"
        return
    same = sum(first == second for first, second in zip(one, other, strict=True) if first is not None)
    # A draw of few values, such as 60 shifts or 228 countries, agrees by chance.
    by_chance = len(values) // len(case.verdict.outputs) if case.verdict.outputs else 0
    assert same <= len(values) // 20 + 2 * by_chance, f"{same} of {len(values)} outputs agree under two keys"


@pytest.mark.parametrize("name", list(techniques()))
def test_the_definition_is_complete(name: str) -> None:
    definition = techniques()[name]
    assert definition.effect.endswith(".")
    assert definition.source
    options = parsed(definition, definition.example)
    assert options.model_config["extra"] == "forbid"
    assert options.model_config["frozen"]
    assert parsed(definition, json.loads(options.model_dump_json(by_alias=True, exclude_unset=True))) == options


def many(case: Case) -> Any:
    """Distinct ascending values that the case's options are for, 200 where there are as many, and a NULL."""
    numbers = range(1, 1 + min(200, int(str(case.options.get("max", 1000)))))
    match case.logical:
        case LogicalType.TEXT:
            values: list[Any] = [text(case, number) for number in numbers]
        case LogicalType.DECIMAL:
            values = [f"{number}.7" for number in numbers]
        case LogicalType.FLOAT32 | LogicalType.FLOAT64:
            values = [number + 0.3 for number in numbers]
        case LogicalType.UUID:
            values = [f"{number:08x}-0000-4000-8000-000000000000" for number in numbers]
        case LogicalType.JSON:
            values = [f'{{"a": {number}}}' for number in numbers]
        case LogicalType.BINARY | LogicalType.OPAQUE:
            values = [number.to_bytes(4) for number in numbers]
        case LogicalType.BOOLEAN:
            values = [False, True]
        case LogicalType.TIMESTAMP | LogicalType.TIMESTAMP_TZ | LogicalType.TIME:
            values = [number * 77_777_777 for number in numbers]
        case LogicalType.DATE:
            values = [number * 97 for number in numbers]
        case _:
            values = list(numbers)
    return column([*values, None], case.logical)


def text(case: Case, number: int) -> str:
    if case.definition.name == "permute_int":
        return str(number)
    letters = "".join(string.ascii_lowercase[int(digit)] for digit in f"{number:08d}")
    match str(case.options.get("format", "")):
        case "upper" | "upper_alphanumeric":
            return letters.upper()
        case "lower" | "lower_alphanumeric" | "letters" | "alphanumeric":
            return letters
        case _:
            return f"4111 11{number % 100:02d} {number:04d} 1111"
