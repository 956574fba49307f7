"""The certificates of a service, for both of its ends: where they are set, every TCP connection is mutual TLS.

A Unix socket is never encrypted: its file's mode says who may use it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import grpc

from elute_wire.errors import InvalidRequest
from elute_wire.secret_file import read_secret_file
from elute_wire.settings import ServiceSettings


@dataclass(frozen=True, slots=True, repr=False)
class Certificates:
    """A service's own certificate and key, and the authorities that it trusts; all PEM."""

    chain: bytes
    key: bytes
    authorities: bytes

    @classmethod
    def read(cls, settings: ServiceSettings) -> Self | None:
        """Read the files that the settings name; None when they name none.

        Raises:
            InvalidRequest: A file cannot be read, or the key is open to others.
        """
        chain, key, authorities = settings.tls_certificate_file, settings.tls_key_file, settings.tls_ca_file
        if chain is None or key is None or authorities is None:
            return None
        try:
            return cls(chain.read_bytes(), read_secret_file(key), authorities.read_bytes())
        except OSError as error:
            raise InvalidRequest(f"reading certificates: {type(error).__name__}") from None

    def for_server(self) -> grpc.ServerCredentials:
        """Return credentials that ask every client for a certificate."""
        return grpc.ssl_server_credentials(
            [(self.key, self.chain)], root_certificates=self.authorities, require_client_auth=True
        )

    def for_channel(self) -> grpc.ChannelCredentials:
        """Return credentials that show this service's certificate and check the server's name."""
        return grpc.ssl_channel_credentials(self.authorities, self.key, self.chain)
