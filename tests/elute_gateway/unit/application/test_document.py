"""Documents: what they declare, and every problem with its pointer and line."""

from __future__ import annotations

import json

import pytest

from elute_gateway.application.document import Document, parse_json, parse_yaml
from elute_gateway.application.document_text import MAX_CHARACTERS, read_yaml
from elute_gateway.domain.pipeline import Extra, Mode, Structure, Verify
from elute_gateway.domain.problems import Kind

SHOP = """\
version: 1
pipeline: shop-to-qa
source:
  connection: shop
  datasets: ["public.*"]
  except: ["public.audit_*"]
  where:
    public.orders: "Total > 0 AND \\"Odd Name\\" IS NOT NULL"
target: {connection: shop-qa, mode: replace, structure: keep, take_along: [grants]}
clean:
  public.customers:
    - clean_text: {columns: [first_name], trim: true, empty: null}
    - lowercase
scrub:
  key_ring: shop
  key_version: 2
  keep: ["public.*.id"]
  rules:
    - {columns: ["public.*.email"], technique: {fake: {kind: email}}, domain: email}
    - {columns: ["public.*.phone"], technique: null}
    - {columns: ["public.*.total"], technique: keep}
    - {columns: ["public.*.birth"], technique: {date_shift: {days: 30}}, subject: id, trusts: [adult]}
verify: rows
limits: {parallel_partitions: 2, partition_bytes: 32MiB}
"""


def lines_of(document: Document) -> list[tuple[str, int | None]]:
    return [(problem.code, document.text.line(problem.pointer)) for problem in document.problems]


def test_a_document_declares_a_pipeline() -> None:
    pipeline = parse_yaml(SHOP).pipeline
    assert pipeline
    assert pipeline.scrub
    assert pipeline.name == "shop-to-qa"
    assert pipeline.source.filters[0].columns == ("Odd Name", "total")
    assert (pipeline.target.mode, pipeline.target.structure) == (Mode.REPLACE, Structure.KEEP)
    assert pipeline.target.take_along == {Extra.GRANTS}
    steps = pipeline.cleaning[0].steps
    assert [(step.name, step.config, step.pointer) for step in steps] == [
        ("clean_text", '{"columns":["first_name"],"empty":null,"trim":true}', "/clean/public.customers/0"),
        ("lowercase", "{}", "/clean/public.customers/1"),
    ]
    assert pipeline.scrub.key_version == 2
    assert [(rule.pointer, rule.technique) for rule in pipeline.scrub.rules] == [
        ("/scrub/rules/0", "fake"),
        ("/scrub/rules/1", "null"),
        ("/scrub/rules/3", "date_shift"),
    ]
    assert pipeline.scrub.rules[2].trusts == ("adult",)
    assert pipeline.verify is Verify.ROWS
    assert pipeline.limits.partition_bytes == 32 * 1024 * 1024


def test_a_rule_that_keeps_is_a_keep() -> None:
    pipeline = parse_yaml(SHOP).pipeline
    assert pipeline
    assert pipeline.scrub
    assert [pattern.text for pattern in pipeline.scrub.keep] == ["public.*.id", "public.*.total"]


def test_json_says_the_same_as_yaml() -> None:
    text = read_yaml(SHOP)
    assert parse_json(json.dumps(text.value)).pipeline == parse_yaml(SHOP).pipeline


def test_off_is_a_word_and_not_a_boolean() -> None:
    assert parse_yaml(SHOP.partition("scrub:")[0] + "scrub: off").pipeline
    refused = parse_yaml(SHOP.partition("scrub:")[0] + "scrub: false")
    assert lines_of(refused) == [("invalid-field", 14)]


@pytest.mark.parametrize("scrub", ["", "scrub:\n", "scrub: 'no'\n"])
def test_scrubbing_is_never_off_by_omission(scrub: str) -> None:
    assert parse_yaml(SHOP.partition("scrub:")[0] + scrub).pipeline is None


def test_every_problem_is_told_at_once_with_its_line() -> None:
    text = (
        SHOP.replace("version: 1", "version: 2")
        .replace("pipeline:", "pipelin:")
        .replace("mode: replace", "mode: upsert")
        .replace("key_version: 2", "key_version: 0")
        .replace("technique: null}", "technique: {a: {}, b: {}}}")
        .replace("parallel_partitions: 2", "parallel_partitions: '2'")
    )
    assert sorted(lines_of(parse_yaml(text)), key=lambda found: found[1] or 0) == [
        ("invalid-field", 1),
        ("invalid-field", 1),  # `pipeline` is missing from the whole
        ("unknown-field", 2),
        ("invalid-field", 9),
        ("invalid-field", 16),
        ("invalid-field", 20),
        ("invalid-field", 24),
    ]


def test_a_field_that_is_nearly_right_gets_a_hint() -> None:
    document = parse_yaml(SHOP.replace("trusts:", "trust:"))
    (problem,) = document.problems
    assert (problem.pointer, problem.hint) == ("/scrub/rules/3/trust", "did you mean 'trusts'?")


def test_malformed_patterns_and_filters_are_told_together() -> None:
    text = SHOP.replace('"public.*"', '"public"').replace("public.*.id", "id").replace("Total >", "random() >")
    assert lines_of(parse_yaml(text)) == [("invalid-pattern", 5), ("invalid-filter", 8), ("invalid-pattern", 17)]


def test_a_key_that_stands_twice_is_refused_at_its_second_line() -> None:
    assert lines_of(parse_yaml(SHOP + "verify: counts\n")) == [("duplicate-key", 25)]
    assert parse_json('{"version": 1, "version": 1}').problems[0].code == "duplicate-key"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "empty"),
        ("a: [", "line 2"),
        ("a: &all {}\nb: *all", "line 1: anchors"),
        ("a: !!python/object/apply:os.system [x]", "tags"),
        ("{}\n---\n{}", "line 2: a second document"),
        ("? [a]\n: b", "key must be a plain text"),
        ("[" * 100_000, "more than 32 parts"),
        ("a: \x07", "characters"),
        ("a: 1e999", "not finite"),
        ('a: "\\ud800"', "invalid Unicode"),
        ("#" * (MAX_CHARACTERS + 1), "more than 1,048,576 characters"),
    ],
)
def test_yaml_that_no_document_needs_is_refused(text: str, complaint: str) -> None:
    (problem,) = parse_yaml(text).problems
    assert problem.code == Kind.MALFORMED_DOCUMENT.code
    assert complaint in problem.message


@pytest.mark.parametrize("text", ["{", "[" * 100_000, "NaN", '"\\ud800"', " " * (MAX_CHARACTERS + 1)])
def test_malformed_json_is_refused(text: str) -> None:
    assert parse_json(text).problems[0].code == Kind.MALFORMED_DOCUMENT.code


def test_plain_words_have_the_types_of_yaml_1_2() -> None:
    text = "{a: on, b: 2024-01-01, c: 1:30, d: 010, e: 1.5, f: ~, g: true, h: '1', i: 0x1f, j: null}"
    assert read_yaml(text).value == {
        "a": "on",
        "b": "2024-01-01",
        "c": "1:30",
        "d": 10,
        "e": 1.5,
        "f": None,
        "g": True,
        "h": "1",
        "i": "0x1f",
        "j": None,
    }


def test_a_part_without_a_line_has_that_of_the_part_around_it() -> None:
    text = read_yaml("a:\n  b: {c/d: 1}\n")
    assert text.line("/a/b/c~1d") == 2
    assert text.line("/a/x/y") == 1
    assert read_yaml("").line("/a") == 1
