"""Sealed secrets: anyone with a public key can write one, only the holder of the private key can read it.

A fresh X25519 key pair per secret agrees with the recipient's public key; HKDF-SHA-256 makes of the shared secret a key
and a nonce for AES-256-GCM. The key seals once, so its nonce need not be random and is not sent. The context (for a
connection's secret its id) is authenticated: a secret that is moved to another connection does not open.

Source:
    The construction of RFC 9180 (HPKE, base mode), reduced to one suite; RFC 7748, RFC 5869, NIST SP 800-38D.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from elute_wire.errors import InvalidRequest, SecretUnreadable
from elute_wire.secret_file import read_secret_file, write_secret_file

_PURPOSE = b"elute sealed secret v1"
_KEY_BYTES, _NONCE_BYTES, _PUBLIC_BYTES, _ID_BYTES = 32, 12, 32, 8


@dataclass(frozen=True, slots=True)
class Sealed:
    """A sealed secret.

    Attributes:
        key_id: Which of the recipient's keys opens it, 16 hexadecimal digits.
        ephemeral_public_key: The sender's one-time public key, 32 bytes.
        ciphertext: The encrypted secret and a tag of 16 bytes.
    """

    key_id: str
    ephemeral_public_key: bytes
    ciphertext: bytes

    def pack(self) -> bytes:
        """Return key id (8 bytes), one-time public key (32 bytes) and ciphertext as one text."""
        return bytes.fromhex(self.key_id) + self.ephemeral_public_key + self.ciphertext

    @classmethod
    def unpack(cls, packed: bytes) -> Self:
        """Read what `pack` returned; a text that is too short fails when it is opened."""
        end = _ID_BYTES + _PUBLIC_BYTES
        return cls(packed[:_ID_BYTES].hex(), packed[_ID_BYTES:end], packed[end:])


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A recipient's public key: it seals and cannot open."""

    raw: bytes
    """32 bytes."""

    def __post_init__(self) -> None:
        if len(self.raw) != _PUBLIC_BYTES:
            raise InvalidRequest(f"reading a sealing key: {len(self.raw)} bytes are not the {_PUBLIC_BYTES} of X25519")

    @property
    def key_id(self) -> str:
        """The first 8 bytes of the key's SHA-256, hexadecimal."""
        return sha256(self.raw).hexdigest()[: 2 * _ID_BYTES]

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a public key from a PEM file.

        Raises:
            InvalidRequest: The file cannot be read, or holds no X25519 public key.
        """
        try:
            key = load_pem_public_key(path.read_bytes())
        except (OSError, ValueError):
            raise InvalidRequest(f"reading the sealing key {path}: no readable PEM public key") from None
        if not isinstance(key, X25519PublicKey):
            raise InvalidRequest(f"reading the sealing key {path}: not an X25519 key")
        return cls(key.public_bytes_raw())

    def pem(self) -> bytes:
        """Return the key as PEM."""
        key = X25519PublicKey.from_public_bytes(self.raw)
        return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    def seal(self, plaintext: bytes, context: bytes) -> Sealed:
        """Seal a secret to this key.

        Args:
            plaintext: The secret, any length.
            context: What it belongs to; the same must be given to open it.
        """
        ephemeral = X25519PrivateKey.generate()
        sender = ephemeral.public_key().public_bytes_raw()
        shared = ephemeral.exchange(X25519PublicKey.from_public_bytes(self.raw))
        key, nonce = _derive(shared, sender, self.raw)
        return Sealed(self.key_id, sender, AESGCM(key).encrypt(nonce, plaintext, context))


class SealingKeys:
    """A recipient's private keys: the current one, which others seal to, and former ones that still open."""

    def __init__(self, current: X25519PrivateKey, former: Sequence[X25519PrivateKey] = ()) -> None:
        self.public = PublicKey(current.public_key().public_bytes_raw())
        """What others seal to."""
        self._by_id = {PublicKey(key.public_key().public_bytes_raw()).key_id: key for key in (current, *former)}

    def __repr__(self) -> str:
        return f"SealingKeys(current={self.public.key_id}, {len(self._by_id)} in all)"

    @classmethod
    def read(cls, current: Path, former: Sequence[Path] = ()) -> Self:
        """Read private keys from PEM files that nobody else can read.

        Raises:
            InvalidRequest: A file cannot be read, is open to others, or holds no X25519 private key.
        """
        return cls(_read_private(current), [_read_private(path) for path in former])

    def open(self, sealed: Sealed, context: bytes) -> bytes:
        """Open a secret.

        Args:
            sealed: The secret.
            context: What it belongs to, as when it was sealed.

        Raises:
            SecretUnreadable: It was sealed to another key, for something else, or changed since.
        """
        private = self._by_id.get(sealed.key_id)
        if private is None:
            raise SecretUnreadable(
                "opening a sealed secret: it was sealed to a key that this service does not have",
                hint="give the service the former key too and reseal, or enter the secret again",
            )
        recipient = private.public_key().public_bytes_raw()
        try:
            shared = private.exchange(X25519PublicKey.from_public_bytes(sealed.ephemeral_public_key))
            key, nonce = _derive(shared, sealed.ephemeral_public_key, recipient)
            return AESGCM(key).decrypt(nonce, sealed.ciphertext, context)
        except (InvalidTag, ValueError):
            raise SecretUnreadable(
                "opening a sealed secret: it was changed, or belongs to something else", hint="enter the secret again"
            ) from None

    def reseal(self, sealed: Sealed, context: bytes) -> Sealed:
        """Seal a secret anew, to the current key.

        Raises:
            SecretUnreadable: It cannot be opened.
        """
        return self.public.seal(self.open(sealed, context), context)


def create_sealing_key(path: Path) -> PublicKey:
    """Make a private key, write it as PEM to a new file that only its owner can read, and return its public half.

    Raises:
        InvalidRequest: The file exists, or cannot be written.
    """
    private = X25519PrivateKey.generate()
    write_secret_file(path, private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return PublicKey(private.public_key().public_bytes_raw())


def _read_private(path: Path) -> X25519PrivateKey:
    try:
        key = load_pem_private_key(read_secret_file(path), password=None)
    except (ValueError, TypeError):
        raise InvalidRequest(f"reading the sealing key {path}: no readable PEM private key") from None
    if not isinstance(key, X25519PrivateKey):
        raise InvalidRequest(f"reading the sealing key {path}: not an X25519 key")
    return key


def _derive(shared: bytes, sender: bytes, recipient: bytes) -> tuple[bytes, bytes]:
    """Return the AES-256 key and the GCM nonce of one sealing; both public keys are bound into it."""
    info = _PURPOSE + sender + recipient
    material = HKDF(SHA256(), _KEY_BYTES + _NONCE_BYTES, salt=None, info=info).derive(shared)
    return material[:_KEY_BYTES], material[_KEY_BYTES:]
