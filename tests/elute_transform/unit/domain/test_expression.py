"""An expression lets through what makes a row's value out of that row, and nothing else."""

from __future__ import annotations

import contextlib

import polars as pl
import pytest

from elute_transform.domain.column import Column
from elute_transform.domain.expression import MAX_CHARACTERS, compile_scalar
from elute_transform.domain.expression.words import FUNCTIONS
from elute_transform.domain.sample import SAMPLE
from elute_wire.errors import PlanRefused, Problem
from elute_wire.schema import LogicalType

ESCAPES: list[tuple[str, str]] = [
    # subqueries and statements
    ("(SELECT 1)", "expression-statement"),
    ("id IN (SELECT 1)", "expression-statement"),
    ("EXISTS (SELECT id)", "expression-statement"),
    ("id = ANY(1)", "expression-statement"),
    ("id = ALL (id)", "expression-statement"),
    ("1; DROP TABLE customers", "expression-character"),
    ("1 UNION SELECT 2", "expression-statement"),
    ("VALUES (1)", "expression-statement"),
    ("WITH x AS (SELECT 1) SELECT 1", "unknown-column"),
    # files and table functions
    ("read_csv('/etc/passwd')", "expression-function"),
    ("read_parquet('s3://bucket/key')", "expression-function"),
    ("scan_ipc('x')", "expression-function"),
    ("pg_read_file('/etc/passwd')", "expression-function"),
    ("generate_series(1, 1000000000)", "expression-function"),
    ("unnest(first_name)", "expression-function"),
    ("explode(first_name)", "expression-function"),
    ("load_extension('x')", "expression-function"),
    ("'/etc/passwd'::regclass", "unknown-column"),
    ("getenv('HOME')", "expression-function"),
    # aggregates and windows
    ("SUM(orders)", "expression-function"),
    ("COUNT(*)", "expression-function"),
    ("FIRST(email)", "expression-function"),
    ("MEDIAN(score)", "expression-function"),
    ("ARRAY_AGG(email)", "expression-function"),
    ("STRING_AGG(email, ',')", "expression-function"),
    ("ROW_NUMBER() OVER (ORDER BY id)", "expression-function"),
    ("LAG(email) OVER (ORDER BY id)", "expression-function"),
    ("orders OVER ()", "expression-statement"),
    ("MAX(email)", "expression-function"),
    # what is not the row's own
    ("random()", "expression-function"),
    ("now()", "expression-function"),
    ('"now"()', "expression-function"),
    ("NOW ()", "expression-function"),
    ("CURRENT_DATE", "unknown-column"),
    ("current_timestamp", "unknown-column"),
    ("LOCALTIME", "unknown-column"),
    ("uuid()", "expression-function"),
    ("gen_random_uuid()", "expression-function"),
    # wildcards, patterns, paths
    ("*", "expression-syntax"),
    ("COLUMNS('.*')", "expression-function"),
    ("customers.email", "expression-character"),
    ("position", "opaque-column"),
    ("settings['a']", "expression-character"),
    ('email COLLATE "C"', "unknown-column"),
    ("{fn now()}", "expression-character"),
    ("$1", "expression-character"),
    ("?", "expression-character"),
    ("@@version", "expression-character"),
    ("`email`", "expression-character"),
    ("$$x$$", "expression-character"),
    ("E'\\x41'", "unknown-column"),
    # hidden words
    ("email -- || now()", "expression-comment"),
    ("email /* x */", "expression-comment"),
    ("email || 'it''s' || now()", "expression-function"),
    ("email AS other", "unknown-column"),
    # more than a machine should be asked
    ("'" + "x" * MAX_CHARACTERS + "'", "expression-too-long"),
    ("9" * 39, "expression-character"),
    ("1e99999", "expression-character"),
    ("+".join(["id"] * 600), "expression-too-large"),
    ("(" * 900 + "id" + ")" * 900, "expression-syntax"),
    ("-" + " - ".join(["id"] * 300), "expression-too-large"),
    ("UPPER(" * 200 + "email" + ")" * 200, "expression-syntax"),
    ("CONCAT(" + ",".join(["email"] * 310) + ")", "expression-too-large"),
    ("REPLACE(REPLACE(email, 'a', 'aaaaaaaaaa'), 'a', 'aaaaaaaaaa')", "expression-growth"),
    ("REPLACE(email, '', 'x')", "expression-replace"),
    ("REPLACE(email, 'a', last_name)", "expression-replace"),
    ("LPAD(email, 1000000000, 'x')", "expression-function"),
    ("REPEAT('x', 1000000000)", "expression-function"),
    ("email ~ '(a{1,1000}){1,1000}{1,1000}'", "expression-type"),
    ("email ~ last_name", "expression-syntax"),
    ("birth_date + INTERVAL '99999999 years'", "expression-interval"),
    ("birth_date + INTERVAL email", "expression-interval"),
    # what would be wrong in silence
    ("balance > '10'", "expression-decimal"),
    ("balance || 'x' > balance", "expression-decimal"),
    ("birth_date > '2000-01-01'", "expression-type"),
    ("DATE(email)", "expression-format"),
    ("STRPOS(email, '.')", "expression-function"),
    ("orders // 2", "expression-character"),
    ("UPPER(orders)", "expression-type"),
    ("email + 1", "expression-type"),
    ("CAST(email AS DATE)", "expression-format"),
    ("UPPER(email)::timestamp", "expression-format"),
    ("level AND orders", "expression-type"),
    ("level OR email", "expression-type"),
    ("CASE WHEN is_active THEN settings ELSE created_at END", "expression-type"),
    ("COALESCE(email, 1)", "expression-type"),
    ("birth_date > seen_at", "expression-type"),
    ("GREATEST(birth_date, seen_at) > seen_at", "expression-type"),
    ("CAST(orders AS TIME)", "expression-format"),
    ("CAST(orders AS DATE)", "expression-format"),
    ("", "expression-syntax"),
    ("email email", "expression-kind"),
]


