"""How a data store is reached, as far as the gateway may know it."""

from __future__ import annotations

from dataclasses import dataclass


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
