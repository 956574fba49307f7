"""All problems of all steps are told at once, each where it stands in the document."""

from __future__ import annotations

import polars as pl

from elute_transform.application.options import Options
from elute_transform.application.pipeline import Step, validate
from elute_transform.domain.column import Column
from elute_transform.domain.sample import SAMPLE
from elute_transform.domain.step import Change, Definition, Made
from elute_wire.schema import Lane, LogicalType
from tests.elute_transform.batches import DATASET, judge


def test_all_problems_of_all_steps_are_told_at_once() -> None:
    outcome = judge(
        SAMPLE,
        ("clean_txt", {"columns": ["email"]}),
        ("clean_text", {"columns": ["email", "id"], "case": "loud", "trim": 1}),
        ("rename", {"columns": {"email": "mail", "nothing": "something"}}),
        ("derive", {"column": "full", "expression": "first_name || email || last", "type": "text"}),
        ("derive", {"column": "doubled", "expression": "orders * 2", "type": "text"}),
        ("clean_text", {"columns": ["full"], "trim": True}),
    )
    assert [(problem.code, problem.pointer) for problem in outcome.problems] == [
        ("unknown-step", "/clean/0"),
        ("invalid-option", "/clean/1/trim"),
        ("invalid-option", "/clean/1/case"),
        ("unknown-column", "/clean/2/columns/nothing"),
        ("unknown-column", "/clean/3/expression"),
        ("unknown-column", "/clean/3/expression"),
        ("expression-result", "/clean/4/expression"),
    ]
    assert {problem.dataset for problem in outcome.problems} == {DATASET}
    assert outcome.problems[0].hint == "did you mean clean_text?"
    assert [problem.column for problem in outcome.problems[4:6]] == ["email", "last"]


def test_a_step_with_a_problem_still_makes_its_column_for_those_after_it() -> None:
    outcome = judge(
        SAMPLE,
        ("derive", {"column": "full", "expression": "now()", "type": "text"}),
        ("clean_text", {"columns": ["full"], "trim": True}),
    )
    assert [problem.pointer for problem in outcome.problems] == ["/clean/0/expression"]
    assert outcome.columns["full"].logical is LogicalType.TEXT


def test_touched_and_changed_follow_columns_through_their_names() -> None:
    outcome = judge(
        SAMPLE,
        ("rename", {"columns": {"email": "mail", "tags": "labels"}}),
        ("clean_text", {"columns": ["mail"], "trim": True}),
        ("derive", {"column": "domain", "expression": "SPLIT_PART(mail, '@', 2)", "type": "text"}),
        ("rename", {"columns": {"mail": "address", "domain": "host"}}),
    )
    assert outcome.problems == ()
    assert outcome.touched == {"email"}
    assert outcome.changed == {"address", "host"}
    assert (outcome.origins["address"], outcome.origins["host"], outcome.origins["labels"]) == ("email", None, "tags")
    assert list(outcome.columns)[3] == "address"


def test_an_opaque_column_or_one_of_the_wire_lane_is_read_by_no_step() -> None:
    columns = {
        "opaque": Column("point", LogicalType.OPAQUE),
        "wire": Column("text", LogicalType.TEXT, lane=Lane.WIRE),
        "^text$": Column("text", LogicalType.TEXT),
    }
    outcome = judge(columns, ("clean_text", {"columns": ["opaque", "wire", "^text$"], "trim": True}))
    assert {(problem.code, problem.column) for problem in outcome.problems} == {
        ("type-not-accepted", "opaque"),
        ("pattern-name", "^text$"),
        ("wire-lane", "wire"),
    }


class ReadsAll(Options):
    """A configuration without options."""


def test_a_step_that_looks_at_what_it_should_not_is_stopped_all_the_same() -> None:
    careless = Definition(
        name="careless",
        effect="Copies a column without looking what it is.",
        config=ReadsAll,
        change=lambda _, columns: Change(
            makes={name: Made(pl.col(name).alias(name), column) for name, column in columns.items()}
        ),
        example={},
    )
    columns = {"opaque": SAMPLE["position"], "wire": SAMPLE["tags"], "text": SAMPLE["email"]}
    outcome = validate(DATASET, [Step("careless", "{}", "/clean/0")], columns, {"careless": careless})
    assert [(problem.code, problem.column, problem.pointer) for problem in outcome.errors] == [
        ("opaque-column", "opaque", "/clean/0"),
        ("wire-lane", "wire", "/clean/0"),
    ]


def test_without_steps_nothing_happens() -> None:
    outcome = judge(SAMPLE)
    assert outcome.columns == SAMPLE
    assert not outcome.touched
    assert not outcome.changed
