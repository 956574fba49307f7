"""FPE: encrypt the digits or letters of a formatted value and leave its format in place.

The symbols of a value are encrypted by FF1 as one string; separators stay where they are. The result has the same
length and alphabet, distinct values stay distinct, and who holds the key can decrypt. Formats:

* `digits`, `lower`, `upper`, `letters`, `lower_alphanumeric`, `upper_alphanumeric`, `alphanumeric`: an alphabet.
* `phone`: digits; behind a leading `+` or `00` the country code stays, else the leading zeros.
* `card`: digits; the last is the Luhn digit: valid numbers stay valid, and others stay wrong by as much.

Values of so few symbols that FF1 is not defined (below a million strings) get a keyed permutation of all strings of
their length. A value with a character outside of the format is masked or refused. NULL stays NULL and '' stays ''.
"""

from __future__ import annotations

import string
from collections.abc import Callable
from functools import cache
from typing import Literal, Self

import numpy as np
import pyarrow as pa
from pydantic import Field, model_validator

from elute_anonymizer.application.options import Options
from elute_anonymizer.domain import numerals
from elute_anonymizer.domain.columns import Column, Flags, Ints, pc
from elute_anonymizer.domain.dialling import prefixes
from elute_anonymizer.domain.ff1 import FF1, LEAST_VALUES
from elute_anonymizer.domain.keys import DomainKey
from elute_anonymizer.domain.numerals import Symbols, luhn_digits
from elute_anonymizer.domain.permutation import Permutation
from elute_anonymizer.domain.technique import (
    TEXTUAL,
    Cells,
    ColumnFacts,
    Definition,
    Equality,
    Exercise,
    Kept,
    Need,
    Uniqueness,
    Verdict,
)
from elute_anonymizer.domain.templates import Alphabet, Template
from elute_anonymizer.domain.text import Text
from elute_wire.errors import ValueRejected
from elute_wire.schema import LogicalType

_ALPHABETS = {
    "digits": string.digits,
    "phone": string.digits,
    "card": string.digits,
    "lower": string.ascii_lowercase,
    "upper": string.ascii_uppercase,
    "letters": string.ascii_letters,
    "lower_alphanumeric": string.digits + string.ascii_lowercase,
    "upper_alphanumeric": string.digits + string.ascii_uppercase,
    "alphanumeric": string.digits + string.ascii_letters,
}
Format = Literal[
    "digits",
    "phone",
    "card",
    "lower",
    "upper",
    "letters",
    "lower_alphanumeric",
    "upper_alphanumeric",
    "alphanumeric",
]
_BOTH_CASES = frozenset({"letters", "alphanumeric"})
_SEPARATORS = " -./()+"
_CARD_DIGITS = (8, 19)


class Config(Options):
    """Which symbols are encrypted."""

    format: Format
    """What the values are made of."""
    keep_first: int = Field(0, ge=0, le=12)
    """How many symbols at the start stay; not for `phone`, which keeps its country code."""
    others: Literal["mask", "refuse"] = Field("mask", exclude=True)
    """What becomes of a value of another format: asterisks, or the end of the run; a unique column needs `refuse`."""

    @model_validator(mode="after")
    def _phone_keeps_its_own(self) -> Self:
        if self.format == "phone" and self.keep_first:
            raise ValueError("a phone number keeps its country code, not keep_first symbols")
        return self


