"""A type's fingerprint is equal exactly where one's bytes may be read as the other's."""

from __future__ import annotations

from dataclasses import replace

import pytest

from elute_connector.domain.datatype import Attribute, DataType, TypeKind, TypeOrigin


def base(name: str, typmod: int = -1, schema: str = "pg_catalog") -> DataType:
    return DataType(TypeKind.BASE, schema, name, name, name, typmod=typmod, send=f"{name}_send", receivable=True)


def user(kind: TypeKind, name: str, **parts: object) -> DataType:
    made = DataType(
        kind, "public", name, f"public.{name}", f"public.{name}", TypeOrigin.USER, send="s", receivable=True
    )
    return replace(made, **parts)  # type: ignore[arg-type]


TEXT, INT = base("text"), base("int4")
MOOD = user(TypeKind.ENUM, "mood", labels=("sad", "ok"))
PAIR = user(TypeKind.COMPOSITE, "pair", attributes=(Attribute("a", INT), Attribute("b", TEXT)))
CITEXT = replace(base("citext", schema="public"), origin=TypeOrigin.EXTENSION, extension="citext")
OWN = replace(base("money_like", schema="public"), origin=TypeOrigin.USER)


def array(element: DataType) -> DataType:
    return user(TypeKind.ARRAY, "_x", element=element)


def domain(over: DataType) -> DataType:
    return user(TypeKind.DOMAIN, "d", element=over, constrained=True)


EQUAL = [
    (MOOD, replace(MOOD, schema="other", name="other", formatted="other.other")),
    (PAIR, replace(PAIR, name="other")),
    (domain(TEXT), TEXT),
    (domain(domain(TEXT)), TEXT),
    (array(domain(MOOD)), array(MOOD)),
    (CITEXT, replace(CITEXT, schema="ext")),
    (user(TypeKind.RANGE, "r", element=INT), user(TypeKind.RANGE, "q", element=INT)),
]
UNEQUAL = [
    (TEXT, INT),
    (base("numeric", 655366), base("numeric", 655367)),
    (base("varchar", 14), base("varchar")),
    (MOOD, replace(MOOD, labels=("ok", "sad"))),
    (PAIR, replace(PAIR, attributes=PAIR.attributes[::-1])),
    (PAIR, replace(PAIR, attributes=(Attribute("a", INT), Attribute("c", TEXT)))),
    (PAIR, replace(PAIR, attributes=(*PAIR.attributes, Attribute("c", TEXT)))),
    (array(PAIR), array(replace(PAIR, attributes=PAIR.attributes[::-1]))),
    (array(INT), INT),
    (CITEXT, replace(CITEXT, extension="other")),
    (OWN, replace(OWN, schema="other")),
    (user(TypeKind.RANGE, "r", element=INT), user(TypeKind.RANGE, "r", element=base("int8"))),
    (user(TypeKind.RANGE, "r", element=INT), user(TypeKind.MULTIRANGE, "r", element=INT)),
]


@pytest.mark.parametrize(("one", "other"), EQUAL)
def test_types_with_the_same_bytes_have_one_fingerprint(one: DataType, other: DataType) -> None:
    assert one.fingerprint == other.fingerprint


@pytest.mark.parametrize(("one", "other"), UNEQUAL)
def test_types_with_other_bytes_have_other_fingerprints(one: DataType, other: DataType) -> None:
    assert one.fingerprint != other.fingerprint


def test_fingerprints_are_the_same_in_every_process() -> None:
    # Plans keep fingerprints: a change of how they are made makes every saved plan stale.
    assert base("int4").fingerprint.startswith("6f1e301e0ae6b262")
    assert PAIR.fingerprint.startswith("1806a76ef8936365")


def test_one_part_without_a_binary_format_makes_the_whole_unsendable() -> None:
    acl = replace(base("aclitem"), send=None)
    assert TEXT.sendable
    assert domain(array(PAIR)).sendable
    assert not array(acl).sendable
    assert not replace(PAIR, attributes=(Attribute("a", acl),)).sendable
    assert not replace(TEXT, receivable=False).sendable
