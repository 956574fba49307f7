"""`verify: rows` says equal of what is equal, admits what it cannot compare, and finds what was changed."""

from __future__ import annotations

from elute_gateway.embedded.system import KEY_RING
from tests.e2e.product import KEEP_ALL, Pipe
from tests.support.postgresql import Database

TABLES = """
    CREATE TABLE kept (id int PRIMARY KEY, v text);
    INSERT INTO kept SELECT i, 'v' || i FROM generate_series(1, 100) AS i;
    CREATE TABLE mixed (id int PRIMARY KEY, email text);
    INSERT INTO mixed SELECT i, 'e' || i FROM generate_series(1, 9) AS i;
    CREATE TABLE hidden (email text); INSERT INTO hidden VALUES ('a');
    CREATE TABLE cleaned (id int, v text); INSERT INTO cleaned VALUES (1, ' x ');
"""
# Fires while keys come back, between the load and the comparison.
TAMPERING = """
    CREATE FUNCTION tamper() RETURNS event_trigger LANGUAGE plpgsql AS
        'BEGIN UPDATE public.kept SET v = ''changed'' WHERE id = 7; END';
    CREATE EVENT TRIGGER tamper ON ddl_command_end WHEN TAG IN ('CREATE INDEX') EXECUTE FUNCTION tamper();
"""


async def test_each_dataset_gets_the_verdict_that_it_deserves(pipe: Pipe, source: Database) -> None:
    source.run(TABLES)
    scrub = {
        "key_ring": KEY_RING,
        "keep": ["*.kept.*", "*.mixed.id", "*.cleaned.*"],
        "rules": [{"columns": ["*.{mixed,hidden}.email"], "technique": {"fake": {"kind": "email"}}}],
    }
    clean = {"public.cleaned": [{"clean_text": {"columns": ["v"], "trim": True}}]}
    run_id = await pipe.run(pipe.document(scrub, clean=clean, verify="rows"))
    verdicts = {name: item["verified"] for name, item in (await pipe.api.report(run_id)).items()}
    assert verdicts == {
        "public.kept": "equal",
        "public.mixed": "equal",
        "public.hidden": "not comparable",
        "public.cleaned": "not comparable",
    }
    run_id = await pipe.run(pipe.document(scrub, clean=clean, verify="counts"))
    assert {item["verified"] for item in (await pipe.api.report(run_id)).values()} == {"counts equal"}


async def test_a_row_that_was_changed_after_the_load_is_found(pipe: Pipe, source: Database, target: Database) -> None:
    source.run(TABLES + "CREATE INDEX ON kept (v)")
    target.run(TAMPERING)
    failure = await pipe.fails(pipe.document(KEEP_ALL, verify="rows"))
    assert "public.kept" in failure["message"]
    assert "differ" in failure["message"]
    assert "changed" not in failure["message"]
