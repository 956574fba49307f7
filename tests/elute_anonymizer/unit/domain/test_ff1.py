import numpy as np
import pytest

from elute_anonymizer.domain.ff1 import FF1, Direction

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


def symbols(text: str) -> np.ndarray:
    return np.array([[ALPHABET.index(letter) for letter in text]], np.uint16)


@pytest.mark.parametrize(("key", "radix", "tweak", "plain", "cipher"), SAMPLES)
def test_the_published_samples_encrypt_and_decrypt(key: str, radix: int, tweak: str, plain: str, cipher: str) -> None:
    ff1 = FF1(bytes.fromhex(key), radix, len(plain), bytes.fromhex(tweak))
    assert ff1.apply(symbols(plain)).tolist() == symbols(cipher).tolist()
    assert ff1.apply(symbols(cipher), Direction.DECRYPT).tolist() == symbols(plain).tolist()


@pytest.mark.parametrize(("radix", "length"), [(2, 20), (2, 64), (10, 6), (10, 18), (10, 32), (62, 18), (65536, 2)])
def test_columns_agree_with_one_value_at_a_time(radix: int, length: int) -> None:
    ff1 = FF1(bytes(32), radix, length)
    plain = np.random.default_rng(7).integers(0, radix, (20, length)).astype(np.uint16)
    encrypted = ff1.apply(plain)
    assert [ff1._one([int(symbol) for symbol in row], Direction.ENCRYPT) for row in plain] == encrypted.tolist()
    assert np.array_equal(ff1.apply(encrypted, Direction.DECRYPT), plain)


@pytest.mark.parametrize(("radix", "length"), [(10, 33), (10, 200), (62, 40)])
def test_strings_beyond_a_word_decrypt_to_themselves(radix: int, length: int) -> None:
    ff1 = FF1(bytes(16), radix, length)
    plain = np.random.default_rng(8).integers(0, radix, (5, length)).astype(np.uint16)
    encrypted = ff1.apply(plain)
    assert not np.array_equal(encrypted, plain)
    assert np.array_equal(ff1.apply(encrypted, Direction.DECRYPT), plain)


@pytest.mark.parametrize(("radix", "length"), [(10, 5), (2, 19), (1, 30), (65537, 2), (10**6, 1)])
def test_domains_that_the_standard_excludes_are_refused(radix: int, length: int) -> None:
    with pytest.raises(ValueError, match="not defined"):
        FF1(bytes(16), radix, length)
