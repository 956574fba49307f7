"""A nasty database, and what makes a copy of it equal."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from tests.elute_connector.integration.postgresql.test_every_type import COLUMNS, CONTRIB, OBJECTS, rows, table
from tests.support.postgresql import CONTRIB_VERSION, VERSIONS, Database, programs

ROLE = "DO $$BEGIN CREATE ROLE elute_e2e; EXCEPTION WHEN duplicate_object THEN NULL; END$$;"
"""Makes the role that owns and may use some of it, in a server that does not have it."""

_SCRIPT = Path(__file__).with_name("nasty.sql")
_EVERY_18 = """
    CREATE TABLE app.computed (
        a int, b int GENERATED ALWAYS AS (a * 2) VIRTUAL, c int, d int CONSTRAINT d_is_there NOT NULL DEFAULT 1);
    ALTER TABLE app.computed ADD CONSTRAINT c_is_there NOT NULL c NOT VALID, ADD CHECK (a > 0) NOT ENFORCED;
    INSERT INTO app.computed VALUES (1, DEFAULT, 1), (2, DEFAULT, 2);
"""
_CONTRIB = """
    CREATE EXTENSION citext; CREATE EXTENSION hstore; CREATE EXTENSION btree_gist;
    CREATE TABLE app.rooms (room citext, during tstzrange, EXCLUDE USING gist (during WITH &&, (room::text) WITH =));
    INSERT INTO app.rooms VALUES ('A', '[2024-01-01,2024-01-02)'), ('a', '[2024-01-01,2024-01-02)');
"""
# A partitioned table whole, every other one without its heirs.
_TABLES = """
    SELECT format('%s%I.%I', CASE relkind WHEN 'r' THEN 'ONLY ' END, nspname, relname)
    FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace
    WHERE relkind IN ('r', 'm', 'p') AND nspname NOT IN ('pg_catalog', 'information_schema', 'elute')
        AND nspname NOT LIKE 'pg_t%' AND relispopulated
    ORDER BY nspname, relname
"""
_SEQUENCES = """
    SELECT format('%I.%I %s', schemaname, sequencename, last_value) FROM pg_sequences
    WHERE schemaname <> 'elute' ORDER BY 1
"""


def fill(database: Database, target_version: int) -> None:
    """Make the nasty database, with all that its server and the target's have."""
    columns = COLUMNS | OBJECTS
    extra = ""
    if database.version == target_version == CONTRIB_VERSION:
        columns, extra = columns | CONTRIB, _CONTRIB
    elif min(database.version, target_version) >= 18:
        extra = _EVERY_18
    database.run(ROLE + _SCRIPT.read_text(encoding="utf-8"))
    database.run(extra + table(columns) + rows(columns))
    database.run("ANALYZE")


def contents(database: Database) -> dict[str, str]:
    """Answer count and content of every table, leaf and materialized view, each alone, whatever the rows' order."""
    tables = database.run(_TABLES).splitlines()
    query = " UNION ALL ".join(
        f"SELECT $name${name}$name$ || ' ' || count(*) || ' ' || coalesce(md5(string_agg(h, '' ORDER BY h)), '') "
        f"FROM (SELECT md5(t::text) AS h FROM {name} AS t) AS hashes"
        for name in tables
    )
    found = (
        line.removeprefix("ONLY ").rsplit(" ", 2)
        for line in database.run(f"SET row_security = off; {query}").splitlines()
    )
    return {name: f"{count} {digest}" for name, count, digest in found}


def leafless(found: dict[str, str]) -> dict[str, str]:
    """Leave the leaves that are hashed over an enum out: which of them has a row hangs on the enum's identifier."""
    return {name: content for name, content in found.items() if not name.startswith("app.events_old_")}


def schema(database: Database) -> str:
    """Answer a database's schema as the newest pg_dump writes it, without what is never copied."""
    command = [str(programs(VERSIONS[-1]) / "pg_dump"), "--schema-only", "--no-publications", database.dsn]
    text = subprocess.run(command, capture_output=True, check=True, text=True).stdout
    text = re.sub(r"^(\\(un)?restrict .*|-- Dumped .*)\n", "", text, flags=re.MULTILINE)
    # Versions before 16 qualify columns of single tables.
    text = re.sub(r"\b(chain|people|per_level)\.(?=\w)", "", text)
    # Versions before 18 do not name what is NOT NULL, and pg_dump takes a name that was cut for one that was given.
    return re.sub(r"CONSTRAINT (\w+|\"[^\n]*)_not_null\"? NOT NULL", "NOT NULL", text)


def sequences(database: Database) -> dict[str, str]:
    """Answer where every sequence stands; empty for one that was never called."""
    found = (line.rpartition(" ") for line in database.run(_SEQUENCES).splitlines())
    return {name: last for name, _, last in found}
