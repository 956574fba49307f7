"""One channel over several processes of a service: each call goes to the one with the fewest calls open.

DNS and `round_robin` spread connections; loads last a minute and cost what the data costs, so that what counts is how
many a process has open. A process that is away is passed over for as long as another one answers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Self

import grpc
import grpc.aio

_REST_SECONDS = 1.0
"""How long a process that did not take a call is passed over: it stops, or starts."""


@dataclass(eq=False, slots=True)
class _Process:
    """One of the processes, and what it has to do."""

    channel: grpc.aio.Channel
    open_calls: int = 0
    last_call: int = 0
    rests_until: float = 0.0

    def is_away(self, now: float) -> bool:
        broken = self.channel.get_state() is grpc.ChannelConnectivity.TRANSIENT_FAILURE
        return broken or now < self.rests_until


class SpreadChannel(grpc.aio.Channel):
    """A channel to a service that has several processes."""

    def __init__(self, channels: Sequence[grpc.aio.Channel]) -> None:
        """Spread calls over channels, which stay their owner's to close.

        Args:
            channels: One to each process, at least one.
        """
        self._processes = [_Process(channel) for channel in channels]
        self._calls = 0
        self._judging: set[asyncio.Task[None]] = set()

    # The methods of gRPC's interface, typed there; what they return is called by generated stubs alone.

    def unary_unary(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401, D102
        return self._spread([process.channel.unary_unary(*args, **kwargs) for process in self._processes])

    def unary_stream(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401, D102
        return self._spread([process.channel.unary_stream(*args, **kwargs) for process in self._processes])

    def stream_unary(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401, D102
        return self._spread([process.channel.stream_unary(*args, **kwargs) for process in self._processes])

    def stream_stream(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401, D102
        return self._spread([process.channel.stream_stream(*args, **kwargs) for process in self._processes])

    def get_state(self, try_to_connect: bool = False) -> grpc.ChannelConnectivity:  # noqa: D102, FBT001, FBT002
        return self._choose().channel.get_state(try_to_connect)

    async def wait_for_state_change(self, last_observed_state: grpc.ChannelConnectivity) -> None:  # noqa: D102
        await self._choose().channel.wait_for_state_change(last_observed_state)

    async def channel_ready(self) -> None:  # noqa: D102
        await self._choose().channel.channel_ready()

    async def close(self, grace: float | None = None) -> None:
        """Leave the channels open: they are their owner's."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        return

    def _choose(self) -> _Process:
        now = asyncio.get_running_loop().time()
        return min(self._processes, key=lambda one: (one.is_away(now), one.open_calls, one.last_call))

    def _spread(self, begin: Sequence[Callable[..., Any]]) -> Callable[..., Any]:
        starts = dict(zip(self._processes, begin, strict=True))

        def start(*requests: object, **more: object) -> Any:  # noqa: ANN401
            process = self._choose()
            call: grpc.aio.Call = starts[process](*requests, **more)
            self._calls += 1
            process.open_calls, process.last_call = process.open_calls + 1, self._calls
            call.add_done_callback(lambda done: self._end(process, done))
            return call

        return start

    def _end(self, process: _Process, call: grpc.aio.Call) -> None:
        process.open_calls -= 1
        task = asyncio.ensure_future(_judge(process, call))
        self._judging.add(task)
        task.add_done_callback(self._judging.discard)


async def _judge(process: _Process, call: grpc.aio.Call) -> None:
    """Let a process rest that did not take a call, or died of it."""
    if await call.code() is grpc.StatusCode.UNAVAILABLE:
        process.rests_until = asyncio.get_running_loop().time() + _REST_SECONDS
