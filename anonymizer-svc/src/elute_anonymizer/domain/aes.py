"""AES as a permutation of 16-byte blocks, many at a time: what FF1 and CMAC are built from.

Source:
    FIPS 197.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from elute_anonymizer.domain.columns import Words

BLOCK = 16

Encryptor: TypeAlias = Callable[[Words, Words], None]
"""Encrypts every block of an (n, 2) array of words into the first n rows of a second array, of at least n + 1."""


class AES:
    """AES under one key of 16, 24 or 32 bytes."""

    def __init__(self, key: bytes) -> None:
        # ECB of independent blocks is the bare permutation; nothing is encrypted by it as a mode.
        self._cipher = Cipher(algorithms.AES(key), modes.ECB())  # noqa: S305

    def encryptor(self) -> Encryptor:
        """Return what encrypts many blocks; it is cheap, and for one thread."""
        context = self._cipher.encryptor()

        def encrypt(blocks: Words, encrypted: Words) -> None:
            context.update_into(blocks.view(np.uint8).data, encrypted.view(np.uint8).data)

        return encrypt

    def block(self, block: bytes) -> bytes:
        """Encrypt one block."""
        return self._cipher.encryptor().update(block)
