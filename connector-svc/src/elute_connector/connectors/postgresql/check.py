"""Check: what a connection lacks for its role, as findings that a person can act on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import asyncpg

from elute_connector.connectors.postgresql.client import Config, Secrets, connect
from elute_connector.connectors.postgresql.errors import mapped
from elute_connector.connectors.postgresql.privileges import Lack, PrivilegeFinding, privilege_findings
from elute_connector.connectors.postgresql.type_facts import PostgresTypeFacts
from elute_connector.domain.connector import CheckResult, Role
from elute_connector.domain.dataset_name import DatasetName
from elute_wire.errors import EluteError, Problem

_LACKS: Mapping[Lack, tuple[str, str]] = {
    Lack.MISSING: ("there is no dataset {}", "correct its name, or make it first"),
    Lack.USAGE: ("the role may not enter the schema of {}", "GRANT USAGE ON SCHEMA … TO the role"),
    Lack.SELECT: (
        "the role may not read {} or one of its leaves",
        "GRANT SELECT ON the table and its leaves TO the role",
    ),
    Lack.INSERT: ("the role may not write {}", "GRANT INSERT ON the table TO the role"),
    Lack.OWNERSHIP: ("the role does not own {}", "make the role, or a role that it is a member of, the table's owner"),
    Lack.EVERY_ROW: (
        "a row policy hides rows of {} from the role",
        "let the role bypass row security (ALTER ROLE … BYPASSRLS), or choose a role that the policies do not concern",
    ),
}

_ALL_DATASETS = """
    SELECT n.nspname::text AS schema, c.relname::text AS name
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
"""


async def check(config: Config, secrets: Secrets, role: Role, datasets: Sequence[DatasetName]) -> CheckResult:
    """Answer what a connection lacks; that it cannot be opened at all is a finding too.

    Args:
        config: The server.
        secrets: The password.
        role: What the connection is used for.
        datasets: What it is used with; none of them: every table of the database.
    """
    try:
        connection = await connect(config, secrets, application_name="elute check")
    except EluteError as error:
        return CheckResult((Problem(error.code, error.message, error.hint or _advice(error.code)),))
    try:
        with mapped(f"checking database {config.database}"):
            names = datasets or [
                DatasetName(row["schema"], row["name"]) for row in await connection.fetch(_ALL_DATASETS)
            ]
            findings = await privilege_findings(connection, role, names)
            encrypted = await connection.fetchval("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
            version = await connection.fetchval("SELECT current_setting('server_version_num')::int")
    finally:
        await connection.close()
    return CheckResult(
        problems=tuple(map(finding_problem, findings)),
        server_version=PostgresTypeFacts().version(version),
        encrypted=bool(encrypted),
    )


async def _all_datasets(connection: asyncpg.Connection) -> list[DatasetName]:
    return [DatasetName(row["schema"], row["name"]) for row in await connection.fetch(_ALL_DATASETS)]


def finding_problem(finding: PrivilegeFinding) -> Problem:
    """Say what a role lacks, and what to do about it."""
    message, hint = _LACKS[finding.lack]
    code = "dataset-missing" if finding.lack is Lack.MISSING else f"privilege-{finding.lack.value.replace('_', '-')}"
    return Problem(code, message.format(finding.dataset), hint, dataset=str(finding.dataset))


def _advice(code: str) -> str:
    advice = {
        "store-unreachable": "check host, port and sslmode, and that the connector's machine may reach the server",
        "store-login-refused": "check the role and its password",
        "store-object-missing": "check the name of the database",
    }
    return advice.get(code, "")
