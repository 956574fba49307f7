"""Chooses what of a schema comes along: the selected tables, what they depend on, and what belongs to them.

A view comes along when all that it reads does. A function's body is opaque to PostgreSQL's own dependencies, so
whatever a kept function names comes along too. A schema whose tables are all selected comes whole.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from elute_connector.connectors.postgresql.target.archive import Entry
from elute_connector.connectors.postgresql.target.relations import Relation
from elute_wire.errors import Problem, Severity

NEVER = frozenset(
    {
        *("PUBLICATION", "PUBLICATION TABLE", "PUBLICATION TABLES IN SCHEMA", "SUBSCRIPTION", "SUBSCRIPTION TABLE"),
        *("FOREIGN DATA WRAPPER", "SERVER", "USER MAPPING", "FOREIGN TABLE", "EVENT TRIGGER", "DEFAULT ACL"),
        *("BLOB", "BLOBS", "BLOB METADATA", "SECURITY LABEL"),
        *("DATABASE", "DATABASE PROPERTIES", "ENCODING", "STDSTRINGS", "SEARCHPATH"),
    }
)
"""What is never copied: it reaches other servers, or belongs to the database as a whole."""

_TOLD = frozenset({"FOREIGN DATA WRAPPER", "SERVER", "USER MAPPING", "FOREIGN TABLE", "EVENT TRIGGER"})

# What belongs to one relation (or to another object: the last line) and means nothing without it.
_PARTS = frozenset(
    {
        *("INDEX", "INDEX ATTACH", "CONSTRAINT", "CHECK CONSTRAINT", "FK CONSTRAINT", "TABLE ATTACH", "DEFAULT"),
        *("SEQUENCE", "SEQUENCE OWNED BY", "TRIGGER", "RULE", "POLICY", "ROW SECURITY", "STATISTICS"),
        *("VIEW", "MATERIALIZED VIEW"),
    }
)
_REMARKS = frozenset({"COMMENT", "ACL", "CAST", "TRANSFORM"})
_RELATIONS = frozenset({"TABLE", "VIEW", "MATERIALIZED VIEW", "FOREIGN TABLE"})
_HOLDERS = _RELATIONS | {"SEQUENCE", "INDEX", "CONSTRAINT"}
_ROUTINES = frozenset({"FUNCTION", "PROCEDURE"})
_NAMEABLE = frozenset({*_ROUTINES, "AGGREGATE", "TYPE", "DOMAIN", "SEQUENCE"})
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Choice:
    """What comes along, in the order of the archive, and what a person should know of the rest."""

    entries: tuple[Entry, ...]
    problems: tuple[Problem, ...]


def choose(
    entries: Sequence[Entry], relations: Sequence[Relation], barred: frozenset[tuple[int, int]] = frozenset()
) -> Choice:
    """Choose what comes along.

    Args:
        entries: The schema.
        relations: The relations of the same database, those of the selection marked.
        barred: What hangs on tables that the archive does not have, by catalog and row; it cannot come.
    """
    return _Chooser(entries, relations, barred).choice()


class _Chooser:
    """The dependencies of one archive, and what was taken of it so far."""

    def __init__(
        self, entries: Sequence[Entry], relations: Sequence[Relation], barred: frozenset[tuple[int, int]]
    ) -> None:
        self._entries = entries
        self._barred = barred
        self._by_id = {entry.id: entry for entry in entries}
        self._chosen = {relation.oid for relation in relations if relation.chosen}
        tables = [relation for relation in relations if relation.holds_rows]
        self._mixed_schemas = {relation.name.schema for relation in tables if not relation.chosen}
        self._table_schemas = {relation.name.schema for relation in tables}
        self._depends = {entry.id: set(entry.depends) & self._by_id.keys() for entry in entries}
        self._add_unwritten_dependencies()
        self._possible: dict[int, bool] = {}
        self._taken: set[int] = set()
        self._named = self._by_bare_name()

    def choice(self) -> Choice:
        """Take what is wanted, until nothing more follows from it."""
        for entry in self._entries:
            if self._is_selected(entry) or (self._in_whole_schema(entry) and self._can_be(entry.id)):
                self._take(entry.id)
        size = -1
        while len(self._taken) != size:
            size = len(self._taken)
            for entry in self._entries:
                if entry.id not in self._taken and self._belongs(entry) and self._can_be(entry.id):
                    self._take(entry.id)
        return Choice(
            tuple(entry for entry in self._entries if entry.id in self._taken and entry.kind not in NEVER),
            tuple(self._problems()),
        )

    def _add_unwritten_dependencies(self) -> None:
        """Add what pg_dump knows and does not write: an object's schema, and what a view's own query reads."""
        schemas = {entry.name: entry.id for entry in self._entries if entry.kind == "SCHEMA"}
        views = {
            (entry.schema, entry.name): entry.id
            for entry in self._entries
            if entry.kind in {"VIEW", "MATERIALIZED VIEW"}
        }
        for entry in self._entries:
            if entry.schema in schemas:
                self._depends[entry.id].add(schemas[entry.schema])
            if entry.kind == "RULE" and entry.name.endswith(" _RETURN"):
                # The view itself came before, without its query, because the query needs a key.
                view = views.get((entry.schema, entry.name.removesuffix(" _RETURN")))
                if view is not None:
                    self._depends[view] |= {
                        number for number in self._depends[entry.id] if self._by_id[number].kind in _RELATIONS
                    } - {view}

    def _by_bare_name(self) -> dict[str, list[int]]:
        named: dict[str, list[int]] = defaultdict(list)
        for entry in self._entries:
            if entry.kind in _NAMEABLE:
                named[entry.name.split("(")[0]].append(entry.id)
        return named

    def _is_selected(self, entry: Entry) -> bool:
        return entry.kind == "TABLE" and entry.oid in self._chosen

    def _in_whole_schema(self, entry: Entry) -> bool:
        if entry.kind in _REMARKS or entry.kind in _PARTS - {"SEQUENCE", "VIEW", "MATERIALIZED VIEW"}:
            return False
        schema = entry.name if entry.kind == "SCHEMA" else entry.schema
        return schema not in self._mixed_schemas and (schema in self._table_schemas or not self._mixed_schemas)

    def _can_be(self, number: int) -> bool:
        """Whether an entry can come along: no table behind it stays away, and nothing that is never copied."""
        if number not in self._possible:
            # For the time of the walk, so that a circle ends.
            self._possible[number] = True
            entry = self._by_id[number]
            allowed = entry.kind not in NEVER and (entry.catalog, entry.oid) not in self._barred
            allowed = allowed and (entry.kind != "TABLE" or entry.oid in self._chosen)
            self._possible[number] = allowed and all(self._can_be(other) for other in self._depends[number])
        return self._possible[number]

    def _belongs(self, entry: Entry) -> bool:
        """Whether an entry is part of what was taken."""
        needs = self._depends[entry.id]
        if entry.kind in _REMARKS:
            own = needs - {number for number in needs if self._by_id[number].kind == "SCHEMA"} or needs
            return bool(own) and own <= self._taken
        holders = {number for number in needs if self._by_id[number].kind in _HOLDERS}
        return entry.kind in _PARTS and not holders.isdisjoint(self._taken)

    def _take(self, number: int) -> None:
        waiting = [number]
        while waiting:
            current = waiting.pop()
            if current not in self._taken:
                self._taken.add(current)
                waiting += self._depends[current]
                waiting += self._named_in(self._by_id[current])

    def _named_in(self, entry: Entry) -> Iterator[int]:
        if entry.kind in _ROUTINES:
            for word in set(_WORD.findall(entry.sql)):
                yield from (number for number in self._named.get(word, ()) if self._can_be(number))

    def _problems(self) -> Iterator[Problem]:
        for entry in self._entries:
            needs = self._depends[entry.id]
            if self._is_selected(entry) and not self._can_be(entry.id):
                yield Problem(
                    code="needs-unselected",
                    message=f"{entry.label} depends on {self._names(self._obstacles(entry.id))}, not to be copied",
                    hint="select that table too, or leave this one out",
                    dataset=entry.label,
                )
            elif entry.kind in _PARTS and entry.id not in self._taken:
                held = [self._by_id[number] for number in needs if number in self._taken]
                if any(other.kind in _RELATIONS for other in held):
                    yield Problem(
                        code="left-out",
                        message=f"{entry.kind.lower()} {entry.label} is left out: it needs "
                        f"{self._names(self._obstacles(entry.id))}, not to be copied",
                        severity=Severity.WARNING,
                    )
            elif entry.kind in _TOLD:
                yield Problem(
                    code="never-copied",
                    message=f"{entry.kind.lower()} {entry.label} is never copied",
                    severity=Severity.NOTE,
                )

    def _obstacles(self, number: int) -> set[int]:
        """Find the entries, behind one, that cannot come along of themselves."""
        found: set[int] = set()
        seen: set[int] = set()
        waiting = [number]
        while waiting:
            current = waiting.pop()
            if current in seen or self._can_be(current):
                continue
            seen.add(current)
            below = [other for other in self._depends[current] if not self._can_be(other)]
            waiting += below
            if not below:
                found.add(current)
        return found

    def _names(self, numbers: Iterable[int]) -> str:
        return ", ".join(sorted(f"{self._by_id[n].kind.lower()} {self._by_id[n].label}" for n in numbers))
