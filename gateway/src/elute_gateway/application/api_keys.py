"""API keys: made, shown once, proven at every request, revoked.

    elute_k3v9… (12 characters that find the row) _ … (43 characters: 256 random bits)

Only the SHA-256 of a key is kept. A slow hash such as Argon2 protects words that people choose, by making guesses
dear; nobody guesses 256 random bits, so a quick one is as safe, and a request waits microseconds for it.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from elute_gateway.application.auditing import Auditing
from elute_gateway.domain.access import Action, Caller, Scope, StoredKey
from elute_gateway.domain.identifier import new_id
from elute_wire.errors import AlreadyExists, InvalidRequest, NotFound, Unauthenticated

_KEY = re.compile(r"elute_([0-9a-f]{12})_[A-Za-z0-9_-]{43}")
_TOUCH_SECONDS = 60.0
_HINT = "send a key in the header `Authorization: Bearer elute_…`"

BOOTSTRAP = Caller("bootstrap", "bootstrap", frozenset(Scope))
"""Whoever starts the gateway: the setting that names the first key is theirs."""


class KeyStore(Protocol):
    """Where keys are kept."""

    async def insert(self, key: StoredKey) -> None:
        """Write a new key.

        Raises:
            AlreadyExists: Its name or prefix is taken.
        """
        ...

    async def usable(self, prefix: str) -> StoredKey | None:
        """Find a key that has neither expired nor been revoked."""
        ...

    async def page(self, after: str = "", limit: int = 50) -> Sequence[StoredKey]:
        """Return keys by name, from the one after name `after` on."""
        ...

    async def revoke(self, key_id: str) -> bool:
        """Revoke a key; answers whether there is one of that id."""
        ...

    async def touch(self, key_id: str) -> None:
        """Note that a key was used."""
        ...


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key that was just made: the only moment at which it can be read."""

    stored: StoredKey
    key: str


def random_key() -> str:
    """Make a key."""
    return f"elute_{secrets.token_hex(6)}_{secrets.token_urlsafe(32)}"


def _prefix(key: str) -> str | None:
    found = _KEY.fullmatch(key)
    return f"elute_{found[1]}" if found else None


def _hash(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()


@dataclass(slots=True)
class ApiKeys:
    """The keys of a workspace."""

    store: KeyStore
    audit: Auditing
    _touched: dict[str, float] = field(default_factory=dict)

    async def create(
        self, caller: Caller, name: str, scopes: Collection[Scope], lifetime_seconds: float | None
    ) -> NewKey:
        """Make a key.

        Args:
            caller: Who wants it; a key cannot hold a scope that its maker lacks.
            name: What people call it, unique.
            scopes: What it allows.
            lifetime_seconds: When it expires; None for never.

        Raises:
            Forbidden: The caller lacks one of the scopes.
            AlreadyExists: The name is taken.
        """
        caller.require(scopes, f"making the API key {name}")
        return await self._insert(caller, name, scopes, lifetime_seconds, random_key())

    async def install(self, key: str, name: str) -> None:
        """Install the first key, which holds every scope; a key that is there already stays as it is.

        Raises:
            InvalidRequest: The text is no key.
            AlreadyExists: Another key has the name.
        """
        prefix = _prefix(key)
        if prefix is None:
            raise InvalidRequest(
                "installing the first API key: the text is not of the form of a key", hint="make one with `elute up`"
            )
        if await self.store.usable(prefix) is None:
            try:
                await self._insert(BOOTSTRAP, name, list(Scope), None, key)
            except AlreadyExists as error:
                raise error.within(f"installing the first API key {name}") from None

    async def authenticate(self, key: str) -> Caller:
        """Find out who sends a key.

        Raises:
            Unauthenticated: It is no key of ours, or one that has expired or was revoked.
        """
        prefix = _prefix(key)
        stored = await self.store.usable(prefix) if prefix else None
        if stored is None or not hmac.compare_digest(stored.hash, _hash(key)):
            raise Unauthenticated("reading the API key: it is unknown, expired or revoked", hint=_HINT)
        await self._touch(stored.id)
        known = {str(scope): scope for scope in Scope}  # a key may have been made by another release
        return Caller(stored.id, stored.name, frozenset(known[word] for word in stored.scopes if word in known))

    async def page(self, after: str, limit: int) -> Sequence[StoredKey]:
        """Return keys by name, from the one after name `after` on."""
        return await self.store.page(after, limit)

    async def revoke(self, caller: Caller, key_id: str) -> None:
        """Revoke a key, for good.

        Raises:
            NotFound: There is none of that id.
        """
        if not await self.store.revoke(key_id):
            raise NotFound(f"revoking API key {key_id}: there is none of that id")
        await self.audit.note(caller, Action.API_KEY_REVOKED, f"api-key {key_id}")

    async def _insert(
        self, caller: Caller, name: str, scopes: Collection[Scope], lifetime_seconds: float | None, key: str
    ) -> NewKey:
        now = time.time()
        stored = StoredKey(
            id=new_id(),
            name=name,
            prefix=_prefix(key) or "",
            hash=_hash(key),
            scopes=tuple(sorted(scopes)),
            created_at=now,
            expires_at=None if lifetime_seconds is None else now + lifetime_seconds,
        )
        await self.store.insert(stored)
        detail = {"name": name, "scopes": list(stored.scopes)}
        await self.audit.note(caller, Action.API_KEY_CREATED, f"api-key {stored.id}", detail)
        return NewKey(stored, key)

    async def _touch(self, key_id: str) -> None:
        """Note the use of a key at most once a minute: a read must not cost a write."""
        now = time.monotonic()
        if now - self._touched.get(key_id, -_TOUCH_SECONDS) >= _TOUCH_SECONDS:
            self._touched[key_id] = now
            await self.store.touch(key_id)


def unauthenticated() -> Unauthenticated:
    """Say that a request came without a key."""
    return Unauthenticated("reading the API key: the request has none", hint=_HINT)
