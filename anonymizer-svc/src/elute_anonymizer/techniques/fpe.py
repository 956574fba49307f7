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
from elute_anonymizer.domain.columns import Column, Flags, Ints, pc
from elute_anonymizer.domain.dialling import country_code_lengths
from elute_anonymizer.domain.ff1 import FF1, LEAST_VALUES, Symbols
from elute_anonymizer.domain.keys import DomainKey
from elute_anonymizer.domain.permutation import Permutation
from elute_anonymizer.domain.technique import (
    TEXTUAL,
    Cells,
    ColumnFacts,
    Definition,
    Equality,
    Kept,
    Need,
    Uniqueness,
    Verdict,
)
from elute_anonymizer.domain.templates import Alphabet, Template, luhn_digits
from elute_anonymizer.domain.text import Text, where_filled
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
        self._alphabet = Alphabet(_ALPHABETS[config.format], _SEPARATORS)
        self._radix = len(self._alphabet.characters)
        self._key = key
        # One cipher per length, made when the first value of that length comes.
        self._cipher = cache(self._made)

    def apply(self, cells: Cells) -> Column:
        """Return the encrypted values."""
        text = Text.of(cells.values)
        template = Template(text, self._alphabet)
        kept = self._kept(text, template)
        fits = template.fits & (template.counts > kept)
        if self._config.format == "card":
            fits &= (template.counts >= _CARD_DIGITS[0]) & (template.counts <= _CARD_DIGITS[1])
        for rows, places in template.groups(fits, kept):
            template.write(places, self._encrypted(text, template, rows, places))
        return where_filled(cells.values, self._settled(cells, text, text.with_data(template.data), fits))

    def _kept(self, text: Text, template: Template) -> Ints:
        """Count the symbols at the start of each value that stay."""
        if self._config.format != "phone":
            return np.full(len(text.starts), self._config.keep_first, np.int64)
        first, second, third, fourth = (template.symbol(place) for place in range(4))
        dialled = np.where(first == 0, np.where(second == 0, 2 + country_code_lengths(third, fourth), 1), 0)
        return np.where(_has_plus(text), country_code_lengths(first, second), dialled)

    def _encrypted(self, text: Text, template: Template, rows: Ints, places: Ints) -> Symbols:
        """Encrypt a group of values.

        Args:
            text: All values of the batch.
            template: Their symbols.
            rows: Which m values.
            places: An (m, k) matrix: where their symbols to encrypt lie.
        """
        symbols = template.symbols[places]
        if self._config.format == "card":
            payload = self._cipher(places.shape[1] - 1)(symbols[:, :-1])
            return _with_check_digits(template, places, payload, self._config.keep_first)
        cipher = self._cipher(places.shape[1])
        encrypted = cipher(symbols)
        if self._config.format == "phone":
            # A national number's first digit behind its trunk zero is none. One that became a zero would be read as
            # another trunk zero, and two numbers could meet: walking on until it is none keeps the whole one to one.
            abroad = _has_plus(text) | ((template.symbol(0) == 0) & (template.symbol(1) == 0))
            national = ~abroad[rows]
            while (walked := np.flatnonzero(national & (encrypted[:, 0] == 0))).size:
                encrypted[walked] = cipher(encrypted[walked])
        return encrypted

    def _made(self, length: int) -> Callable[[Symbols], Symbols]:
        """Make the cipher of strings of one length."""
        values = self._radix**length
        if values >= LEAST_VALUES:
            return FF1(self._key.derive("fpe"), self._radix, length).apply
        permutation = Permutation(self._key.derive(f"fpe of {length} symbols"), values)
        weights = self._radix ** np.arange(length - 1, -1, -1, dtype=np.uint64)

        def permute(symbols: Symbols) -> Symbols:
            numbers = permutation.apply((symbols * weights).sum(axis=1, dtype=np.uint64))
            permuted: Symbols = (numbers[:, None] // weights % np.uint64(self._radix)).astype(np.uint16)
            return permuted

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
        masks = pc.binary_repeat("*", pc.fill_null(pc.utf8_length(cells.values), 0))
        return pc.if_else(pa.array(fits), encrypted, masks)


def _has_plus(text: Text) -> Flags:
    """Say which values start with a plus."""
    plus: Flags = text.data[text.starts] == ord("+")
    return plus


def _with_check_digits(template: Template, places: Ints, encrypted: Symbols, ahead: int) -> Symbols:
    """Append the Luhn digit to encrypted payloads, wrong by as much as the original was, which keeps it one to one."""
    # The symbols that stay count for the check digit too; they lie right in front of the others.
    whole = np.concatenate([places[:, :1] - np.arange(ahead, 0, -1), places], axis=1)
    digits = template.symbols[whole]
    error = (digits[:, -1] + 10 - luhn_digits(digits[:, :-1])) % 10
    digits[:, ahead:-1] = encrypted
    digits[:, -1] = (luhn_digits(digits[:, :-1]) + error) % 10
    checked: Symbols = digits[:, ahead:]
    return checked


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
    source="NIST SP 800-38G Rev. 1 (FF1); ISO/IEC 7812-1 (Luhn); ITU-T E.164",
)
