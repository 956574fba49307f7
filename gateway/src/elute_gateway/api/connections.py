"""Connections, and what their data stores hold."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Query, Response
from pydantic import Field, SecretStr

from elute_gateway.api.context import Gateway, holding
from elute_gateway.api.models import Body, View, moment, shown
from elute_gateway.api.pages import Cursor, Limit, Page, page_of, position
from elute_gateway.api.problems import PreconditionFailed, ProblemItem, problem_item
from elute_gateway.application.connections import Role
from elute_gateway.application.document_model import NAME
from elute_gateway.domain import catalog
from elute_gateway.domain.access import Caller, Scope
from elute_gateway.domain.connection import DEFAULT_PARALLEL, StoredConnection
from elute_gateway.domain.names import DatasetName
from elute_wire.errors import Severity

router = APIRouter(prefix="/connections", tags=["connections"])

_SETTINGS: dict[str, Any] = {"host": "db.example.org", "port": 5432, "database": "shop", "user": "elute_reader"}

Name = Annotated[str, Path(max_length=63, description="The connection's name, or its id.")]
Parallel = Annotated[
    int, Field(ge=1, le=256, description="The most partitions that load from or to it at a time, all runs together.")
]
Secrets = Annotated[
    dict[str, SecretStr],
    Field(
        default_factory=dict,
        description="Its secret settings, such as `password`. They are sealed at once, and never shown again.",
    ),
]


class NewConnection(Body):
    """A connection that is wanted."""

    model_config = shown(
        "NewConnection",
        {"name": "shop", "system": "postgresql", "settings": _SETTINGS, "secrets": {"password": "…"}},
    )

    name: str = Field(pattern=NAME, description="Its name, unique: what pipelines call it.")
    system: str = Field(default="postgresql", max_length=63, description="Which connector speaks to it.")
    settings: dict[str, Any] = Field(description="The connector's settings, none of them secret.")
    secrets: Secrets
    parallel_partitions: Parallel = DEFAULT_PARALLEL


class ConnectionChange(Body):
    """What a connection is to become."""

    model_config = shown(
        "ConnectionChange", {"settings": {**_SETTINGS, "host": "db2.example.org"}, "secrets": {"password": "…"}}
    )

    settings: dict[str, Any] = Field(description="All of the connector's settings, changed or not.")
    secrets: Secrets
    parallel_partitions: Parallel = DEFAULT_PARALLEL


class Connection(View):
    """How a data store is reached, without its secrets."""

    model_config = shown(
        "Connection",
        {
            "id": "01kb0rt5mqx5v1c6n0p8t2w4y6",
            "name": "shop",
            "system": "postgresql",
            "settings": _SETTINGS,
            "has_secrets": True,
            "parallel_partitions": 8,
            "revision": 1,
            "created_at": "2026-01-31T02:00:00Z",
        },
    )

    id: str
    name: str
    system: str
    settings: dict[str, Any]
    has_secrets: bool = Field(description="Whether secrets are stored for it.")
    parallel_partitions: int
    revision: int = Field(description="How often it was changed, counted from 1; its `ETag`.")
    created_at: datetime


class ConnectionPage(Page[Connection]):
    """Some connections."""


class CheckOrder(Body):
    """What a connection is to be tried for."""

    model_config = shown("CheckOrder", {"role": "source", "datasets": ["public.customers"]})

    role: Role = Field(default=Role.SOURCE, description="What it is to be used for.")
    datasets: list[str] = Field(
        default=[], max_length=10_000, description="The datasets, `schema.name`; none for all of them."
    )


class ConnectionCheck(View):
    """What a connection lacks."""

    model_config = shown(
        "ConnectionCheck",
        {"usable": True, "server_version": "18.4", "encrypted": True, "problems": []},
    )

    usable: bool = Field(description="Whether none of the problems is an error.")
    server_version: str = Field(description="The store's version; empty when it was not reached.")
    encrypted: bool = Field(description="Whether the connection's transport is encrypted.")
    problems: list[ProblemItem]


class DatasetColumn(View):
    """A column."""

    name: str
    type: str = Field(description="The store's own name of its type.")
    nullable: bool
    generated: bool = Field(description="Whether the store computes it.")


class Reference(View):
    """A foreign key."""

    columns: list[str]
    dataset: str = Field(description="The dataset that it refers to.")
    target_columns: list[str]


class Dataset(View):
    """A dataset of a data store."""

    model_config = shown(
        "Dataset",
        {
            "name": "public.orders",
            "kind": "table",
            "estimated_rows": 120_000,
            "size_bytes": 14_680_064,
            "primary_key": ["id"],
            "references": [{"columns": ["customer_id"], "dataset": "public.customers", "target_columns": ["id"]}],
            "columns": [{"name": "id", "type": "bigint", "nullable": False, "generated": False}],
        },
    )

    name: str = Field(description="`schema.name`.")
    kind: catalog.DatasetKind
    estimated_rows: int | None = Field(description="Absent when the store does not know.")
    size_bytes: int = Field(description="On the store's disk, indexes not counted.")
    primary_key: list[str]
    references: list[Reference]
    columns: list[DatasetColumn]


class DatasetPage(Page[Dataset]):
    """Some datasets."""


@router.post("", status_code=201)
async def create_connection(
    new: NewConnection,
    gateway: Gateway,
    response: Response,
    caller: Annotated[Caller, holding(Scope.CONNECTIONS_WRITE)],
) -> Connection:
    """Make a connection. Nothing is tried yet: see `checkConnection`."""
    stored = await gateway.connections.create(
        caller,
        new.name,
        new.system,
        settings=new.settings,
        secrets=_opened(new.secrets),
        parallel_partitions=new.parallel_partitions,
    )
    response.headers["Location"] = f"/v1/connections/{stored.name}"
    return _view(stored, response)


@router.get("")
async def list_connections(
    gateway: Gateway,
    _caller: Annotated[Caller, holding(Scope.CONNECTIONS_READ)],
    limit: Limit = 50,
    cursor: Cursor = "",
) -> ConnectionPage:
    """List connections by name."""
    found = await gateway.connections.page(position(cursor), limit + 1)
    stored, after = page_of(found, limit, lambda one: one.name)
    return ConnectionPage(items=[_view(one) for one in stored], next=after)


@router.get("/{name}")
async def get_connection(
    name: Name, gateway: Gateway, response: Response, _caller: Annotated[Caller, holding(Scope.CONNECTIONS_READ)]
) -> Connection:
    """Get a connection. Its secrets are not in it."""
    return _view(await gateway.connections.get(name), response)


@router.put("/{name}")
async def change_connection(
    name: Name,
    change: ConnectionChange,
    gateway: Gateway,
    response: Response,
    caller: Annotated[Caller, holding(Scope.CONNECTIONS_WRITE)],
    *,
    if_match: Annotated[str | None, Header(max_length=40, description="The `ETag` that was read.")] = None,
) -> Connection:
    """Change a connection. Other settings need the secrets again; without `secrets` the stored ones stay."""
    read = await gateway.connections.get(name)
    if if_match not in {None, "*", _etag(read)}:
        raise PreconditionFailed(f"changing connection {name}: it was changed since it was read", hint="read it again")
    changed = await gateway.connections.change(
        caller, read, change.settings, _opened(change.secrets), change.parallel_partitions
    )
    return _view(changed, response)


@router.delete("/{name}", status_code=204, response_class=Response)
async def delete_connection(
    name: Name, gateway: Gateway, caller: Annotated[Caller, holding(Scope.CONNECTIONS_WRITE)]
) -> None:
    """Delete a connection and its secrets. One that a run uses stays."""
    await gateway.connections.delete(caller, name)


@router.post("/{name}/check")
async def check_connection(
    name: Name, order: CheckOrder, gateway: Gateway, _caller: Annotated[Caller, holding(Scope.CONNECTIONS_CHECK)]
) -> ConnectionCheck:
    """Try a connection: reachability, login, version, privileges. What it lacks is told all at once."""
    checked = await gateway.connections.check(name, order.role, [_dataset_name(text) for text in order.datasets])
    return ConnectionCheck(
        usable=all(problem.severity is not Severity.ERROR for problem in checked.problems),
        server_version=checked.server_version,
        encrypted=checked.encrypted,
        problems=[problem_item(problem) for problem in checked.problems],
    )


@router.get("/{name}/datasets")
async def list_datasets(
    name: Name,
    gateway: Gateway,
    _caller: Annotated[Caller, holding(Scope.DATASETS_READ)],
    schema: Annotated[str, Query(max_length=63, description="Only those of this schema.")] = "",
    limit: Limit = 50,
    cursor: Cursor = "",
) -> DatasetPage:
    """List what a data store holds, by name. Every page asks the store anew."""
    after = position(cursor)
    found = [
        dataset
        for dataset in (await gateway.connections.discover(name)).datasets.values()
        if (not schema or dataset.name.schema == schema) and _place(dataset) > after
    ]
    datasets, following = page_of(found, limit, _place)
    return DatasetPage(items=[_dataset(dataset) for dataset in datasets], next=following)


def _place(dataset: catalog.Dataset) -> str:
    # A space sorts before whatever a name begins with: the order of the pairs.
    return f"{dataset.name.schema} {dataset.name.name}"


def _dataset_name(text: str) -> DatasetName:
    schema, _, name = text.rpartition(".")
    return DatasetName(schema, name)


def _opened(secrets: dict[str, SecretStr]) -> dict[str, object]:
    return {name: secret.get_secret_value() for name, secret in secrets.items()}


def _etag(stored: StoredConnection) -> str:
    return f'"{stored.revision}"'


def _view(stored: StoredConnection, response: Response | None = None) -> Connection:
    if response is not None:
        response.headers["ETag"] = _etag(stored)
    return Connection(
        id=stored.connection.id,
        name=stored.name,
        system=stored.connection.system,
        settings=json.loads(stored.connection.settings),
        has_secrets=stored.connection.secret is not None,
        parallel_partitions=stored.parallel_partitions,
        revision=stored.revision,
        created_at=moment(stored.created_at),
    )


def _dataset(dataset: catalog.Dataset) -> Dataset:
    return Dataset(
        name=str(dataset.name),
        kind=dataset.kind,
        estimated_rows=dataset.estimated_rows if dataset.estimated_rows >= 0 else None,
        size_bytes=dataset.size_bytes,
        primary_key=next((list(key.columns) for key in dataset.unique_keys if key.primary), []),
        references=[
            Reference(columns=list(key.columns), dataset=str(key.target), target_columns=list(key.target_columns))
            for key in dataset.foreign_keys
        ],
        columns=[
            DatasetColumn(
                name=column.name, type=column.type.formatted, nullable=column.nullable, generated=column.generated
            )
            for column in dataset.columns
        ],
    )
