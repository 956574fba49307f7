"""The questions that Discover asks PostgreSQL's catalogs: a fixed number, whatever the number of tables.

Valid for versions 14 to 18. Catalog columns that only some versions have are read through `to_jsonb(row)`, so that
one text serves all. Orders are those of type `name` or of collation C: the same whatever the database's own is.
Constants in stored expressions are found by the `CONST` nodes of their trees, without printing any expression.
"""

# ruff: noqa: S608 - put together from constants alone

from __future__ import annotations

# Compiling these queries would take a second, running them takes some milliseconds.
SERVER = """
SELECT current_setting('server_version_num')::int AS version, pg_encoding_to_char(encoding) AS encoding,
       set_config('jit', 'off', false) AS jit
FROM pg_database WHERE datname = current_database()
"""

EXTENSIONS = """
SELECT e.extname::text AS name, e.extversion AS version, n.nspname::text AS schema
FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace ORDER BY e.extname
"""

# What an extension made comes with the extension; temporary tables belong to one session.
# Objects below it were made by initdb. Their rules and functions are many, and their texts long to look through.
_FIRST_OF_USERS = 16384
_OF_USERS = r"""n.nspname NOT LIKE 'pg\_%' AND n.nspname <> 'information_schema'"""

_RELATION = rf"""
relation AS MATERIALIZED (
    SELECT c.*, n.nspname
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND c.relpersistence <> 't' AND {_OF_USERS}
      AND NOT EXISTS (SELECT FROM pg_depend d
                      WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'))
"""

RELATIONS = f"""
WITH {_RELATION}
SELECT oid, nspname::text AS schema, relname::text AS name, relkind::text AS kind, relispartition AS partition,
       relrowsecurity AS row_security, reltuples::float8 AS tuples, relpages AS counted_pages,
       CASE WHEN relkind IN ('r', 'm')
            THEN coalesce(pg_relation_size(oid) / current_setting('block_size')::int, 0) ELSE 0 END AS pages,
       CASE WHEN relkind IN ('r', 'm') THEN coalesce(pg_table_size(oid), 0) ELSE 0 END AS size_bytes
FROM relation ORDER BY nspname, relname
"""

COLUMNS = f"""
WITH {_RELATION}
SELECT a.attrelid AS relation, a.attname::text AS name, a.attnum::int AS position, a.atttypid AS type_oid,
       a.atttypmod AS typmod, NOT a.attnotnull AS nullable, a.atthasdef AS has_default,
       a.attidentity::text AS identity, a.attgenerated::text AS generated,
       cn.nspname::text AS collation_schema, co.collname::text AS collation,
       co.collisdeterministic AS deterministic
FROM relation r JOIN pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN pg_collation co ON co.oid = a.attcollation AND co.collname <> 'default'
LEFT JOIN pg_namespace cn ON cn.oid = co.collnamespace
WHERE NOT r.relispartition ORDER BY a.attrelid, a.attnum
"""