class Fpe:
    """Encrypts the symbols of every value in place."""

    def __init__(self, config: Config, _logical: LogicalType, key: DomainKey) -> None:
        self._config = config
        self._alphabet = Alphabet.of(_ALPHABETS[config.format], _SEPARATORS)
        self._radix = len(self._alphabet.letters)
        self._key = key
        # One cipher per length, made when the first value of that length comes.
        self._cipher = cache(self._made)

    def apply(self, cells: Cells) -> Column:
        """Return the encrypted values."""
        text = Text.of(cells.values)
        template = Template(text, self._alphabet)
        kept, is_national = self._kept(text, template)
        fits = template.fits & (template.counts > kept)
        if self._config.format == "card":
            fits &= (template.counts >= _CARD_DIGITS[0]) & (template.counts <= _CARD_DIGITS[1])
        symbols, ends = template.numerals
        starts, counts = ends[:-1] + kept, np.where(fits, template.counts - kept, 0)
        for count in 1 + np.flatnonzero(np.bincount(counts)[1:]):
            rows = np.flatnonzero(counts == count)
            self._encrypt(symbols, starts[rows], int(count), is_national[rows])
        return self._settled(cells, text, template.written(), fits)

    def _kept(self, text: Text, template: Template) -> tuple[Ints, Flags]:
        """Count the symbols at the start of each value that stay, and say which values are national phone numbers."""
        if self._config.format == "phone":
            return prefixes(text, template)
        return np.full(len(text), self._config.keep_first, np.int64), np.zeros(len(text), np.bool_)

    def _encrypt(self, symbols: Symbols, starts: Ints, count: int, is_national: Flags) -> None:
        """Encrypt strings of one length where they lie.

        Args:
            symbols: The symbols of all values.
            starts: Where the m strings begin.
            count: The symbols of each.
            is_national: Which strings are national phone numbers, m flags.
        """
        if self._config.format == "card":
            self._encrypt_cards(symbols, starts, count)
            return
        cipher = self._cipher(count)
        cipher(symbols, starts)
        # A national number's first digit behind its trunk zero is none. One that became a zero would be read as
        # another trunk zero, and two numbers could meet: walking on until it is none keeps the whole one to one.
        walking = starts[is_national]
        while (walking := walking[symbols[walking] == 0]).size:
            cipher(symbols, walking)

    def _encrypt_cards(self, symbols: Symbols, starts: Ints, count: int) -> None:
        """Encrypt all but the check digits, and make these wrong by as much as they were, which keeps it one to one."""
        # The symbols that stay count for the check digit too; they lie right in front of the others.
        whole, checks = starts - self._config.keep_first, starts + count - 1
        covered = self._config.keep_first + count - 1
        error = symbols[checks] + 10 - luhn_digits(symbols, whole, covered)
        self._cipher(count - 1)(symbols, starts)
        symbols[checks] = (luhn_digits(symbols, whole, covered) + error) % 10

    def _made(self, length: int) -> Callable[[Symbols, Ints], None]:
        """Make the cipher of strings of one length."""
        values = self._radix**length
        if values >= LEAST_VALUES:
            return FF1(self._key.derive("fpe"), self._radix, length).apply
        permutation = Permutation(self._key.derive(f"fpe of {length} symbols"), values)

        def permute(symbols: Symbols, starts: Ints) -> None:
            numbers = numerals.read(symbols, starts, length, self._radix)
            numerals.write(permutation.apply(numbers), symbols, starts, length, self._radix)

        return permute

    def _settled(self, cells: Cells, text: Text, encrypted: Column, fits: Flags) -> Column:
        """Mask or refuse what is of another format."""
        foreign = int(np.count_nonzero(~fits & (text.lengths > 0)))
        if not foreign:
            return encrypted
        if self._config.others == "refuse":
            raise ValueRejected(
                f"encrypting: {foreign} of {len(fits)} values are not of format {self._config.format}",
                hint="choose a wider format, or others: mask",
            )
        masks = pc.binary_repeat("*", pc.utf8_length(cells.values))
        return pc.if_else(pa.array(fits), encrypted, masks)


def judge(config: Config, column: ColumnFacts) -> Verdict:
    """A bijection of the values of the format, as long as no two cases of a letter count as equal."""
    folds = config.format in _BOTH_CASES and column.equality is not Equality.EXACT
    keeps = {Kept.NULLS, Kept.EMPTY, Kept.EQUALITY, Kept.LENGTH, Kept.FORMAT}
    if config.keep_first or config.format == "phone":
        keeps.add(Kept.PART)
    return Verdict(
        keeps=frozenset(keeps),
        uniqueness=Uniqueness.LOSSY if folds or config.others == "mask" else Uniqueness.BIJECTIVE,
    )


DEFINITION = Definition(
    name="fpe",
    effect="Encrypts the digits or letters of a formatted value in place.",
    config=Config,
    accepts=TEXTUAL,
    needs=frozenset({Need.KEY}),
    reversible=True,
    judge=judge,
    build=Fpe,
    example={"format": "card", "keep_first": 6},
    exercises=(
        Exercise({"format": "phone"}, Cells(pa.array(["+1 202 5550147"]), LogicalType.TEXT)),
        Exercise({"format": "card"}, Cells(pa.array(["4111 1111 1111 1111"]), LogicalType.TEXT)),
    ),
    source="NIST SP 800-38G Rev. 1 (FF1); ISO/IEC 7812-1 (Luhn); ITU-T E.164",
)
