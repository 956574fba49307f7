"""FF1: encrypt strings of an alphabet into strings of the same alphabet and length, a column at a time.

Every Feistel round encrypts one block per row, so all rows of a round go through AES in one call; compiled loops
build the blocks before it and reduce its output after it. Two ways, chosen by the larger half's number of values
M = radix^ceil(n/2):

* M ≤ 2^56 (32 digits, 18 alphanumerics): 64-bit words, reducing the round's output by as many bits at a time as fit;
* longer strings: Python integers, one value at a time. They are rare, and a few thousand a second is enough.

Source:
    NIST SP 800-38G Revision 1 (draft of February 2019), algorithms 7 and 8; domains of one million values at least.
"""

from __future__ import annotations

from enum import Enum

import numpy as np

from elute_anonymizer.domain import numerals
from elute_anonymizer.domain.aes import AES, BLOCK
from elute_anonymizer.domain.columns import Ints, Words
from elute_anonymizer.domain.numerals import Symbols
from elute_wire.compiled import compiled

LEAST_VALUES = 1_000_000
"""The smallest domain that the standard allows."""

_ROUNDS = 10
_CHUNK_ROWS = 8192
"""Rows at a time: their blocks stay in the processor's second-level cache."""

_WORD_LIMIT = 1 << 56
_LARGEST_RADIX = 256
"""A symbol is a byte here; the standard goes up to 65536."""


class Direction(Enum):
    """Which way the cipher runs."""

    ENCRYPT = 1
    DECRYPT = -1


