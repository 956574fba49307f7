"""The text of a document: YAML or JSON, read into plain values that remember their lines.

The YAML is that of JSON with less punctuation: its 1.2 core schema, so that `off` and `no` are words and `2024-01-01`
is text; no anchors, no tags, no second document, no key twice.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from elute_gateway.domain.problems import Kind
from elute_wire.errors import Problem

MAX_CHARACTERS = 1024 * 1024
"""The most characters of a document."""
MAX_DEPTH = 32
"""The most mappings and lists inside each other."""

# libyaml reads a megabyte in a tenth of a second, PyYAML's own parser in ten.
_LOADER = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader

_INTEGER = re.compile(r"[-+]?[0-9]{1,30}")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_WORDS: Mapping[str, object] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}


@dataclass(frozen=True, slots=True)
class DocumentText:
    """A document's values.

    Attributes:
        value: Mappings, lists, texts, numbers, booleans and None; None when the text is malformed.
        lines: The line, counted from 1, of each JSON pointer; empty for JSON.
        problems: What is wrong with the text.
    """

    value: Any
    lines: Mapping[str, int] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()

    def line(self, pointer: str) -> int | None:
        """Return the line of what a JSON pointer names, or of the nearest part around it that has one."""
        while pointer and pointer not in self.lines:
            pointer = pointer.rpartition("/")[0]
        return self.lines.get(pointer)


def escaped(step: object) -> str:
    """Write one step of a JSON pointer (RFC 6901)."""
    return str(step).replace("~", "~0").replace("/", "~1")


def json_pointer(steps: Iterable[object]) -> str:
    """Write a JSON pointer."""
    return "".join(f"/{escaped(step)}" for step in steps)


def read_yaml(text: str) -> DocumentText:
    """Read a YAML text."""
    if problem := _too_long(text):
        return problem
    builder = _Builder()
    try:
        value = builder.document(iter(yaml.parse(text, Loader=_LOADER)))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        return _malformed(f"reading YAML: {where}{error.problem}", {"": mark.line + 1} if mark else {})
    except yaml.YAMLError:
        return _malformed("reading YAML: the text has characters that YAML does not allow")
    except _Refused as error:
        return _malformed(f"reading YAML: line {error.line}: {error}", {"": error.line})
    return _sound(DocumentText(value, builder.lines, tuple(builder.problems)))


def read_json(text: str) -> DocumentText:
    """Read a JSON text."""
    if problem := _too_long(text):
        return problem
    problems: list[Problem] = []

    def mapping(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        built = dict(pairs)
        if len(built) < len(pairs):
            names = [name for name, _ in pairs]
            twice = sorted({name for name in names if names.count(name) > 1})
            problems.extend(Kind.DUPLICATE_KEY.problem(f"key {name!r} stands twice in one mapping") for name in twice)
        return built

    try:
        value = json.loads(text, object_pairs_hook=mapping)
    except json.JSONDecodeError as error:
        return _malformed(f"reading JSON: line {error.lineno}, column {error.colno}: {error.msg}", {"": error.lineno})
    except RecursionError:
        return _malformed("reading JSON: it is too deep")
    return _sound(DocumentText(value, {}, tuple(problems)))


def _too_long(text: str) -> DocumentText | None:
    if len(text) <= MAX_CHARACTERS:
        return None
    return _malformed(f"reading the document: it has more than {MAX_CHARACTERS:,} characters")


def _malformed(message: str, lines: Mapping[str, int] | None = None) -> DocumentText:
    return DocumentText(None, lines or {}, (Kind.MALFORMED_DOCUMENT.problem(message),))


def _sound(document: DocumentText) -> DocumentText:
    """Refuse what no JSON text can hold: numbers that are not finite, and half characters."""
    try:
        json.dumps(document.value, allow_nan=False, ensure_ascii=False).encode()
    except ValueError:
        return _malformed("reading the document: a number is not finite, or a text holds half a character")
    except RecursionError:
        return _malformed("reading the document: it is too deep")
    return document


class _Refused(Exception):
    """A construct of YAML that documents do not have."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.line = line


class _Builder:
    """Builds plain values from the events of a YAML parser, which itself does not recurse."""

    def __init__(self) -> None:
        self.lines: dict[str, int] = {}
        self.problems: list[Problem] = []

    def document(self, events: Iterator[Any]) -> object:
        next(events)  # the stream's start
        if isinstance(next(events), yaml.StreamEndEvent):
            raise _Refused("the document is empty", 1)
        value = self._value(next(events), events, "", 0)
        next(events)  # the document's end
        after = next(events)
        if not isinstance(after, yaml.StreamEndEvent):
            raise _Refused("a second document begins", _line(after))
        return value

    def _value(self, event: Any, events: Iterator[Any], pointer: str, depth: int) -> object:  # noqa: ANN401 - untyped
        self.lines.setdefault(pointer, _line(event))
        if isinstance(event, yaml.AliasEvent) or event.anchor is not None:
            raise _Refused("anchors and aliases are not accepted", _line(event))
        if event.tag is not None:
            raise _Refused("tags are not accepted", _line(event))
        if depth > MAX_DEPTH:
            raise _Refused(f"more than {MAX_DEPTH} parts inside each other", _line(event))
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(events, pointer, depth)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._sequence(events, pointer, depth)
        return _scalar(event)

    def _mapping(self, events: Iterator[Any], pointer: str, depth: int) -> dict[str, object]:
        mapping: dict[str, object] = {}
        while not isinstance(event := next(events), yaml.MappingEndEvent):
            if not isinstance(event, yaml.ScalarEvent) or event.anchor is not None or event.tag is not None:
                raise _Refused("a key must be a plain text", _line(event))
            here = f"{pointer}/{escaped(event.value)}"
            if event.value in mapping:
                message = f"key {event.value!r} stands twice in one mapping, here and in line {self.lines[here]}"
                self.problems.append(Kind.DUPLICATE_KEY.problem(message, pointer=here))
            self.lines[here] = _line(event)
            mapping[event.value] = self._value(next(events), events, here, depth + 1)
        return mapping

    def _sequence(self, events: Iterator[Any], pointer: str, depth: int) -> list[object]:
        items: list[object] = []
        while not isinstance(event := next(events), yaml.SequenceEndEvent):
            items.append(self._value(event, events, f"{pointer}/{len(items)}", depth + 1))
        return items


def _line(event: Any) -> int:  # noqa: ANN401 - PyYAML's events share no typed base
    line: int = event.start_mark.line + 1
    return line


def _scalar(event: yaml.ScalarEvent) -> object:
    """Give a plain scalar its type by YAML's core schema; a quoted one is text."""
    text: str = event.value
    if not event.implicit[0]:
        return text
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) else text
