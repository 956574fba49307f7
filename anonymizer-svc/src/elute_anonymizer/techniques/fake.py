"""Fake: replace every value by an invented one of its kind, always the same for the same value.

The canonical value's 128 keyed bits draw words from pinned pools and are written into them. `first_name`, `last_name`,
`full_name`, `company`, `street`, `address`, `city`, `postcode`, `country` and `phone` look real and may collide: two
people can get one name. `email` and `user_name` have two forms:

* `unique`: a name and 20 characters, more than 120 keyed bits together, so that distinct values never meet in practice;
* `natural`: a name and two digits, which may collide.

`mail_host` says what stands behind the @: `example` writes example.com, `keep` the host as it is, `alias` a keyed host
below `.example` that the same host always gets. Phone numbers are the fictional ones of the North American plan
(555-01xx), which reach nobody; `fpe` makes distinct ones. NULL stays NULL and '' stays ''.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from typing import Literal, Self

import pyarrow as pa
from pydantic import Field, model_validator

from elute_anonymizer.application.options import Options
from elute_anonymizer.application.pools import pool
from elute_anonymizer.domain.cmac import ColumnMac
from elute_anonymizer.domain.columns import Column, pc
from elute_anonymizer.domain.draws import Composer, Draw, characters, one_of
from elute_anonymizer.domain.keys import DomainKey
from elute_anonymizer.domain.mail import hosts
from elute_anonymizer.domain.technique import (
    TEXTUAL,
    Cells,
    ColumnFacts,
    Definition,
    Exercise,
    Kept,
    Need,
    Uniqueness,
    Verdict,
)
from elute_anonymizer.domain.text import Text
from elute_wire.schema import LogicalType

Kind = Literal[
    "first_name",
    "last_name",
    "full_name",
    "company",
    "street",
    "address",
    "city",
    "postcode",
    "country",
    "phone",
    "user_name",
    "email",
]
_ADDRESS_KINDS = frozenset({"email", "user_name"})

# Characters of the longest outputs that the pools allow; a test compares them with the pools.
_LONGEST: Mapping[str, int] = {
    "first_name": 10,
    "last_name": 11,
    "full_name": 22,
    "company": 20,
    "street": 24,
    "address": 56,
    "city": 24,
    "postcode": 5,
    "country": 24,
    "phone": 12,
}
_SUFFIX_CHARACTERS = 20
_LONGEST_NAME: Mapping[str, int] = {"unique": 8 + 1 + 8 + 1 + _SUFFIX_CHARACTERS, "natural": 8 + 1 + 8 + 1 + 2}
_EXAMPLE = "example.com"
_ALIAS_CHARACTERS = 12
# More than a column holds: an alias says nothing of the length of its host.
_LONGEST_HOST = 2**31
_HOST_CHARACTERS: Mapping[str, int] = {"example": len(_EXAMPLE), "alias": _ALIAS_CHARACTERS + len(".example")}


class Config(Options):
    """What to invent."""

    kind: Kind
    """The kind of value."""
    form: Literal["unique", "natural"] = "unique"
    """How an e-mail address or a user name looks; a unique column needs `unique`."""
    mail_host: Literal["example", "keep", "alias"] = "example"
    """What stands behind the @ of an e-mail address."""
    longest: int = Field(80, ge=50, le=254)
    """The most characters of an e-mail address: a host that does not fit is not kept."""

    @model_validator(mode="after")
    def _options_of_the_kind(self) -> Self:
        if {"mail_host", "longest"} & self.model_fields_set and self.kind != "email":
            raise ValueError("mail_host and longest go with kind email")
        if "form" in self.model_fields_set and self.kind not in _ADDRESS_KINDS:
            raise ValueError("form goes with kinds email and user_name")
        return self


class Fake:
    """Replaces every value by an invented one."""

    def __init__(self, config: Config, _logical: LogicalType, key: DomainKey) -> None:
        self._mac = ColumnMac(key.derive("fake"))
        self._host_mac = ColumnMac(key.derive("fake mail host"))
        # What does not fit behind the longest name is not kept.
        self._room = config.longest - _LONGEST_NAME[config.form] - 1
        fits = self._room >= _HOST_CHARACTERS.get(config.mail_host, 0)
        self._mail_host = config.mail_host if fits else "example"
        self._composer = _composer(config.kind, config.form, self._mail_host)

    def apply(self, cells: Cells) -> Column:
        """Return an invented value for every value with content."""
        text = Text.of(cells.canonical)
        invented = self._composer.texts(self._mac.words(text), text)
        if self._mail_host == "example":
            return invented
        return pc.binary_join_element_wise(invented, self._hosts(text), "")

    def _hosts(self, addresses: Text) -> Column:
        """Return the part behind every address's @, as it was or as an alias of it."""
        if self._mail_host == "keep":
            return hosts(addresses, self._room, _EXAMPLE)
        found = Text.of(pc.ascii_lower(hosts(addresses, _LONGEST_HOST, _EXAMPLE)))
        return _aliases().texts(self._host_mac.words(found), found)


