"""The product as a user has it: the four processes of one machine, and a client of the public API."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import tempfile
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from elute_gateway.embedded.postgresql import LOOPBACK, SUPERUSER, free_port
from elute_gateway.embedded.supervisor import Child
from elute_gateway.embedded.system import KEY_RING, LocalSystem
from tests.support.postgresql import Database

Body = dict[str, Any]

KEEP_ALL: Body = {"key_ring": KEY_RING, "keep": ["*.*.*"]}
"""A policy that keeps every column on purpose."""

_WAIT_SECONDS = 100.0
_POLL_SECONDS = 0.03
_NUMBERS = itertools.count(1)


class Refused(Exception):
    """The API answered with an error."""

    def __init__(self, status: int, body: Body) -> None:
        super().__init__(f"{status}: {body}")
        self.status = status
        self.body = body

    @property
    def codes(self) -> set[str]:
        """The codes of the problems that it names."""
        return {problem["code"] for problem in self.body.get("problems", ())}


class Product:
    """A running system, on an event loop of its own: it brings dead processes back whatever the tests do."""

    def __init__(self, state: Path) -> None:
        self.local = LocalSystem(state, port=free_port())
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="elute", daemon=True)

    def start(self) -> None:
        """Start the four processes."""
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self.local.start(), self._loop).result(120)

    def stop(self) -> None:
        """Stop them."""
        asyncio.run_coroutine_threadsafe(self.local.stop(), self._loop).result(120)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def child(self, name: str) -> Child:
        """Answer one of the processes."""
        return next(child for child in self.local.children if child.name == name)

    def kill(self, name: str) -> None:
        """End a process as the kernel does when memory is short."""
        pid = self.child(name).pid
        assert pid is not None, f"{name} does not run"
        os.kill(pid, signal.SIGKILL)

    async def said(self) -> dict[str, bytes]:
        """Answer all that the system has written down or measured, but for its secrets: files and `/metrics`."""
        files = [
            path for path in self.local.state.rglob("*") if path.is_file() and path.suffix not in {".pem", ".json"}
        ]
        said = {str(path.relative_to(self.local.state)): path.read_bytes() for path in files}
        async with httpx.AsyncClient() as http:
            for name, port in self.local.metrics_ports.items():
                answer = await http.get(f"http://{LOOPBACK}:{port}/metrics")
                assert answer.status_code == 200
                said[f"{name} /metrics"] = answer.content
        return said

    @asynccontextmanager
    async def client(self, key: str | None = None) -> AsyncIterator[Api]:
        """Open a client of the API; with the first key unless another is given."""
        headers = {"Authorization": f"Bearer {self.local.api_key if key is None else key}"}
        async with httpx.AsyncClient(base_url=self.local.url, headers=headers, timeout=60.0) as http:
            yield Api(http)


@contextmanager
def running_product() -> Iterator[Product]:
    """Run the system in a folder of its own, removed after."""
    with tempfile.TemporaryDirectory(prefix="elute-e2e-") as folder:
        product = Product(Path(folder))
        try:
            product.start()
            yield product
        finally:
            product.stop()


@dataclass(frozen=True)
class Api:
    """A client of the public API."""

    http: httpx.AsyncClient

    async def ask(self, method: str, path: str, **parts: Any) -> Body:
        """Call the API.

        Raises:
            Refused: It answers with an error.
        """
        answer = await self.http.request(method, path, **parts)
        body: Body = answer.json() if answer.content else {}
        if answer.is_error:
            raise Refused(answer.status_code, body)
        return body

    async def asked_patiently(self, path: str) -> Body:
        """Read something, across deaths of the gateway."""
        while True:
            try:
                return await self.ask("GET", path)
            except httpx.TransportError:
                await asyncio.sleep(_POLL_SECONDS)

    async def connect(self, name: str, database: Database, user: str = SUPERUSER) -> None:
        """Declare a connection."""
        settings = {
            "host": str(database.server.socket_directory),
            "port": database.server.port,
            "database": database.name,
            "user": user,
            "sslmode": "disable",
        }
        await self.ask("POST", "/v1/connections", json={"name": name, "settings": settings})

    async def pipe(self, source: Database, target: Database) -> Pipe:
        """Declare two connections under names of their own."""
        name = f"e2e-{next(_NUMBERS)}"
        await self.connect(f"{name}-source", source)
        await self.connect(f"{name}-target", target)
        return Pipe(self, name)

    async def until(self, run_id: str, met: Callable[[Body], bool], seconds: float = _WAIT_SECONDS) -> Body:
        """Wait until a run is as wanted, and answer it."""
        async with asyncio.timeout(seconds):
            while not met(run := await self.asked_patiently(f"/v1/runs/{run_id}")):
                await asyncio.sleep(_POLL_SECONDS)
        return run

    async def ended(self, run_id: str, seconds: float = _WAIT_SECONDS) -> Body:
        """Wait for a run's end, and answer the run."""
        return await self.until(run_id, lambda run: run["state"] not in {"queued", "running"}, seconds)

    async def datasets(self, run_id: str) -> dict[str, Body]:
        """Answer what has become of a run's datasets, by name."""
        found = await self.asked_patiently(f"/v1/runs/{run_id}/datasets?limit=200")
        return {item["name"]: item for item in found["items"]}

    async def rows_written(self, run_id: str, more_than: int) -> None:
        """Wait until more rows than so many are in, in finished partitions or open ones."""
        async with asyncio.timeout(_WAIT_SECONDS):
            while sum(item["rows_written"] for item in (await self.datasets(run_id)).values()) <= more_than:
                await asyncio.sleep(_POLL_SECONDS)

    async def report(self, run_id: str) -> dict[str, Body]:
        """Answer what a run came to, by dataset."""
        answer = await self.ask("GET", f"/v1/runs/{run_id}/report")
        return {item["dataset"]: item for item in answer["report"]["datasets"]}


