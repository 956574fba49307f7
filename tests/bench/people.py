"""The table of the main measures: 12 columns, about 275 bytes a row, made by SQL in the source itself."""

from __future__ import annotations

from tests.support.postgresql import Database

COLUMNS = """
    id         bigint NOT NULL,
    uid        uuid NOT NULL,
    first_name text NOT NULL,
    last_name  text NOT NULL,
    email      text NOT NULL,
    phone      text NOT NULL,
    address    text NOT NULL,
    city       text NOT NULL,
    comment    text NOT NULL,
    born       date NOT NULL,
    balance    numeric(12,2) NOT NULL,
    created_at timestamptz NOT NULL
"""
KEY = "ALTER TABLE people ADD PRIMARY KEY (id)"
SCRUBBED = ("first_name", "last_name", "email", "phone", "address")
KEPT = ("id", "uid", "city", "comment", "born", "balance", "created_at")

_DISTINCT_NAMES = 60_000

_NAMES = f"""
    CREATE TEMPORARY TABLE parts AS
        SELECT row_number() OVER () - 1 AS place, a || b AS part
        FROM unnest('{{ba,ce,di,fo,gu,ha,je,ki,lo,mu,na,pe,ri,so,tu,va}}'::text[]) a,
             unnest('{{n,l,r,s,m,nd,rt,lk,ss,x,th,gh,ck,mp,st,w}}'::text[]) b;
    CREATE TEMPORARY TABLE names AS
        SELECT n AS place, initcap(a.part || b.part) AS first_name, initcap(b.part || a.part || 'er') AS last_name
        FROM generate_series(0, {_DISTINCT_NAMES - 1}) n
        JOIN parts a ON a.place = n % 256 JOIN parts b ON b.place = n / 256;
    ANALYZE names;
"""

# Two draws per row, scattered over the names so that neighbours differ; everything else follows from the row's number.
_ROWS = """
    INSERT INTO people
    SELECT g, md5(g::text)::uuid, f.first_name, l.last_name,
           lower(f.first_name || '.' || l.last_name) || g || '@mail' || g % 50 || '.example.org',
           '+49 ' || (100 + g % 800) || ' ' || lpad(g::text, 8, '0'),
           (1 + g % 200) || ' ' || l.first_name || ' Street, Floor ' || g % 30 || ', Building ' || g,
           'City of ' || (g * 48271 % 5000),
           'Asked about delivery ' || g * 7919 || ', was told to wait ' || g % 14 || ' days',
           date '1940-01-01' + (g % 25000)::int,
           (g * 31 % 10000000)::numeric / 100,
           timestamptz '2020-01-01 00:00:00+00' + g * interval '17 seconds'
    FROM (SELECT g, ('x' || substr(md5(g::text), 1, 8))::bit(32)::bigint AS draw
          FROM generate_series({first}::bigint, {last}::bigint) g) rows
    JOIN names f ON f.place = draw % {names}
    JOIN names l ON l.place = draw / {names} % {names}
"""


def fill(database: Database, rows: int) -> None:
    """Make the table `people` with its primary key."""
    insert = _ROWS.format(first=1, last=rows, names=_DISTINCT_NAMES)
    # The planner must not scatter the rows by a hash join over all of them: a table is read as it was written.
    settings = "SET work_mem = '256MB'; SET max_parallel_workers_per_gather = 0;"
    database.run(f"{settings} {_NAMES} CREATE TABLE people ({COLUMNS}); {insert}; {KEY}; VACUUM (ANALYZE) people;")
