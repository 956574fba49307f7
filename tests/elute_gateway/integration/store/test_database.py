from __future__ import annotations

import asyncio
import gc
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import sqlalchemy as sa

from elute_gateway.domain.run import EventKind
from elute_gateway.store.database import Database
from elute_gateway.store.gateways import Gateways
from elute_gateway.store.history import History
from tests.support.gateway import WORKSPACE, running

LOCK = 4711


@contextmanager
def stopped_in_a_statement(url: str) -> Iterator[None]:
    """Open a gateway's session that holds a lock, and has sent the first part of a statement but no more."""

    def ask(kind: bytes, body: bytes, answer: bytes) -> None:
        session.sendall(kind + struct.pack("!I", len(body) + 4) + body)
        while answered.read(1) != answer:
            answered.read(struct.unpack("!I", answered.read(4))[0] - 4)
        answered.read(struct.unpack("!I", answered.read(4))[0] - 4)

    place = sa.make_url(url)
    with (
        socket.create_connection((str(place.host), int(place.port or 0))) as session,
        session.makefile("rb") as answered,
    ):
        names = f"user\0{place.username}\0database\0{place.database}\0application_name\0elute gateway\0\0"
        ask(b"", struct.pack("!I", 3 << 16) + names.encode(), b"Z")
        ask(b"Q", f"BEGIN; SELECT pg_advisory_xact_lock({LOCK})\0".encode(), b"Z")
        session.sendall(b"P" + struct.pack("!I", 16) + b"\0SELECT 1\0\0\0")
        ask(b"H", b"", b"1")
        yield


@pytest.mark.parametrize("store_kind", ["postgresql"])
async def test_a_gateway_that_stopped_in_a_statement_keeps_its_locks_for_a_while_only(
    store: Database, store_url: str
) -> None:
    gateways = Gateways(store, WORKSPACE)
    with stopped_in_a_statement(store_url):
        await gateways.end_stopped()
        async with store.writing() as connection:
            await connection.execute(sa.text("SET LOCAL lock_timeout = '50ms'"))
            with pytest.raises(sa.exc.DBAPIError, match="lock timeout"):
                await connection.execute(sa.text(f"SELECT pg_advisory_xact_lock({LOCK})"))
        await gateways.end_stopped(after_seconds=0.05)
        async with store.writing() as connection:
            await connection.execute(sa.text(f"SELECT pg_advisory_xact_lock({LOCK})"))


async def test_callers_that_are_cancelled_leave_whole_transactions_and_sound_connections(store: Database) -> None:
    await running(store, "r1", "g1", 1)
    history = History(store)
    for number in range(30):
        call = asyncio.create_task(history.tell("r1", EventKind.PROGRESS, {"n": number}))
        await asyncio.sleep(number / 10_000)
        call.cancel()
        await asyncio.wait({call})
    gc.collect()  # a connection that was not given back warns here, and a warning is an error
    last = await history.tell("r1", EventKind.PROGRESS, {"n": "last"})
    events = await history.events("r1")
    assert [event.number for event in events] == list(range(1, last + 1))
    assert last > 2, "some had begun when they were cancelled, and came to their end"
