"""A database arrives in another one exactly as it is, whatever is in it, and whatever versions the two servers have."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from tests.e2e import nasty
from tests.e2e.product import KEEP_ALL, Pipe
from tests.support.postgresql import VERSIONS, Database

EVERYTHING: dict[str, Any] = {"take_along": ["owners", "grants", "comments"]}
SMALL = {"partition_bytes": 1024 * 1024}
BEHIND = {"app.people_id_seq": "99990", "app.teams_id_seq": "9"}
"""Sequences that are behind their columns in the source: in the target they are not."""

QUICK = [(18, 18), (15, 15)]
pairs = pytest.mark.parametrize(
    ("source_version", "target_version"),
    [
        pytest.param(*pair, marks=[] if pair in QUICK else [pytest.mark.slow])
        for pair in itertools.product(VERSIONS, VERSIONS)
    ],
)
OCCUPIED = f"{nasty.ROLE} CREATE TYPE occupied_1 AS ENUM ('a'); CREATE TABLE occupied_2 (a int); "
"""Takes object identifiers, so that those of user types differ."""
VACATED = "DROP TABLE occupied_2; DROP TYPE occupied_1"


async def verdicts(pipe: Pipe, run_id: str) -> set[str]:
    return {item["verified"] for item in (await pipe.api.report(run_id)).values()}


def assert_whole(target: Database) -> None:
    """PostgreSQL itself finds nothing invalid, and nothing of ours is left."""
    assert target.run("SELECT conname FROM pg_constraint WHERE NOT convalidated ORDER BY 1") == target.run(
        "SELECT conname FROM pg_constraint WHERE conname IN ('big_id_check', 'c_is_there', 'computed_a_check', "
        "'ticket_marks_number_fkey') ORDER BY 1"
    )
    assert target.run("SELECT relname FROM pg_class WHERE relkind = 'm' AND NOT relispopulated") == "never_filled"
    assert target.run("SELECT indexrelid::regclass FROM pg_index WHERE NOT indisvalid AND NOT indisready") == ""
    assert target.run("SELECT to_regnamespace('elute')") == ""


@pairs
async def test_a_nasty_database_arrives_equal(pipe: Pipe, source: Database, target: Database) -> None:
    nasty.fill(source, target.version)
    target.run(OCCUPIED)
    made = await pipe.run(pipe.document(KEEP_ALL, target=EVERYTHING, limits=SMALL, verify="rows"))
    target.run(VACATED)
    assert await verdicts(pipe, made) == {"equal", "not comparable"}
    sent = nasty.leafless(nasty.contents(source))
    assert nasty.leafless(nasty.contents(target)) == sent
    assert nasty.schema(target) == nasty.schema(source)
    assert nasty.sequences(target) == nasty.sequences(source) | BEHIND
    assert_whole(target)

    structure = nasty.schema(target)
    target.run("DELETE FROM app.audit; INSERT INTO app.no_key VALUES (9, 'of the target')")
    kept = await pipe.run(pipe.document("off", structure="keep", limits=SMALL, verify="rows"))
    assert await verdicts(pipe, kept) == {"equal", "not comparable"}
    assert nasty.leafless(nasty.contents(target)) == sent
    assert nasty.schema(target) == structure
    assert_whole(target)
