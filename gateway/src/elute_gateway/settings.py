"""What the gateway is told from outside."""

from __future__ import annotations

import socket

from pydantic import Field, FilePath, SecretStr

from elute_wire.settings import ServiceSettings

DAY_SECONDS = 86_400.0


class GatewaySettings(ServiceSettings):
    """What every service is told, and what only this one is. It listens for HTTP.

    Attributes:
        store_url: Where the gateway keeps its state, `sqlite:///<absolute path>` or `postgresql://…`.
        workspace: The workspace that it serves.
        gateway_name: What tells it from other gateways that live at the same time: a pod's or a machine's name.
        sealing_public_key_file: The connectors' public key, PEM: what connection secrets are sealed to.
        run_retention_seconds: How long ended runs are kept, with their events, logs and reports. A failed one that is
            gone can be neither resumed nor repaired; an Idempotency-Key is known for as long as its run.
        first_api_key_file: A file with the first API key, which may do everything; it is put in place at the start.
    """

    store_url: SecretStr
    workspace: str = Field(default="default", pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")
    gateway_name: str = Field(default_factory=socket.gethostname, min_length=1, max_length=255)
    sealing_public_key_file: FilePath
    run_retention_seconds: float = Field(default=90 * DAY_SECONDS, ge=DAY_SECONDS)
    first_api_key_file: FilePath | None = None
