"""The types of a relational store, resolved down to what their values are made of."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache


class TypeKind(StrEnum):
    """How a type is made."""

    BASE = "base"
    ENUM = "enum"
    COMPOSITE = "composite"
    DOMAIN = "domain"
    ARRAY = "array"
    RANGE = "range"
    MULTIRANGE = "multirange"
    PSEUDO = "pseudo"


class TypeOrigin(StrEnum):
    """Who defines a type, hence whether its name means the same in another database."""

    BUILTIN = "builtin"
    EXTENSION = "extension"
    USER = "user"


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute of a composite type."""

    name: str
    type: DataType


@dataclass(frozen=True, slots=True)
class DataType:
    """A resolved type: nothing in it depends on the object identifiers of one database.

    Attributes:
        kind: How the type is made.
        schema: The schema that holds it.
        name: Its bare name, for example `numeric`.
        formatted: Its full name with its modifier, for example `numeric(10,2)`; user types are qualified and quoted.
        plain: The same without modifier: what a cast that must not change the value names.
        origin: Who defines it.
        extension: The extension that owns it, or None.
        typmod: The modifier as the server stores it; -1 means none.
        send: The quoted, qualified function that yields the binary format, None where there is none.
        receivable: Whether the server has a function that reads the binary format.
        labels: An enumeration's labels in their order.
        attributes: A composite's attributes in their order.
        element: An array's element, a domain's base, a range's subtype, a multirange's range; else None.
        constrained: Whether a domain has checks or refuses NULL.
    """

    kind: TypeKind
    schema: str
    name: str
    formatted: str
    plain: str
    origin: TypeOrigin = TypeOrigin.BUILTIN
    extension: str | None = None
    typmod: int = -1
    send: str | None = None
    receivable: bool = False
    labels: tuple[str, ...] = ()
    attributes: tuple[Attribute, ...] = ()
    element: DataType | None = None
    constrained: bool = False

    @property
    def base(self) -> DataType:
        """The type itself, or what a domain (of a domain …) is over."""
        return self.element.base if self.kind is TypeKind.DOMAIN and self.element else self

    @property
    def parts(self) -> Iterator[DataType]:
        """The type and, depth first, every type that it is made of."""
        yield self
        if self.element:
            yield from self.element.parts
        for attribute in self.attributes:
            yield from attribute.type.parts

    @property
    def sendable(self) -> bool:
        """Whether the type and all its parts have a binary format in both directions."""
        return all(part.send is not None and part.receivable for part in self.parts)

    @property
    def fingerprint(self) -> str:
        """SHA-256 (hex) over the structure: equal exactly where one's binary format may be read as the other's.

        A domain counts as what it is over: it has the same bytes, and the reading server checks its constraints.
        Names of user types do not count, only what they are made of.
        """
        return _fingerprint(self)


@lru_cache(maxsize=8192)
def _fingerprint(data_type: DataType) -> str:
    return hashlib.sha256(json.dumps(_structure(data_type)).encode()).hexdigest()


def _structure(data_type: DataType) -> list[object]:
    base = data_type.base
    element = _structure(base.element) if base.element else None
    match base.kind:
        case TypeKind.ENUM:
            return ["enum", *base.labels]
        case TypeKind.COMPOSITE:
            return ["composite", *([a.name, _structure(a.type)] for a in base.attributes)]
        case TypeKind.ARRAY:
            return ["array", element]
        case TypeKind.RANGE | TypeKind.MULTIRANGE if base.origin is TypeOrigin.USER:
            return [base.kind.value, element]
        case _:
            # An extension may live in another schema there; a type that neither the server nor an extension
            # defines is known by its full name alone.
            owner = base.extension or base.schema
            return [base.kind.value, base.origin.value, owner, base.name, base.typmod]
