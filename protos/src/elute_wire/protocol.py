"""What both ends of a call say about it before its first message: the metadata and the limits of every call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from elute_wire.errors import ProtocolMismatch

PROTOCOL_KEY = "elute-protocol"
"""The metadata that holds the versions of the contract that a caller speaks, as `lowest-highest`."""

REQUEST_ID_KEY = "elute-request-id"
"""The metadata that names a request; a call made on behalf of a request repeats its id."""

MAX_MESSAGE_BYTES = 32 * 1024 * 1024
"""The most bytes of a message that either end takes.

Frames keep to 4 MiB by their codec; this larger limit is for control answers, such as the catalog of a database of
some thousands of tables.
"""


@dataclass(frozen=True, slots=True)
class Versions:
    """A closed range of versions of the wire contract."""

    lowest: int
    highest: int

    def __str__(self) -> str:
        return f"{self.lowest}-{self.highest}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `lowest-highest`.

        Raises:
            ProtocolMismatch: The text is anything else.
        """
        lowest, _, highest = text.partition("-")
        if not (_is_version(lowest) and _is_version(highest)):
            raise ProtocolMismatch(f"reading the metadata {PROTOCOL_KEY}: not of the form lowest-highest")
        return cls(int(lowest), int(highest))

    def require_overlap(self, other: Versions) -> None:
        """Check that the two ends have a version in common.

        Raises:
            ProtocolMismatch: They have none.
        """
        if self.lowest > other.highest or other.lowest > self.highest:
            raise ProtocolMismatch(
                f"agreeing on a protocol: this end speaks versions {self}, the caller {other}",
                hint="run one release of Elute everywhere, or two neighbouring ones while upgrading",
            )


def _is_version(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 6


SPOKEN = Versions(1, 1)
"""The versions that this release speaks."""
