"""Where a service listens, or is found: a Unix socket, or a host and a port."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Self

# The kernel's sockaddr_un holds 108 bytes with the closing zero: unix(7).
_SOCKET_PATH_BYTES = 107


@dataclass(frozen=True, slots=True)
class Address:
    """An address of one of our services.

    Attributes:
        host: A name or an IP address without brackets; empty for a Unix socket.
        port: The port; 0 lets the system choose one when listening.
        socket: The path of a Unix socket; None for TCP.
    """

    host: str = ""
    port: int = 0
    socket: Path | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `unix:<path>`, `<host>:<port>` or `[<IPv6>]:<port>`.

        Raises:
            ValueError: The text is none of these; the message does not repeat it.
        """
        if text.startswith("unix:"):
            path = Path(text.removeprefix("unix:")).absolute()
            if len(str(path).encode()) > _SOCKET_PATH_BYTES:
                raise ValueError(f"the path of a Unix socket has at most {_SOCKET_PATH_BYTES} bytes")
            return cls(socket=path)
        host, colon, port = text.rpartition(":")
        host = host.removeprefix("[").removesuffix("]")
        if not colon or not host or not (port.isascii() and port.isdigit()) or int(port) > 65535:
            raise ValueError("an address is unix:<path> or <host>:<port>")
        return cls(host=host, port=int(port))

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach it: a Unix socket, or the loopback interface."""
        if self.socket is not None or self.host == "localhost":
            return True
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def is_name(self) -> bool:
        """Whether a resolver must be asked, which may then answer several machines."""
        if self.socket is not None:
            return False
        try:
            ip_address(self.host)
        except ValueError:
            return True
        return False

    @property
    def target(self) -> str:
        """What a gRPC channel is opened to."""
        return f"dns:///{self}" if self.is_name else str(self)

    def with_port(self, port: int) -> Address:
        """Return the same host with another port."""
        return Address(self.host, port)

    def __str__(self) -> str:
        if self.socket is not None:
            return f"unix:{self.socket}"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"
