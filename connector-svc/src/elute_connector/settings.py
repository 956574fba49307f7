"""What the connector service is told from outside."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, FilePath

from elute_wire.settings import ServiceSettings


class ConnectorSettings(ServiceSettings):
    """What every service is told, and what only this one is.

    Attributes:
        sealing_key_file: The private key that connection secrets are sealed to, PEM, readable by nobody else.
        former_sealing_key_files: Private keys that older secrets are sealed to.
        store_threads: Threads that wait for stores; the most reads and encodings at once.
        large_message_bytes: Bytes that messages larger than one frame may hold at once.
    """

    sealing_key_file: FilePath
    former_sealing_key_files: tuple[Path, ...] = ()
    store_threads: int = Field(default=16, ge=1, le=256)
    large_message_bytes: int = Field(default=128 * 1024 * 1024, ge=4 * 1024 * 1024)
