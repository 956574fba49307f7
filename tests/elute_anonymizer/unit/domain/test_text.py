import itertools

import pyarrow as pa
import pytest

from elute_anonymizer.domain.text import Text, where_filled

VALUES = ["a", None, "", "é", "日本", None, "x" * 40, "b", None, "c"]


@pytest.mark.parametrize(("offset", "length"), [(0, 10), (1, 9), (3, 6), (9, 1), (4, 0)])
def test_text_is_the_strings_of_a_column_wherever_it_begins(offset: int, length: int) -> None:
    column = pa.array(VALUES).slice(offset, length)
    text = Text.of(column)
    data, offsets = text.strings
    assert len(text) == len(column)
    found = [data[first:stop].tobytes().decode() for first, stop in itertools.pairwise(offsets)]
    assert found == [value or "" for value in column.to_pylist()]
    assert text.lengths.tolist() == [len((value or "").encode()) for value in column.to_pylist()]


@pytest.mark.parametrize(("offset", "length"), [(0, 10), (1, 9), (3, 6), (4, 1)])
def test_other_strings_are_null_where_these_are(offset: int, length: int) -> None:
    column = pa.array(VALUES).slice(offset, length)
    text = Text.of(column)
    replaced = text.replaced(*text.strings)
    replaced.validate(full=True)
    assert replaced.to_pylist() == column.to_pylist()


def test_nobody_writes_into_a_column_by_its_text() -> None:
    for column in (pa.array(["a", None]), pa.array([], pa.string())):
        for array in Text.of(column).strings:
            assert not array.flags.writeable


def test_results_stand_only_where_values_have_content() -> None:
    assert where_filled(pa.array(["a", None, ""]), pa.array(["x", "y", "z"])).to_pylist() == ["x", None, ""]
    assert where_filled(pa.array(["a", "b"]), pa.array(["x", "y"])).to_pylist() == ["x", "y"]