@dataclass(frozen=True)
class Pipe:
    """A source and a target that the API knows, and one pipeline between them."""

    api: Api
    name: str

    def document(
        self,
        scrub: Mapping[str, Any] | str,
        datasets: Sequence[str] = ("*.*",),
        structure: str = "create",
        **parts: Any,
    ) -> Body:
        """Write the pipeline; `parts` are the document's other parts, `target` and `source` are merged."""
        source, target = parts.pop("source", {}), parts.pop("target", {})
        return {
            "version": 1,
            "pipeline": self.name,
            "source": {"connection": f"{self.name}-source", "datasets": list(datasets), **source},
            "target": {"connection": f"{self.name}-target", "structure": structure, **target},
            "scrub": scrub,
            **parts,
        }

    async def plan(self, document: Body) -> Body:
        """Plan a document."""
        return await self.api.ask("POST", "/v1/plans", json=document)

    async def save(self, document: Body, *, accept: bool = False) -> Body:
        """Save a document, and pin its policy."""
        return await self.api.ask("POST", "/v1/pipelines", json=document, params={"accept": accept})

    async def start(self, **request: Any) -> str:
        """Start a run of what is saved; answers its id."""
        run_id: str = (await self.api.ask("POST", "/v1/runs", json={"pipeline": self.name, **request}))["id"]
        return run_id

    async def run(self, document: Body) -> str:
        """Save a document and run it to a good end; answers the run's id."""
        await self.save(document)
        run_id = await self.start()
        run = await self.api.ended(run_id)
        assert run["state"] == "succeeded", run["failure"]
        return run_id

    async def fails(self, document: Body | None = None) -> Body:
        """Run a document, or what is saved, to its bad end, and answer the failure."""
        if document is not None:
            await self.save(document)
        run = await self.api.ended(await self.start())
        assert run["state"] == "failed", run
        failure: Body = run["failure"]
        return failure
