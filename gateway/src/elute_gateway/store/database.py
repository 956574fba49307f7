"""Reaching the store: one place where SQLite and PostgreSQL differ.

All times are seconds since 1970 by the database's clock, SQL `epoch_now()`: gateways whose clocks disagree still agree
on who holds a lease. PostgreSQL has that function from the first migration, a SQLite connection gets it when opened.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager, nullcontext
from pathlib import Path
from typing import Any, Self, TypeVar

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from elute_gateway.store.news import News
from elute_wire.errors import AlreadyExists, Foreign, StoreBusy, StoreFailed, StoreUnreachable

T = TypeVar("T")

IDLE_TRANSACTION_SECONDS = 4.0
"""A gateway that is stopped in the middle of a transaction keeps its locks, and all others waiting, for so long."""

SESSION = {
    "application_name": "elute gateway",
    "idle_in_transaction_session_timeout": f"{IDLE_TRANSACTION_SECONDS:.0f}s",
    # Whoever waits for such a gateway's locks gives up after it, and tries again.
    "lock_timeout": f"{IDLE_TRANSACTION_SECONDS + 1:.0f}s",
    # A commit that a crash of the server takes back would make the ledger forget what it has promised.
    "synchronous_commit": "on",
    # The claim is a long statement on few rows: compiling it would cost many times its run.
    "jit": "off",
}
"""What every session of the store sets on PostgreSQL, whatever the server's own settings are."""

_BUSY_SECONDS = 10.0
_CONNECT_SECONDS = 5.0
_POOL_SIZE = 8
# SQLSTATE classes of a server that is away, starting, stopping or full: 08 connection, 57P0x shutdown, 53 resources.
_AWAY = ("08", "57P", "53")
_CONFLICT = ("40", "55P03")


class Database:
    """The gateway's store, open.

    Attributes:
        news: Told by whoever commits something new of a run here.
    """

    def __init__(self, engine: AsyncEngine, autocommit: AsyncEngine) -> None:
        """Use engines.

        Args:
            engine: Its connections are in transactions.
            autocommit: Its connections are not.
        """
        self._engine = engine
        self._autocommit = autocommit
        # SQLite has one writer at a time: waiting here is fair, its own busy handler sleeps and guesses.
        self._turn: asyncio.Lock | None = asyncio.Lock() if engine.dialect.name == "sqlite" else None
        self.news = News()

    @classmethod
    def at(cls, url: str) -> Self:
        """Open a store.

        Args:
            url: `sqlite:///<absolute path>` or `postgresql://…`.
        """
        parsed = sa.make_url(url)
        if parsed.get_backend_name() == "sqlite":
            return cls(_writing_sqlite(parsed), _reading_sqlite(parsed))
        settings = {"server_settings": SESSION, "timeout": _CONNECT_SECONDS}
        url_of_driver = parsed.set(drivername="postgresql+asyncpg")
        engine = create_async_engine(url_of_driver, pool_size=_POOL_SIZE, connect_args=settings)
        return cls(engine, engine.execution_options(isolation_level="AUTOCOMMIT"))

    @property
    def engine(self) -> AsyncEngine:
        """SQLAlchemy's engine, for migrations."""
        return self._engine

    @property
    def is_sqlite(self) -> bool:
        """Whether the store is a file of this machine."""
        return self._engine.dialect.name == "sqlite"

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """Give a connection for single statements that change nothing.

        Raises:
            StoreError: The store is away, busy or broken.
        """
        with mapped():
            async with self._autocommit.connect() as connection:
                yield connection

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        """Give a connection in a transaction that commits at the end of the block.

        Raises:
            AlreadyExists: A unique key is taken.
            StoreError: The store is away, busy or broken.
        """
        with mapped():
            async with self._turn or nullcontext(), self._engine.begin() as connection:
                yield connection

    async def close(self) -> None:
        """Close all connections."""
        await self._engine.dispose()
        await self._autocommit.dispose()


def _writing_sqlite(url: sa.URL) -> AsyncEngine:
    engine = _sqlite(url)

    @event.listens_for(engine.sync_engine, "begin")
    def begin(connection: sa.Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def _reading_sqlite(url: sa.URL) -> AsyncEngine:
    """Keep connections that are never in a transaction: there is nothing to reset when one is given back."""
    return _sqlite(url, isolation_level="AUTOCOMMIT", skip_autocommit_rollback=True)


def _sqlite(url: sa.URL, **options: Any) -> AsyncEngine:  # noqa: ANN401 - SQLAlchemy's own, each of its own type
    if url.database:
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_async_engine(
        url.set(drivername="sqlite+aiosqlite"),
        pool_size=_POOL_SIZE,
        connect_args={"timeout": _BUSY_SECONDS},
        **options,
    )

    @event.listens_for(engine.sync_engine, "connect")
    def prepare(connection: DBAPIConnection, _record: object) -> None:
        # The driver would begin transactions on its own, deferred ones, which fail when they turn to writing.
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute("PRAGMA synchronous = NORMAL")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.close()
        connection.create_function("epoch_now", 0, time.time)

    return engine


def uninterrupted(store: type[T]) -> type[T]:
    """Let what a class of the store has begun come to its end, even if its caller is cancelled meanwhile.

    A driver that is cancelled in the middle of a statement leaves a connection that neither works nor is given back.
    Every method is a few short statements, so that a cancelled caller waits for milliseconds.
    """
    for name, method in list(vars(store).items()):
        if inspect.iscoroutinefunction(method) and not name.startswith("_"):
            setattr(store, name, _to_its_end(method))
    return store


def _to_its_end(method: Callable[..., Coroutine[Any, Any, Any]]) -> Callable[..., Coroutine[Any, Any, Any]]:
    @functools.wraps(method)
    async def whole(*args: object, **kwargs: object) -> object:
        work = asyncio.ensure_future(method(*args, **kwargs))
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            await asyncio.wait({work})
            if not work.cancelled():
                work.exception()  # the caller has gone: nobody else looks at it
            raise

    return whole


@contextmanager
def mapped() -> Iterator[None]:
    """Say in our own words what the store's driver raises; its text may quote a statement's parameters."""
    try:
        yield
    except IntegrityError as error:
        raise AlreadyExists(
            "writing to the gateway's store: a unique name or key is taken", foreign=_foreign(error)
        ) from None
    except (DBAPIError, SQLAlchemyError) as error:
        raise _store_error(error) from None
    except (OSError, TimeoutError) as error:
        # asyncpg's own connecting raises these bare while its server is away.
        raise StoreUnreachable("reaching the gateway's store", foreign=Foreign(type(error).__name__)) from None


def _store_error(error: SQLAlchemyError) -> StoreUnreachable | StoreBusy | StoreFailed:
    foreign = _foreign(error)
    away = isinstance(error, DBAPIError) and error.connection_invalidated
    if away or isinstance(error, sa.exc.TimeoutError) or foreign.sqlstate.startswith(_AWAY):
        return StoreUnreachable("reaching the gateway's store", foreign=foreign)
    if foreign.sqlstate.startswith(_CONFLICT) or foreign.sqlstate == "SQLITE_BUSY":
        return StoreBusy("writing to the gateway's store", foreign=foreign)
    return StoreFailed("asking the gateway's store", foreign=foreign)


def _foreign(error: SQLAlchemyError) -> Foreign:
    original = error.orig if isinstance(error, DBAPIError) else None
    if isinstance(original, sqlite3.Error):
        return Foreign(type(original).__name__, sqlstate=getattr(original, "sqlite_errorname", ""))
    return Foreign(type(original or error).__name__, sqlstate=str(getattr(original, "sqlstate", None) or ""))
