from __future__ import annotations

from collections.abc import Mapping

import pytest

from elute_connector.connectors.postgresql.catalog import discover
from elute_connector.connectors.postgresql.client import Secrets
from elute_connector.connectors.postgresql.codecs.families import logical_of
from elute_connector.connectors.postgresql.target.access import Access
from elute_connector.connectors.postgresql.target.plan import plan_target
from elute_connector.domain.catalog import Dataset, Generated
from elute_connector.domain.target import Structure, TargetDataset, TargetField, TargetPlan
from elute_wire.errors import Severity
from elute_wire.schema import KEPT, Lane, LogicalType
from tests.elute_connector.integration.target.conftest import Opener, config_of
from tests.elute_connector.integration.target.runs import Run, names, schema_of
from tests.elute_connector.integration.target.test_create import RICH
from tests.elute_connector.integration.target.test_create import TABLES as RICH_TABLES
from tests.support.postgresql import Database, PostgresFleet

RULE = "/scrub/rules/0"


def kept(dataset: Dataset, **changed: TargetField) -> TargetDataset:
    """Describe a dataset's stream: everything kept but for some columns."""
    fields = tuple(
        changed.get(column.name)
        or TargetField(column.name, column.type.fingerprint, Lane.WIRE, logical_of(column.type), KEPT)
        for column in dataset.columns
        if column.generated is Generated.NONE
    )
    return TargetDataset(dataset.name, fields)


async def planned(
    source: Database,
    target: Database,
    open_session: Opener,
    structure: Structure,
    *,
    changed: Mapping[str, TargetField] | None = None,
    tables: tuple[str, ...] = (),
) -> TargetPlan:
    ends = [Access(config_of(end), Secrets(), await open_session(end)) for end in (source, target)]
    catalog = await discover(ends[0].connection)
    wanted = names(*tables) or tuple(d.name for d in catalog.datasets)
    datasets = [kept(dataset, **(changed or {})) for dataset in catalog.datasets if dataset.name in wanted]
    return await plan_target(ends[0], ends[1], structure, datasets)


def errors(plan: TargetPlan) -> dict[str, str]:
    return {problem.code: problem.message for problem in plan.problems if problem.severity is Severity.ERROR}


async def test_a_made_target_takes_every_column_as_its_own_bytes(
    source: Database, target: Database, open_session: Opener
) -> None:
    source.run(RICH + "CREATE TABLE shop.lists (moods shop.mood[], ages shop.positive[], texts varchar(3)[])")
    tables = (*(str(name) for name in RICH_TABLES), "shop.lists")
    plan = await planned(source, target, open_session, Structure.CREATE, tables=tables)
    assert not errors(plan)
    assert {column.lane for binding in plan.bindings for column in binding.columns} == {Lane.WIRE}
    assert not any(binding.load_through_root or binding.text_mode for binding in plan.bindings)
    await Run(source, target, open_session, names(*tables)).whole()
    query = "SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = $1::regclass AND attname = $2"
    session = await open_session(target)
    for binding in plan.bindings:
        for column in binding.columns:
            table = f'"{binding.name.schema}"."{binding.name.name}"'
            assert await session.fetchval(query, table, column.name) == column.target_formatted


async def test_planning_changes_nothing(source: Database, target: Database, open_session: Opener) -> None:
    source.run("CREATE TABLE t (i int)")
    target.run("CREATE TABLE t (i text); INSERT INTO t VALUES ('x')")
    before = schema_of(target)
    for structure in Structure:
        await planned(source, target, open_session, structure)
    assert schema_of(target) == before
    assert target.run("SELECT count(*) FROM t") == "1"


@pytest.mark.parametrize(
    ("theirs", "ours", "code"),
    [
        ("int", "real", "type-refused"),
        ("bigint", "timestamptz", "type-refused"),
        ("timestamp", "timestamptz", "type-refused"),
        ("numeric", "int GENERATED ALWAYS AS (1) STORED", "generated-column"),
    ],
)
async def test_a_kept_table_of_another_type_is_refused(
    *, theirs: str, ours: str, code: str, source: Database, target: Database, open_session: Opener
) -> None:
    source.run(f"CREATE TABLE t (v {theirs})")
    target.run(f"CREATE TABLE t (v {ours})")
    plan = await planned(source, target, open_session, Structure.KEEP)
    assert list(errors(plan)) == [code]
    assert not plan.bindings


async def test_a_cast_that_keeps_every_value_is_named(source: Database, target: Database, open_session: Opener) -> None:
    source.run("CREATE TABLE t (v int)")
    target.run("CREATE TABLE t (v bigint)")
    plan = await planned(source, target, open_session, Structure.KEEP)
    column = plan.bindings[0].columns[0]
    assert (column.lane, column.target_formatted, column.cast) == (Lane.TYPED, "bigint", "integer → bigint")


