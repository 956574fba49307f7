"""How a data store is reached, as far as the gateway may know it."""

from __future__ import annotations

from dataclasses import dataclass

DEFAULT_PARALLEL = 8
"""The most partitions of all runs that load from or to a connection at a time, unless said otherwise."""


@dataclass(frozen=True, slots=True)
class SealedSecret:
    """Secret settings, sealed to the connectors' public key: the gateway can pass them on and not read them."""

    key_id: str
    ephemeral_public_key: bytes
    ciphertext: bytes


@dataclass(frozen=True, slots=True)
class Connection:
    """A data store.

    Attributes:
        id: Its stable id; its sealed secret is bound to it.
        system: Which connector speaks to it, for example `postgresql`.
        settings: The connector's settings without secrets, a JSON object.
        secret: Its secret settings.
    """

    id: str
    system: str
    settings: str = "{}"
    secret: SealedSecret | None = None


@dataclass(frozen=True, slots=True)
class StoredConnection:
    """A connection as people know it.

    Attributes:
        name: Its name, unique in its workspace.
        connection: What services need.
        parallel_partitions: The most partitions that load from or to it at a time, all runs together.
        revision: How often it was changed, counted from 1: its ETag.
        created_at: When it was made, seconds since 1970.
    """

    name: str
    connection: Connection
    parallel_partitions: int = DEFAULT_PARALLEL
    revision: int = 1
    created_at: float = 0.0
