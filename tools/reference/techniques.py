"""Generate the reference page of the techniques, or check that the committed one is what would be generated."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from elute_anonymizer.application.examination import techniques
from elute_anonymizer.domain.technique import ColumnFacts, Definition, Kept, Need, Verdict
from elute_wire.schema import LogicalType
from tests.support.scrubbing import GOLDEN
from tools.reference.render import Entry, Flow, in_yaml, page, settle

PAGE = Path("docs/reference/techniques.md")
COMMAND = "python -m tools.reference.techniques"
_WIDEST = 40

INTRODUCTION = """
A technique scrubs columns. It stands in a rule of a pipeline, under `scrub`; a column without a rule has to be kept on
purpose. What each keeps and loses depends on its options: `elute plan` says it for every column.
[How to add a technique](../how-to/add-a-technique.md), [what pseudonyms depend on](../explanation/pseudonyms.md).

The facts below are those of the example on a plain column. The values before and after are pinned: tests compare them,
under a key that is no secret, and yours will be others.

What can survive: the **value** itself; its **nulls** and its **empty** texts; **equality** (equal values stay equal and
distinct ones distinct); the **order** of values; their **length** and **format**; a **part** of them, such as the last
digits or the year; **intervals** between dates of one subject.
"""


def main() -> int:
    """Generate, or with --check compare and write nothing."""
    entries = [_entry(definition) for definition in techniques().values()]
    return settle(PAGE, page("Techniques", INTRODUCTION, entries, COMMAND), COMMAND)


def _entry(definition: Definition[Any]) -> Entry:
    options = definition.config.model_validate_json(json.dumps(definition.example))
    case = _golden_case(definition)
    verdict = definition.judge(options, ColumnFacts("example", case["type"], LogicalType(case["type"])))
    rule = Flow(columns=["public.customers.example"])
    if Need.SUBJECT in definition.needs:
        rule["subject"] = "id"
    rule["technique"] = Flow({definition.name: Flow(definition.example)})
    return Entry(
        name=definition.name,
        effect=definition.effect,
        text=importlib.import_module(f"elute_anonymizer.techniques.{definition.name}").__doc__ or "",
        config=definition.config,
        example=in_yaml({"scrub": {"rules": [rule]}}),
        outcomes=dict(_outcomes(case)),
        facts=_facts(definition, verdict),
        source=definition.source,
    )


def _facts(definition: Definition[Any], verdict: Verdict) -> Mapping[str, str]:
    whole = Kept.VALUE in verdict.keeps
    needs = {Need.KEY: "a key and a domain", Need.SUBJECT: "a subject column"}
    return {
        "Takes": ", ".join(f"`{logical}`" for logical in LogicalType if logical in definition.accepts),
        "Needs": ", ".join(said for need, said in needs.items() if need in definition.needs) or "nothing",
        "Keeps": "everything" if whole else _names(verdict.keeps),
        "Loses": "nothing" if whole else _names(frozenset(Kept) - verdict.keeps),
        "On unique columns": {
            "bijective": "one to one",
            "collision_resistant": "collision-resistant",
            "lossy": "refused: two values could become equal",
        }[verdict.uniqueness],
        "Reversible": "with the key" if definition.reversible and Need.KEY in definition.needs else "no",
    }


def _golden_case(definition: Definition[Any]) -> Mapping[str, Any]:
    """Find the pinned case of the example."""
    example = (definition.name, definition.example)
    for case in json.loads(GOLDEN.read_text(encoding="utf-8")):
        if (case["technique"], case["options"]) == example:
            found: Mapping[str, Any] = case
            return found
    sys.exit(f"the example of {definition.name} is not pinned: run `python -m tools.pin_golden`")


def _outcomes(case: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for before, after in zip(case["values"], case["outputs"], strict=True):
        if len(before or "") <= _WIDEST:
            yield _shown(before), _shown(after)


def _shown(value: str | None) -> str:
    return "NULL" if value is None else f"`{value}`" if value else "''"


def _names(kept: Iterable[Kept]) -> str:
    return ", ".join(property_ for property_ in Kept if property_ in kept) or "nothing"


if __name__ == "__main__":
    sys.exit(main())
