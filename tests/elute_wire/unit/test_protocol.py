"""Two ends agree on a version of the contract, or refuse each other by type."""

import pytest

from elute_wire.errors import ProtocolMismatch
from elute_wire.protocol import SPOKEN, Versions


def test_versions_are_read_as_they_are_written() -> None:
    assert Versions.parse(str(SPOKEN)) == SPOKEN
    assert Versions.parse("2-11") == Versions(2, 11)


@pytest.mark.parametrize("text", ["", "1", "1-", "-1", "a-b", "1-2-3", "²-3", "1-99999999"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ProtocolMismatch, match="elute-protocol"):
        Versions.parse(text)


def test_overlapping_ranges_agree() -> None:
    Versions(1, 2).require_overlap(Versions(2, 3))
    Versions(2, 3).require_overlap(Versions(1, 2))


@pytest.mark.parametrize(("ours", "theirs"), [((1, 1), (2, 3)), ((3, 4), (1, 2))])
def test_ranges_apart_are_refused_and_told(ours: tuple[int, int], theirs: tuple[int, int]) -> None:
    with pytest.raises(ProtocolMismatch, match=f"{ours[0]}-{ours[1]}, the caller {theirs[0]}-{theirs[1]}"):
        Versions(*ours).require_overlap(Versions(*theirs))
