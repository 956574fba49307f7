"""Generate the JSON Schema of pipeline documents, or check that the committed one is what would be generated.

It knows every step and technique with its options, so that an editor can complete and check a document.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from elute_anonymizer.application.examination import techniques
from elute_gateway.application.document_model import PipelinePart
from elute_transform.domain.step import Definition
from elute_wire.registry import load
from tools.reference.render import settle

PAGE = Path("docs/reference/pipeline.schema.json")
SHIPPED = Path("gateway/src/elute_gateway/cli/pipeline.schema.json")
"""What `elute schema` prints: the gateway knows neither steps nor techniques, and need not be asked what they are."""

COMMAND = "python -m tools.reference.pipeline"
DIALECT = "https://json-schema.org/draft/2020-12/schema"

Configs = Mapping[str, type[BaseModel]]
References = Mapping[Any, Any]


def schema() -> dict[str, Any]:
    """Build the JSON Schema of a pipeline document."""
    steps = {name: definition.config for name, definition in load("elute_transform.steps", Definition).items()}
    rules = {name: definition.config for name, definition in techniques().items()}
    models: list[type[BaseModel]] = [PipelinePart, *steps.values(), *rules.values()]
    references, definitions = models_json_schema([(model, "validation") for model in models])
    parts: dict[str, Any] = definitions["$defs"]
    rule = parts["RulePart"]["properties"]["technique"]
    rule["anyOf"] = _choices(rules, references)
    rule["anyOf"].append({"type": "null"})  # the technique `null`, as YAML reads it
    document = parts.pop("PipelinePart")
    document["properties"]["clean"]["additionalProperties"]["items"]["anyOf"] = _choices(steps, references)
    return {"$schema": DIALECT, **document, "title": "A pipeline of Elute", "$defs": parts}


def _choices(configs: Configs, references: References) -> list[dict[str, Any]]:
    """Describe what may name a component: its bare name where it needs no option, or one name with options."""
    bare = [name for name, config in configs.items() if not config.model_json_schema().get("required")]
    options = {name: references[config, "validation"] for name, config in configs.items()}
    one = {
        "type": "object",
        "minProperties": 1,
        "maxProperties": 1,
        "properties": {name: {"anyOf": [option, {"type": "null"}]} for name, option in options.items()},
        "additionalProperties": False,
    }
    return [{"enum": bare}, one] if bare else [one]


def main() -> int:
    """Generate, or with --check compare and write nothing."""
    content = json.dumps(schema(), indent=2, sort_keys=True) + "\n"
    return max([settle(path, content, COMMAND) for path in (PAGE, SHIPPED)])


if __name__ == "__main__":
    sys.exit(main())
