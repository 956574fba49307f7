"""The gateway's application over a real store and a real engine, with the data plane and planning in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from fastapi import FastAPI
from structlog.testing import capture_logs

from elute_gateway.api.app import create_app
from elute_gateway.api.composition import Neighbours, open_pipelines, open_use_cases
from elute_gateway.api.context import UseCases
from elute_gateway.application.api_keys import BOOTSTRAP, random_key
from elute_gateway.application.connections import Checked, Role
from elute_gateway.application.loading import Loader
from elute_gateway.application.pace import Pace
from elute_gateway.application.pipelines import PipelineUseCases
from elute_gateway.application.planning_ports import TargetAnswer
from elute_gateway.application.runs import RunUseCases
from elute_gateway.application.steps import RunSteps
from elute_gateway.application.telling import Teller
from elute_gateway.clients.testing import FakeDataPlane
from elute_gateway.domain.access import Scope
from elute_gateway.domain.catalog import Catalog, DataType
from elute_gateway.domain.connection import Connection
from elute_gateway.domain.names import DatasetName
from elute_gateway.domain.plan import DatasetPlan, Plan
from elute_gateway.engine.execution import Place, executing, open_books
from elute_gateway.store import schema
from elute_gateway.store.access import found_workspace
from elute_gateway.store.database import Database as Store
from elute_wire.errors import Problem, Severity
from elute_wire.seal import PublicKey, SealingKeys
from tests.support.gateway import WORKSPACE
from tests.support.planning import QA, SHOP, Services, catalog, policy, table

QUICK = Pace(beat_seconds=0.1, idle_beat_seconds=0.2, progress_seconds=0.05, first_wait_seconds=0.02, poll_seconds=0.05)
SHOP_CATALOG = catalog(
    table("customers", "id bigint", "email text"), table("orders", "id bigint", "customer_id bigint", "placed date")
)
SCRUB = policy('{columns: ["*.customers.email"], technique: token}', keep='["*.*.id", "*.orders.*"]')
SECRET = "correct horse battery staple"


@dataclass
class PlanningServices(Services):
    """The services of planning, for whichever connections the API has made."""

    async def discover(self, _connection: Connection) -> Catalog:
        return self.held

    async def plan_target(
        self, plan: Plan, _source: Connection, _target: Connection, types: Iterable[DataType]
    ) -> TargetAnswer:
        return await super().plan_target(plan, SHOP, QA, types)


@dataclass
class Inspection:
    """A connector that finds one fault, and previews one row."""

    checked: list[tuple[Connection, Role, Sequence[DatasetName]]] = field(default_factory=list)

    async def check(self, connection: Connection, role: Role, datasets: Sequence[DatasetName]) -> Checked:
        self.checked.append((connection, role, datasets))
        return Checked((Problem("privilege", "SELECT is missing", severity=Severity.WARNING),), "18.4", encrypted=True)

    async def preview(
        self, _plan: Plan, dataset: DatasetPlan, _source: Connection, limit_rows: int
    ) -> list[dict[str, object]]:
        row: dict[str, object] = {column.name: f"<{column.technique}>" for column in dataset.columns}
        return [row][:limit_rows]


@dataclass
class TestGateway:
    """A running application, and what a test may do behind its back."""

    __test__ = False

    url: str
    app: FastAPI
    use_cases: UseCases
    services: PlanningServices
    inspection: Inspection
    plane: FakeDataPlane
    sealing: SealingKeys
    key: str

    def client(self, key: str | None = None, **headers: str) -> httpx.AsyncClient:
        """Open a client with a key, the first one unless another is given; an empty one for none."""
        key = self.key if key is None else key
        authorization = {"Authorization": f"Bearer {key}"} if key else {}
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        return httpx.AsyncClient(transport=transport, base_url="http://elute", headers={**authorization, **headers})

    async def key_with(self, *scopes: Scope) -> str:
        """Make a key with some scopes."""
        name = "-".join(scopes).replace(":", "-") or "none"
        return (await self.use_cases.api_keys.create(BOOTSTRAP, f"{name}-{random_key()[6:18]}", scopes, None)).key


@asynccontextmanager
async def open_gateway(
    url: str,
    folder: Path,
    *,
    executes: bool = True,
    load_seconds: float = 0.0,
    body_bytes: int = 100_000,
    pace: Pace = QUICK,
) -> AsyncIterator[TestGateway]:
    """Open a gateway over an empty store.

    Args:
        url: The store.
        folder: Where the data plane keeps its world.
        executes: Whether a real engine executes runs; without it they wait for ever.
        load_seconds: How long a partition takes.
        body_bytes: The most bytes of a request's body.
        pace: How long the engine waits for what.
    """
    store = Store.at(url)
    await schema.upgrade(store)
    await found_workspace(store, WORKSPACE)
    services, inspection = PlanningServices(SHOP_CATALOG), Inspection()
    rows = dict.fromkeys(SHOP_CATALOG.datasets, 250)
    plane = FakeDataPlane(folder / "world.db", rows, load_seconds=load_seconds)
    private = X25519PrivateKey.generate()
    sealing = PublicKey(private.public_key().public_bytes_raw())
    neighbours = Neighbours(services.planner, inspection, inspection)
    pipelines = open_pipelines(store, WORKSPACE, neighbours)
    place = Place(url, WORKSPACE, "test")
    running = executing(store, place, plane, pipelines, pace) if executes else _waiting(store, plane, pipelines, pace)
    async with running as runs:
        use_cases = open_use_cases(store, WORKSPACE, sealing, neighbours, pipelines=pipelines, runs=runs)
        key = random_key()
        await use_cases.api_keys.install(key, "first")
        app = create_app(use_cases, body_bytes=body_bytes)
        # Unless caught, structlog's default would print every local variable of a traceback, for many seconds.
        with capture_logs():
            yield TestGateway(url, app, use_cases, services, inspection, plane, SealingKeys(private), key)
    plane.close()
    await store.close()


class _Nobody:
    """Durable execution by nobody."""

    async def begin(self, run_id: str, round_: int) -> None:
        """Leave the run queued."""

    async def go_on(self, run_id: str, round_: int) -> None:
        """Leave the run as it is."""

    async def forget(self, run_id: str, rounds: int) -> None:
        """Nothing was kept."""


@asynccontextmanager
async def _waiting(
    store: Store, plane: FakeDataPlane, planner: PipelineUseCases, pace: Pace
) -> AsyncIterator[RunUseCases]:
    books, gateway_id = open_books(store, WORKSPACE), "nobody"
    teller = Teller(books.history, pace)
    loader = Loader(gateway_id, books, plane, pace, teller)
    steps = RunSteps(gateway_id, books, plane, planner, pace=pace, loader=loader, teller=teller)
    yield RunUseCases(books, plane, _Nobody(), steps, teller)


async def make_connections(client: httpx.AsyncClient) -> None:
    """Make the two connections of the shop."""
    for name in ("shop", "shop-qa"):
        body = {"name": name, "settings": {"host": "db", "database": name}, "secrets": {"password": SECRET}}
        answer = await client.post("/v1/connections", json=body)
        assert answer.status_code == 201, answer.text
