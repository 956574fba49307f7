"""Clean text: spaces, case, Unicode form, control characters and empty texts, in columns of text.

What is asked for happens in this order: control characters are removed, the Unicode form is normalised, white space at
both ends is cut off, runs of white space become one space, the case is changed, an empty text becomes NULL. After a
change of case the Unicode form is normalised again, so cleaning a cleaned text changes nothing. NULL stays NULL.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from enum import StrEnum
from typing import Annotated, Self

import polars as pl
from pydantic import BeforeValidator, model_validator

from elute_transform.application.options import ColumnNames, Options
from elute_transform.domain.column import Columns
from elute_transform.domain.step import Change, Definition, Made, pointer, unknown_column
from elute_wire.errors import Problem, Severity
from elute_wire.schema import LogicalType

# White space is a control character in part (tab, line feed); it is `whitespace` that deals with it.
_CONTROL_CHARACTERS = r"[\p{Cc}--\p{White_Space}]"
# White space other than one plain space: most texts have none, and are then not written anew.
_UNTIDY_SPACE = r"[\s--\x20]\s*|\x20\s+"


class Whitespace(StrEnum):
    """What becomes of white space inside a text."""

    KEEP = "keep"
    COLLAPSE = "collapse"


class Case(StrEnum):
    """What becomes of upper and lower case."""

    KEEP = "keep"
    LOWER = "lower"
    UPPER = "upper"
    TITLE = "title"


class UnicodeForm(StrEnum):
    """Which normal form of Unicode Standard Annex 15 a text gets."""

    KEEP = "keep"
    NFC = "NFC"
    NFKC = "NFKC"


class ControlCharacters(StrEnum):
    """What becomes of control characters (Unicode category Cc) that are no white space."""

    KEEP = "keep"
    REMOVE = "remove"


class Empty(StrEnum):
    """What becomes of a text that is empty, or that cleaning has emptied."""

    KEEP = "keep"
    NULL = "null"


def _null_is_a_word(value: object) -> object:
    return Empty.NULL.value if value is None else value


class Config(Options):
    """At least one option beside `columns` has to clean something."""

    columns: ColumnNames
    """Columns of text."""
    trim: bool = False
    """Whether white space at both ends is cut off."""
    whitespace: Whitespace = Whitespace.KEEP
    """What becomes of white space inside a text: `collapse` makes each run of it one space."""
    case: Case = Case.KEEP
    """What becomes of upper and lower case; `title` starts each word with a capital."""
    unicode: UnicodeForm = UnicodeForm.KEEP
    """Which normal form a text gets."""
    control_characters: ControlCharacters = ControlCharacters.KEEP
    """What becomes of control characters that are no white space."""
    empty: Annotated[Empty, BeforeValidator(_null_is_a_word)] = Empty.KEEP
    """What becomes of a text that is empty, or that cleaning has emptied; `null` makes it NULL."""

    @model_validator(mode="after")
    def _something_is_cleaned(self) -> Self:
        if not self.model_dump(exclude={"columns"}, exclude_defaults=True):
            raise ValueError("nothing would be cleaned: choose at least one of the other options")
        return self


def change(config: Config, columns: Columns) -> Change:
    """Clean the named columns that are text."""
    texts = [name for name in config.columns if name in columns and columns[name].logical is LogicalType.TEXT]
    nulls = config.empty is Empty.NULL
    return Change(
        makes={
            name: Made(_cleaned(pl.col(name), config), replace(columns[name], nullable=columns[name].nullable or nulls))
            for name in texts
        },
        problems=tuple(_problems(config, columns)),
    )


def _cleaned(text: pl.Expr, config: Config) -> pl.Expr:
    if config.control_characters is ControlCharacters.REMOVE:
        text = text.str.replace_all(_CONTROL_CHARACTERS, "")
    text = _normalized(text, config.unicode)
    if config.trim:
        text = text.str.strip_chars()
    if config.whitespace is Whitespace.COLLAPSE:
        text = text.str.replace_all(_UNTIDY_SPACE, " ")
    if config.case is not Case.KEEP:
        text = _normalized(_cased(text, config.case), config.unicode)
    if config.empty is Empty.NULL:
        text = text.replace("", None)
    return text


def _normalized(text: pl.Expr, form: UnicodeForm) -> pl.Expr:
    match form:
        case UnicodeForm.NFC:
            return text.str.normalize("NFC")
        case UnicodeForm.NFKC:
            return text.str.normalize("NFKC")
        case UnicodeForm.KEEP:
            return text


def _cased(text: pl.Expr, case: Case) -> pl.Expr:
    match case:
        case Case.LOWER:
            return text.str.to_lowercase()
        case Case.UPPER:
            return text.str.to_uppercase()
        case Case.TITLE:
            return text.str.to_titlecase()
        case Case.KEEP:
            return text


def _problems(config: Config, columns: Columns) -> Iterator[Problem]:
    for place, name in enumerate(config.columns):
        at = pointer("columns", place)
        column = columns.get(name)
        if column is None:
            yield unknown_column(name, columns, at)
        elif column.logical is not LogicalType.TEXT:
            message = f"column {name} has type {column.source_type}, which is no text"
            yield Problem("type-not-accepted", message, "leave it out", pointer=at, column=name)
        elif config.empty is Empty.NULL and not column.nullable:
            message = f"column {name} may not be NULL, but an empty text in it becomes NULL"
            hint = "where the target has the same rule, a row with an empty text fails the run"
            yield Problem("null-in-required-column", message, hint, Severity.WARNING, pointer=at, column=name)


DEFINITION = Definition(
    name="clean_text",
    effect="Cleans spaces, case, Unicode form, control characters and empty texts.",
    config=Config,
    change=change,
    example={"columns": ["first_name", "last_name"], "trim": True, "whitespace": "collapse", "empty": "null"},
    source="Unicode Standard Annex 15 (normal forms); White_Space and Cc of the Unicode Character Database",
)
