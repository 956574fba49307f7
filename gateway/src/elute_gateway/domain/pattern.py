"""Patterns over the names of datasets and columns: `public.*_log`, `*.customers.{first,last}_name`, `public."a.b".id`.

A pattern has one glob for each part of a name, divided by dots. In a glob `*` stands for any characters, none
included, of that part alone; `{a,b}` stands for `a` or `b`; what is quoted, or is no special character, stands for
itself, upper and lower case apart.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Self

from elute_gateway.domain.names import PLAIN

MAX_LENGTH = 1_000
"""The most characters of a pattern."""
MAX_ALTERNATIVES = 256
"""The most alternatives that the braces of one glob may multiply to."""

Chunks = tuple[str, ...]
"""A glob without braces: its literal texts, with a `*` between each two."""


class PatternError(ValueError):
    """A pattern is malformed; the message says how and quotes nothing but the pattern."""


@dataclass(frozen=True, slots=True)
class Glob:
    """One part of a pattern, as all its alternatives."""

    alternatives: tuple[Chunks, ...]

    @property
    def literals(self) -> tuple[str, ...] | None:
        """The only names that it matches, or None when there is a `*` in it."""
        if any(len(chunks) > 1 for chunks in self.alternatives):
            return None
        return tuple(chunks[0] for chunks in self.alternatives)

    def matches(self, name: str) -> bool:
        """Whether the whole name is one that the glob stands for."""
        return any(_fits(chunks, name) for chunks in self.alternatives)


def _fits(chunks: Chunks, name: str) -> bool:
    # Taking each middle text at its first occurrence is enough, and keeps the time linear where a regular
    # expression would go back and forth between the stars.
    if len(chunks) == 1:
        return chunks[0] == name
    first, *middle, last = chunks
    if len(name) < len(first) + len(last) or not name.startswith(first) or not name.endswith(last):
        return False
    position, end = len(first), len(name) - len(last)
    for text in middle:
        found = name.find(text, position, end)
        if found < 0:
            return False
        position = found + len(text)
    return True


@dataclass(frozen=True, slots=True)
class DatasetPattern:
    """A pattern over datasets, and where in the document it stands (a JSON pointer)."""

    text: str
    schema: Glob
    dataset: Glob
    pointer: str = ""

    @classmethod
    def parse(cls, text: str, pointer: str = "") -> Self:
        """Read `schema.dataset`.

        Raises:
            PatternError: It is malformed.
        """
        schema, dataset = _globs(text, ("schema", "dataset"))
        return cls(text, schema, dataset, pointer)


@dataclass(frozen=True, slots=True)
class ColumnPattern:
    """A pattern over columns, and where in the document it stands (a JSON pointer)."""

    text: str
    schema: Glob
    dataset: Glob
    column: Glob
    pointer: str = ""

    @classmethod
    def parse(cls, text: str, pointer: str = "") -> Self:
        """Read `schema.dataset.column`.

        Raises:
            PatternError: It is malformed.
        """
        schema, dataset, column = _globs(text, ("schema", "dataset", "column"))
        return cls(text, schema, dataset, column, pointer)


def _globs(text: str, parts: tuple[str, ...]) -> list[Glob]:
    if len(text) > MAX_LENGTH:
        raise PatternError(f"a pattern has at most {MAX_LENGTH:,} characters")
    globs = _Reader(text).globs()
    if len(globs) != len(parts):
        raise PatternError(f"pattern {text!r} has {len(globs)} parts instead of {len(parts)}: {'.'.join(parts)}")
    return globs


class _Reader:
    """Reads one pattern from left to right."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def globs(self) -> list[Glob]:
        globs = [self._glob()]
        while self._peek() == ".":
            self._at += 1
            globs.append(self._glob())
        if self._peek():
            raise self._error(f"stray {self._peek()!r}")
        return globs

    def _glob(self) -> Glob:
        # Each piece is a list of alternatives; the glob's own are their product.
        pieces: list[list[Chunks]] = []
        while self._peek() == "{" or self._peek() not in ("", ".", ",", "}"):
            pieces.append(self._braces() if self._peek() == "{" else [self._piece()])
        if not pieces:
            raise self._error("empty part")
        combinations = 1
        for piece in pieces:
            combinations *= len(piece)
        if combinations > MAX_ALTERNATIVES:
            raise self._error(f"more than {MAX_ALTERNATIVES} alternatives")
        joined = (_joined(parts) for parts in itertools.product(*pieces))
        return Glob(tuple(dict.fromkeys(joined)))

    def _braces(self) -> list[Chunks]:
        self._at += 1
        alternatives = [self._sequence()]
        while self._peek() == ",":
            self._at += 1
            alternatives.append(self._sequence())
        if self._peek() != "}":
            raise self._error("unclosed {" if not self._peek() else f"stray {self._peek()!r} between braces")
        self._at += 1
        return alternatives

    def _sequence(self) -> Chunks:
        pieces = []
        while self._peek() not in ("", ",", "}", "{", "."):
            pieces.append(self._piece())
        if not pieces:
            raise self._error("empty alternative")
        return _joined(pieces)

    def _piece(self) -> Chunks:
        character = self._peek()
        if character == "*":
            self._at += 1
            return ("", "")
        if character == '"':
            return (self._quoted(),)
        plain = PLAIN.match(self._text, self._at)
        if plain is None:
            raise self._error(f"{character!r} must stand between double quotes")
        self._at = plain.end()
        return (plain.group(),)

    def _quoted(self) -> str:
        characters: list[str] = []
        self._at += 1
        while (character := self._peek()) and not (character == '"' and self._peek(1) != '"'):
            characters.append(character)
            self._at += 2 if character == '"' else 1
        if not character:
            raise self._error("unclosed quote")
        self._at += 1
        return "".join(characters)

    def _peek(self, ahead: int = 0) -> str:
        return self._text[self._at + ahead : self._at + ahead + 1]

    def _error(self, what: str) -> PatternError:
        return PatternError(f"pattern {self._text!r} has at character {self._at + 1}: {what}")


def _joined(pieces: list[Chunks] | tuple[Chunks, ...]) -> Chunks:
    """Put pieces side by side: the last text of one and the first of the next become one."""
    chunks = [""]
    for piece in pieces:
        chunks[-1] += piece[0]
        chunks.extend(piece[1:])
    # Two stars in a row are one.
    return (chunks[0], *(text for text in chunks[1:-1] if text), chunks[-1]) if len(chunks) > 1 else (chunks[0],)
