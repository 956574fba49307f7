"""What the anonymizer service is told from outside."""

from __future__ import annotations

import os

from pydantic import Field

from elute_anonymizer.application.key_ring_file import load_key_ring
from elute_anonymizer.domain.keys import KeyRing
from elute_wire.settings import ServiceSettings


class AnonymizerSettings(ServiceSettings):
    """What every service is told, and what only this one is. The key ring has variables of its own.

    Attributes:
        large_message_bytes: Bytes that messages larger than one frame may hold at once.
    """

    large_message_bytes: int = Field(default=128 * 1024 * 1024, ge=4 * 1024 * 1024)

    def read_ring(self) -> KeyRing:
        """Read the key ring that `ELUTE_KEY_RING_FILE` or `ELUTE_KEY_RING` names, anew at every call.

        Raises:
            KeyUnavailable: There is none, or it cannot be read.
        """
        return load_key_ring(os.environ)
