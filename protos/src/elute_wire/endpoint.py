"""The HTTP endpoint of a process: `/metrics` for Prometheus, `/livez` and `/readyz` for Kubernetes.

It is answered by the event loop that also answers calls, so `/livez` says that the loop turns. Kubernetes' own gRPC
probes cannot speak mTLS; these can be asked in any set-up, and hold no value.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from prometheus_client import CONTENT_TYPE_LATEST

from elute_wire import metrics
from elute_wire.address import Address

_REQUEST_SECONDS = 5.0
_TEXT = "text/plain; charset=utf-8"


@asynccontextmanager
async def serving_endpoint(address: Address, is_ready: Callable[[], bool]) -> AsyncIterator[Address]:
    """Answer at an address while the block runs.

    Args:
        address: Where; port 0 lets the system choose.
        is_ready: Whether the service can take calls now.

    Yields:
        The address with its actual port.

    Raises:
        OSError: The address is taken or not this machine's.
    """

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(_REQUEST_SECONDS):
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write(_response(head, is_ready))
                await writer.drain()
        except (TimeoutError, ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            return  # a caller that does not ask properly gets no answer
        finally:
            writer.close()

    if address.socket is not None:
        server = await asyncio.start_unix_server(answer, address.socket)
    else:
        server = await asyncio.start_server(answer, address.host, address.port)
        address = address.with_port(server.sockets[0].getsockname()[1])
    async with server:
        yield address


def _response(head: bytes, is_ready: Callable[[], bool]) -> bytes:
    match head.split(b" ", 2)[:2]:
        case [b"GET", b"/metrics"]:
            return _http("200 OK", metrics.exposition(), CONTENT_TYPE_LATEST)
        case [b"GET", b"/livez"]:
            return _http("200 OK", b"alive\n")
        case [b"GET", b"/readyz"]:
            return _http("200 OK", b"ready\n") if is_ready() else _http("503 Service Unavailable", b"not ready\n")
        case [b"GET", _]:
            return _http("404 Not Found", b"/metrics, /livez and /readyz are here\n")
        case _:
            return _http("405 Method Not Allowed", b"only GET\n")


def _http(status: str, body: bytes, content_type: str = _TEXT) -> bytes:
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body
