"""Generate the reference page of the cleaning steps, or check that the committed one is what would be generated."""

from __future__ import annotations

import importlib
import json
import sys
import textwrap
from collections.abc import Iterable
from pathlib import Path

from elute_transform.application.pipeline import Definitions, Step, validate
from elute_transform.domain.expression.words import FUNCTIONS, MAX_CHARACTERS
from elute_transform.domain.sample import SAMPLE
from elute_transform.domain.step import AnyDefinition, Definition
from elute_wire.registry import load
from tools.reference.render import Entry, Flow, in_yaml, page, settle

PAGE = Path("docs/reference/steps.md")
COMMAND = "python -m tools.reference.steps"
DATASET = "shop.customers"

INTRODUCTION = """
Cleaning steps change a dataset's columns before anything is scrubbed. They stand in a pipeline under `clean`, by
dataset, and run in their order; each sees the columns as those before it left them. A column that a step makes needs a
rule or a keep like any other. [How to add a step](../how-to/add-a-step.md).

The examples are about a dataset `shop.customers` with these columns:

{columns}.
"""

EXPRESSIONS = """
## Expressions

An expression makes a row's value out of that row alone. It may hold the names of columns (in double quotes where they
are no plain words; upper and lower case count), numbers, text in single quotes, `DATE '2020-01-31'`,
`TIMESTAMP '2020-01-31 10:00:00'`, `TIMESTAMPTZ '2020-01-31 10:00:00Z'`, `INTERVAL '3 days'`, the operators
`+ - * / % || = <> < <= > >= ~ ~* !~ !~*`, `AND`, `OR`, `NOT`, `IS [NOT] NULL`, `IS [NOT] DISTINCT FROM`, `[NOT] IN`,
`[NOT] BETWEEN`, `[NOT] LIKE`, `[NOT] ILIKE`, `CASE`, `CAST(… AS …)`, and these functions:

{functions}.

Everything else is refused before a run: subqueries, aggregates, windows, table functions, whatever reads a clock, a
file or a random number, and expressions of more than {characters} characters.

A value that an expression cannot take (a text that is no number, an integer too large for the column, an infinite date
to compute with) is an error that names the column and the row's ordinal, never the value. Infinite dates can be
compared and passed on.
"""


def main() -> int:
    """Generate, or with --check compare and write nothing."""
    definitions: Definitions = load("elute_transform.steps", Definition)
    columns = _wrapped(f"`{name}` {column.source_type}" for name, column in SAMPLE.items())
    entries = [_entry(definition, definitions) for definition in definitions.values()]
    functions = _wrapped(f"`{name}`" for name in sorted(FUNCTIONS))
    content = page("Cleaning steps", INTRODUCTION.format(columns=columns), entries, COMMAND)
    content += EXPRESSIONS.format(functions=functions, characters=f"{MAX_CHARACTERS:,}")
    return settle(PAGE, content, COMMAND)


def _entry(definition: AnyDefinition, definitions: Definitions) -> Entry:
    outcome = validate(DATASET, [Step(definition.name, json.dumps(definition.example), "")], SAMPLE, definitions)
    return Entry(
        name=definition.name,
        effect=definition.effect,
        text=importlib.import_module(f"elute_transform.steps.{definition.name}").__doc__ or "",
        config=definition.config,
        example=in_yaml({"clean": {DATASET: [{definition.name: Flow(definition.example)}]}}),
        facts={"Reads in the example": _names(outcome.touched), "Makes in the example": _names(outcome.changed)},
        source=definition.source,
    )


def _wrapped(words: Iterable[str]) -> str:
    return "\n".join(textwrap.wrap(", ".join(words), 118, break_long_words=False, break_on_hyphens=False))


def _names(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in sorted(names)) or "nothing"


if __name__ == "__main__":
    sys.exit(main())
