import re
import uuid

import pyarrow as pa

from elute_wire.schema import LogicalType
from tests.support.scrubbing import scrub

UUIDS = [str(uuid.UUID(int=number)) for number in range(200)]


def test_uuids_become_valid_random_looking_uuids() -> None:
    for text in scrub("token", {}, pa.array(UUIDS), LogicalType.UUID).to_pylist():
        made = uuid.UUID(text)
        assert (made.version, made.variant) == (4, uuid.RFC_4122)
        assert str(made) == text


def test_the_case_of_a_uuid_makes_no_difference() -> None:
    text = "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11"
    upper, lower = scrub("token", {}, pa.array([text, text.lower()]), LogicalType.UUID).to_pylist()
    assert upper == lower


def test_a_token_has_its_prefix_and_digits() -> None:
    (text,) = scrub("token", {"prefix": "cüs_", "digits": 40}, pa.array(["x"])).to_pylist()
    assert re.fullmatch(r"cüs_[0-9a-f]{40}", text)


def test_the_cases_of_a_text_differ() -> None:
    upper, lower = scrub("token", {}, pa.array(["Anna", "anna"])).to_pylist()
    assert upper != lower
