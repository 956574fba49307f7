from collections.abc import Iterable
from dataclasses import replace

import pytest

from elute_anonymizer.application.examination import Examination, examine
from elute_anonymizer.application.policy import Pin, Policy, Rule
from elute_anonymizer.domain.technique import ColumnFacts, Equality, Kept, Uniqueness
from elute_wire.schema import LogicalType

EMAIL = ColumnFacts("email", "text", LogicalType.TEXT)
ID = ColumnFacts("id", "bigint", LogicalType.INT64, nullable=False, unique=True)


def rule(technique: str, config: str = "{}", *columns: ColumnFacts, domain: str = "d", subject: str = "") -> Rule:
    return Rule("/scrub/rules/0", pins(columns or [EMAIL]), technique, config, domain, subject)


def pins(columns: Iterable[ColumnFacts]) -> tuple[Pin, ...]:
    return tuple(Pin(column.name, column.source_type) for column in columns)


def codes(examination: Examination) -> list[str]:
    return [problem.code for problem in examination.problems]


def codes_of(column: ColumnFacts, technique: str, config: str = "{}") -> list[str]:
    return codes(examine(Policy("s.t", (rule(technique, config, column),)), [column]))


def test_a_covered_dataset_has_no_problems_and_says_what_becomes_of_its_columns() -> None:
    examination = examine(Policy("s.t", (rule("token"),), pins([ID])), [ID, EMAIL])
    assert examination.problems == ()
    kept, scrubbed = examination.effects
    assert (kept.column, kept.treatment, kept.keyed, kept.reads_values) == ("id", "keep", False, False)
    assert kept.loses == frozenset()
    assert (scrubbed.column, scrubbed.treatment, scrubbed.keyed) == ("email", "/scrub/rules/0", True)
    assert scrubbed.reads_values
    assert scrubbed.verdict.uniqueness is Uniqueness.COLLISION_RESISTANT
    assert Kept.VALUE in scrubbed.loses
    assert Kept.EQUALITY not in scrubbed.loses


def test_a_rule_that_keeps_is_a_kept_column() -> None:
    (effect,) = examine(Policy("s.t", (rule("keep"),)), [EMAIL]).effects
    assert effect.treatment == "keep"


def test_every_problem_comes_at_once_with_its_place() -> None:
    gone = ColumnFacts("gone", "text", LogicalType.TEXT)
    changed = ColumnFacts("age", "integer", LogicalType.INT32)
    policy = Policy(
        "s.t",
        (
            Rule("/scrub/rules/0", pins([EMAIL, gone]), "token", "{}", "d"),
            Rule("/scrub/rules/1", pins([EMAIL]), "tokn"),
            Rule("/scrub/rules/2", (Pin("age", "smallint"),), "generalize_number", '{"band": -1, "bnd": 2}'),
        ),
    )
    examination = examine(policy, [EMAIL, changed, ID])
    assert sorted((problem.code, problem.pointer, problem.column) for problem in examination.problems) == [
        ("column-changed", "/scrub/rules/2", "age"),
        ("column-treated-twice", "/scrub/rules/1", "email"),
        ("invalid-option", "/scrub/rules/2/technique/generalize_number/band", ""),
        ("invalid-option", "/scrub/rules/2/technique/generalize_number/bnd", ""),
        ("uncovered-column", "", "id"),
        ("unknown-column", "/scrub/rules/0", "gone"),
        ("unknown-technique", "/scrub/rules/1", ""),
    ]
    assert {problem.dataset for problem in examination.problems} == {"s.t"}


def test_a_column_both_kept_and_ruled_is_treated_twice() -> None:
    assert codes(examine(Policy("s.t", (rule("token"),), pins([EMAIL])), [EMAIL])) == ["column-treated-twice"]


def test_options_that_are_no_json_are_invalid_and_never_repeated() -> None:
    examination = examine(Policy("s.t", (rule("constant", '{"value": [1], "canary": "hunter2"}'),)), [EMAIL])
    assert set(codes(examination)) == {"invalid-option"}
    assert "hunter2" not in str(examination.problems)
    assert codes_of(EMAIL, "token", "not json") == ["invalid-option"]


