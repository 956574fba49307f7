"""PlanTarget: how the columns of a run would reach its target, and every reason why they cannot, all at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import TypeAlias

from elute_connector.connectors.postgresql.catalog import Connection, discover
from elute_connector.connectors.postgresql.check import finding_problem
from elute_connector.connectors.postgresql.errors import mapped
from elute_connector.connectors.postgresql.privileges import Lack, privilege_findings
from elute_connector.connectors.postgresql.target import conflicts, create, keep, marker, relations
from elute_connector.connectors.postgresql.target.access import Access
from elute_connector.connectors.postgresql.target.binding import Binder
from elute_connector.connectors.postgresql.target.fence import SCHEMA
from elute_connector.connectors.postgresql.target.identity import SAME_DATABASE, same_database
from elute_connector.domain.catalog import Catalog, Dataset, DatasetKind
from elute_connector.domain.connector import Role
from elute_connector.domain.dataset_name import DatasetName
from elute_connector.domain.datatype import DataType
from elute_connector.domain.target import CreateOptions, DatasetBinding, Structure, TargetDataset, TargetPlan
from elute_wire.errors import Problem, Severity

Bounds: TypeAlias = Mapping[DatasetName, str]
"""The bounds of partitions, as SQL writes them."""

_NO_BOUNDS: Bounds = {}
_MAY_MAKE = """
    SELECT coalesce(has_schema_privilege(to_regnamespace($1), 'CREATE'),
                    has_database_privilege(current_database(), 'CREATE'))
"""
_BOUNDS = """
    SELECT n.nspname::text AS schema, c.relname::text AS name, pg_get_expr(c.relpartbound, c.oid) AS bound
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relispartition AND c.relkind <> 'I' AND c.relkind <> 'i'
"""
_EXTENSIONS = """
    SELECT w.name, v.name IS NOT NULL AS available,
           coalesce(bool_or(NOT v.superuser OR v.trusted), false) OR
               (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) AS allowed
    FROM unnest($1::text[]) AS w(name) LEFT JOIN pg_available_extension_versions v ON v.name = w.name
    GROUP BY w.name, v.name IS NOT NULL
