"""Texts come out clean, and NULL stays NULL."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from elute_transform.domain.column import Column
from elute_transform.domain.sample import SAMPLE
from elute_wire.errors import Severity
from elute_wire.schema import LogicalType
from tests.elute_transform.batches import TEXTS, cleaned, judge, text

OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "trim": st.booleans(),
        "whitespace": st.sampled_from(["keep", "collapse"]),
        "case": st.sampled_from(["keep", "lower", "upper", "title"]),
        "unicode": st.sampled_from(["keep", "NFC", "NFKC"]),
        "control_characters": st.sampled_from(["keep", "remove"]),
        "empty": st.sampled_from(["keep", "null", None]),
    },
).filter(lambda options: any(value not in {"keep", False} for value in options.values()))


def clean(values: list[str | None], **options: object) -> list[str | None]:
    made = cleaned(text("t", values), ("clean_text", {"columns": ["t"], **options}))
    return list(made.column("t").to_pylist())


@pytest.mark.parametrize(
    ("options", "before", "after"),
    [
        ({"trim": True}, "\u00a0\t a  b \u2003\n", "a  b"),
        ({"whitespace": "collapse"}, " a \t\u2003b\u00a0c\n", " a b c "),
        ({"trim": True, "whitespace": "collapse"}, "  a \n b ", "a b"),
        ({"case": "lower"}, "ÀÉ Straße", "àé straße"),
        ({"case": "upper"}, "straße", "STRASSE"),
        ({"case": "title"}, "anna-LENA o'neil", "Anna-Lena O'Neil"),
        ({"unicode": "NFC"}, "e\u0301", "\u00e9"),
        ({"unicode": "NFKC"}, "\ufb01n\u00b2", "fin2"),
        ({"control_characters": "remove"}, "a\x00b\x1b\tc\x7f\u0085", "ab\tc\u0085"),
        ({"control_characters": "remove", "unicode": "NFC"}, "e\x00\u0301", "\u00e9"),
        ({"unicode": "NFC", "case": "upper"}, "\u0390", "\u03aa\u0301"),
        ({"empty": None}, "", None),
        ({"empty": "null", "trim": True}, " \u00a0", None),
        ({"empty": "keep", "trim": True}, "  ", ""),
    ],
)
def test_each_option_does_what_it_says(options: dict[str, object], before: str, after: str | None) -> None:
    assert clean([before, None], **options) == [after, None]


@settings(max_examples=150, deadline=None)
@given(values=st.lists(st.none() | TEXTS, min_size=1, max_size=5), options=OPTIONS)
def test_cleaning_what_is_clean_changes_nothing(values: list[str | None], options: dict[str, object]) -> None:
    once = clean(values, **options)
    assert clean(once, **options) == once
    assert [value for value, was in zip(once, values, strict=True) if was is None] == [None] * values.count(None)
    for value in once:
        if value is not None and options.get("unicode", "keep") != "keep":
            assert unicodedata.is_normalized(str(options["unicode"]), value)  # type: ignore[arg-type]  # a form


def test_a_column_that_is_no_text_or_not_there_is_a_problem() -> None:
    outcome = judge(SAMPLE, ("clean_text", {"columns": ["id", "email", "nothing", "balance"], "trim": True}))
    assert [(problem.code, problem.pointer) for problem in outcome.errors] == [
        ("type-not-accepted", "/clean/0/columns/0"),
        ("unknown-column", "/clean/0/columns/2"),
        ("type-not-accepted", "/clean/0/columns/3"),
    ]
    assert outcome.changed == {"email"}


def test_an_empty_text_that_becomes_null_in_a_required_column_is_worth_a_warning() -> None:
    columns = {"t": Column("text", LogicalType.TEXT, nullable=False)}
    [problem] = judge(columns, ("clean_text", {"columns": ["t"], "empty": None})).problems
    assert (problem.code, problem.severity) == ("null-in-required-column", Severity.WARNING)
    assert judge(columns, ("clean_text", {"columns": ["t"], "empty": None})).columns["t"].nullable
    assert not judge(columns, ("clean_text", {"columns": ["t"], "trim": True})).columns["t"].nullable


@pytest.mark.parametrize("options", [{}, {"trim": False}, {"empty": "keep"}])
def test_a_cleaning_that_cleans_nothing_is_refused(options: dict[str, object]) -> None:
    [problem] = judge(SAMPLE, ("clean_text", {"columns": ["email"], **options})).problems
    assert problem.code == "invalid-option"


def test_a_cleaned_column_is_still_the_source_s() -> None:
    outcome = judge(SAMPLE, ("clean_text", {"columns": ["first_name"], "trim": True}))
    assert outcome.columns["first_name"] == SAMPLE["first_name"]
    assert outcome.origins["first_name"] == "first_name"
    assert outcome.touched == outcome.changed == {"first_name"}
