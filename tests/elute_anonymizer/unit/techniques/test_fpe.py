import itertools

import pyarrow as pa
import pytest

from elute_wire.errors import ValueRejected
from tests.support.scrubbing import scrub


def fpe(values: list[str | None], **options: object) -> list[str]:
    scrubbed: list[str] = scrub("fpe", options, pa.array(values, pa.string())).to_pylist()
    return scrubbed


def is_luhn(number: str) -> bool:
    digits = [int(character) for character in reversed(number) if character.isdigit()]
    return sum(digit if place % 2 == 0 else sum(divmod(2 * digit, 10)) for place, digit in enumerate(digits)) % 10 == 0


CARDS = ["4111 1111 1111 1111", "5500-0000-0000-0004", "378282246310005", "30569309025904"]


@pytest.mark.parametrize("keep_first", [0, 6, 8])
def test_a_valid_card_stays_valid_keeps_its_format_and_what_is_to_be_kept(keep_first: int) -> None:
    for before, after in zip(CARDS, fpe([*CARDS], format="card", keep_first=keep_first), strict=True):
        assert is_luhn(before)
        assert is_luhn(after)
        assert before != after
        assert [not letter.isdigit() for letter in before] == [not letter.isdigit() for letter in after]
        kept = [letter for letter in before if letter.isdigit()][:keep_first]
        assert [letter for letter in after if letter.isdigit()][:keep_first] == kept


def test_an_invalid_card_stays_invalid_and_apart_from_the_valid_one() -> None:
    numbers = [f"411111111111111{digit}" for digit in range(10)]
    encrypted = fpe([*numbers], format="card")
    assert len(set(encrypted)) == 10
    assert [is_luhn(number) for number in encrypted] == [is_luhn(number) for number in numbers]


@pytest.mark.parametrize(
    ("number", "kept"),
    [
        ("+49 30 123456", "+49 "),
        ("+1 202 5550147", "+1 "),
        ("+7 495 1234567", "+7 "),
        ("+353 1 234567", "+353 "),
        ("0049 30 123456", "0049 "),
    ],
)
def test_a_phone_number_keeps_its_country_code(number: str, kept: str) -> None:
    (after,) = fpe([number], format="phone")
    assert after.startswith(kept)
    assert after[len(kept) :] != number[len(kept) :]
    assert len(after) == len(number)


def test_national_numbers_keep_their_leading_zero_or_its_absence_and_stay_apart() -> None:
    numbers = ["".join(digits) for length in (1, 2, 3) for digits in itertools.product("0123456789", repeat=length)]
    # What is nothing but a trunk zero or a country code has nothing to encrypt.
    whole = [number for number in numbers if not (set(number) == {"0"} or number.startswith("00"))]
    encrypted = fpe([*whole], format="phone", others="refuse")
    assert sorted(encrypted) == sorted(whole)
    assert [number[0] == "0" for number in encrypted] == [number[0] == "0" for number in whole]


@pytest.mark.parametrize("length", [1, 2, 3])
def test_short_values_are_permuted_among_all_of_their_length(length: int) -> None:
    values = ["".join(letters) for letters in itertools.product("0123456789", repeat=length)]
    encrypted = fpe([*values], format="digits")
    assert sorted(encrypted) == values
    assert encrypted != values


def test_separators_do_not_change_the_pseudonym() -> None:
    plain, dashed = fpe(["1234567890", "12-3456-7890"], format="digits")
    assert dashed.replace("-", "") == plain


def test_values_of_another_format_are_masked_character_by_character() -> None:
    assert fpe(["12a", "é1", "--", "日本", None, ""], format="digits") == ["***", "**", "**", "**", None, ""]
    assert fpe(["411", "4" * 20], format="card") == ["***", "*" * 20]
    assert fpe(["+4", "0"], format="phone") == ["**", "*"]


def test_values_of_another_format_are_refused_where_the_options_say_so() -> None:
    with pytest.raises(ValueRejected, match="2 of 3 values") as caught:
        fpe(["1234567", "secret", "x"], format="digits", others="refuse")
    assert "secret" not in str(caught.value)
    assert (caught.value.place.dataset, caught.value.place.column) == ("public.t", "value")


def test_what_happens_to_other_values_changes_no_pseudonym() -> None:
    assert fpe(["1234567"], format="digits", others="refuse") == fpe(["1234567"], format="digits", others="mask")


def test_a_value_of_thousands_of_digits_is_encrypted() -> None:
    (after,) = fpe(["7" * 3000], format="digits")
    assert len(after) == 3000
    assert after != "7" * 3000
