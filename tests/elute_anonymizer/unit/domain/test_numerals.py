from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from elute_anonymizer.domain import numerals
from elute_wire.compiled import interpreted


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 62), st.integers(1, 10), st.lists(st.integers(0, 2**62), min_size=1, max_size=6))
def test_a_string_reads_as_the_number_that_it_was_written_from(radix: int, count: int, drawn: list[int]) -> None:
    numbers = np.array([number % radix**count for number in drawn], np.uint64)
    starts = np.arange(len(numbers)) * (count + 1)
    symbols = np.zeros(len(numbers) * (count + 1), np.uint8)
    numerals.write(numbers, symbols, starts, count, radix)
    assert numerals.read(symbols, starts, count, radix).tolist() == numbers.tolist()
    again = np.zeros_like(symbols)
    interpreted(numerals.write)(numbers, again, starts, count, radix)
    assert again.tolist() == symbols.tolist()
    assert interpreted(numerals.read)(symbols, starts, count, radix).tolist() == numbers.tolist()


@pytest.mark.parametrize("digits", [numerals.luhn_digits, interpreted(numerals.luhn_digits)])
def test_check_digits_are_those_of_known_cards(digits: Any) -> None:
    cards = ["4111111111111111", "5500000000000004", "6011000000000004"]
    symbols = np.array([int(digit) for card in cards for digit in card], np.uint8)
    assert digits(symbols, np.arange(3) * 16, 15).tolist() == [int(card[-1]) for card in cards]
