"""Structure `create`: the source's schema is made in the target.

Types and empty tables are made at once, in the transaction that prepares the target. What would slow the rows down or
stop them (indexes, keys, foreign keys, triggers, rules) is written into the run's work and made when they are in.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import asyncpg

from elute_connector.connectors.postgresql.catalog import Connection
from elute_connector.connectors.postgresql.errors import mapped
from elute_connector.connectors.postgresql.identifiers import qualified
from elute_connector.connectors.postgresql.target import relations
from elute_connector.connectors.postgresql.target.access import Access
from elute_connector.connectors.postgresql.target.archive import Entry, dump
from elute_connector.connectors.postgresql.target.change import Change, lock_budget, packed
from elute_connector.connectors.postgresql.target.conflicts import Way, clear, dependents
from elute_connector.connectors.postgresql.target.fence import SCHEMA
from elute_connector.connectors.postgresql.target.kept import choose
from elute_connector.connectors.postgresql.target.relations import Relation, RelationKind
from elute_connector.connectors.postgresql.target.roles import missing_roles
from elute_connector.connectors.postgresql.target.work import Phase, WorkItem
from elute_connector.domain.dataset_name import DatasetName
from elute_connector.domain.target import CreateOptions
from elute_wire.errors import PlanRefused, Problem, Severity

_PHASES = {
    "INDEX": Phase.INDEX,
    "CONSTRAINT": Phase.INDEX,
    "INDEX ATTACH": Phase.ATTACH,
    "STATISTICS": Phase.OBJECT,
    "CHECK CONSTRAINT": Phase.CONSTRAINT,
    "FK CONSTRAINT": Phase.FOREIGN_KEY,
    "TRIGGER": Phase.TRIGGER,
    "POLICY": Phase.TRIGGER,
    "ROW SECURITY": Phase.TRIGGER,
    "ACL": Phase.GRANT,
}
"""What is made after the rows, and when. Of everything else, what depends on one of these follows it."""

# A table, its overflow table with an index, and its row type.
_LOCKS = {"TABLE": 4}

# Bodies may name what comes later, or never.
_SESSION = "SET LOCAL check_function_bodies = off; SET LOCAL standard_conforming_strings = on"

_HAS_SOMETHING = r"""
    SELECT EXISTS (SELECT FROM pg_namespace
                   WHERE nspname NOT LIKE 'pg\_%' AND nspname NOT IN ('information_schema', 'public', $1))
        OR EXISTS (SELECT FROM pg_depend
                   WHERE refclassid = 'pg_namespace'::regclass AND refobjid = to_regnamespace('public'))
        OR EXISTS (SELECT FROM pg_extension WHERE extname <> 'plpgsql')
