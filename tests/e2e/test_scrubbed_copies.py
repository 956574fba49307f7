"""A scrubbed copy has the shape of its source and none of its secrets; nothing else of the system has them either."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from elute_gateway.embedded.system import KEY_RING
from tests.e2e.product import Api, Body, Pipe, Product, Refused
from tests.support.postgresql import Database, PostgresFleet

_SCRIPT = Path(__file__).with_name("clinic.sql")
NUMBERS = {"permute_int": {"min": 0, "max": 1_999_999_999}}


def rule(columns: str, technique: object, **more: object) -> dict[str, Any]:
    return {"columns": [f"public.{columns}"], "technique": technique, **more}


POLICY: dict[str, Any] = {
    "key_ring": KEY_RING,
    "key_version": 1,
    "keep": ["public.visits.id", "public.patients.blood"],
    "rules": [
        rule("patients.id", NUMBERS, domain="patient"),
        rule("patients.mrn", {"token": {"prefix": "m-"}}, domain="mrn"),
        rule("patients.email", {"fake": {"kind": "email"}}),
        rule("patients.user_name", {"fake": {"kind": "user_name"}}),
        rule("patients.first_name", {"fake": {"kind": "first_name"}}, trusts=["patients_first_name_check"]),
        rule("patients.last_name", {"fake": {"kind": "last_name"}}),
        rule("patients.phone", {"fpe": {"format": "phone"}}),
        rule("patients.card", {"fpe": {"format": "card"}}),
        rule("patients.iban", {"fpe": {"format": "upper_alphanumeric", "others": "refuse"}}),
        rule("patients.record", "token", domain="record"),
        rule("patients.{born,admitted}", {"date_shift": {"days": 30}}, subject="id"),
        rule("patients.salary", {"generalize_number": {"band": 50_000, "min": 0}}, trusts=["patients_salary_check"]),
        rule("patients.income", {"generalize_number": {"band": 50_000}}),
        rule("patients.zip", {"constant": {"value": "1"}}, trusts=["public.postcode"]),
        rule("patients.nickname", {"mask": {"first": 1, "width": 5}}),
        rule("patients.{notes,status}", "redact"),
        rule("visits.remark", {"redact": {"with": "-"}}),
        rule("patients.{secret,scan}", None),
    ],
}
CANARIES = re.compile(rb"(?i)canary|\b7700077\b|1871-05-23|1871-06-02|88445\.31|\b77334\b")
"""What stands in scrubbed columns: texts, the numbers and days of patient 1."""


def leaks(said: dict[str, bytes]) -> dict[str, bytes]:
    return {place: match.group() for place, text in said.items() if (match := CANARIES.search(text))}


async def planned(pipe: Pipe, document: Body) -> bool:
    """Whether all services are there to plan a document."""
    try:
        await pipe.plan(document)
    except Refused as refused:
        if refused.status != 503:
            raise
        return False
    return True


def dumped(database: Database) -> bytes:
    command = [str(database.server.programs / "pg_dump"), database.dsn]
    return subprocess.run(command, capture_output=True, check=True).stdout


async def test_every_technique_scrubs_and_nothing_of_the_source_is_left_anywhere(
    product: Product, api: Api, pipe: Pipe, source: Database, target: Database
) -> None:
    source.run(_SCRIPT.read_text(encoding="utf-8"))
    assert leaks({"source": dumped(source)})
    run_id = await pipe.run(pipe.document(POLICY, verify="rows"))

    assert leaks({"target": dumped(target)}) == {}
    count = "SELECT (SELECT count(*) FROM patients), (SELECT count(*) FROM visits)"
    assert target.run(count) == source.run(count) == "200|600"
    assert target.run("SELECT count(*) FROM pg_constraint WHERE NOT convalidated") == "0"
    joined = """
        SELECT count(*) FROM visits v JOIN patients p ON p.id = v.patient AND p.mrn = v.mrn
        WHERE p.label = '#' || p.id AND v.id > 0
    """
    assert target.run(joined) == source.run(joined) == "600"
    # The intervals inside one patient survive.
    intervals = "SELECT count(*), sum(admitted::date - born) FROM patients"
    assert target.run(intervals) == source.run(intervals)
    # The same blood groups in the same visits: what is kept stays with its row.
    bloods = "SELECT v.id, p.blood FROM visits v JOIN patients p ON p.id = v.patient ORDER BY 1"
    assert target.run(bloods) == source.run(bloods)
    shapes = """
        SELECT bool_and(mrn ~ '^m-[0-9a-f]{32}$'), bool_and(phone ~ '^\\+44 \\d\\d \\d{4} \\d{4}$'),
               bool_and(card ~ '^[0-9 ]{19}$'), bool_and(notes = '[redacted]'),
               bool_and(nickname ~ '^C\\*{5}$'), count(secret), count(scan)
        FROM patients
    """
    assert target.run(shapes) == "t|t|t|t|t|0|0"

    await api.ask("POST", f"/v1/pipelines/{pipe.name}/preview", json={"dataset": "public.patients", "limit": 100})
    answers = {}
    for path in (
        *(f"/v1/runs/{run_id}{part}" for part in ("", "/datasets", "/partitions", "/log", "/report")),
        *(f"/v1/{kind}/{pipe.name}" for kind in ("pipelines", "policies")),
        f"/v1/connections/{pipe.name}-source/datasets",
    ):
        answers[path] = (await api.http.get(path)).content
    answers["preview"] = (
        await api.http.post(f"/v1/pipelines/{pipe.name}/preview", json={"dataset": "public.patients", "limit": 100})
    ).content
    assert leaks(answers) == {}
    assert leaks(await product.said()) == {}


async def test_the_same_key_gives_the_same_pseudonyms_everywhere_and_another_version_others(
    product: Product, pipe: Pipe, source: Database, target: Database, postgresql: PostgresFleet
) -> None:
    api = pipe.api
    source.run("CREATE TABLE people (id int PRIMARY KEY, mail text); INSERT INTO people VALUES (42, 'a@b.example')")
    rules = [
        rule("*.{id,number}", NUMBERS, domain="person"),
        rule("*.{mail,address}", {"token": {}}, domain="mail"),
    ]
    both = {"key_ring": KEY_RING, "key_version": 1}
    first = [{**one, "columns": [f"public.people.{column}"]} for one, column in zip(rules, ("id", "mail"), strict=True)]
    await pipe.run(pipe.document({**both, "rules": first}))
    seen = target.run("SELECT id, mail FROM people")
    assert not seen.startswith("42|")
    assert "a@b" not in seen

    with postgresql.database(16) as elsewhere, postgresql.database(16) as copy:
        elsewhere.run(
            "CREATE TABLE accounts (number text, address varchar(100));"
            "INSERT INTO accounts VALUES ('42', 'a@b.example')"
        )
        other = await api.pipe(elsewhere, copy)
        second = [
            {**one, "columns": [f"public.accounts.{column}"]}
            for one, column in zip(rules, ("number", "address"), strict=True)
        ]
        await other.run(other.document({**both, "rules": second}))
        assert copy.run("SELECT number, address FROM accounts") == seen

    ring = product.local.state / "anonymizer" / "ring.json"
    rotate = [sys.executable, "-m", "elute_anonymizer.keys_cli", "rotate", str(ring)]
    assert await (await asyncio.create_subprocess_exec(*rotate)).wait() == 0
    product.kill("anonymizer")
    document = pipe.document({**both, "key_version": 2, "rules": first})
    async with asyncio.timeout(30):
        while not await planned(pipe, document):
            await asyncio.sleep(0.1)
    await pipe.run(document)
    changed = target.run("SELECT id, mail FROM people")
    assert not set(changed.split("|")) & set(seen.split("|"))
