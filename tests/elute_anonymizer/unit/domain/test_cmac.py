import hmac

import pyarrow as pa
import pytest
from cryptography.hazmat.primitives.ciphers import algorithms
from cryptography.hazmat.primitives.cmac import CMAC

from elute_anonymizer.domain.cmac import ColumnMac
from elute_anonymizer.domain.hashing import hmac_sha256

LENGTHS = [0, 1, 15, 16, 17, 31, 32, 33, 63, 64, 65, 1023, 1024, 1025, 5000]
VALUES = [*("x" * length for length in LENGTHS), None, "é", "日本語" * 7, "x" * 16]
KEY = bytes(range(32))


def standard(key: bytes, value: str | None) -> bytes:
    mac = CMAC(algorithms.AES(key))
    mac.update((value or "").encode())
    return mac.finalize()


def test_every_length_gets_the_mac_of_the_standard() -> None:
    words = ColumnMac(KEY).words(pa.array(VALUES))
    assert [row.tobytes() for row in words] == [standard(KEY, value) for value in VALUES]


def test_the_samples_of_rfc_4493_come_out() -> None:
    key = bytes.fromhex("2b7e151628aed2a6abf7158809cf4f3c")
    assert ColumnMac(key).words(pa.array([""]))[0].tobytes().hex() == "bb1d6929e95937287fa37d129b756746"


@pytest.mark.parametrize(("offset", "length"), [(0, 0), (3, 5), (17, 2)])
def test_a_slice_of_a_column_gets_the_same_macs(offset: int, length: int) -> None:
    column = pa.array(VALUES)
    words = ColumnMac(KEY).words(column)
    part = ColumnMac(KEY).words(column.slice(offset, length))
    assert part.tolist() == words[offset : offset + length].tolist()


def test_more_rows_than_a_chunk_are_in_order() -> None:
    values = [str(number) for number in range(20_000)]
    words = ColumnMac(KEY).words(pa.array(values))
    assert [words[row].tobytes() for row in (0, 8191, 8192, 19_999)] == [
        standard(KEY, values[row]) for row in (0, 8191, 8192, 19_999)
    ]


def test_the_column_hash_is_the_hmac_of_the_standard_library() -> None:
    digests = hmac_sha256(KEY, pa.array(VALUES))
    # The plugin takes its key as text: the key is the 64 digits.
    expected = [hmac.digest(KEY.hex().encode(), (value or "").encode(), "sha256").hex() for value in VALUES]
    assert [row.tobytes().decode() for row in digests] == expected
    part = hmac_sha256(KEY, pa.array(VALUES).slice(4, 3))
    assert [row.tobytes().decode() for row in part] == expected[4:7]
