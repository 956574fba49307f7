"""Rows, filters and options that hold a canary, and the codes of the errors that they provoke."""

from __future__ import annotations

import json

from tests.elute_connector.integration.service.scrubbing import Techniques

CANARY = "Canary-7f3a91"
DIGITS = "8273645091"
CANARIES = (CANARY.lower(), DIGITS, CANARY.encode().hex())
"""What is searched for, in lower case: the text, the number, and the text as bytea shows it."""

ROWS = f"""CREATE TABLE {{t}} (id bigint, name text);
    INSERT INTO {{t}} SELECT {DIGITS}, '{CANARY}' FROM generate_series(1, 2)"""
KEPT = "CREATE TABLE {t} (id bigint, name text)"


def raising(using: str) -> str:
    """A table whose trigger raises what it sees."""
    return f"""{KEPT};
        CREATE FUNCTION {{t}}_raise() RETURNS trigger LANGUAGE plpgsql AS
            $f$ BEGIN RAISE EXCEPTION {using}; END $f$;
        CREATE TRIGGER t BEFORE INSERT ON {{t}} FOR EACH ROW EXECUTE FUNCTION {{t}}_raise()"""


def computed(expression: str) -> str:
    return f"CREATE TABLE {{t}} (id bigint, name text, made int GENERATED ALWAYS AS ({expression}) STORED)"


def deferred(constraint: str) -> str:
    return f"CREATE TABLE {{t}}_parent (id bigint PRIMARY KEY); {KEPT}; ALTER TABLE {{t}} ADD {constraint}"


def typed(kind: str) -> str:
    return f"CREATE TABLE {{t}} (id bigint, name {kind})"


REJECTED = "store-data-rejected"

AT_THE_TARGET: dict[str, tuple[str, str, str]] = {
    # what, at the source, at the target, the error's code
    "unique_key": (ROWS, "CREATE TABLE {t} (id bigint, name text UNIQUE)", REJECTED),
    "primary_key": (ROWS, "CREATE TABLE {t} (id bigint PRIMARY KEY, name text)", REJECTED),
    "not_null": (
        f"CREATE TABLE {{t}} (id bigint, name text); INSERT INTO {{t}} VALUES (NULL, '{CANARY}')",
        "CREATE TABLE {t} (id bigint NOT NULL, name text)",
        REJECTED,
    ),
    "check_constraint": (ROWS, "CREATE TABLE {t} (id bigint, name text CHECK (name = 'x'))", REJECTED),
    "foreign_key": (
        ROWS,
        "CREATE TABLE {t}_o (name text PRIMARY KEY); CREATE TABLE {t} (id bigint, name text REFERENCES {t}_o)",
        REJECTED,
    ),
    "exclusion": (
        ROWS,
        "CREATE TABLE {t} (id bigint, name text, EXCLUDE USING gist (int8range(id, id, '[]') WITH &&))",
        REJECTED,
    ),
    "too_long": (ROWS, typed("varchar(5)"), REJECTED),
    "number_too_large": (ROWS.replace("bigint", "numeric"), "CREATE TABLE {t} (id numeric(4), name text)", REJECTED),
    "domain": (ROWS, "CREATE DOMAIN {t}_short AS text CHECK (VALUE = 'x'); " + typed("{t}_short"), REJECTED),
    "enumeration": (ROWS, "CREATE TYPE {t}_mood AS ENUM ('sad'); " + typed("{t}_mood"), REJECTED),
    "partition_bound": (
        ROWS,
        f"{KEPT} PARTITION BY LIST (name); CREATE TABLE {{t}}_x PARTITION OF {{t}} FOR VALUES IN ('x')",
        REJECTED,
    ),
    "row_policy": (
        ROWS,
        KEPT + "; ALTER TABLE {t} ENABLE ROW LEVEL SECURITY; ALTER TABLE {t} FORCE ROW LEVEL SECURITY;"
        "GRANT ALL ON {t} TO writer",
        "store-forbidden",
    ),
    "privilege": (ROWS, KEPT, "store-forbidden"),
    "division_by_zero": (ROWS, computed("(1 / (id - id))::int"), REJECTED),
    "computed_cast": (ROWS, computed("name::int"), REJECTED),
    "bytes_of_int": (ROWS, typed("int"), REJECTED),
    "bytes_of_uuid": (ROWS, typed("uuid"), REJECTED),
    "bytes_of_jsonb": (ROWS, typed("jsonb"), "store-failed"),
    "bytes_of_timestamp": (ROWS, typed("timestamptz"), REJECTED),
    "bytes_of_inet": (ROWS, typed("inet"), REJECTED),
    "encoding": (
        f"CREATE TABLE {{t}} (id bigint, name bytea); INSERT INTO {{t}} VALUES (1, '{CANARY}'::bytea || '\\xff')",
        typed("text"),
        REJECTED,
    ),
    "raised_message": (ROWS, raising("'% has %', NEW.name, NEW.id"), "store-failed"),
    "raised_detail": (ROWS, raising("'no' USING DETAIL = NEW.name, HINT = NEW.name"), "store-failed"),
    "raised_names": (
        ROWS,
        raising(
            "'no' USING ERRCODE = 'unique_violation', SCHEMA = NEW.name, TABLE = NEW.name, COLUMN = NEW.name,"
            " CONSTRAINT = NEW.name, DATATYPE = NEW.name"
        ),
        REJECTED,
    ),
    "raised_assertion": (
        ROWS,
        raising("'x'").replace("RAISE EXCEPTION 'x'", "ASSERT false, NEW.name"),
        "store-failed",
    ),
    "dynamic_statement": (
        ROWS,
        raising("'x'").replace("RAISE EXCEPTION 'x'", "EXECUTE 'SELECT ' || quote_ident(NEW.name)"),
        "store-object-missing",
    ),
    "deferred_unique": (ROWS, deferred("UNIQUE (name) DEFERRABLE INITIALLY DEFERRED"), REJECTED),
    "deferred_foreign_key": (
        ROWS,
        deferred("FOREIGN KEY (id) REFERENCES {t}_parent DEFERRABLE INITIALLY DEFERRED"),
        REJECTED,
    ),
    "deferred_trigger": (
        ROWS,
        raising("'%', NEW.name").replace(
            "CREATE TRIGGER t BEFORE INSERT ON {t}",
            "CREATE CONSTRAINT TRIGGER t AFTER INSERT ON {t} DEFERRABLE INITIALLY DEFERRED",
        ),
        "store-failed",
    ),
}

