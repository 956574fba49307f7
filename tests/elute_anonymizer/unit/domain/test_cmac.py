import hmac
from typing import Any

import pyarrow as pa
import pytest
from cryptography.hazmat.primitives.ciphers import algorithms
from cryptography.hazmat.primitives.cmac import CMAC
from hypothesis import given, settings
from hypothesis import strategies as st

from elute_anonymizer.domain.cmac import ColumnMac
from elute_anonymizer.domain.hashing import hmac_sha256
from elute_anonymizer.domain.text import Text
from tests.support.interpreting import interpreted_loops

LENGTHS = [0, 1, 15, 16, 17, 31, 32, 33, 63, 64, 65, 1023, 1024, 1025, 5000]
VALUES = [*("x" * length for length in LENGTHS), None, "é", "日本語" * 7, "x" * 16]
KEY = bytes(range(32))


def standard(key: bytes, value: str | None) -> bytes:
    mac = CMAC(algorithms.AES(key))
    mac.update((value or "").encode())
    return mac.finalize()


def macs(column: Any, key: bytes = KEY) -> list[bytes]:
    return [row.tobytes() for row in ColumnMac(key).words(Text.of(column))]


def test_every_length_gets_the_mac_of_the_standard() -> None:
    assert macs(pa.array(VALUES)) == [standard(KEY, value) for value in VALUES]


def test_the_samples_of_rfc_4493_come_out() -> None:
    (mac,) = macs(pa.array([""]), bytes.fromhex("2b7e151628aed2a6abf7158809cf4f3c"))
    assert mac.hex() == "bb1d6929e95937287fa37d129b756746"


@pytest.mark.parametrize(("offset", "length"), [(0, 0), (3, 5), (17, 2)])
def test_a_slice_of_a_column_gets_the_same_macs(offset: int, length: int) -> None:
    column = pa.array(VALUES)
    assert macs(column.slice(offset, length)) == macs(column)[offset : offset + length]


def test_more_rows_than_a_chunk_are_in_order() -> None:
    values = [str(number) for number in range(20_000)]
    found = macs(pa.array(values))
    assert [found[row] for row in (0, 8191, 8192, 19_999)] == [
        standard(KEY, values[row]) for row in (0, 8191, 8192, 19_999)
    ]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.none() | st.text(max_size=70), max_size=8))
def test_the_compiled_loop_does_what_its_source_says(values: list[str | None]) -> None:
    column = pa.array(values, pa.string())
    with interpreted_loops("elute_anonymizer"):
        interpreted = macs(column)
    assert macs(column) == interpreted == [standard(KEY, value) for value in values]


def test_the_column_hash_is_the_hmac_of_the_standard_library() -> None:
    digests = hmac_sha256(KEY, pa.array(VALUES))
    # The plugin takes its key as text: the key is the 64 digits.
    expected = [hmac.digest(KEY.hex().encode(), (value or "").encode(), "sha256").hex() for value in VALUES]
    assert [row.tobytes().decode() for row in digests] == expected
    part = hmac_sha256(KEY, pa.array(VALUES).slice(4, 3))
    assert [row.tobytes().decode() for row in part] == expected[4:7]
