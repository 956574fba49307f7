"""Runs the demo: a database server, a shop in it, the four services, one pipeline through the API, a look at both."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import httpx_sse

from elute_gateway.demo.proof import Proof, prove
from elute_gateway.embedded.postgresql import SUPERUSER, PostgresServer, wheel_programs
from elute_gateway.embedded.system import LocalSystem
from elute_wire.errors import EluteError, InternalFault

SOURCE, TARGET = "shop", "shop_qa"
_FILES = files("elute_gateway.demo")
_TIMEOUT = httpx.Timeout(30.0, read=120.0)

Told = Callable[[str, Mapping[str, Any]], None]
"""Hears of progress: what it is about, and what is known of it."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the demo came to.

    Attributes:
        run: The run, as the API answers it.
        datasets: Its datasets, as the API answers them.
        seconds: From the request to the run's end.
        proof: What was seen in both databases afterwards.
    """

    run: Mapping[str, Any]
    datasets: list[Mapping[str, Any]]
    seconds: float
    proof: Proof


async def demonstrate(state: Path, told: Told) -> Outcome:
    """Run the demo in a folder of its own, from nothing to the proof.

    Args:
        state: An empty folder; everything that the demo makes is in it.
        told: Hears of progress.

    Raises:
        EluteError: Something did not work.
    """
    async with _database_server(state / "postgresql") as server:
        told("shop", {})
        await _make_shop(server)
        system = LocalSystem(state)
        told("services", {})
        try:
            await system.start()
            headers = {"Authorization": f"Bearer {system.api_key}"}
            async with httpx.AsyncClient(base_url=system.url, headers=headers, timeout=_TIMEOUT) as api:
                await _declare(api, server)
                told("run", {})
                started = time.monotonic()
                run = await _run(api, told)
                seconds = time.monotonic() - started
                datasets = _body(await api.get(f"/v1/runs/{run['id']}/datasets"))["items"]
        finally:
            await system.stop()
        told("proof", {})
        return Outcome(run, datasets, seconds, await prove(_dsn(server, SOURCE), _dsn(server, TARGET)))


@asynccontextmanager
async def _database_server(folder: Path) -> AsyncIterator[PostgresServer]:
    settings = {"shared_buffers": "128MB", "max_wal_size": "2GB", "max_connections": "60"}
    server = PostgresServer(folder, wheel_programs(), settings=settings)
    await asyncio.to_thread(server.initialize)
    await asyncio.to_thread(server.start)
    try:
        yield server
    finally:
        await asyncio.to_thread(server.stop)


async def _make_shop(server: PostgresServer) -> None:
    administration = await asyncpg.connect(_dsn(server, "postgres"))
    try:
        for database in (SOURCE, TARGET):
            await administration.execute(f"CREATE DATABASE {database}")
    finally:
        await administration.close()
    shop = await asyncpg.connect(_dsn(server, SOURCE))
    try:
        async with shop.transaction():
            await shop.execute((_FILES / "shop.sql").read_text(encoding="utf-8"))
        await shop.execute("ANALYZE")
    finally:
        await shop.close()


async def _declare(api: httpx.AsyncClient, server: PostgresServer) -> None:
    for name, database in (("shop", SOURCE), ("shop-qa", TARGET)):
        settings = {
            "host": str(server.socket_directory),
            "port": server.port,
            "database": database,
            "user": SUPERUSER,
            "sslmode": "disable",
        }
        connection = {"name": name, "settings": settings, "secrets": {"password": server.password}}
        _body(await api.post("/v1/connections", json=connection))
    document = (_FILES / "shop.yaml").read_text(encoding="utf-8")
    _body(await api.post("/v1/pipelines", content=document, headers={"Content-Type": "application/yaml"}))


async def _run(api: httpx.AsyncClient, told: Told) -> Mapping[str, Any]:
    run = _body(await api.post("/v1/runs", json={"pipeline": "shop-to-qa"}))
    async with httpx_sse.aconnect_sse(api, "GET", f"/v1/runs/{run['id']}/events") as stream:
        async for event in stream.aiter_sse():
            if event.data:  # the comment that ends the stream comes as an event without data
                told(event.event, json.loads(event.data)["data"])
    ended = _body(await api.get(f"/v1/runs/{run['id']}"))
    if ended["state"] != "succeeded":
        failure = ended["failure"] or {}
        raise InternalFault(f"running the demo: {failure.get('message', ended['state'])}", failure.get("hint", ""))
    return ended


def _body(response: httpx.Response) -> dict[str, Any]:
    body: dict[str, Any] = response.json()
    if response.is_error:
        problems = "; ".join(problem["message"] for problem in body.get("problems", ()))
        raise EluteError(f"{body.get('title', 'the API refused')}: {body.get('detail', '')} {problems}".strip())
    return body


def _dsn(server: PostgresServer, database: str) -> str:
    return f"postgresql:///{database}?host={server.socket_directory}&port={server.port}&user={SUPERUSER}&password={server.password}"