def refused(expression: str, columns: dict[str, Column] | None = None) -> list[Problem]:
    with pytest.raises(PlanRefused) as caught:
        compile_scalar(expression, columns or SAMPLE, LogicalType.BOOLEAN, "made")
    return list(caught.value.problems)


@pytest.mark.parametrize(("expression", "code"), ESCAPES, ids=[expression[:40] for expression, _ in ESCAPES])
def test_what_is_no_scalar_expression_is_refused(expression: str, code: str) -> None:
    assert code in {problem.code for problem in refused(expression)}


def test_replacements_that_keep_a_text_small_are_fine() -> None:
    expression = "REPLACE(REPLACE(email, 'a', 'aaaa'), 'b', 'bbbb')"
    assert compile_scalar(expression, SAMPLE, LogicalType.TEXT, "made").rejects == ()


def test_every_function_on_the_list_is_one_that_polars_knows() -> None:
    unknown = set()
    for function in sorted(FUNCTIONS - {"cast", "extract", "substring", "try_cast"}):
        try:
            pl.sql_expr(f"{function}()")
        except pl.exceptions.SQLInterfaceError as error:
            if "unsupported function" in str(error):
                unknown.add(function)
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
            continue  # it knows the function, and misses its arguments
    assert unknown == set()


def test_all_unknown_names_are_told_at_once() -> None:
    problems = refused("emial || lastname || now()")
    assert [(problem.code, problem.column) for problem in problems] == [
        ("unknown-column", "emial"),
        ("unknown-column", "lastname"),
        ("expression-function", ""),
    ]
    assert problems[0].hint.startswith("did you mean email")


@pytest.mark.parametrize("name", ["current_date", "now", "localtime", "user"])
def test_a_column_with_the_name_of_a_function_is_never_confused_with_it(name: str) -> None:
    columns = {name: Column("text", LogicalType.TEXT)}
    quoted = compile_scalar(f'"{name}"', columns, LogicalType.TEXT, "made")
    assert quoted.value.meta.root_names() == [name]
    with contextlib.suppress(PlanRefused):
        bare = compile_scalar(name, columns, LogicalType.TEXT, "made")
        assert bare.value.meta.root_names() == [name]


def test_a_name_that_looks_like_a_pattern_is_not_taken_for_one() -> None:
    columns = {"^.*$": Column("text", LogicalType.TEXT), "secret": Column("text", LogicalType.TEXT)}
    assert [problem.code for problem in refused('"^.*$"', columns)] == ["expression-kind"]


def test_a_quoted_name_may_hold_anything_else() -> None:
    columns = {'Order "No"; --': Column("text", LogicalType.TEXT)}
    scalar = compile_scalar('"Order ""No""; --"', columns, LogicalType.TEXT, "made")
    assert scalar.value.meta.root_names() == ['Order "No"; --']


def test_a_backslash_in_a_text_is_just_a_backslash() -> None:
    # If Polars took it for an escape, the words inside the next text would be code, and unread by the first door.
    scalar = compile_scalar("'\\' || ' || now() || '", SAMPLE, LogicalType.TEXT, "made")
    assert pl.select(scalar.value).item() == "\\ || now() || "


@pytest.mark.parametrize(
    ("expression", "result"),
    [
        ("email", LogicalType.INT32),
        ("orders", LogicalType.TEXT),
        ("score", LogicalType.INT64),
        ("birth_date", LogicalType.TIMESTAMP),
        ("seen_at", LogicalType.TIMESTAMP_TZ),
        ("is_active", LogicalType.INT16),
        ("photo", LogicalType.TEXT),
        ("INTERVAL '1 day'", LogicalType.TEXT),
        ("orders", LogicalType.FLOAT64),
    ],
)
def test_a_result_of_another_kind_needs_a_cast(expression: str, result: LogicalType) -> None:
    with pytest.raises(PlanRefused) as caught:
        compile_scalar(expression, SAMPLE, result, "made")
    assert [problem.code for problem in caught.value.problems] == ["expression-result"]
