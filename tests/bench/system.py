"""The whole system as `elute up` runs it, driven through its public API."""

from __future__ import annotations

import asyncio
import json
import shutil
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from elute_gateway.embedded.postgresql import SUPERUSER, free_port
from elute_gateway.embedded.system import KEY_RING, LocalSystem
from tests.support.postgresql import Database

SOURCE, TARGET = "bench-source", "bench-target"
PIPELINE = "bench"
_TIMEOUT = httpx.Timeout(600.0)
_POLL_SECONDS = 0.1


class RunFailed(Exception):
    """A run did not succeed."""


class Refused(Exception):
    """The API refused a request."""


@dataclass
class Elute:
    """A running system and a client of its API."""

    local: LocalSystem
    api: httpx.AsyncClient

    @property
    def processes(self) -> dict[str, int]:
        """The ids of the processes that run now, by service."""
        return {child.name: child.pid for child in self.local.children if child.pid is not None}

    async def connect(self, source: Database, target: Database) -> None:
        """Declare both ends."""
        for name, database in ((SOURCE, source), (TARGET, target)):
            settings = {
                "host": str(database.server.socket_directory),
                "port": database.server.port,
                "database": database.name,
                "user": SUPERUSER,
                "sslmode": "disable",
            }
            await self.asked("POST", "/v1/connections", json={"name": name, "settings": settings})

    async def save(self, document: Mapping[str, Any]) -> None:
        """Plan and save the pipeline."""
        await self.asked("POST", "/v1/pipelines", json=document)

    async def start(self) -> str:
        """Start a run of the saved pipeline; answers its id."""
        run_id: str = (await self.asked("POST", "/v1/runs", json={"pipeline": PIPELINE}))["id"]
        return run_id

    async def ended(self, run_id: str, poll_seconds: float = _POLL_SECONDS) -> dict[str, Any]:
        """Wait for a run's end, and answer the run.

        Raises:
            RunFailed: It ended, but not well.
        """
        while (run := await self.asked("GET", f"/v1/runs/{run_id}"))["state"] in {"queued", "running"}:
            await asyncio.sleep(poll_seconds)
        if run["state"] != "succeeded":
            raise RunFailed(f"run {run_id} {run['state']}: {run['failure']}")
        return run

    async def watched(self, run_id: str) -> dict[str, Any]:
        """Watch a run's events until it has ended, as `elute run` does, and answer the run.

        Raises:
            RunFailed: It ended, but not well.
        """
        async with self.api.stream("GET", f"/v1/runs/{run_id}/events") as events:
            async for _ in events.aiter_lines():
                continue
        return await self.ended(run_id)

    async def report(self, run_id: str) -> dict[str, Any]:
        """Read what a run came to."""
        return await self.asked("GET", f"/v1/runs/{run_id}/report")

    async def datasets(self, run_id: str) -> Sequence[dict[str, Any]]:
        """Read what has become of each dataset."""
        items: list[dict[str, Any]] = (await self.asked("GET", f"/v1/runs/{run_id}/datasets"))["items"]
        return items

    async def events(self, run_id: str) -> list[dict[str, Any]]:
        """Read all events of a run that has ended."""
        response = await self.api.get(f"/v1/runs/{run_id}/events")
        return [
            json.loads(line.removeprefix("data:")) for line in response.text.splitlines() if line.startswith("data:")
        ]

    async def answers(self) -> bool:
        """Whether the gateway answers a request that reads its store."""
        try:
            return (await self.api.get("/v1/runs?limit=1", timeout=2)).is_success
        except httpx.TransportError:
            return False

    async def asked(self, method: str, path: str, **body: Any) -> dict[str, Any]:
        """Call the API.

        Raises:
            Refused: It answers with an error.
        """
        response = await self.api.request(method, path, **body)
        if response.is_error:
            raise Refused(f"{method} {path}: {response.status_code} {response.text[:2000]}")
        answer: dict[str, Any] = response.json()
        return answer


@asynccontextmanager
async def running_system(logs: Path) -> AsyncIterator[Elute]:
    """Run the four services in a folder of their own, and remove it after; if the block fails, its logs are kept.

    Args:
        logs: The folder that they are kept in.
    """
    shutil.rmtree(logs, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix="elute-bench-") as folder:
        local = LocalSystem(Path(folder), port=free_port())
        try:
            await local.start()
            headers = {"Authorization": f"Bearer {local.api_key}"}
            async with httpx.AsyncClient(base_url=local.url, headers=headers, timeout=_TIMEOUT) as api:
                yield Elute(local, api)
        except BaseException:
            shutil.copytree(local.log_folder, logs, dirs_exist_ok=True)
            raise
        finally:
            await local.stop()


def document(
    datasets: str = "public.*",
    *,
    structure: str = "create",
    scrub: Mapping[str, Any] | None = None,
    **parts: Any,
) -> dict[str, Any]:
    """Write a pipeline between the two ends; without rules it copies everything as it is."""
    return {
        "version": 1,
        "pipeline": PIPELINE,
        "source": {"connection": SOURCE, "datasets": [datasets]},
        "target": {"connection": TARGET, "structure": structure},
        "scrub": "off" if scrub is None else {"key_ring": KEY_RING, **scrub},
        **parts,
    }
