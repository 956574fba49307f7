"""What the gateway is told from outside."""

from __future__ import annotations

import socket

from pydantic import Field, FilePath, SecretStr, ValidationInfo, field_validator

from elute_wire.address import Address
from elute_wire.settings import Addresses, ServiceSettings

DAY_SECONDS = 86_400.0


class GatewaySettings(ServiceSettings):
    """What every service is told, and what only this one is. It listens for HTTP.

    Attributes:
        store_url: Where the gateway keeps its state, `sqlite:///<absolute path>` or `postgresql://…`.
        workspace: The workspace that it serves.
        connector_addresses: Where each of several connectors is, separated by commas, where one address does not lead
            to all of them. Calls are spread over them, and the first two hold every snapshot, so that one may end.
        gateway_name: What tells it from other gateways that live at the same time: a pod's or a machine's name.
        sealing_public_key_file: The connectors' public key, PEM: what connection secrets are sealed to.
        run_retention_seconds: How long ended runs are kept, with their events, logs and reports. A failed one that is
            gone can be neither resumed nor repaired; an Idempotency-Key is known for as long as its run.
        first_api_key_file: A file with the first API key, which may do everything; it is put in place at the start.
    """

    store_url: SecretStr
    workspace: str = Field(default="default", pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")
    connector_addresses: Addresses = ()
    gateway_name: str = Field(default_factory=socket.gethostname, min_length=1, max_length=255)
    sealing_public_key_file: FilePath
    run_retention_seconds: float = Field(default=90 * DAY_SECONDS, ge=DAY_SECONDS)
    first_api_key_file: FilePath | None = None

    @field_validator("connector_addresses")
    @classmethod
    def _plaintext_stays_local_to_each(cls, value: tuple[Address, ...], info: ValidationInfo) -> tuple[Address, ...]:
        for address in value:
            cls._plaintext_stays_local(address, info)
        if len(set(value)) < len(value):
            raise ValueError("it names the same connector twice")
        return value
