"""Patterns against a reference made of regular expressions, and everything that is malformed."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elute_gateway.domain.names import quoted
from elute_gateway.domain.pattern import ColumnPattern, DatasetPattern, PatternError

NAMES = st.text(alphabet='ab_.{}*", ', min_size=1, max_size=6)

PIECES = st.one_of(
    st.text(alphabet="ab_", min_size=1, max_size=3).map(lambda text: (text, re.escape(text))),
    st.just(("*", ".*")),
    st.text(alphabet='a.{*" ', min_size=1, max_size=3).map(lambda text: (quoted(text), re.escape(text))),
)
SEQUENCES = st.lists(PIECES, min_size=1, max_size=3).map(
    lambda pieces: ("".join(text for text, _ in pieces), "".join(regex for _, regex in pieces))
)
BRACES = st.lists(SEQUENCES, min_size=1, max_size=3).map(
    lambda options: (
        "{" + ",".join(text for text, _ in options) + "}",
        "(?:" + "|".join(regex for _, regex in options) + ")",
    )
)


def _no_adjacent_quotes(part: list[tuple[str, str]]) -> bool:
    # Two quoted pieces side by side read as one with a quote inside, in the pattern as anywhere.
    return '""' not in "".join(text for text, _ in part).replace('""""', "")


GLOBS = (
    st.lists(st.one_of(PIECES, BRACES), min_size=1, max_size=4)
    .filter(_no_adjacent_quotes)
    .map(lambda pieces: ("".join(text for text, _ in pieces), "".join(regex for _, regex in pieces)))
)


@given(GLOBS, NAMES)
def test_a_glob_matches_what_the_same_regular_expression_matches(glob: tuple[str, str], name: str) -> None:
    text, regex = glob
    pattern = ColumnPattern.parse(f"s.t.{text}")
    assert pattern.column.matches(name) == bool(re.fullmatch(regex, name, re.DOTALL))


@given(NAMES, NAMES, NAMES)
def test_a_quoted_name_is_a_pattern_that_matches_it_alone(schema: str, dataset: str, column: str) -> None:
    pattern = ColumnPattern.parse(quoted(schema, dataset, column))
    assert pattern.schema.literals == (schema,)
    assert pattern.dataset.literals == (dataset,)
    assert pattern.column.literals == (column,)
    assert not pattern.column.matches(column + "x")


def test_a_star_stays_inside_its_part() -> None:
    assert not DatasetPattern.parse("public.*").schema.matches("public.customers")
    with pytest.raises(PatternError, match="1 parts instead of 2"):
        DatasetPattern.parse("*")


def test_upper_and_lower_case_are_apart() -> None:
    assert not DatasetPattern.parse("public.Customers").dataset.matches("customers")


def test_alternatives_may_hold_stars_and_stand_inside_a_name() -> None:
    column = ColumnPattern.parse("s.t.{first,last*}_name").column
    assert column.matches("first_name")
    assert column.matches("last_known_name")
    assert not column.matches("middle_name")


def test_many_stars_cost_no_time() -> None:
    column = ColumnPattern.parse("s.t." + "*a" * 100 + "b").column
    started = time.process_time()
    assert not column.matches("a" * 10_000)
    assert time.process_time() - started < 0.5


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("public", "1 parts instead of 3"),
        ("a.b.c.d", "4 parts instead of 3"),
        ("a..c", "empty part"),
        ("a.b.", "empty part"),
        ("a.b.{c", "unclosed {"),
        ("a.b.{c,}", "empty alternative"),
        ("a.b.{c.d}", "stray '.' between braces"),
        ("a.b.{c,{d}}", "empty alternative"),
        ("a.b.c}", "stray '}'"),
        ("a.b,c.d", "stray ','"),
        ('a.b."c', "unclosed quote"),
        ("a.b.c d", "' ' must stand between double quotes"),
        ("a.b." + "{a,b}" * 9, "more than 256 alternatives"),
        ("a.b." + "c" * 1_000, "at most 1,000 characters"),
    ],
)
def test_a_malformed_pattern_says_what_is_wrong(text: str, complaint: str) -> None:
    with pytest.raises(PatternError, match=re.escape(complaint)):
        ColumnPattern.parse(text)