# Every (type, modifier) in use, with its parts: array elements and domain bases carry their own modifier.
TYPES = rf"""
WITH RECURSIVE {_RELATION},
used(oid, typmod) AS (
    SELECT a.atttypid, a.atttypmod
    FROM relation r JOIN pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped
    UNION
    SELECT t.oid, -1 FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
    LEFT JOIN pg_class c ON c.oid = t.typrelid
    WHERE t.oid >= {_FIRST_OF_USERS} AND {_OF_USERS}
      AND (t.typtype IN ('e', 'd', 'r') OR (t.typtype = 'c' AND c.relkind = 'c'))
      AND NOT EXISTS (SELECT FROM pg_depend d
                      WHERE d.classid = 'pg_type'::regclass AND d.objid = t.oid AND d.deptype = 'e')
    UNION
    SELECT part.oid, part.typmod
    FROM used JOIN pg_type t ON t.oid = used.oid, LATERAL (
        SELECT t.typelem, used.typmod FROM pg_type e WHERE e.oid = t.typelem AND e.typarray = t.oid
        UNION ALL SELECT t.typbasetype, t.typtypmod WHERE t.typtype = 'd'
        UNION ALL SELECT a.atttypid, a.atttypmod FROM pg_attribute a
                  WHERE t.typtype = 'c' AND a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped
        UNION ALL SELECT g.rngsubtype, -1 FROM pg_range g WHERE g.rngtypid = t.oid
        UNION ALL SELECT g.rngtypid, -1 FROM pg_range g WHERE g.rngmultitypid = t.oid
    ) part(oid, typmod))
SELECT t.oid, used.typmod, t.typtype::text AS kind, n.nspname::text AS schema, t.typname::text AS name,
       format_type(t.oid, used.typmod) AS formatted, format_type(t.oid, -1) AS plain,
       quote_ident(n.nspname) || '.' || quote_ident(t.typname) AS full_name,
       CASE WHEN t.oid < 16384 THEN 'builtin' WHEN x.extname IS NOT NULL THEN 'extension' ELSE 'user' END AS origin,
       x.extname::text AS extension,
       quote_ident(sn.nspname) || '.' || quote_ident(s.proname) AS send, t.typreceive <> 0 AS receivable,
       e.oid AS array_of, CASE WHEN t.typtype = 'd' THEN t.typbasetype END AS domain_of, t.typtypmod AS domain_typmod,
       coalesce(g.rngsubtype, m.rngtypid) AS range_of,
       t.typnotnull OR EXISTS (SELECT FROM pg_constraint k WHERE k.contypid = t.oid) AS constrained,
       ARRAY(SELECT l.enumlabel::text FROM pg_enum l WHERE l.enumtypid = t.oid ORDER BY l.enumsortorder) AS labels,
       att.names AS attribute_names, att.oids AS attribute_oids, att.typmods AS attribute_typmods,
       t.typtype IN ('e', 'd', 'r', 'c') AND t.oid >= 16384 AND x.extname IS NULL
           AND coalesce(c.relkind = 'c', true) AS listed
FROM used JOIN pg_type t ON t.oid = used.oid JOIN pg_namespace n ON n.oid = t.typnamespace
LEFT JOIN pg_class c ON c.oid = t.typrelid
LEFT JOIN pg_type e ON e.oid = t.typelem AND e.typarray = t.oid
LEFT JOIN pg_proc s ON s.oid = t.typsend LEFT JOIN pg_namespace sn ON sn.oid = s.pronamespace
LEFT JOIN pg_range g ON g.rngtypid = t.oid LEFT JOIN pg_range m ON m.rngmultitypid = t.oid
LEFT JOIN pg_depend d ON d.classid = 'pg_type'::regclass AND d.objid = coalesce(e.oid, t.oid) AND d.deptype = 'e'
LEFT JOIN pg_extension x ON x.oid = d.refobjid
LEFT JOIN LATERAL (
    SELECT array_agg(a.attname::text ORDER BY a.attnum) AS names, array_agg(a.atttypid ORDER BY a.attnum) AS oids,
           array_agg(a.atttypmod ORDER BY a.attnum) AS typmods
    FROM pg_attribute a
    WHERE t.typtype = 'c' AND a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped) att ON true
"""

