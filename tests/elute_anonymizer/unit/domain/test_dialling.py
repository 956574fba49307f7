import string

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from elute_anonymizer.domain.dialling import prefixes
from elute_anonymizer.domain.templates import Alphabet, Template
from elute_anonymizer.domain.text import Text
from tests.support.interpreting import interpreted_loops

DIGITS = Alphabet.of(string.digits, " +")


def measured(*numbers: str) -> list[tuple[int, bool]]:
    text = Text.of(pa.array(numbers, pa.string()))
    lengths, is_national = prefixes(text, Template(text, DIGITS))
    return list(zip(lengths.tolist(), is_national.tolist(), strict=True))


@pytest.mark.parametrize(
    ("number", "length", "is_national"),
    [
        ("+1 202", 1, False),
        ("+7 495", 1, False),
        ("+49 30", 2, False),
        ("+353 1", 3, False),
        ("0049 30", 4, False),
        ("001 202", 3, False),
        ("030 12", 1, True),
        ("30 12", 0, True),
        (" +49 30", 0, True),
        # Nothing but a prefix, of which there are too few digits to know it.
        ("+4", 1, False),
        ("004", 3, False),
        ("00", 2, False),
        ("0", 1, True),
        ("", 0, True),
    ],
)
def test_a_prefix_ends_behind_the_country_code_or_the_leading_zero(
    number: str, length: int, *, is_national: bool
) -> None:
    assert measured(number) == [(length, is_national)]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.text("0149+ ", max_size=6), max_size=8))
def test_the_compiled_loop_does_what_its_source_says(numbers: list[str]) -> None:
    expected = [measured(number)[0] for number in numbers]
    assert measured(*numbers) == expected
    with interpreted_loops("elute_anonymizer"):
        assert measured(*numbers) == expected
