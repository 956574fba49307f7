import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from elute_anonymizer.domain.columns import Words
from elute_anonymizer.domain.draws import Composer, below, characters, lanes, one_of
from elute_anonymizer.domain.text import Text
from tests.support.interpreting import interpreted_loops

COLOURS = pa.array(["red", "verd", "blå", ""])
NUMBERS = pa.array([f"{number:03}" for number in range(1000)])
ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"


def bits(*numbers: int) -> Words:
    return np.array([[number & (2**64 - 1), number >> 64] for number in numbers], np.uint64)


def by_the_definition(word: int, *, is_filled: bool) -> str:
    """What the composer of the test below writes, one lane after the other."""
    first, second, third, _ = (word >> 32 * lane & (2**32 - 1) for lane in range(4))
    drawn = ["<", COLOURS[first * 4 >> 32].as_py(), ">"]
    drawn.append(NUMBERS[(second * 90_000 >> 32) % 1000].as_py())
    drawn += [ALPHABET[third >> place & 31] for pair in (0, 10) for place in (pair + 5, pair)]
    return "".join(drawn) if is_filled else ""


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2**128 - 1), st.sampled_from(["x", "", None])), max_size=6))
def test_a_text_is_the_words_that_its_bits_draw(rows: list[tuple[int, str | None]]) -> None:
    draws = [one_of(COLOURS, 0, before="<", after=">"), one_of(NUMBERS, 1, numbers=90_000), *characters(2, 4)]
    words = bits(*(number for number, _ in rows)).reshape(-1, 2)
    values = Text.of(pa.array([value for _, value in rows], pa.string()))
    made = Composer(draws).texts(words, values)
    made.validate(full=True)
    expected = [None if value is None else by_the_definition(word, is_filled=value != "") for word, value in rows]
    assert made.to_pylist() == expected
    with interpreted_loops("elute_anonymizer"):
        assert Composer(draws).texts(words, values).to_pylist() == expected


def test_draws_of_the_least_and_the_greatest_bits_are_the_first_and_the_last_number() -> None:
    for lane in lanes(bits(0, 2**128 - 1)):
        for count in (1, 2, 228, 4096, 90_000, 2**20):
            assert below(lane, count).tolist() == [0, count - 1]