UNIQUE_KEYS = f"""
WITH {_RELATION}
SELECT i.indrelid AS relation, c.relname::text AS name, i.indisprimary AS is_primary,
       k.oid IS NOT NULL AS is_constraint, i.indpred IS NOT NULL AS partial, i.indexprs IS NOT NULL AS expression,
       NOT i.indimmediate AS deferrable,
       coalesce((to_jsonb(i) ->> 'indnullsnotdistinct')::bool, false) AS nulls_not_distinct,
       NOT EXISTS (SELECT FROM pg_collation o
                   WHERE o.oid = ANY (i.indcollation::oid[]) AND NOT o.collisdeterministic) AS deterministic,
       ARRAY(SELECT a.attname::text FROM unnest(i.indkey::int2[]) WITH ORDINALITY p(number, place)
             JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = p.number
             WHERE p.place <= i.indnkeyatts ORDER BY p.place) AS columns,
       CASE WHEN i.indpred IS NOT NULL OR i.indexprs IS NOT NULL THEN
           ARRAY(SELECT DISTINCT a.attname::text COLLATE "C" FROM pg_depend d
                 JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
                 WHERE d.classid = 'pg_class'::regclass AND d.objid = i.indexrelid
                   AND d.refclassid = 'pg_class'::regclass AND d.refobjid = i.indrelid AND d.refobjsubid > 0
                 ORDER BY 1) ELSE '{{}}'::text[] END AS read_columns
FROM relation r JOIN pg_index i ON i.indrelid = r.oid JOIN pg_class c ON c.oid = i.indexrelid
LEFT JOIN pg_constraint k ON k.conindid = i.indexrelid AND k.contype IN ('p', 'u')
WHERE i.indisunique AND i.indisvalid AND NOT i.indisexclusion AND NOT r.relispartition
ORDER BY i.indrelid, NOT i.indisprimary, c.relname
"""

# A foreign key onto a partitioned table has further rows, one per leaf, that name it as their parent.
CONSTRAINTS = f"""
WITH {_RELATION}
SELECT k.conrelid AS relation, k.conname::text AS name, k.contype::text AS kind,
       k.condeferrable AS deferrable, k.convalidated AS validated, k.confmatchtype::text AS match,
       k.confupdtype::text AS on_update, k.confdeltype::text AS on_delete,
       tn.nspname::text AS target_schema, t.relname::text AS target_name,
       ARRAY(SELECT a.attname::text FROM unnest(k.conkey) WITH ORDINALITY p(number, place)
             JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = p.number ORDER BY p.place) AS columns,
       ARRAY(SELECT a.attname::text FROM unnest(k.confkey) WITH ORDINALITY p(number, place)
             JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = p.number
             ORDER BY p.place) AS target_columns,
       CASE WHEN k.contype = 'x' THEN
           ARRAY(SELECT DISTINCT a.attname::text COLLATE "C" FROM pg_depend d
                 JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
                 WHERE d.classid = 'pg_constraint'::regclass AND d.objid = k.oid
                   AND d.refclassid = 'pg_class'::regclass AND d.refobjid = k.conrelid AND d.refobjsubid > 0
                 ORDER BY 1) ELSE '{{}}'::text[] END AS read_columns
FROM relation r JOIN pg_constraint k ON k.conrelid = r.oid
LEFT JOIN pg_class t ON t.oid = k.confrelid LEFT JOIN pg_namespace tn ON tn.oid = t.relnamespace
WHERE NOT r.relispartition AND k.conparentid = 0
  AND (k.contype IN ('f', 'c', 'x')
       OR k.contype IN ('p', 'u') AND coalesce((to_jsonb(k) ->> 'conperiod')::bool, false))
ORDER BY k.conrelid, k.conname
"""

INHERITANCE = f"""
WITH {_RELATION}
SELECT i.inhrelid AS child, i.inhparent AS parent, r.relispartition AS partition
FROM relation r JOIN pg_inherits i ON i.inhrelid = r.oid ORDER BY i.inhparent, i.inhseqno, r.relname
"""

# The columns of a partition key depend internally on their table; so do those inside a key's expressions.
PARTITION_KEYS = f"""
WITH {_RELATION}
SELECT p.partrelid AS relation, p.partstrat::text AS strategy, p.partexprs IS NOT NULL AS expression,
       ARRAY(SELECT a.attname::text FROM pg_attribute a
             WHERE a.attrelid = p.partrelid AND (a.attnum = ANY (p.partattrs::int2[]) OR EXISTS (
                 SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = p.partrelid
                    AND d.objsubid = a.attnum AND d.refclassid = 'pg_class'::regclass
                    AND d.refobjid = p.partrelid AND d.refobjsubid = 0 AND d.deptype = 'i'))
             ORDER BY a.attnum) AS columns,
       p.partstrat = 'h' AND (p.partexprs IS NOT NULL OR EXISTS (
           SELECT FROM pg_attribute a WHERE a.attrelid = p.partrelid AND a.attnum = ANY (p.partattrs::int2[])
              AND a.atttypid >= 16384)) AS hashes_user_type
FROM relation r JOIN pg_partitioned_table p ON p.partrelid = r.oid
"""

