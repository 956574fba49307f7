"""Puts the use cases of the API together over a store and the other services."""

from __future__ import annotations

from dataclasses import dataclass

from elute_gateway.api.context import UseCases
from elute_gateway.application.api_keys import ApiKeys
from elute_gateway.application.auditing import Auditing
from elute_gateway.application.connections import Checking, ConnectionUseCases
from elute_gateway.application.pipelines import PipelineUseCases, Previewing
from elute_gateway.application.planning import Planner
from elute_gateway.application.running import Running
from elute_gateway.application.runs import RunUseCases
from elute_gateway.store import documents
from elute_gateway.store.access import ApiKeys as KeyStore
from elute_gateway.store.access import Audit
from elute_gateway.store.connections import Connections
from elute_gateway.store.database import Database
from elute_wire.seal import PublicKey


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The other services, as far as the API needs them."""

    planner: Planner
    checking: Checking
    previewing: Previewing


def open_pipelines(database: Database, workspace: str, neighbours: Neighbours) -> PipelineUseCases:
    """Open the pipelines of a workspace; they are what runs are planned by."""
    return PipelineUseCases(
        pipelines=documents.pipelines(database, workspace),
        policies=documents.policies(database, workspace),
        connections=Connections(database, workspace),
        planner=neighbours.planner,
        previewing=neighbours.previewing,
        audit=Auditing(Audit(database, workspace)),
    )


def open_use_cases(
    database: Database,
    workspace: str,
    sealing: PublicKey,
    neighbours: Neighbours,
    *,
    pipelines: PipelineUseCases,
    runs: RunUseCases,
) -> UseCases:
    """Open what the API can do in a workspace.

    Args:
        database: The store.
        workspace: The workspace.
        sealing: What secrets are sealed to.
        neighbours: The other services.
        pipelines: Its pipelines.
        runs: Its runs.
    """
    audit = pipelines.audit
    connections = ConnectionUseCases(
        records=Connections(database, workspace),
        sealing=sealing,
        checking=neighbours.checking,
        stores=neighbours.planner.stores,
        runs=runs.books.runs,
        audit=audit,
    )
    return UseCases(
        api_keys=ApiKeys(KeyStore(database, workspace), audit),
        audit=audit,
        connections=connections,
        pipelines=pipelines,
        running=Running(runs, pipelines, audit),
    )
