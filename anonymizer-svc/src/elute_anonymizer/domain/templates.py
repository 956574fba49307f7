"""Find the characters of formatted values that are to be encrypted, and leave the format in place.

A value such as `+49 (30) 1234-567` is symbols of an alphabet among separators. The symbols of all rows lie in one flat
array; rows with as many symbols form a matrix that a cipher takes at once, and its result goes back to the same places.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from elute_anonymizer.domain.aes import BLOCK
from elute_anonymizer.domain.columns import Bytes, Flags, Ints
from elute_anonymizer.domain.ff1 import Symbols
from elute_anonymizer.domain.text import Text

_SEPARATOR, _FOREIGN = 0xFE, 0xFF


@dataclass(frozen=True, slots=True)
class Alphabet:
    """The symbols of a format, and the characters that may stand between them.

    Attributes:
        characters: The symbols in the order of their values, ASCII.
        separators: What stays as it is.
    """

    characters: str
    separators: str

    def codes(self, data: Bytes) -> Bytes:
        """Return the symbol of every byte: its value, or a mark of a separator or of a foreign byte."""
        table = np.full(256, _FOREIGN, np.uint8)
        table[np.frombuffer(self.separators.encode(), np.uint8)] = _SEPARATOR
        table[np.frombuffer(self.characters.encode(), np.uint8)] = np.arange(len(self.characters))
        # Several times as fast as indexing the table by the bytes.
        return np.frombuffer(data.tobytes().translate(table.tobytes()), np.uint8)


class Template:
    """The symbols of n values.

    Attributes:
        fits: Which values consist of symbols and separators alone, n flags.
        starts: Where each value's symbols begin among all symbols, n positions.
        counts: How many symbols each value has, n counts.
    """

    def __init__(self, text: Text, alphabet: Alphabet) -> None:
        self._letters = np.frombuffer(alphabet.characters.encode(), np.uint8)
        codes = alphabet.codes(text.data)
        ends = text.starts + text.lengths
        self.fits: Flags = np.ones(len(ends), np.bool_)
        is_foreign = codes == _FOREIGN
        # The zeros past the end are always foreign; counting is left out where nothing else is.
        if is_foreign[: len(codes) - BLOCK].any():
            foreign = _running(is_foreign)
            self.fits = foreign[ends] == foreign[text.starts]
        is_symbol = codes < _SEPARATOR
        seen = _running(is_symbol)
        self.starts: Ints = seen[text.starts]
        self.counts: Ints = seen[ends] - self.starts
        self._places = np.flatnonzero(is_symbol)
        self.symbols: Symbols = codes[self._places].astype(np.uint16)
        self._data = text.data.copy()

    def groups(self, chosen: Flags, skipped: Ints) -> Iterator[tuple[Ints, Ints]]:
        """Group values by the number of their symbols that are not skipped.

        Args:
            chosen: Which values to group, n flags; each has more symbols than are skipped.
            skipped: How many symbols to leave out at the start of each value, n counts.

        Yields:
            m rows of k such symbols each, and an (m, k) matrix of the places of these among all symbols.
        """
        counts = np.where(chosen, self.counts - skipped, 0)
        first = self.starts + skipped
        # Rows that are not chosen count 0 symbols.
        for count in 1 + np.flatnonzero(np.bincount(counts)[1:]):
            rows = np.flatnonzero(counts == count)
            yield rows, first[rows, None] + np.arange(count)

    def symbol(self, place: int) -> Symbols:
        """Return every value's symbol at a place, 0 the first; for a value without so many it is of no meaning."""
        if len(self.symbols) == 0:
            return np.zeros(len(self.starts), np.uint16)
        found: Symbols = self.symbols[np.minimum(self.starts + place, len(self.symbols) - 1)]
        return found

    def write(self, places: Ints, symbols: Symbols) -> None:
        """Put symbols at places among all symbols, matrices of the same shape."""
        self._data[self._places[places]] = self._letters[symbols]

    @property
    def data(self) -> Bytes:
        """The bytes of all values with what was written."""
        return self._data


def _running(flags: Flags) -> Ints:
    """Count the set flags before every position; one entry more than flags."""
    counts = np.zeros(len(flags) + 1, np.int64)
    np.cumsum(flags, out=counts[1:])
    return counts


def luhn_digits(payload: Symbols) -> Symbols:
    """Compute the check digit of every payload of decimal digits.

    Args:
        payload: An (n, k) matrix of digits without the check digit.

    Source:
        ISO/IEC 7812-1, annex B.
    """
    doubled = payload[:, ::-1].copy()
    doubled[:, ::2] *= 2
    doubled[doubled > 9] -= 9
    check: Symbols = ((10 - doubled.sum(axis=1) % 10) % 10).astype(np.uint16)
    return check
