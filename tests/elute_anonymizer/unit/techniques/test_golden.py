"""Pseudonyms that are out never change: outputs pinned by `python -m tools.pin_golden`."""

import json
from typing import Any

import pytest

from elute_anonymizer.application.examination import techniques
from tests.support.interpreting import interpreted_loops
from tests.support.scrubbing import GOLDEN, golden_output

CASES = json.loads(GOLDEN.read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['technique']}-{case['type']}-{case['options']}")
def test_a_pinned_case_comes_out_as_pinned(case: dict[str, Any]) -> None:
    assert golden_output(case) == case["outputs"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['technique']}-{case['type']}-{case['options']}")
def test_a_pinned_case_comes_out_as_pinned_without_a_compiler(case: dict[str, Any]) -> None:
    with interpreted_loops("elute_anonymizer"):
        assert golden_output(case) == case["outputs"]


def test_the_example_of_every_technique_is_pinned() -> None:
    pinned = [(case["technique"], case["options"]) for case in CASES]
    examples = [(definition.name, definition.example) for definition in techniques().values()]
    missing = [name for name, example in examples if (name, example) not in pinned]
    assert not missing, "run `python -m tools.pin_golden`"


def test_no_case_is_of_a_technique_that_is_gone() -> None:
    assert {case["technique"] for case in CASES} <= set(techniques())


def test_every_accepted_kind_and_format_is_pinned() -> None:
    for technique, option in (("fake", "kind"), ("fpe", "format")):
        field = techniques()[technique].config.model_fields[option]
        pinned = {case["options"][option] for case in CASES if case["technique"] == technique}
        assert pinned == set(field.annotation.__args__)