def judge(config: Config, _column: ColumnFacts) -> Verdict:
    """Equality stays where names cannot meet; a kept host stays."""
    unique = config.kind in _ADDRESS_KINDS and config.form == "unique"
    keeps = {Kept.NULLS, Kept.EMPTY, Kept.FORMAT}
    if unique:
        keeps.add(Kept.EQUALITY)
    if config.kind == "email" and config.mail_host != "example":
        keeps.add(Kept.PART)
    return Verdict(
        keeps=frozenset(keeps),
        uniqueness=Uniqueness.COLLISION_RESISTANT if unique else Uniqueness.LOSSY,
        longest=_longest(config),
    )


def _longest(config: Config) -> int:
    if config.kind not in _ADDRESS_KINDS:
        return _LONGEST[config.kind]
    name = _LONGEST_NAME[config.form]
    if config.kind == "user_name":
        return name
    return config.longest if config.mail_host == "keep" else name + 1 + _HOST_CHARACTERS[config.mail_host]


def _first_name(after: str = "") -> Draw:
    return one_of(pool("first_names").words, 0, after=after)


def _last_name(after: str = "") -> Draw:
    return one_of(pool("last_names").words, 1, after=after)


def _house_number() -> Draw:
    return one_of(pa.array([f"{number} " for number in range(1, 1000)]), 0)


def _street_name(after: str = "") -> Draw:
    return one_of(pool("streets").words, 1, after=after)


def _city() -> Draw:
    return one_of(pool("cities").words, 2)


def _postcode(after: str = "") -> Iterator[Draw]:
    # 10000 and a number below 90000, whose thousands are a number below 90 of the same bits.
    yield one_of(_digits(10, 100), 3)
    yield one_of(_digits(0, 1000), 3, after=after, numbers=90_000)


def _phone() -> Iterator[Draw]:
    # Area codes have the form [2-9][0-8]x; 555-0100 to 555-0199 is kept free for fiction.
    yield one_of(_digits(2, 10), 0, before="+1")
    yield one_of(_digits(0, 90), 1)
    yield one_of(_digits(0, 100), 2, before="55501")


def _digits(least: int, stop: int) -> Column:
    """Write the numbers from `least` on below `stop`, all with as many digits."""
    width = len(str(stop - 1))
    return pa.array([f"{number:0{width}}" for number in range(least, stop)])


def _name(form: str, after: str = "") -> Iterator[Draw]:
    """Draw a name in the letters a to z.

    In its unique form the characters at the end are the lower 20 bits of lanes 0 and 1 and the lower 30 of lanes 2 and
    3. Beside draws of a 4096th from lane 0 and an 8192nd from lane 1, which use their upper bits, 124 of a value's 128
    bits are in the output.
    """
    yield one_of(pool("first_names").slugs, 0, after=".")
    yield one_of(pool("last_names").slugs, 1, after=".")
    if form == "unique":
        for lane, count in enumerate((4, 4, 6, 6)):
            yield from characters(lane, count)
    else:
        yield one_of(_digits(0, 100), 2)
    yield one_of(pa.array([after]), 0)


_DRAWS: Mapping[str, Callable[[], Iterable[Draw]]] = {
    "first_name": lambda: (_first_name(),),
    "last_name": lambda: (_last_name(),),
    "full_name": lambda: (_first_name(after=" "), _last_name()),
    "company": lambda: (_last_name(after=" "), one_of(pool("company_suffixes").words, 2)),
    "street": lambda: (_house_number(), _street_name()),
    "address": lambda: (_house_number(), _street_name(after=", "), *_postcode(after=" "), _city()),
    "city": lambda: (_city(),),
    "postcode": _postcode,
    "country": lambda: (one_of(pool("countries").words, 0),),
    "phone": _phone,
}


@cache
def _composer(kind: str, form: str, mail_host: str) -> Composer:
    """Make what writes the values of a kind, once per process; an address up to its host if that is not the example."""
    match kind:
        case "user_name":
            return Composer(_name(form))
        case "email":
            return Composer(_name(form, f"@{_EXAMPLE}" if mail_host == "example" else "@"))
        case _:
            return Composer(_DRAWS[kind]())


@cache
def _aliases() -> Composer:
    """Make what writes hosts below `.example`."""
    half = _ALIAS_CHARACTERS // 2
    return Composer([*characters(0, half), *characters(1, half), one_of(pa.array([".example"]), 0)])


DEFINITION = Definition(
    name="fake",
    effect="Replaces every value by an invented one of its kind, the same for the same value.",
    config=Config,
    accepts=TEXTUAL,
    needs=frozenset({Need.KEY}),
    judge=judge,
    build=Fake,
    example={"kind": "email", "mail_host": "keep"},
    exercises=(Exercise({"kind": "email", "mail_host": "keep"}, Cells(pa.array(["a@b.example"]), LogicalType.TEXT)),),
    source="NIST SP 800-38B (AES-CMAC); words from Faker, https://faker.readthedocs.io",
)
