from __future__ import annotations

import pytest

from elute_connector.connectors.postgresql.target.archive import parse
from elute_wire.errors import InternalFault

LISTING = """;
; Archive created at 2024-01-01
;
10; 0 0 ENCODING - ENCODING
11; 1259 100 TABLE public t -
12; 1259 101 INDEX public i -
"""


def header(number: int, oid: int, kind: str, name: str, depends: str = "") -> str:
    lines = [f"-- TOC entry {number} (class 1259 OID {oid})", *([f"-- Dependencies: {depends}"] if depends else [])]
    return "\n".join(["--", *lines, f"-- Name: {name}; Type: {kind}; Schema: public; Owner: -", "--", "", ""])


TABLE = header(11, 100, "TABLE", "t") + "CREATE TABLE public.t (i integer);\n\n\n"
INDEX = header(12, 101, "INDEX", "i", "11 11") + "CREATE INDEX i ON public.t USING btree (i);\n\n\n"
PROLOGUE = (
    "--\n-- PostgreSQL database dump\n--\n\n\\restrict x\n\nSET transaction_timeout = 0;\n\n"
    "SET default_table_access_method = heap;\n\n"
)
EPILOGUE = "--\n-- PostgreSQL database dump complete\n--\n\n\\unrestrict x\n\n"


def test_what_stands_around_the_entries_is_no_part_of_them() -> None:
    table, index = parse(LISTING, PROLOGUE + TABLE + INDEX + EPILOGUE)
    assert table.sql == "CREATE TABLE public.t (i integer);"
    assert index.sql == "CREATE INDEX i ON public.t USING btree (i);"
    assert (table.id, table.catalog, table.oid, table.key) == (11, 1259, 100, ("TABLE", "public", "t"))
    assert index.depends == (11, 11)
    assert table.access_method == "heap"


def test_a_setting_belongs_to_the_entry_behind_it() -> None:
    other = TABLE + "SET default_table_access_method = columnar;\n\n" + INDEX
    table, index = parse(LISTING, PROLOGUE + other + EPILOGUE)
    assert (table.access_method, index.access_method) == ("heap", "columnar")
    assert "SET" not in table.sql


@pytest.mark.parametrize("script", [PROLOGUE + TABLE + EPILOGUE, PROLOGUE + TABLE + INDEX + TABLE + EPILOGUE])
def test_a_script_that_does_not_agree_with_its_list_is_refused(script: str) -> None:
    with pytest.raises(InternalFault):
        parse(LISTING, script)
