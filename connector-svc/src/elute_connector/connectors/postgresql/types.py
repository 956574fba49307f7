"""PostgreSQL's types, resolved from the catalog, and what of them can be carried as bytes."""

from __future__ import annotations

from collections.abc import Iterable

from asyncpg import Record

from elute_connector.domain.datatype import Attribute, DataType, TypeKind, TypeOrigin

_KINDS = {
    "b": TypeKind.BASE,
    "e": TypeKind.ENUM,
    "c": TypeKind.COMPOSITE,
    "d": TypeKind.DOMAIN,
    "r": TypeKind.RANGE,
    "m": TypeKind.MULTIRANGE,
    "p": TypeKind.PSEUDO,
}

_OBJECT_IDENTIFIERS = frozenset(
    f"reg{kind}"
    for kind in [
        *("class", "collation", "config", "database", "dictionary", "namespace"),
        *("oper", "operator", "proc", "procedure", "role", "type"),
    ]
)
"""Types whose binary format is a number that means another object, or none, in another database."""

TypeKey = tuple[int, int]
"""A type's object identifier and modifier."""


def portable(data_type: DataType) -> bool:
    """Whether the binary format of a type means the same in another database, through all its parts."""
    return data_type.sendable and not any(
        part.origin is TypeOrigin.BUILTIN and part.name in _OBJECT_IDENTIFIERS for part in data_type.parts
    )


class TypeResolver:
    """Resolves the types of one catalog; equal types are one object."""

    def __init__(self, rows: Iterable[Record]) -> None:
        self._rows: dict[TypeKey, Record] = {(row["oid"], row["typmod"]): row for row in rows}
        self._resolved: dict[TypeKey, DataType] = {}

    def resolve(self, oid: int, typmod: int) -> DataType:
        """Resolve a type with its modifier, down to its parts."""
        key = (oid, typmod)
        if key not in self._resolved:
            self._resolved[key] = self._build(self._rows[key], typmod)
        return self._resolved[key]

    def listed(self) -> tuple[DataType, ...]:
        """The types that the database's own users made, ordered by name."""
        found = {
            oid: self.resolve(oid, -1) for (oid, typmod), row in self._rows.items() if row["listed"] and typmod == -1
        }
        return tuple(sorted(found.values(), key=lambda item: (item.schema, item.name)))

    def _build(self, row: Record, typmod: int) -> DataType:
        element = self._element(row, typmod)
        is_array = row["array_of"] is not None
        formatted, plain = _names(row)
        if is_array and element is not None and element.origin is not TypeOrigin.BUILTIN:
            formatted, plain = f"{element.formatted}[]", f"{element.plain}[]"
        return DataType(
            kind=TypeKind.ARRAY if is_array else _KINDS[row["kind"]],
            schema=row["schema"],
            name=row["name"],
            formatted=formatted,
            plain=plain,
            origin=TypeOrigin(row["origin"]),
            extension=row["extension"],
            typmod=typmod,
            send=row["send"],
            receivable=row["receivable"],
            labels=tuple(row["labels"]),
            attributes=self._attributes(row),
            element=element,
            constrained=row["constrained"],
        )

    def _element(self, row: Record, typmod: int) -> DataType | None:
        if row["array_of"] is not None:
            return self.resolve(row["array_of"], typmod)
        if row["domain_of"] is not None:
            return self.resolve(row["domain_of"], row["domain_typmod"])
        return self.resolve(row["range_of"], -1) if row["range_of"] is not None else None

    def _attributes(self, row: Record) -> tuple[Attribute, ...]:
        if row["attribute_names"] is None:
            return ()
        parts = zip(row["attribute_names"], row["attribute_oids"], row["attribute_typmods"], strict=True)
        return tuple(Attribute(name, self.resolve(oid, typmod)) for name, oid, typmod in parts)


def _names(row: Record) -> tuple[str, str]:
    """Write a type's name with and without its modifier, independent of the session's search path."""
    formatted, plain = row["formatted"], row["plain"]
    if row["origin"] == "builtin":
        return formatted, plain
    return row["full_name"] + formatted.removeprefix(plain), row["full_name"]
