"""Check names every privilege that a role lacks."""

from __future__ import annotations

import asyncpg
import pytest

from elute_connector.connectors.postgresql.privileges import Lack, privilege_findings
from elute_connector.domain.connector import Role
from elute_connector.domain.dataset_name import DatasetName
from tests.support.postgresql import Database, every_version

SCRIPT = """
CREATE TABLE readable (a int); CREATE TABLE secret (a int); CREATE TABLE writable (a int);
CREATE TABLE guarded (a int); ALTER TABLE guarded ENABLE ROW LEVEL SECURITY;
CREATE TABLE root (a int) PARTITION BY LIST (a); CREATE TABLE leaf PARTITION OF root DEFAULT;
CREATE SCHEMA hidden; CREATE TABLE hidden.inner_one (a int);
GRANT SELECT ON readable, writable, guarded, root, hidden.inner_one TO {role}; GRANT INSERT ON writable TO {role};
CREATE TABLE own (a int); ALTER TABLE own OWNER TO {role};
"""


@pytest.fixture
def role(database: Database) -> str:
    name = f"reader_of_{database.name}"
    database.run(f"CREATE ROLE {name} LOGIN")
    return name


@every_version
async def test_a_role_learns_all_that_it_lacks(database: Database, role: str) -> None:
    database.run(SCRIPT.format(role=role))
    connection = await asyncpg.connect(database.dsn, user=role)
    tables = ("readable", "secret", "writable", "guarded", "root", "own", "nowhere")
    names = [*(DatasetName("public", table) for table in tables), DatasetName("hidden", "inner_one")]
    source = [(f.dataset.name, f.lack) for f in await privilege_findings(connection, Role.SOURCE, names)]
    assert source == [
        ("secret", Lack.SELECT),
        ("guarded", Lack.EVERY_ROW),
        ("root", Lack.SELECT),
        ("nowhere", Lack.MISSING),
        ("inner_one", Lack.USAGE),
    ]
    names = [DatasetName("public", table) for table in ("readable", "writable", "own")]
    target = [(f.dataset.name, f.lack) for f in await privilege_findings(connection, Role.TARGET, names)]
    assert target == [("readable", Lack.INSERT), ("readable", Lack.OWNERSHIP), ("writable", Lack.OWNERSHIP)]
    await connection.close()
    database.run(f"DROP OWNED BY {role}; DROP ROLE {role}")


async def test_a_superuser_lacks_nothing(database: Database) -> None:
    database.run("CREATE TABLE guarded (a int); ALTER TABLE guarded ENABLE ROW LEVEL SECURITY")
    connection = await database.connect()
    assert await privilege_findings(connection, Role.TARGET, [DatasetName("public", "guarded")]) == ()
    await connection.close()