"""
_POPULATED = "SELECT oid FROM pg_class WHERE relkind = 'm' AND relispopulated"


@dataclass(frozen=True, slots=True)
class Blueprint:
    """What is to be made in a target, read from the source.

    Attributes:
        entries: The objects, in order.
        populated: The materialized views that have rows in the source, by their object identifiers there.
        existing: The target's own objects.
        problems: What forbids it, and what a person should know.
    """

    entries: tuple[Entry, ...]
    populated: frozenset[int]
    existing: tuple[Entry, ...]
    problems: tuple[Problem, ...]

    @property
    def sequences(self) -> tuple[DatasetName, ...]:
        """The sequences among the entries."""
        return tuple(DatasetName(entry.schema, entry.name) for entry in self.entries if entry.kind == "SEQUENCE")


async def draw(source: Access, target: Access, datasets: Sequence[DatasetName], options: CreateOptions) -> Blueprint:
    """Read what is to be made, and what the target has; changes nothing.

    Raises:
        SnapshotLost: The source's snapshot is gone.
        StoreError: One of both servers, or the way to it, failed.
    """
    with mapped("reading the source's schema"):
        known = await relations.read(source.connection, datasets)
        populated = frozenset(row["oid"] for row in await source.connection.fetch(_POPULATED))
        hidden = [r for r in known if r.lockable and not r.readable and not r.chosen]
        barred = await dependents(source.connection, hidden) if hidden else frozenset()
    source, target = _one_toolset(source, target)
    entries, existing = await asyncio.gather(
        dump(source, options, excluded=[r.name for r in hidden]), _describe_target(target, options)
    )
    choice = choose(entries, known, barred)
    with mapped("reading the target's roles"):
        strangers = await missing_roles(target.connection, choice.entries, options)
    problems = (*_unfit(datasets, known), *choice.problems, *strangers)
    return Blueprint(choice.entries, populated, existing, problems)


async def change(connection: Connection, blueprint: Blueprint, datasets: Sequence[DatasetName]) -> Change:
    """Plan how the selected tables are replaced by empty ones; changes nothing yet.

    Raises:
        PlanRefused: Something that the pipeline does not select stands in the way.
    """
    refuse(blueprint.problems)
    way = await clear(connection, blueprint.entries, blueprint.existing, await relations.read(connection, datasets))
    refuse(way.problems)
    phases = _phases(blueprint.entries)
    drops: list[tuple[int, DatasetName | Entry]] = [(way.locks_per_table, name) for name in way.dropped]
    makes: list[tuple[int, DatasetName | Entry]] = [
        (_LOCKS.get(entry.kind, 1), entry) for entry in way.made if entry.id not in phases
    ]
    portions = packed([*drops, *makes], await lock_budget(connection))
    return Change(
        steps=tuple(partial(_replace, blueprint=blueprint, datasets=datasets, portion=p) for p in portions),
        items=(*_work(way, phases), *_refreshes(blueprint)),
        sequences=blueprint.sequences,
        notes=blueprint.problems,
    )


async def _replace(
    connection: Connection,
    *,
    blueprint: Blueprint,
    datasets: Sequence[DatasetName],
    portion: Sequence[DatasetName | Entry],
) -> None:
    """Drop tables and make entries, in the caller's transaction."""
    wanted = {part for part in portion if isinstance(part, DatasetName)}
    standing = await relations.read(connection, datasets) if wanted else ()
    dropped = [qualified(relation.name) for relation in standing if relation.chosen and relation.name in wanted]
    if dropped:
        # From here to the end nothing can come to depend on them; what did since the plan was made, forbids it.
        await connection.execute(f"LOCK TABLE ONLY {', ONLY '.join(dropped)} IN ACCESS EXCLUSIVE MODE")
        refuse((await clear(connection, blueprint.entries, blueprint.existing, standing)).problems)
        await connection.execute(f"DROP TABLE IF EXISTS {', '.join(dropped)} CASCADE")
    entries = [part for part in portion if isinstance(part, Entry)]
    if entries:
        await connection.execute(_SESSION)
        await _make(connection, entries)


def refuse(problems: Sequence[Problem]) -> None:
    """Raise all problems that forbid the run, if there are any."""
    errors = [problem for problem in problems if problem.severity is Severity.ERROR]
    if errors:
        raise PlanRefused(
            f"preparing the target: {errors[0].message}" + (f", and {len(errors) - 1} more" if errors[1:] else ""),
            hint=errors[0].hint,
            problems=tuple(errors),
        )


def _one_toolset(source: Access, target: Access) -> tuple[Access, Access]:
    """Let one pg_dump describe both ends, so that equal objects have equal SQL; it must know the newer server."""
    newer = max(source, target, key=lambda access: access.connection.get_server_version())
    tools = {"tools_folder": newer.config.tools_folder}
    alike = [replace(access, config=access.config.model_copy(update=tools)) for access in (source, target)]
    return alike[0], alike[1]


