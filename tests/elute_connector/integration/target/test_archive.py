from __future__ import annotations

import pytest

from elute_connector.connectors.postgresql.client import Secrets
from elute_connector.connectors.postgresql.target.access import Access
from elute_connector.connectors.postgresql.target.archive import Entry, dump
from elute_connector.domain.dataset_name import DatasetName
from elute_connector.domain.target import CreateOptions
from elute_wire.errors import PlanRefused, SnapshotLost
from tests.elute_connector.integration.target.conftest import Opener, config_of
from tests.support.postgresql import Database, every_version

# A function whose body looks like a header of pg_restore, and one that opens every kind of quote.
HOSTILE = r"""
CREATE FUNCTION f() RETURNS text LANGUAGE sql AS $x$ SELECT $$
--
-- TOC entry 215 (class 1259 OID 16385)
-- Name: t; Type: TABLE; Schema: public; Owner: postgres
--

DROP TABLE t; ' "
$$::text $x$;
CREATE TABLE "a; b"(id int PRIMARY KEY, c text DEFAULT 'it''s; "x"');
CREATE INDEX ON "a; b" (c);
COMMENT ON TABLE "a; b" IS 'secret';
"""


async def dumped(
    database: Database, open_session: Opener, options: CreateOptions | None = None
) -> dict[tuple[str, str], Entry]:
    access = Access(config_of(database), Secrets(), await open_session(database))
    return {(entry.kind, entry.name): entry for entry in await dump(access, options or CreateOptions())}


@every_version
async def test_every_object_is_one_entry_whatever_its_text_holds(database: Database, open_session: Opener) -> None:
    database.run(HOSTILE)
    entries = await dumped(database, open_session)
    assert list(entries) == [
        ("FUNCTION", "f()"),
        ("TABLE", "a; b"),
        ("CONSTRAINT", "a; b a; b_pkey"),
        ("INDEX", "a; b_c_idx"),
    ]
    table = entries["TABLE", "a; b"]
    assert table.sql.startswith('CREATE TABLE public."a; b" (')
    assert table.sql.endswith(");")
    assert table.access_method == "heap"
    assert table.oid == int(database.run("""SELECT '"a; b"'::regclass::oid"""))
    assert entries["INDEX", "a; b_c_idx"].depends[0] == table.id
    assert "restrict" not in "".join(entry.sql for entry in entries.values())


async def test_the_sql_of_the_entries_makes_the_same_schema_again(
    source: Database, target: Database, open_session: Opener
) -> None:
    source.run(HOSTILE)
    entries = await dumped(source, open_session)
    for entry in entries.values():
        target.run(entry.sql)
    assert [e.sql for e in (await dumped(target, open_session)).values()] == [e.sql for e in entries.values()]


async def test_comments_owners_and_grants_come_only_when_asked(database: Database, open_session: Opener) -> None:
    database.run(HOSTILE + 'GRANT SELECT ON "a; b" TO public')
    plain = await dumped(database, open_session)
    assert "OWNER TO" not in plain["TABLE", "a; b"].sql
    asked = await dumped(database, open_session, CreateOptions(owners=True, grants=True, comments=True))
    assert "OWNER TO" in asked["TABLE", "a; b"].sql
    assert {kind for kind, _ in asked} - {kind for kind, _ in plain} == {"ACL", "COMMENT"}


async def test_excluded_tables_are_left_out(database: Database, open_session: Opener) -> None:
    database.run('CREATE TABLE "a*"(i int); CREATE TABLE ab(i int)')
    access = Access(config_of(database), Secrets(), await open_session(database))
    entries = await dump(access, CreateOptions(), excluded=[DatasetName("public", "a*")])
    assert [entry.name for entry in entries] == ["ab"]


async def test_a_snapshot_that_is_gone_is_said_so(database: Database, open_session: Opener) -> None:
    access = Access(config_of(database), Secrets(), await open_session(database), snapshot_id="00000003-0000001B-1")
    with pytest.raises(SnapshotLost):
        await dump(access, CreateOptions())


async def test_a_missing_program_is_said_with_what_to_do(database: Database, open_session: Opener) -> None:
    config = config_of(database).model_copy(update={"tools_folder": "/nonexistent"})
    with pytest.raises(PlanRefused, match="tools_folder"):
        await dump(Access(config, Secrets(), await open_session(database)), CreateOptions())