SEQUENCES = f"""
SELECT n.nspname::text AS schema, c.relname::text AS name, d.refobjid AS owner, a.attname::text AS owner_column
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.refclassid = 'pg_class'::regclass
      AND d.refobjsubid > 0 AND d.deptype IN ('a', 'i')
LEFT JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
WHERE c.relkind = 'S' AND c.relpersistence <> 't' AND {_OF_USERS}
  AND NOT EXISTS (SELECT FROM pg_depend x
                  WHERE x.classid = 'pg_class'::regclass AND x.objid = c.oid AND x.deptype = 'e')
ORDER BY n.nspname, c.relname
"""

# Booleans, and the sequence's name inside nextval('…'::regclass), are no one's data.
_CONSTANT = r"'\{CONST :consttype (?!16 |2205 )[^}]*:constisnull false'"

LITERALS = rf"""
WITH {_RELATION},
place(relation, kind, name) AS (
    SELECT d.adrelid, CASE WHEN a.attgenerated = '' THEN 'default' ELSE 'generated' END, a.attname
    FROM pg_attrdef d JOIN pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
    WHERE d.adbin::text ~ {_CONSTANT}
    UNION ALL SELECT conrelid, 'check', conname FROM pg_constraint WHERE contype = 'c' AND conbin::text ~ {_CONSTANT}
    UNION ALL SELECT i.indrelid, 'index', c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
              WHERE concat(i.indexprs::text, i.indpred::text) ~ {_CONSTANT}
    UNION ALL SELECT w.ev_class, CASE WHEN w.rulename = '_RETURN' THEN 'view' ELSE 'rule' END,
                     CASE WHEN w.rulename = '_RETURN' THEN '' ELSE w.rulename END
              FROM pg_rewrite w
              WHERE w.oid >= {_FIRST_OF_USERS} AND concat(w.ev_qual::text, w.ev_action::text) ~ {_CONSTANT}
    UNION ALL SELECT tgrelid, 'trigger', tgname FROM pg_trigger
              WHERE NOT tgisinternal AND (tgnargs > 0 OR tgqual::text ~ {_CONSTANT})
    UNION ALL SELECT polrelid, 'policy', polname FROM pg_policy
              WHERE concat(polqual::text, polwithcheck::text) ~ {_CONSTANT}
    UNION ALL SELECT oid, 'bound', '' FROM pg_class
              WHERE relispartition AND relkind <> 'I' AND relpartbound::text ~ {_CONSTANT}
    UNION ALL SELECT s.objoid, 'comment', coalesce(a.attname, '') FROM pg_description s
              LEFT JOIN pg_attribute a ON a.attrelid = s.objoid AND a.attnum = s.objsubid AND s.objsubid > 0
              WHERE s.classoid = 'pg_class'::regclass
    UNION ALL SELECT k.conrelid, 'comment', k.conname FROM pg_description s JOIN pg_constraint k ON k.oid = s.objoid
              WHERE s.classoid = 'pg_constraint'::regclass)
SELECT p.relation, p.kind, p.name::text FROM place p JOIN relation r ON r.oid = p.relation
UNION ALL
SELECT NULL, 'function', n.nspname || '.' || f.proname
FROM pg_proc f JOIN pg_namespace n ON n.oid = f.pronamespace
WHERE f.oid >= {_FIRST_OF_USERS} AND {_OF_USERS}
  AND (f.prosrc ~ '''|\m\d' OR to_jsonb(f) ->> 'prosqlbody' ~ {_CONSTANT})
  AND NOT EXISTS (SELECT FROM pg_depend d
                  WHERE d.classid = 'pg_proc'::regclass AND d.objid = f.oid AND d.deptype = 'e')
"""