async def _describe_target(target: Access, options: CreateOptions) -> tuple[Entry, ...]:
    """Describe what the target has beside our own tables; at once nothing where it has nothing."""
    with mapped("reading the target's schema"):
        if not await target.connection.fetchval(_HAS_SOMETHING, SCHEMA):
            return ()
        known = await relations.read(target.connection, ())
    excluded = [r.name for r in known if r.lockable and (not r.readable or r.name.schema == SCHEMA)]
    return await dump(target, options, excluded=excluded)


def _unfit(datasets: Sequence[DatasetName], known: Sequence[Relation]) -> Iterator[Problem]:
    """Answer the datasets that are no tables, and the partitions that live elsewhere."""
    by_name = {relation.name: relation for relation in known}
    for name in datasets:
        relation = by_name.get(name)
        if relation is None:
            yield Problem("no-such-dataset", f"the source has no table {name}", dataset=str(name))
        elif relation.kind not in {RelationKind.TABLE, RelationKind.PARTITIONED}:
            yield Problem(
                "not-a-table",
                f"{name} is a {relation.kind.name.lower().replace('_', ' ')}, which structure `create` does not make",
                hint="leave it out: views come along with the tables that they read; or make a table of that name in "
                "the target and use structure `keep`",
                dataset=str(name),
            )
    for relation in known:
        if relation.chosen and relation.partition and relation.kind is RelationKind.FOREIGN:
            yield Problem(
                "foreign-partition",
                f"the partition {relation.name} is a foreign table, which is never copied",
                hint="make the tables in the target and use structure `keep`",
            )


def _phases(entries: Sequence[Entry]) -> dict[int, Phase]:
    """Answer the phase of every entry that has to wait for the rows."""
    phases: dict[int, Phase] = {}
    for entry in entries:
        own = _PHASES.get(entry.kind)
        if entry.kind == "RULE":
            own = Phase.OBJECT if entry.name.endswith(" _RETURN") else Phase.TRIGGER
        later = [phases[number] for number in entry.depends if number in phases]
        # An index of a view that needs a key is made after that view, and a comment after what it is about.
        follows = [Phase.OBJECT if phase is Phase.INDEX and own is None else phase for phase in later]
        waits = [phase for phase in (own, *follows) if phase is not None]
        if waits:
            phases[entry.id] = max(waits, key=lambda phase: phase.place)
    return phases


def _work(way: Way, phases: dict[int, Phase]) -> Iterator[WorkItem]:
    tables = {entry.id: qualified(DatasetName(entry.schema, entry.name)) for entry in way.made if entry.kind == "TABLE"}
    for entry in way.made:
        if entry.id in phases:
            table = next((tables[number] for number in entry.depends if number in tables), "")
            yield WorkItem(phases[entry.id], f"{entry.kind.lower()} {entry.label}", entry.sql, table)


def _refreshes(blueprint: Blueprint) -> Iterator[WorkItem]:
    for entry in blueprint.entries:
        if entry.kind == "MATERIALIZED VIEW" and entry.oid in blueprint.populated:
            name = qualified(DatasetName(entry.schema, entry.name))
            yield WorkItem(Phase.VIEW, f"materialized view {entry.label}", f"REFRESH MATERIALIZED VIEW {name};")


async def _make(connection: Connection, entries: Sequence[Entry]) -> None:
    """Run entries as one script; where it fails, one by one, so that the error names the object."""
    try:
        async with connection.transaction():
            await connection.execute("\n".join(_script(entries)))
    except asyncpg.PostgresError:
        for statement, entry in zip(_script(entries), entries, strict=True):
            with mapped(f"making {entry.kind.lower()} {entry.label}"):
                await connection.execute(statement)


def _script(entries: Sequence[Entry]) -> Iterator[str]:
    access_method = ""
    for entry in entries:
        if entry.kind in {"TABLE", "MATERIALIZED VIEW"} and entry.access_method not in {"", access_method}:
            access_method = entry.access_method
            yield f"SET LOCAL default_table_access_method = {access_method};\n{entry.sql}"
        else:
            yield entry.sql
