"""The key ring, and the keys that pseudonyms depend on.

A ring holds versions of one 256-bit secret. No technique ever sees it: each works under a key of its own, derived
for one key version, domain, technique and set of options, so that two domains are unlinkable and nothing that leaks
about one key says anything about another.

Source:
    RFC 5869 (HKDF); the derivation's `info` is length-prefixed, so no two inputs share an encoding.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF, HKDFExpand

from elute_wire.errors import KeyUnavailable

KEY_BYTES = 32

_SALT = b"elute key ring v1"


@dataclass(frozen=True, slots=True)
class KeyVersion:
    """One version of a ring's secret.

    Attributes:
        secret: 32 random bytes; never shown.
        created: When it was made, in UTC.
    """

    secret: bytes = field(repr=False)
    created: datetime

    def __post_init__(self) -> None:
        if len(self.secret) != KEY_BYTES:
            raise KeyUnavailable(f"reading a key version: it has {len(self.secret)} bytes instead of {KEY_BYTES}")

    @property
    def fingerprint(self) -> str:
        """Sixteen hexadecimal digits that tell two versions apart and say nothing about the secret."""
        return HKDF(hashes.SHA256(), 8, _SALT, b"fingerprint").derive(self.secret).hex()


@dataclass(frozen=True, slots=True)
class DomainKey:
    """The key of one technique with its options in one domain."""

    secret: bytes = field(repr=False)

    def derive(self, purpose: str) -> bytes:
        """Derive 32 bytes for one purpose, so that a technique never uses a key for two things."""
        return HKDFExpand(hashes.SHA256(), KEY_BYTES, purpose.encode()).derive(self.secret)


@dataclass(frozen=True, slots=True)
class KeyRing:
    """A named secret in all its versions.

    Attributes:
        name: What policies call it.
        versions: The versions by number, counted from 1.
        current: The version that new pseudonyms are made with.
    """

    name: str
    versions: Mapping[int, KeyVersion] = field(repr=False)
    current: int

    def __post_init__(self) -> None:
        if self.current not in self.versions:
            raise KeyUnavailable(f"reading key ring {self.name}: its current version {self.current} is missing")

    def domain_key(self, domain: str, technique: str, options: str, version: int | None = None) -> DomainKey:
        """Derive the key of a technique in a domain.

        Args:
            domain: The word that pseudonyms are shared under.
            technique: The technique's name.
            options: The canonical form of its options.
            version: The key version; the current one when None.

        Raises:
            KeyUnavailable: The ring lacks the version.
        """
        number = self.current if version is None else version
        if number not in self.versions:
            raise KeyUnavailable(
                f"deriving a key of domain {domain}: key ring {self.name} has no version {number}",
                hint="restore the key ring from its backup, or scrub under a version that `elute-keys list` shows",
            )
        parts = [text.encode() for text in (domain, technique, options)]
        info = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
        return DomainKey(HKDF(hashes.SHA256(), KEY_BYTES, _SALT, b"domain" + info).derive(self.versions[number].secret))
