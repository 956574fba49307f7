"""Values are planted in rows, filters, options and passwords; errors are provoked; no value comes out anywhere."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import grpc
import grpc.aio
import pytest

from elute.v1 import connector_pb2, connector_pb2_grpc, stage_pb2
from elute_gateway.embedded.postgresql import Authentication
from elute_wire.identity import ServiceName
from elute_wire.status import from_rpc
from tests.elute_connector.integration.service.canaries import (
    AT_THE_SOURCE,
    AT_THE_TARGET,
    CANARIES,
    CANARY,
    FILTERS,
    KEPT,
    OPTIONS,
    REJECTED,
    ROWS,
)
from tests.elute_connector.integration.service.copying import copier
from tests.elute_connector.integration.service.holding import held
from tests.elute_connector.integration.service.scrubbing import POLICY, scrubbed
from tests.support.postgresql import DEFAULT_VERSION, Database, discard, new_server
from tests.support.services import System


class Told:
    """What clients were told, by what they had asked for."""

    def __init__(self) -> None:
        self.codes: dict[str, str] = {}
        self.words: list[str] = []

    async def by(self, name: str, call: Awaitable[object]) -> None:
        """Make a call; remember its answer, or its error with all that came with it."""
        try:
            answer = await call
        except grpc.aio.AioRpcError as raw:
            error = from_rpc(raw, "asking", "connector")
            self.codes[name] = error.code
            self.words += [repr(raw), str(raw.details()), str(raw.trailing_metadata()), repr(error)]
        else:
            self.codes[name] = "answered"
            self.words.append(str(answer))


async def assert_silent(system: System, told: Told, *canaries: str) -> None:
    """Assert that no canary is in an answer, a log or a metric."""
    metrics = [(await process.metrics()).text for process in (system.connector, system.transform, system.anonymizer)]
    for place, words, found in (
        ("an answer", "\n".join(told.words), "elute"),
        ("a log", system.logs(), "request failed"),
        ("a metric", "".join(metrics), "elute_errors_total"),
    ):
        assert found in words, f"{place} was not read"
        for canary in canaries or CANARIES:
            at = words.lower().find(canary.lower())
            assert at < 0, f"{canary} is in {place}: {words[max(0, at - 300) : at + 100]}"


@pytest.fixture
async def told(services: System) -> AsyncIterator[Told]:
    """What clients are told; silent about every canary at the end."""
    told = Told()
    yield told
    assert told.words
    await assert_silent(services, told)


def prepared(source: Database, target: Database, cases: dict[str, tuple[str, str, str]]) -> None:
    source.run(";".join(at_source.replace("{t}", name) for name, (at_source, _, _) in cases.items()))
    target.run(";".join(at_target.replace("{t}", name) for name, (_, at_target, _) in cases.items()))


@pytest.fixture
def writer(target: Database) -> Iterator[str]:
    """A role of the target that may use fences, and no table."""
    role = f"writer_{target.name}"
    target.run(f"CREATE ROLE {role} LOGIN")
    yield role
    target.run(f"DROP OWNED BY {role}; DROP ROLE {role}")


async def test_what_a_target_says_of_rows(
    services: System, source: Database, target: Database, writer: str, told: Told
) -> None:
    cases = {name: (s, t.replace("writer", writer), code) for name, (s, t, code) in AT_THE_TARGET.items()}
    prepared(source, target, cases)
    async with copier(services, source, target) as copy:
        target.run(f"GRANT USAGE ON SCHEMA elute TO {writer}; GRANT ALL ON ALL TABLES IN SCHEMA elute TO {writer}")
        as_writer = replace(copy, target=services.connection("writer", target, user=writer))
        async with copy.snapshot(*cases):
            for place, name in enumerate(cases):
                run = as_writer if name in ("row_policy", "privilege") else copy
                await told.by(name, run.load(run.request(f"p{place}", copy.unit(name, copy.stage(name)))))
    assert told.codes == {name: code for name, (_, _, code) in cases.items()}


async def test_what_a_source_says_of_rows(services: System, source: Database, target: Database, told: Told) -> None:
    cases = AT_THE_SOURCE
    prepared(source, target, cases)
    async with copier(services, source, target) as copy:
        for place, name in enumerate(cases):
            if name == "column_gone":
                source.run("ALTER TABLE column_gone DROP COLUMN name")
            request = copy.request(f"p{place}", copy.unit(name, copy.stage(name)))
            request.context.max_cell_bytes = 1000 if name == "cell_too_large" else 0
            await told.by(name, copy.load(request))
    assert told.codes == {name: code for name, (_, _, code) in cases.items()}


async def test_what_is_said_of_filters(services: System, source: Database, target: Database, told: Told) -> None:
    prepared(source, target, {"filtered": (ROWS, KEPT, "")})
    async with copier(services, source, target) as copy:
        for place, condition in enumerate(FILTERS):
            unit = copy.unit("filtered", copy.stage("filtered", filter=condition))
            await told.by(condition, copy.load(copy.request(f"p{place}", unit)))
        dataset = copy.catalogs["source"]["filtered"].name
        digest = connector_pb2.DigestSelection(dataset=dataset, columns=["name"], filter="name::int = 1")
        await told.by(
            "digest", copy.stub.Digest(connector_pb2.DigestRequest(connection=copy.source, selections=[digest]))
        )
    assert told.codes == {**FILTERS, "digest": REJECTED}


async def test_what_is_said_of_rules_and_what_they_cannot_take(
    services: System, source: Database, target: Database, told: Told
) -> None:
    prepared(source, target, {"ruled": (ROWS, KEPT, "")})
    async with copier(services, source, target) as copy:
        for place, (name, (techniques, _)) in enumerate(OPTIONS.items()):
            unit = scrubbed(copy, "ruled", techniques)
            scrub = connector_pb2.SCRUB_MODE_REQUIRED
            await told.by(name, copy.load(copy.request(f"p{place}", unit, scrub=scrub, policy_digest=POLICY)))
    assert told.codes == {name: code for name, (_, code) in OPTIONS.items()}


async def test_what_control_methods_say(services: System, source: Database, target: Database, told: Told) -> None:
    view = f"CREATE VIEW broken AS SELECT name::int AS id FROM shop; COMMENT ON TABLE shop IS '{CANARY}'"
    source.run(f"{ROWS.replace('{t}', 'shop')}; {view}")
    target.run(
        """CREATE TABLE customers (name text PRIMARY KEY);
            CREATE TABLE shop (id bigint, name text REFERENCES customers, CHECK (name <> 'x'))"""
    )
    async with copier(services, source, target) as copy:
        stub, shop = copy.stub, copy.catalogs["source"]["shop"].name
        broken = [copy.catalogs["source"]["broken"].name]
        await told.by("snapshot id", copy.stub.Discover(discovering(copy.source, snapshot_id=CANARY)))
        await told.by("gone snapshot", copy.stub.Discover(discovering(copy.source, snapshot_id="00000003-0000001B-1")))
        await told.by("adoption", held(copy, "shop", adopt_snapshot_id=CANARY))
        slices = connector_pb2.PlanPartitionsRequest(connection=copy.source, datasets=broken, target_bytes=1)
        await told.by("slices of a view", stub.PlanPartitions(slices))
        preview = connector_pb2.PreviewRequest(
            stage=copy.stage("broken"), limit_rows=5, scrub=connector_pb2.SCRUB_MODE_OFF
        )
        await told.by("preview of a view", stub.Preview(preview))
        untreated = connector_pb2.PreviewRequest(stage=copy.stage("shop"), limit_rows=5)
        await told.by("preview untreated", stub.Preview(untreated))
        preparing = connector_pb2.PrepareTargetRequest(
            run_id="canaries",
            source=copy.source,
            target=copy.target,
            structure=connector_pb2.STRUCTURE_KEEP,
            datasets=[shop],
            partition_ids=["p0"],
        )
        await told.by("preparation", stub.PrepareTarget(preparing))
        target.run(f"INSERT INTO shop VALUES (1, '{CANARY}'); UPDATE elute.fence_canaries SET done = true, result = ''")
        finishing = connector_pb2.FinishTargetRequest(run_id="canaries", source=copy.source, target=copy.target)
        await told.by("finish with orphans", ended(stub.FinishTarget(finishing)))
        repairing = connector_pb2.RepairTargetRequest(run_id="canaries", target=copy.target)
        await told.by("repair with orphans", ended(stub.RepairTarget(repairing)))
    assert told.codes == {
        "snapshot id": "invalid-request",
        "gone snapshot": "snapshot-lost",
        "adoption": "invalid-request",
        "slices of a view": REJECTED,
        "preview of a view": REJECTED,
        "preview untreated": "treatment-missing",
        "preparation": "answered",
        "finish with orphans": REJECTED,
        "repair with orphans": "answered",
    }


async def test_what_is_said_of_connections(services: System, source: Database, told: Told) -> None:
    good = services.connection("shop", source)
    settings = json.loads(good.settings)
    wrong = {
        "unknown setting": settings | {"password": CANARY},
        "wrong type": settings | {"port": CANARY},
        "wrong mode": settings | {"sslmode": CANARY},
        "wrong encoding": settings | {"encoding": f"{CANARY}!"},
        "too long": settings | {"database": CANARY * 10},
        "no object": CANARY,
    }
    connections = {
        name: stage_pb2.Connection(id="shop", system="postgresql", settings=json.dumps(value), secret=good.secret)
        for name, value in wrong.items()
    }
    connections["no json"] = stage_pb2.Connection(id="shop", system="postgresql", settings=CANARY, secret=good.secret)
    connections["unknown secret"] = services.connection("shop", source, {"pasword": CANARY})
    connections["secret of another"] = stage_pb2.Connection(
        id="other", system="postgresql", settings=good.settings, secret=good.secret
    )
    connections["no such database"] = services.connection("shop", replace(source, name="missing"), {"password": CANARY})
    connections["no such role"] = services.connection("shop", source, {"password": CANARY}, user="missing")
    connections["nobody there"] = services.connection("shop", source, {"password": CANARY}, port=1)
    async with services.channel(ServiceName.CONNECTOR) as channel:
        stub = connector_pb2_grpc.ConnectorServiceStub(channel)
        for name, connection in connections.items():
            await told.by(name, stub.Discover(discovering(connection)))
            checking = connector_pb2.CheckRequest(connection=connection, role=connector_pb2.ROLE_SOURCE)
            await told.by(f"check: {name}", stub.Check(checking))
    unreadable = dict.fromkeys([*wrong, "no json", "unknown secret"], "invalid-request")
    assert {name: code for name, code in told.codes.items() if not name.startswith("check")} == {
        **unreadable,
        "secret of another": "secret-unreadable",
        "no such database": "store-object-missing",
        "no such role": "store-login-refused",
        "nobody there": "store-unreachable",
    }


async def test_no_password_comes_out(services: System, target: Database, told: Told) -> None:
    with ExitStack() as cleaning:
        server = new_server(DEFAULT_VERSION, authentication=Authentication.SCRAM)
        cleaning.callback(discard, server)
        server.initialize()
        server.start()
        guarded, right, wrong = Database(server, "postgres", DEFAULT_VERSION), server.password or "", f"{CANARY}-wrong"
        for password, expected in ((right, "answered"), (wrong, "store-login-refused"), ("", "store-login-refused")):
            connection = services.connection("guarded", guarded, {"password": password} if password else None)
            found = await asked_everything(services, connection, services.connection("target", target), told)
            assert found == dict.fromkeys(found, expected), password == right
        await assert_silent(services, told, right, wrong)


async def asked_everything(
    services: System, guarded: stage_pb2.Connection, target: stage_pb2.Connection, told: Told
) -> dict[str, str]:
    """Call what opens sessions of each kind: asyncpg's, ADBC's and pg_dump's; answer the codes."""
    preparing = connector_pb2.PrepareTargetRequest(
        run_id="passwords", source=guarded, target=target, structure=connector_pb2.STRUCTURE_CREATE
    )
    asked = Told()
    async with services.channel(ServiceName.CONNECTOR) as channel:
        stub = connector_pb2_grpc.ConnectorServiceStub(channel)
        await asked.by("discover", stub.Discover(discovering(guarded)))
        await asked.by("prepare", stub.PrepareTarget(preparing))
        checking = connector_pb2.CheckRequest(connection=guarded, role=connector_pb2.ROLE_TARGET)
        await asked.by("check", stub.Check(checking))
    told.words += asked.words
    del asked.codes["check"]
    return asked.codes


def discovering(connection: stage_pb2.Connection, snapshot_id: str = "") -> connector_pb2.DiscoverRequest:
    return connector_pb2.DiscoverRequest(connection=connection, snapshot_id=snapshot_id)


async def ended(stream: Any) -> list[object]:
    return [event async for event in stream]
