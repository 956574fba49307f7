"""Find the characters of formatted values that are to be encrypted, and leave the format in place.

A value such as `+49 (30) 1234-567` is symbols of an alphabet among separators. The symbols of all rows lie in one flat
array, where a cipher replaces those of rows that have as many; then they go back to where they came from.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from elute_anonymizer.domain.columns import Bytes, Column, Flags, Ints
from elute_anonymizer.domain.numerals import Symbols
from elute_anonymizer.domain.text import Strings, Text
from elute_wire.compiled import compiled

_SEPARATOR, _FOREIGN = 0xFE, 0xFF


class Alphabet(NamedTuple):
    """The symbols of a format, and the characters that may stand between them.

    Attributes:
        codes: The code of every byte, 256: the symbol that it is, or the mark of a separator or of a foreign byte.
        letters: The byte of every symbol.
    """

    codes: Bytes
    letters: Bytes

    @classmethod
    def of(cls, characters: str, separators: str) -> Alphabet:
        """Make an alphabet.

        Args:
            characters: The symbols in the order of their values, ASCII.
            separators: What stays as it is.
        """
        codes, letters = np.full(256, _FOREIGN, np.uint8), np.array(list(characters.encode()), np.uint8)
        codes[list(separators.encode())] = _SEPARATOR
        codes[letters] = np.arange(len(letters))
        return cls(codes, letters)


class Numerals(NamedTuple):
    """The symbols of n values as compiled functions take them.

    Attributes:
        symbols: The symbols of all values, one value after the other, and perhaps others behind them.
        ends: Where each value's symbols begin, and where those of the last one end: n + 1 positions from 0 on.
    """

    symbols: Symbols
    ends: Ints


class Template:
    """Where n values have symbols, and which.

    Attributes:
        numerals: The symbols; a cipher may replace them.
        counts: How many symbols each value has, n counts.
        fits: Which values consist of symbols and separators alone, n flags.
    """

    def __init__(self, text: Text, alphabet: Alphabet) -> None:
        self._text, self._alphabet = text, alphabet
        offsets = text.strings.offsets
        self._size = int(offsets[-1] - offsets[0])
        self.numerals = Numerals(np.empty(self._size, np.uint8), np.zeros(len(text) + 1, np.int64))
        self.fits: Flags = np.empty(len(text), np.bool_)
        _scan(text.strings, alphabet, self.numerals, self.fits)
        self.counts: Ints = np.diff(self.numerals.ends)

    def written(self) -> Column:
        """Build the n values with the symbols as they are now; NULL stays NULL."""
        offsets, data = self._text.strings.offsets, np.empty(self._size, np.uint8)
        _write(self._text.strings, self._alphabet, self.numerals, data)
        return self._text.replaced(data, offsets - offsets[0])


@compiled
def _scan(strings: Strings, alphabet: Alphabet, numerals: Numerals, fits: Flags) -> None:
    """Read the symbols of n values.

    Args:
        strings: The values.
        alphabet: Their alphabet.
        numerals: As long as all values together, and zeros: gets the symbols, and where they end.
        fits: n flags: gets which values have no foreign byte.
    """
    end = np.uint64(0)
    for row in range(len(fits)):
        is_foreign = False
        for here in range(strings.offsets[row], strings.offsets[row + 1]):
            code = alphabet.codes[strings.data[np.uint64(here)]]
            if code < _SEPARATOR:
                numerals.symbols[end] = code
                end += np.uint64(1)
            is_foreign |= code == _FOREIGN
        numerals.ends[row + 1] = end
        fits[row] = not is_foreign


@compiled
def _write(strings: Strings, alphabet: Alphabet, numerals: Numerals, data: Bytes) -> None:
    """Copy n values with other symbols.

    Args:
        strings: The values.
        alphabet: Their alphabet.
        numerals: The new symbols, as many as `_scan` found.
        data: As long as all values together: gets their bytes.
    """
    end = np.uint64(0)
    first = strings.offsets[0]
    for place in range(len(data)):
        byte = strings.data[np.uint64(first + place)]
        if alphabet.codes[byte] < _SEPARATOR:
            byte = alphabet.letters[numerals.symbols[end]]
            end += np.uint64(1)
        data[place] = byte