VIEW = ROWS.replace("{t}", "{t}_rows") + ";"

AT_THE_SOURCE: dict[str, tuple[str, str, str]] = {
    "view_cast": (VIEW + "CREATE VIEW {t} AS SELECT id, name::int::text AS name FROM {t}_rows", KEPT, REJECTED),
    "view_division": (VIEW + "CREATE VIEW {t} AS SELECT 1 / (id - id) AS id, name FROM {t}_rows", KEPT, REJECTED),
    "view_raising": (
        VIEW
        + """CREATE FUNCTION {t}_f(v text) RETURNS text LANGUAGE plpgsql AS
            $f$ BEGIN RAISE EXCEPTION '%', v USING DETAIL = v; END $f$;
            CREATE VIEW {t} AS SELECT id, public.{t}_f(name) AS name FROM {t}_rows""",
        KEPT,
        "store-failed",
    ),
    "cell_too_large": (ROWS.replace(f"'{CANARY}'", f"repeat('{CANARY}', 1000)"), KEPT, "cell-too-large"),
    "column_gone": (ROWS, KEPT, "catalog-changed"),
}

FILTERS = {
    f"name = '{CANARY}' AND": "invalid-request",
    f'name = "{CANARY}"': "invalid-request",
    f"name = {CANARY.partition('-')[0]}": "invalid-request",
    f"name = E'{CANARY}'": "invalid-request",
    f"pg_sleep('{CANARY}') IS NULL": "invalid-request",
    f"id = '{CANARY}'::int": REJECTED,
    f"name > DATE '{CANARY}'": REJECTED,
    f"DATE '{CANARY}' = DATE '2020-01-01'": REJECTED,
    f"{DIGITS}{DIGITS}::int = id": REJECTED,
    "name::int = 1": REJECTED,
    "id / (id - id) = 1": REJECTED,
}

OPTIONS: dict[str, tuple[Techniques, str]] = {
    "refused_value": ({"name": ("fpe", '{"format": "digits", "others": "refuse"}')}, "value-rejected"),
    "unknown_option": ({"name": ("token", json.dumps({"secret": CANARY}))}, "plan-refused"),
    "wrong_option": ({"name": ("mask", json.dumps({"first": CANARY}))}, "plan-refused"),
    "wrong_constant": ({"id": ("constant", json.dumps({"value": CANARY}))}, "plan-refused"),
    "no_options": ({"name": ("mask", CANARY)}, "plan-refused"),
}
