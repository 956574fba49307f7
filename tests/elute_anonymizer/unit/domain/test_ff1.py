import numpy as np
import pytest

from elute_anonymizer.domain.ff1 import FF1, Direction
from elute_anonymizer.domain.numerals import Symbols
from tests.support.interpreting import interpreted_loops

ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz"
KEY_128 = "2B7E151628AED2A6ABF7158809CF4F3C"
KEY_192 = KEY_128 + "EF4359D8D580AA4F"
KEY_256 = KEY_192 + "7F036D6F04FC6A94"
DIGITS, LETTERS = "0123456789", "0123456789abcdefghi"

# The nine samples that NIST publishes beside SP 800-38G.
SAMPLES = [
    (KEY_128, 10, "", DIGITS, "2433477484"),
    (KEY_128, 10, "39383736353433323130", DIGITS, "6124200773"),
    (KEY_128, 36, "3737373770717273373737", LETTERS, "a9tv40mll9kdu509eum"),
    (KEY_192, 10, "", DIGITS, "2830668132"),
    (KEY_192, 10, "39383736353433323130", DIGITS, "2496655549"),
    (KEY_192, 36, "3737373770717273373737", LETTERS, "xbj3kv35jrawxv32ysr"),
    (KEY_256, 10, "", DIGITS, "6657667009"),
    (KEY_256, 10, "39383736353433323130", DIGITS, "1001623463"),
    (KEY_256, 36, "3737373770717273373737", LETTERS, "xs8a0azh2avyalyzuwd"),
]


def symbols(text: str) -> Symbols:
    return np.array([ALPHABET.index(letter) for letter in text], np.uint8)


def turned(ff1: FF1, strings: Symbols, direction: Direction = Direction.ENCRYPT) -> Symbols:
    """Encrypt or decrypt n strings, an (n, length) array, among others that must stay as they are."""
    flat = np.full(2 * strings.size + 1, 7, np.uint8)
    places = np.arange(len(strings)) * 2 * strings.shape[1] + 1
    cells = places[:, None] + np.arange(strings.shape[1])
    flat[cells] = strings
    ff1.apply(flat, places, direction)
    result: Symbols = flat[cells]
    flat[cells] = 7
    assert (flat == 7).all()
    return result


@pytest.mark.parametrize(("key", "radix", "tweak", "plain", "cipher"), SAMPLES)
def test_the_published_samples_encrypt_and_decrypt(key: str, radix: int, tweak: str, plain: str, cipher: str) -> None:
    ff1 = FF1(bytes.fromhex(key), radix, len(plain), bytes.fromhex(tweak))
    assert turned(ff1, symbols(plain)[None]).tolist() == [symbols(cipher).tolist()]
    assert turned(ff1, symbols(cipher)[None], Direction.DECRYPT).tolist() == [symbols(plain).tolist()]


@pytest.mark.parametrize(
    ("radix", "length"), [(2, 20), (2, 64), (10, 6), (10, 18), (10, 24), (10, 32), (62, 18), (256, 3)]
)
def test_columns_agree_with_one_value_at_a_time(radix: int, length: int) -> None:
    ff1 = FF1(bytes(32), radix, length)
    plain = np.random.default_rng(7).integers(0, radix, (20, length)).astype(np.uint8)
    encrypted = turned(ff1, plain)
    assert [ff1._one(row, Direction.ENCRYPT) for row in plain.tolist()] == encrypted.tolist()
    assert np.array_equal(turned(ff1, encrypted, Direction.DECRYPT), plain)


@pytest.mark.parametrize(("radix", "length"), [(2, 20), (10, 11), (10, 24), (10, 32)])
def test_compiled_rounds_do_what_their_source_says(radix: int, length: int) -> None:
    ff1 = FF1(bytes(32), radix, length)
    plain = np.random.default_rng(9).integers(0, radix, (9, length)).astype(np.uint8)
    for direction in Direction:
        expected = turned(ff1, plain, direction)
        with interpreted_loops("elute_anonymizer"):
            assert turned(ff1, plain, direction).tolist() == expected.tolist()


def test_more_rows_than_a_chunk_are_encrypted_as_few_are() -> None:
    ff1 = FF1(bytes(32), 10, 8)
    plain = np.random.default_rng(5).integers(0, 10, (8200, 8)).astype(np.uint8)
    assert np.array_equal(turned(ff1, plain)[8190:], turned(ff1, plain[8190:]))


@pytest.mark.parametrize(("radix", "length"), [(10, 33), (10, 200), (62, 40)])
def test_strings_beyond_a_word_decrypt_to_themselves(radix: int, length: int) -> None:
    ff1 = FF1(bytes(16), radix, length)
    plain = np.random.default_rng(8).integers(0, radix, (5, length)).astype(np.uint8)
    encrypted = turned(ff1, plain)
    assert not np.array_equal(encrypted, plain)
    assert np.array_equal(turned(ff1, encrypted, Direction.DECRYPT), plain)


@pytest.mark.parametrize(("radix", "length"), [(10, 5), (2, 19), (1, 30), (257, 3), (10**6, 1)])
def test_domains_that_the_standard_excludes_or_a_byte_does_not_hold_are_refused(radix: int, length: int) -> None:
    with pytest.raises(ValueError, match="not defined"):
        FF1(bytes(16), radix, length)