@pytest.mark.parametrize(
    ("column", "technique", "config", "expected"),
    [
        (ID, "token", "{}", ["type-not-accepted"]),
        (replace(ID, logical=LogicalType.OPAQUE), "permute_int", "{}", ["type-not-accepted"]),
        (ID, "null", "{}", ["not-nullable"]),
        (replace(EMAIL, unique=True), "fake", '{"kind": "city"}', ["uniqueness-lost"]),
        (replace(EMAIL, unique=True), "fake", '{"kind": "email"}', []),
        (replace(EMAIL, unique=True), "fake", '{"kind": "email", "form": "natural"}', ["uniqueness-lost"]),
        (replace(EMAIL, unique=True), "token", '{"digits": 29}', ["uniqueness-lost"]),
        (replace(EMAIL, unique=True), "token", '{"digits": 30}', []),
        (replace(EMAIL, unique=True), "mask", "{}", ["uniqueness-lost"]),
        (replace(EMAIL, unique=True), "fpe", '{"format": "digits"}', ["uniqueness-lost"]),
        (replace(EMAIL, unique=True), "fpe", '{"format": "digits", "others": "refuse"}', []),
        (replace(EMAIL, unique=True), "fpe", '{"format": "letters", "others": "refuse"}', []),
        (
            replace(EMAIL, unique=True, equality=Equality.LOOSE),
            "fpe",
            '{"format": "letters", "others": "refuse"}',
            ["uniqueness-lost"],
        ),
        (replace(EMAIL, unique=True, equality=Equality.LOOSE), "token", "{}", []),
        (replace(EMAIL, max_length=31), "token", "{}", ["too-long"]),
        (replace(EMAIL, max_length=32), "token", "{}", []),
        (replace(EMAIL, max_length=49), "fake", '{"kind": "email"}', ["too-long"]),
        (replace(EMAIL, max_length=50), "fake", '{"kind": "email"}', []),
        (replace(EMAIL, max_length=60), "fake", '{"kind": "email", "mail_host": "keep"}', ["too-long"]),
        (replace(EMAIL, max_length=60), "fake", '{"kind": "email", "mail_host": "keep", "longest": 60}', []),
        (replace(EMAIL, max_length=3), "redact", "{}", ["too-long"]),
        (replace(EMAIL, max_length=3), "mask", "{}", []),
        (replace(EMAIL, labels=("new", "old")), "constant", '{"value": "new"}', []),
        (replace(EMAIL, labels=("new", "old")), "constant", '{"value": "none"}', ["enum-label"]),
        (replace(EMAIL, labels=("new", "old")), "null", "{}", []),
        (replace(EMAIL, labels=("new", "old")), "token", "{}", ["enum-label"]),
        (replace(EMAIL, labels=("new", "old")), "keep", "{}", []),
        (replace(EMAIL, constraints=("c1", "c2")), "token", "{}", ["column-constrained"] * 2),
        (replace(EMAIL, constraints=("c1",)), "keep", "{}", []),
        (EMAIL, "token", '{"format": "uuid", "digits": 40}', ["option-misfit"]),
        (ID, "constant", '{"value": "x"}', ["value-misfit", "uniqueness-lost"]),
        (replace(ID, unique=False), "constant", '{"value": true}', ["value-misfit"]),
        (replace(ID, unique=False), "permute_int", '{"min": 1, "max": 5, "others": "null"}', ["not-nullable"]),
        (replace(ID, logical=LogicalType.INT16), "permute_int", '{"min": 1, "max": 40000}', ["range-too-wide"]),
        (ColumnFacts("d", "date", LogicalType.DATE), "generalize_date", '{"to": "day"}', ["no-effect"]),
        (ColumnFacts("n", "int", LogicalType.INT32), "generalize_number", '{"band": "0.5"}', ["option-misfit"]),
        (ColumnFacts("n", "int", LogicalType.INT32), "generalize_number", '{"band": 1}', ["no-effect"]),
        (
            ColumnFacts("n", "int", LogicalType.INT16),
            "generalize_number",
            '{"band": 5, "max": 40000}',
            ["option-misfit"],
        ),
    ],
)
def test_a_column_that_a_technique_would_break_is_refused(
    column: ColumnFacts, technique: str, config: str, expected: list[str]
) -> None:
    assert codes_of(column, technique, config) == expected


def test_a_pseudonym_needs_a_domain() -> None:
    assert codes(examine(Policy("s.t", (rule("token", domain=""),)), [EMAIL])) == ["domain-missing"]
    assert codes(examine(Policy("s.t", (rule("redact", domain=""),)), [EMAIL])) == []


@pytest.mark.parametrize(
    ("technique", "config", "subject", "expected"),
    [
        ("date_shift", '{"days": 3}', "id", []),
        ("date_shift", '{"days": 3}', "", ["subject-misfit"]),
        ("generalize_date", '{"to": "year"}', "id", ["subject-misfit"]),
        ("date_shift", '{"days": 3}', "nobody", ["subject-unusable"]),
        ("date_shift", '{"days": 3}', "raw", ["subject-unusable"]),
    ],
)
def test_a_subject_is_there_where_it_is_needed(technique: str, config: str, subject: str, expected: list[str]) -> None:
    born = ColumnFacts("born", "date", LogicalType.DATE)
    raw = ColumnFacts("raw", "money", LogicalType.OPAQUE)
    policy = Policy("s.t", (rule(technique, config, born, subject=subject),), pins([ID, raw]))
    assert codes(examine(policy, [ID, born, raw])) == expected
