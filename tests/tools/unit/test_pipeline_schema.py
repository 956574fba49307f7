"""The published JSON Schema of pipeline documents."""

from __future__ import annotations

import json

from click.testing import CliRunner

from elute_anonymizer.application.examination import techniques
from elute_gateway.cli.app import app
from tools.reference.pipeline import schema


def test_the_schema_knows_every_technique_and_its_options() -> None:
    built = schema()
    named, options, null = built["$defs"]["RulePart"]["properties"]["technique"]["anyOf"]
    assert options["properties"].keys() == techniques().keys()
    assert "redact" in named["enum"]
    assert null == {"type": "null"}


def test_the_command_prints_it_whole() -> None:
    printed = json.loads(CliRunner().invoke(app, ["schema"]).stdout)
    assert printed == json.loads(json.dumps(schema()))


def test_every_reference_of_the_schema_leads_somewhere() -> None:
    built = schema()
    references = {part.partition('"')[0] for part in json.dumps(built).split('"#/$defs/')[1:]}
    assert references <= built["$defs"].keys()


def test_scrubbing_is_a_required_choice() -> None:
    built = schema()
    assert "scrub" in built["required"]
    assert {"const": "off", "type": "string"} in built["properties"]["scrub"]["oneOf"]
