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

from collections.abc import Callable, Mapping
from functools import cache
from typing import Literal, Self

import pyarrow as pa
from pydantic import Field, model_validator

from elute_anonymizer.application.options import Options
from elute_anonymizer.application.pools import pool
from elute_anonymizer.domain.cmac import ColumnMac
from elute_anonymizer.domain.columns import Bytes, Column, Words, pc
from elute_anonymizer.domain.draws import (
    SUFFIX_CHARACTERS,
    below,
    characters,
    digits,
    enclosed,
    joined,
    lanes,
    pick,
    suffix,
)
from elute_anonymizer.domain.keys import DomainKey
from elute_anonymizer.domain.technique import TEXTUAL, Cells, ColumnFacts, Definition, Kept, Need, Uniqueness, Verdict
from elute_anonymizer.domain.text import fixed_width, where_filled
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
_LONGEST_NAME: Mapping[str, int] = {"unique": 8 + 1 + 8 + 1 + SUFFIX_CHARACTERS, "natural": 8 + 1 + 8 + 1 + 2}
_HOUSE_NUMBERS = pa.array([f"{number} " for number in range(1, 1000)])
_EXAMPLE = "example.com"
_ALIAS_CHARACTERS = 12
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
        self._config = config
        self._mac = ColumnMac(key.derive("fake"))
        self._host_mac = ColumnMac(key.derive("fake mail host"))
        # A host that would not fit behind the longest name is not kept.
        self._room = config.longest - _LONGEST_NAME[config.form] - 1

    def apply(self, cells: Cells) -> Column:
        """Return an invented value for every value with content."""
        words = self._mac.words(cells.canonical)
        if self._config.kind not in _ADDRESS_KINDS:
            return where_filled(cells.values, _DRAWS[self._config.kind](words))
        return where_filled(cells.values, self._named(words, cells))

    def _named(self, words: Words, cells: Cells) -> Column:
        """Write a name in the letters a to z, and a host behind it where an address is wanted."""
        first, second, third, _ = lanes(words)
        names = (pick(_dotted("first_names"), first), pick(_dotted("last_names"), second))
        end = suffix(words) if self._config.form == "unique" else digits(below(third, 100), 2)
        if self._config.kind == "user_name":
            return joined("", *names, fixed_width(end))
        if self._config.mail_host == "example":
            return joined("", *names, fixed_width(enclosed("", end, f"@{_EXAMPLE}")))
        return joined("", *names, fixed_width(enclosed("", end, "@")), self._hosts(cells.canonical))

    def _hosts(self, addresses: Column) -> Column:
        """Return the part behind every address's @, as the options want it."""
        parts = pc.split_pattern(addresses, "@", max_splits=1, reverse=True)
        last = pc.subtract(pc.add(parts.offsets[:-1], pc.list_value_length(parts)), 1)
        # Hosts repeat: what is done to them is done to the distinct ones of the batch. Without an @ there is no host.
        found = pc.if_else(pc.equal(pc.list_value_length(parts), 2), parts.values.take(last), "").dictionary_encode()
        is_host = pc.match_substring_regex(found.dictionary, r"^[A-Za-z0-9.-]+$")
        hosts = pc.if_else(is_host, found.dictionary, _EXAMPLE)
        if self._config.mail_host == "alias":
            first, second, _, _ = lanes(self._host_mac.words(pc.ascii_lower(hosts)))
            half = _ALIAS_CHARACTERS // 2
            hosts = fixed_width(enclosed("", characters((first, half), (second, half)), ".example"))
        hosts = pc.if_else(pc.less_equal(pc.utf8_length(hosts), self._room), hosts, _EXAMPLE)
        return hosts.take(found.indices)


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


def _first_name(words: Words) -> Column:
    return pick(pool("first_names").words, lanes(words)[0])


def _last_name(words: Words) -> Column:
    return pick(pool("last_names").words, lanes(words)[1])


def _full_name(words: Words) -> Column:
    return joined(" ", _first_name(words), _last_name(words))


def _company(words: Words) -> Column:
    return joined(" ", _last_name(words), pick(pool("company_suffixes").words, lanes(words)[2]))


def _house_number(words: Words) -> Column:
    return pick(_HOUSE_NUMBERS, lanes(words)[0])


def _street_name(words: Words) -> Column:
    return pick(pool("streets").words, lanes(words)[1])


def _street(words: Words) -> Column:
    return joined("", _house_number(words), _street_name(words))


def _city(words: Words) -> Column:
    return pick(pool("cities").words, lanes(words)[2])


def _postcode_digits(words: Words) -> Bytes:
    return digits(below(lanes(words)[3], 90_000) + 10_000, 5)


def _postcode(words: Words) -> Column:
    return fixed_width(_postcode_digits(words))


def _address(words: Words) -> Column:
    middle = fixed_width(enclosed(", ", _postcode_digits(words), " "))
    return joined("", _house_number(words), _street_name(words), middle, _city(words))


def _country(words: Words) -> Column:
    return pick(pool("countries").words, lanes(words)[0])


def _phone(words: Words) -> Column:
    first, second, third, _ = lanes(words)
    # Area codes have the form [2-9][0-8]x; 555-0100 to 555-0199 is kept free for fiction.
    area = (below(first, 8) + 2) * 100 + below(second, 90)
    number = 1_000_555_01_00 + area * 10_000_000 + below(third, 100)
    return fixed_width(enclosed("+", digits(number, 11), ""))


@cache
def _dotted(name: str) -> Column:
    """Return a pool's words in the letters a to z, each with the dot that follows it in an address."""
    return joined("", pool(name).slugs, ".")


_DRAWS: Mapping[str, Callable[[Words], Column]] = {
    "first_name": _first_name,
    "last_name": _last_name,
    "full_name": _full_name,
    "company": _company,
    "street": _street,
    "address": _address,
    "city": _city,
    "postcode": _postcode,
    "country": _country,
    "phone": _phone,
}

DEFINITION = Definition(
    name="fake",
    effect="Replaces every value by an invented one of its kind, the same for the same value.",
    config=Config,
    accepts=TEXTUAL,
    needs=frozenset({Need.KEY}),
    judge=judge,
    build=Fake,
    example={"kind": "email", "mail_host": "keep"},
    source="NIST SP 800-38B (AES-CMAC); words from Faker, https://faker.readthedocs.io",
)