class FF1:
    """FF1 with AES under one key and tweak, over strings of `length` symbols.

    Args:
        key: 16, 24 or 32 bytes.
        radix: The number of symbols, 2 to 256.
        length: The symbols of each string, at least 2.
        tweak: Public bytes that select one permutation of many.

    Raises:
        ValueError: The domain has fewer than a million values.
    """

    def __init__(self, key: bytes, radix: int, length: int, tweak: bytes = b"") -> None:
        if not 2 <= radix <= _LARGEST_RADIX or length < 2 or radix**length < LEAST_VALUES:
            raise ValueError(f"FF1 is not defined for {length} symbols of {radix}")
        self.radix = radix
        self.left = length // 2
        self.right = length - self.left
        self._aes = AES(key)
        self._half_bytes = (((radix**self.right) - 1).bit_length() + 7) // 8
        self._output_bytes = 4 * ((self._half_bytes + 3) // 4) + 4
        header = b"\x01\x02\x01" + radix.to_bytes(3, "big") + bytes([_ROUNDS, self.left % 256])
        header += length.to_bytes(4, "big") + len(tweak).to_bytes(4, "big")
        padded = tweak + bytes((-len(tweak) - self._half_bytes - 1) % BLOCK)
        # Everything before the round number and the half is the same for all rows and rounds: chain it once. What is
        # left of the padded tweak opens the block that ends in them.
        fixed = header + padded
        whole = len(fixed) // BLOCK * BLOCK
        self._prefix = self._chained(bytes(BLOCK), fixed[:whole])
        self._tail = fixed[whole:]

    def apply(self, symbols: Symbols, starts: Ints, direction: Direction = Direction.ENCRYPT) -> None:
        """Encrypt or decrypt strings where they lie.

        Args:
            symbols: The symbols of all rows, values below the radix.
            starts: Where the n strings begin.
            direction: Which way.
        """
        if self.radix**self.right > _WORD_LIMIT:
            for start in starts.tolist():
                string = symbols[start : start + self.left + self.right]
                string[:] = self._one(string.tolist(), direction)
            return
        middles = starts + self.left
        left = numerals.read(symbols, starts, self.left, self.radix)
        right = numerals.read(symbols, middles, self.right, self.radix)
        self.halves(left, right, direction)
        numerals.write(left, symbols, starts, self.left, self.radix)
        numerals.write(right, symbols, middles, self.right, self.radix)

    def halves(self, left: Words, right: Words, direction: Direction = Direction.ENCRYPT) -> None:
        """Run the ten rounds, in place, on strings whose two halves are already numbers of at most 2^56 values.

        Args:
            left: n numbers below radix^floor(length / 2).
            right: n numbers below radix^ceil(length / 2).
            direction: Which way.
        """
        for start in range(0, len(left), _CHUNK_ROWS):
            stop = start + _CHUNK_ROWS
            self._rounds(left[start:stop], right[start:stop], direction)

    def _rounds(self, left: Words, right: Words, direction: Direction) -> None:
        encrypt = self._aes.encryptor()
        blocks, output = np.empty((len(left), 2), np.uint64), np.empty((len(left) + 1, 2), np.uint64)
        for number in range(_ROUNDS)[:: direction.value]:
            modulus = self.radix ** (self.left if number % 2 == 0 else self.right)
            source, target = (right, left) if direction is Direction.ENCRYPT else (left, right)
            # What all rows share of the block is combined with the chained prefix once.
            shared = _xored(self._prefix, self._tail + bytes([number]) + bytes(self._half_bytes))
            _write_blocks(source, np.frombuffer(shared, np.uint64), blocks)
            encrypt(blocks, output)
            _add(output, self._output_bytes, modulus, direction.value, target)
            left, right = right, left

    def _one(self, symbols: list[int], direction: Direction) -> list[int]:
        """Encrypt or decrypt one string in Python integers, of any length."""
        left = _number(symbols[: self.left], self.radix)
        right = _number(symbols[self.left :], self.radix)
        for number in range(_ROUNDS)[:: direction.value]:
            modulus = self.radix ** (self.left if number % 2 == 0 else self.right)
            if direction is Direction.ENCRYPT:
                left, right = right, (left + self._round_integer(number, right)) % modulus
            else:
                left, right = (right - self._round_integer(number, left)) % modulus, left
        return _symbols(left, self.radix, self.left) + _symbols(right, self.radix, self.right)

    def _round_integer(self, number: int, half: int) -> int:
        """Compute the round function of one half, not reduced."""
        last = self._tail + bytes([number]) + half.to_bytes(self._half_bytes, "big")
        first = self._chained(self._prefix, last)
        output = first
        for counter in range(1, (self._output_bytes + BLOCK - 1) // BLOCK):
            output += self._aes.block(_xored(first, counter.to_bytes(BLOCK, "big")))
        return int.from_bytes(output[: self._output_bytes], "big")

    def _chained(self, state: bytes, data: bytes) -> bytes:
        """Continue a CBC-MAC over whole blocks."""
        for start in range(0, len(data), BLOCK):
            state = self._aes.block(_xored(state, data[start : start + BLOCK]))
        return state


@compiled
def _write_blocks(halves: Words, shared: Words, blocks: Words) -> None:
    """Write the blocks that a round encrypts.

    Args:
        halves: n numbers of at most 7 bytes, so that they lie within the second word of a block, big-endian.
        shared: The two words of what is the same for all rows.
        blocks: (n, 2): gets the words of the blocks.
    """
    for row in range(len(halves)):
        blocks[row, 0] = shared[0]
        blocks[row, 1] = shared[1] ^ _swapped(halves[row])


@compiled
def _add(output: Words, size: int, modulus: int, sign: int, halves: Words) -> None:
    """Add what a round encrypted to the other halves, or subtract it.

    Args:
        output: At least (n, 2): the words of the encrypted blocks.
        size: How many bytes of each block count, 8 or 12, as a big-endian number.
        modulus: What halves are reduced by, at most 2^56.
        sign: 1 to add, -1 to subtract.
        halves: n numbers below the modulus: gets the sums.
    """
    divisor = np.uint64(modulus)
    # As many bits of the second word at a time as keep `value * 2^step` within 64 bits.
    step = 32 if modulus <= 1 << 32 else 16 if modulus <= 1 << 48 else 8
    turns = 0 if size == 8 else 32 // step
    for row in range(len(halves)):
        value, rest = _swapped(output[row, 0]) % divisor, _swapped(output[row, 1])
        for _ in range(turns):
            value = (value << np.uint64(step) | rest >> np.uint64(64 - step)) % divisor
            rest <<= np.uint64(step)
        if sign < 0:
            value = divisor - value
        total = halves[row] + value
        halves[row] = total - divisor if total >= divisor else total


@compiled
def _swapped(word: np.uint64) -> np.uint64:
    """Reverse the bytes of a word, which the compiler makes one instruction of."""
    odd, even = np.uint64(0xFF00FF00FF00FF00), np.uint64(0x00FF00FF00FF00FF)
    word = (word & odd) >> np.uint64(8) | (word & even) << np.uint64(8)
    odd, even = np.uint64(0xFFFF0000FFFF0000), np.uint64(0x0000FFFF0000FFFF)
    word = (word & odd) >> np.uint64(16) | (word & even) << np.uint64(16)
    return word >> np.uint64(32) | word << np.uint64(32)


def _xored(left: bytes, right: bytes) -> bytes:
    return (int.from_bytes(left, "big") ^ int.from_bytes(right, "big")).to_bytes(BLOCK, "big")


def _number(symbols: list[int], radix: int) -> int:
    result = 0
    for symbol in symbols:
        result = result * radix + symbol
    return result


def _symbols(number: int, radix: int, length: int) -> list[int]:
    result = [0] * length
    for place in range(length - 1, -1, -1):
        number, result[place] = divmod(number, radix)
    return result
