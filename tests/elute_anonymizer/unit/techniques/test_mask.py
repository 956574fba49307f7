import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elute_anonymizer.domain.graphemes import graphemes
from tests.support.scrubbing import scrub


@pytest.mark.parametrize(
    ("options", "value", "masked"),
    [
        ({"first": 1, "last": 2}, "abcdef", "a***ef"),
        ({"first": 1, "last": 2}, "abc", "***"),
        ({}, "abc", "***"),
        ({"first": 1}, "ab", "a*"),
        ({"last": 1, "with": "#"}, "ab", "#b"),
        ({"first": 1, "width": 8}, "abc", "a********"),
        ({"first": 4, "width": 2}, "abc", "**"),
        ({"first": 1, "last": 1}, "e\u0301xo\u0308", "e\u0301*o\u0308"),
        ({"first": 1}, "👩‍👩‍👧🇩🇪x", "👩‍👩‍👧**"),
        ({"first": 3}, "👩‍👩‍👧🇩🇪x", "***"),
        ({"first": 1, "width": 2}, "👍🏽👍🏽👍🏽", "👍🏽**"),
        ({"first": 1}, "", ""),
        ({"first": 1}, None, None),
    ],
)
def test_the_ends_show_and_the_rest_is_hidden(
    options: dict[str, object], value: str | None, masked: str | None
) -> None:
    assert scrub("mask", options, pa.array([value, "plain"], pa.string())).to_pylist()[0] == masked


@given(st.lists(st.text(alphabet="ab é\u0301\u200d👍\r\n🇩한", max_size=8), min_size=1, max_size=4))
def test_a_row_looks_the_same_whatever_rows_are_beside_it(values: list[str]) -> None:
    masked = scrub("mask", {"first": 1, "last": 1}, pa.array(values)).to_pylist()
    for value, output in zip(values, masked, strict=True):
        clusters = graphemes(value)
        shown = len(clusters) > 2
        expected = [
            cluster if shown and place in {0, len(clusters) - 1} else "*" for place, cluster in enumerate(clusters)
        ]
        assert output == "".join(expected)