"""


async def plan_target(
    source: Access, target: Access, structure: Structure, datasets: Sequence[TargetDataset]
) -> TargetPlan:
    """Answer how columns would reach a target; changes nothing.

    Args:
        source: The source.
        target: The target.
        structure: Where the target's schema comes from.
        datasets: The datasets and their streams.

    Raises:
        StoreError: One of both servers, or the way to it, failed.
    """
    names = [dataset.name for dataset in datasets]
    with mapped(f"planning the target {target.config.database}"):
        if await same_database(source.connection, target.connection):
            return TargetPlan((), (SAME_DATABASE,))
        ours = await discover(source.connection)
        problems = list(marker.overlaps(await marker.read_all(target.connection), names))
        problems += await _large_objects(source.connection, ours, names)
        problems += await _permission(target.connection)
        if structure is Structure.CREATE:
            problems += await _creation(source, target, names)
            theirs, bounds = ours, (_NO_BOUNDS, _NO_BOUNDS)
        else:
            problems += await _keeping(target.connection, names)
            theirs = await discover(target.connection)
            bounds = await _bounds(source.connection), await _bounds(target.connection)
    binder = Binder(structure, _types(ours))
    bindings, found = _bind(binder, datasets, (ours, theirs), bounds)
    return TargetPlan(tuple(bindings), tuple(dict.fromkeys([*problems, *found])))


def _bind(
    binder: Binder, datasets: Sequence[TargetDataset], catalogs: tuple[Catalog, Catalog], bounds: tuple[Bounds, Bounds]
) -> tuple[list[DatasetBinding], list[Problem]]:
    ours, theirs = map(_by_name, catalogs)
    bindings: list[DatasetBinding] = []
    problems: list[Problem] = []
    for wanted in datasets:
        # A dataset that either end lacks is a problem by itself already.
        if wanted.name in ours and wanted.name in theirs:
            ends = ours[wanted.name], theirs[wanted.name]
            same_leaves = _leaves(ends[0], bounds[0]) == _leaves(ends[1], bounds[1])
            binding, found = binder.bind(wanted, *ends, same_leaves=same_leaves)
            problems += found
            if not any(problem.severity is Severity.ERROR for problem in found):
                bindings.append(binding)
    return bindings, problems


def _leaves(dataset: Dataset, bounds: Bounds) -> dict[DatasetName, str]:
    leaves = dataset.partitioning.leaves if dataset.partitioning else ()
    return {leaf.name: bounds.get(leaf.name, "") for leaf in leaves}


def _by_name(catalog: Catalog) -> Mapping[DatasetName, Dataset]:
    return {dataset.name: dataset for dataset in catalog.datasets}


def _types(catalog: Catalog) -> dict[str, DataType]:
    columns = chain.from_iterable(dataset.columns for dataset in catalog.datasets)
    return {column.type.fingerprint: column.type for column in columns}


async def _creation(source: Access, target: Access, names: Sequence[DatasetName]) -> list[Problem]:
    """Answer what stands in the way of making the source's schema."""
    blueprint = await create.draw(source, target, names, CreateOptions())
    connection = target.connection
    way = await conflicts.clear(
        connection, blueprint.entries, blueprint.existing, await relations.read(connection, names)
    )
    extensions = [entry.name for entry in way.made if entry.kind == "EXTENSION"]
    problems = [*blueprint.problems, *way.problems]
    for row in await connection.fetch(_EXTENSIONS, extensions):
        if not row["available"]:
            problems.append(
                Problem(
                    "no-such-extension",
                    f"the target's server does not have the extension {row['name']}",
                    hint="install it on the server",
                )
            )
        elif not row["allowed"]:
            problems.append(
                Problem(
                    "extension-not-permitted",
                    f"the role may not make the extension {row['name']} in the target",
                    hint="let a superuser make it in the target database first",
                )
            )
    if connection.get_server_version().major < source.connection.get_server_version().major:
        problems.append(
            Problem(
                "older-target",
                "the target's server is older than the source's, and may not know all of its schema",
                hint="choose a target of the source's version or later",
                severity=Severity.WARNING,
            )
        )
    return problems


async def _keeping(connection: Connection, names: Sequence[DatasetName]) -> list[Problem]:
    """Answer what stands in the way of emptying the target's tables."""
    chosen = [relation for relation in await relations.read(connection, names) if relation.chosen]
    findings = await privilege_findings(connection, Role.TARGET, names)
    # That it is missing is told by the obstacles, with what to do about it in a target.
    return [
        *await keep.obstacles(connection, names, chosen),
        *(finding_problem(finding) for finding in findings if finding.lack is not Lack.MISSING),
    ]


async def _permission(connection: Connection) -> list[Problem]:
    if await connection.fetchval(_MAY_MAKE, SCHEMA):
        return []
    return [
        Problem(
            code="no-room-for-the-fence",
            message=f"the role may not make tables in a schema {SCHEMA} of the target",
            hint=f"as an owner of the database: CREATE SCHEMA {SCHEMA}; GRANT USAGE, CREATE ON SCHEMA {SCHEMA} TO …",
        )
    ]


async def _large_objects(connection: Connection, catalog: Catalog, names: Sequence[DatasetName]) -> list[Problem]:
    """Answer the columns that may name large objects, where the source has any."""
    if not await connection.fetchval("SELECT EXISTS (SELECT FROM pg_largeobject_metadata)"):
        return []
    wanted = set(names)
    return [
        Problem(
            code="large-object",
            message=f"{dataset.name}.{column.name} may name large objects, which are never copied",
            hint="keep the contents in a column of type bytea; or leave the column out, where it names none",
            dataset=str(dataset.name),
            column=column.name,
        )
        for dataset in catalog.datasets
        if dataset.name in wanted and dataset.kind in {DatasetKind.TABLE, DatasetKind.PARTITIONED}
        for column in dataset.columns
        if column.type.base.name == "oid"
    ]


async def _bounds(connection: Connection) -> Bounds:
    return {DatasetName(row["schema"], row["name"]): row["bound"] for row in await connection.fetch(_BOUNDS)}
