"""FF1: encrypt strings of an alphabet into strings of the same alphabet and length, a column at a time.

Every Feistel round encrypts one block per row, so all rows of a round go through AES in one call and the arithmetic
is numpy's. Three ways, chosen by the larger half's number of values M = radix^ceil(n/2):

* M ≤ 2^56 (32 digits, 18 alphanumerics): 64-bit words, reducing the round's output by as many bits at a time as fit;
* longer strings: Python integers, one value at a time. They are rare, and a few thousand a second is enough.

Source:
    NIST SP 800-38G Revision 1 (draft of February 2019), algorithms 7 and 8; domains of one million values at least.
"""

from __future__ import annotations

from enum import Enum

import numpy as np
import numpy.typing as npt

from elute_anonymizer.domain.aes import AES, BLOCK
from elute_anonymizer.domain.columns import Words

LEAST_VALUES = 1_000_000
"""The smallest domain that the standard allows."""

_ROUNDS = 10
_CHUNK_ROWS = 8192
_WORD_LIMIT = 1 << 56

Symbols = npt.NDArray[np.uint16]


class Direction(Enum):
    """Which way the cipher runs."""

    ENCRYPT = 1
    DECRYPT = -1


class FF1:
    """FF1 with AES under one key and tweak, over strings of `length` symbols.

    Args:
        key: 16, 24 or 32 bytes.
        radix: The number of symbols, 2 to 65536.
        length: The symbols of each string, at least 2.
        tweak: Public bytes that select one permutation of many.

    Raises:
        ValueError: The domain has fewer than a million values.
    """

    def __init__(self, key: bytes, radix: int, length: int, tweak: bytes = b"") -> None:
        if not 2 <= radix <= 1 << 16 or length < 2 or radix**length < LEAST_VALUES:
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

    def apply(self, symbols: Symbols, direction: Direction = Direction.ENCRYPT) -> Symbols:
        """Encrypt or decrypt strings.

        Args:
            symbols: An (n, length) array of values below the radix.
            direction: Which way.
        """
        if self.radix**self.right > _WORD_LIMIT:
            rows = [self._one([int(symbol) for symbol in row], direction) for row in symbols]
            return np.array(rows, np.uint16).reshape(symbols.shape)
        result = np.empty_like(symbols)
        for start in range(0, len(symbols), _CHUNK_ROWS):
            chunk = symbols[start : start + _CHUNK_ROWS]
            halves = self._numbers(chunk[:, : self.left]), self._numbers(chunk[:, self.left :])
            left, right = self.halves(*halves, direction)
            self._write(left, result[start : start + _CHUNK_ROWS, : self.left])
            self._write(right, result[start : start + _CHUNK_ROWS, self.left :])
        return result

    def halves(self, left: Words, right: Words, direction: Direction = Direction.ENCRYPT) -> tuple[Words, Words]:
        """Run the ten rounds on strings whose two halves are already numbers (each half at most 2^56 values).

        Args:
            left: n numbers below radix^floor(length / 2).
            right: n numbers below radix^ceil(length / 2).
            direction: Which way.

        Returns:
            The two halves of the result.
        """
        for number in range(_ROUNDS)[:: direction.value]:
            modulus = self.radix ** (self.left if number % 2 == 0 else self.right)
            if direction is Direction.ENCRYPT:
                left, right = right, (left + self._round_word(number, right, modulus)) % np.uint64(modulus)
            else:
                step = self._round_word(number, left, modulus)
                left, right = (right + np.uint64(modulus) - step) % np.uint64(modulus), left
        return left, right

    def _round_word(self, number: int, half: Words, modulus: int) -> Words:
        """Compute the round function of n halves modulo `modulus`."""
        fixed = self._tail + bytes([number]) + bytes(self._half_bytes)
        # What all rows share of the block is combined with the chained prefix once. The half is at most 7 bytes here,
        # so it lies within the block's second word.
        first, second = np.frombuffer(_xored(self._prefix, fixed), np.uint64)
        blocks = np.empty((len(half), 2), np.uint64)
        blocks[:, 0] = first
        np.bitwise_xor(half.byteswap(), second, out=blocks[:, 1])
        output = self._aes.columns(blocks.view(np.uint8)).view(np.uint64)
        return _reduced(output, self._output_bytes, modulus)

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

    def _numbers(self, symbols: Symbols) -> Words:
        result = np.zeros(len(symbols), np.uint64)
        for column in symbols.T:
            result = result * np.uint64(self.radix) + column
        return result

    def _write(self, numbers: Words, symbols: Symbols) -> None:
        for place in range(symbols.shape[1] - 1, -1, -1):
            rest = numbers // np.uint64(self.radix)
            symbols[:, place] = numbers - rest * np.uint64(self.radix)
            numbers = rest


def _reduced(output: Words, size: int, modulus: int) -> Words:
    """Reduce the first `size` bytes of n 16-byte big-endian numbers modulo `modulus`, at most 2^56.

    Args:
        output: An (n, 2) array: the words of the numbers' bytes as they lie in memory.
        size: 8 or 12 bytes.
        modulus: What to reduce by.
    """
    divisor = np.uint64(modulus)
    result = output[:, 0].byteswap() % divisor
    if size == 8:
        return result
    # As many bits per turn as keep `rest * 2^step` within a word.
    step = next(bits for bits in (32, 16, 8) if modulus <= 1 << (64 - bits))
    rest = output[:, 1].byteswap()
    for shift in range(64 - step, 31, -step):
        limb = (rest >> np.uint64(shift)) & np.uint64((1 << step) - 1)
        result = ((result << np.uint64(step)) | limb) % divisor
    return result


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
