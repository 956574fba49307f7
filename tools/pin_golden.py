"""Pin the outputs of golden cases: `python -m tools.pin_golden`.

A technique's example gets a case, on the values that another case of a type that it takes has. Write further cases
into the file by hand, without outputs. A pinned output never changes: it is a promise to everyone whose
pseudonyms are already out. Where a change is meant, delete the case's outputs by hand and say so in the changelog.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from elute_anonymizer.application.examination import techniques
from elute_anonymizer.domain.technique import Definition, Need
from tests.support.scrubbing import GOLDEN, golden_output


def main() -> None:
    """Fill in what is missing."""
    cases = json.loads(GOLDEN.read_text(encoding="utf-8"))
    cases += list(_new(cases))
    for case in cases:
        if "outputs" not in case:
            case["outputs"] = golden_output(case)
    lines = ",\n".join(json.dumps(case, ensure_ascii=False) for case in cases)
    GOLDEN.write_text(f"[\n{lines}\n]\n", encoding="utf-8")


def _new(cases: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    pinned = [(case["technique"], case["options"]) for case in cases]
    for definition in techniques().values():
        if (definition.name, definition.example) not in pinned:
            own = [case for case in cases if case["technique"] == definition.name]
            yield _case(definition, next(case for case in own or cases if case["type"] in definition.accepts))


def _case(definition: Definition[Any], like: dict[str, Any]) -> dict[str, Any]:
    case = {"technique": definition.name, "options": definition.example, "type": like["type"], "values": like["values"]}
    if Need.SUBJECT in definition.needs:
        case["subject"] = [f"subject {row % 3}" for row in range(len(like["values"]))]
    return case


if __name__ == "__main__":
    main()
