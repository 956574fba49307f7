"""AES as a permutation of 16-byte blocks, many at a time: what FF1 and CMAC are built from.

Source:
    FIPS 197.
"""

from __future__ import annotations

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from elute_anonymizer.domain.columns import Bytes

BLOCK = 16


class AES:
    """AES under one key of 16, 24 or 32 bytes."""

    def __init__(self, key: bytes) -> None:
        # ECB of independent blocks is the bare permutation; nothing is encrypted by it as a mode.
        self._cipher = Cipher(algorithms.AES(key), modes.ECB())  # noqa: S305

    def columns(self, blocks: Bytes) -> Bytes:
        """Encrypt every block of an (n, 16) matrix."""
        # One context per call: they are cheap, and not safe to share between threads.
        encrypted = self._cipher.encryptor().update(blocks.ravel().data)
        return np.frombuffer(encrypted, np.uint8).reshape(-1, BLOCK)

    def block(self, block: bytes) -> bytes:
        """Encrypt one block."""
        return self._cipher.encryptor().update(block)