async def test_every_problem_is_told_at_once(source: Database, target: Database, open_session: Opener) -> None:
    source.run(
        "CREATE TABLE a (extra int, v int); CREATE TABLE b (i int); CREATE TABLE c (i int PRIMARY KEY);"
        "CREATE TABLE d (big oid); SELECT lo_create(0)"
    )
    target.run(
        "CREATE TABLE a (v int, needed int NOT NULL, spare int); CREATE TABLE c (i int PRIMARY KEY);"
        "CREATE TABLE d (big oid); CREATE TABLE other (i int REFERENCES c)"
    )
    plan = await planned(source, target, open_session, Structure.KEEP)
    assert set(errors(plan)) == {"no-such-column", "unfilled-column", "no-such-target", "referenced", "large-object"}
    warned = [problem.column for problem in plan.problems if problem.severity is Severity.WARNING]
    assert warned == ["spare"]


async def test_a_source_as_its_own_target_is_refused(source: Database, open_session: Opener) -> None:
    source.run("CREATE TABLE t (i int)")
    plan = await planned(source, source, open_session, Structure.KEEP)
    assert list(errors(plan)) == ["target-equals-source"]


async def test_what_stands_in_the_way_of_a_made_target_is_told(
    source: Database, target: Database, open_session: Opener
) -> None:
    source.run(
        "CREATE TABLE t (i int); CREATE TYPE mood AS ENUM ('a'); CREATE TABLE u (m mood); CREATE VIEW v AS TABLE t"
    )
    target.run("CREATE TABLE t (i int); CREATE VIEW mine AS TABLE t; CREATE TYPE mood AS ENUM ('b')")
    plan = await planned(source, target, open_session, Structure.CREATE)
    assert set(errors(plan)) == {"unselected-dependent", "exists-differently", "not-a-table"}


async def test_an_extension_that_the_target_lacks_is_told(postgresql: PostgresFleet, open_session: Opener) -> None:
    with postgresql.database(15) as source, postgresql.database(16) as target:
        source.run("CREATE EXTENSION citext; CREATE TABLE t (name citext)")
        plan = await planned(source, target, open_session, Structure.CREATE)
        assert errors(plan) == {"no-such-extension": "the target's server does not have the extension citext"}


async def test_a_half_loaded_table_is_told(source: Database, target: Database, open_session: Opener) -> None:
    source.run("CREATE TABLE t (i int)")
    target.run("CREATE TABLE t (i int)")
    await Run(source, target, open_session, names("t"), structure=Structure.KEEP).prepare()
    plan = await planned(source, target, open_session, Structure.KEEP)
    assert list(errors(plan)) == ["half-loaded"]


PARTED = """
CREATE TABLE p (k {type}, v int) PARTITION BY {by} (k);
CREATE TABLE p_1 PARTITION OF p FOR VALUES {bound};
"""
RANGE = PARTED.format(type="int", by="RANGE", bound="FROM (0) TO (10)")


@pytest.mark.parametrize(
    ("ours", "theirs", "lane", "through_root"),
    [
        (RANGE, RANGE, Lane.WIRE, False),
        (RANGE, RANGE.replace("TO (10)", "TO (99)"), Lane.WIRE, True),
        (RANGE, RANGE.replace("p_1", "p_9"), Lane.WIRE, True),
        (RANGE, "CREATE TABLE p (k int, v int)", Lane.WIRE, True),
        (RANGE, RANGE, Lane.TYPED, True),
        (
            "CREATE TYPE mood AS ENUM ('a');"
            + PARTED.format(type="mood", by="HASH", bound="WITH (modulus 1, remainder 0)"),
            None,
            Lane.WIRE,
            True,
        ),
    ],
)
async def test_rows_go_through_the_root_when_their_leaf_may_be_another(
    *,
    ours: str,
    theirs: str | None,
    lane: Lane,
    through_root: bool,
    source: Database,
    target: Database,
    open_session: Opener,
) -> None:
    source.run(ours)
    if theirs:
        target.run(theirs)
    session = await open_session(source)
    key = (await discover(session)).datasets[0].columns[0]
    field = TargetField("k", key.type.fingerprint, lane, logical_of(key.type), RULE if lane is Lane.TYPED else KEPT)
    structure = Structure.KEEP if theirs else Structure.CREATE
    plan = await planned(source, target, open_session, structure, changed={"k": field})
    assert not errors(plan)
    assert plan.bindings[0].load_through_root is through_root


async def test_a_column_that_a_step_made_is_bound_by_its_meaning(
    source: Database, target: Database, open_session: Opener
) -> None:
    source.run("CREATE TABLE t (v int)")
    target.run("CREATE TABLE t (v text)")
    made = TargetField("v", "", Lane.TYPED, LogicalType.TEXT, RULE)
    plan = await planned(source, target, open_session, Structure.KEEP, changed={"v": made})
    assert not errors(plan)
    assert plan.bindings[0].columns[0].lane is Lane.TYPED


async def test_a_type_without_binary_form_makes_its_dataset_text(
    source: Database, target: Database, open_session: Opener
) -> None:
    source.run("CREATE TABLE t (v regclass, i int)")
    plan = await planned(source, target, open_session, Structure.CREATE)
    assert plan.bindings[0].text_mode
