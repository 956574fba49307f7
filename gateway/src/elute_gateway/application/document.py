"""A pipeline document, read: the pipeline that it declares, or everything that is wrong with it."""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic import ValidationError

from elute_gateway.application.document_model import (
    LimitsPart,
    Part,
    PipelinePart,
    RulePart,
    ScrubPart,
    SourcePart,
    TargetPart,
)
from elute_gateway.application.document_text import DocumentText, json_pointer, read_json, read_yaml
from elute_gateway.application.filters import HINT, FilterError, columns_read
from elute_gateway.domain.assignment import KEEP
from elute_gateway.domain.pattern import ColumnPattern, DatasetPattern, PatternError
from elute_gateway.domain.pipeline import Cleaning, Filter, Limits, Pipeline, Rule, Scrub, Source, Step, Target
from elute_gateway.domain.problems import Kind
from elute_wire.errors import Problem


@dataclass(frozen=True, slots=True)
class Document:
    """A document that was read.

    Attributes:
        pipeline: What it declares; None when there are problems.
        problems: Everything wrong with it, each an error.
        text: Its values and lines.
    """

    pipeline: Pipeline | None
    problems: tuple[Problem, ...]
    text: DocumentText


def parse_yaml(text: str) -> Document:
    """Read a pipeline from YAML."""
    return _document(read_yaml(text))


def parse_json(text: str) -> Document:
    """Read a pipeline from JSON."""
    return _document(read_json(text))


def _document(text: DocumentText) -> Document:
    if text.problems and text.value is None:
        return Document(None, text.problems, text)
    try:
        # By way of JSON, where strictness lets a list be a tuple and a word be a member of an enumeration.
        part = PipelinePart.model_validate_json(json.dumps(text.value), strict=True)
    except ValidationError as error:
        return Document(None, (*text.problems, *_field_problems(error)), text)
    reader = _Reader(list(text.problems))
    pipeline = reader.pipeline(part)
    return Document(None if reader.problems else pipeline, tuple(reader.problems), text)


P = TypeVar("P", DatasetPattern, ColumnPattern)


@dataclass(slots=True)
class _Reader:
    """Turns the parts of a document into the domain's words, and gathers what they cannot say."""

    problems: list[Problem] = field(default_factory=list)

    def pipeline(self, part: PipelinePart) -> Pipeline:
        return Pipeline(
            name=part.pipeline,
            source=self._source(part.source),
            target=Target(
                part.target.connection, part.target.mode, part.target.structure, frozenset(part.target.take_along)
            ),
            scrub=self._scrub(part.scrub) if isinstance(part.scrub, ScrubPart) else None,
            cleaning=tuple(
                Cleaning(pattern, tuple(_steps(part.clean[text], pointer)))
                for text, pointer in ((text, json_pointer(("clean", text))) for text in part.clean)
                for pattern in self._patterns(DatasetPattern.parse, {pointer: text})
            ),
            verify=part.verify,
            limits=Limits(**part.limits.model_dump()),
        )

    def _source(self, part: SourcePart) -> Source:
        return Source(
            connection=part.connection,
            datasets=self._patterns(DatasetPattern.parse, _numbered("/source/datasets", part.datasets)),
            excluded=self._patterns(DatasetPattern.parse, _numbered("/source/except", part.excluded)),
            filters=tuple(
                Filter(pattern, part.where[text], self._columns_read(part.where[text], pointer), pointer)
                for text, pointer in ((text, json_pointer(("source", "where", text))) for text in part.where)
                for pattern in self._patterns(DatasetPattern.parse, {pointer: text})
            ),
        )

    def _scrub(self, part: ScrubPart) -> Scrub:
        keep = self._patterns(ColumnPattern.parse, _numbered("/scrub/keep", part.keep))
        rules = []
        for number, rule in enumerate(part.rules):
            pointer = f"/scrub/rules/{number}"
            columns = self._patterns(ColumnPattern.parse, _numbered(f"{pointer}/columns", rule.columns))
            if rule.technique.name == KEEP:
                # A rule that keeps is a keep, whichever way it is written.
                keep += columns
            else:
                rules.append(_rule(rule, pointer, columns))
        return Scrub(part.key_ring, tuple(rules), keep, part.key_version or 0)

    def _patterns(self, parse: Callable[[str, str], P], texts: Mapping[str, str]) -> tuple[P, ...]:
        patterns = []
        for pointer, text in texts.items():
            try:
                patterns.append(parse(text, pointer))
            except PatternError as error:
                self.problems.append(Kind.INVALID_PATTERN.problem(str(error), pointer=pointer))
        return tuple(patterns)

    def _columns_read(self, expression: str, pointer: str) -> tuple[str, ...]:
        try:
            return columns_read(expression)
        except FilterError as error:
            self.problems.append(Kind.INVALID_FILTER.problem(str(error), pointer=pointer, hint=HINT))
            return ()


def _numbered(pointer: str, texts: list[str]) -> dict[str, str]:
    return {f"{pointer}/{number}": text for number, text in enumerate(texts)}


def _steps(steps: list[Any], pointer: str) -> Iterator[Step]:
    for number, step in enumerate(steps):
        yield Step(step.name, step.config, f"{pointer}/{number}")


def _rule(part: RulePart, pointer: str, columns: tuple[ColumnPattern, ...]) -> Rule:
    name, config = part.technique
    return Rule(pointer, columns, name, config, part.domain, part.subject, tuple(part.trusts))


_PARTS: Mapping[tuple[str, ...], type[Part]] = {
    (): PipelinePart,
    ("source",): SourcePart,
    ("target",): TargetPart,
    ("scrub",): ScrubPart,
    ("scrub", "rules"): RulePart,
    ("limits",): LimitsPart,
}


def _field_problems(error: ValidationError) -> Iterator[Problem]:
    for detail in error.errors(include_url=False, include_input=False):
        location = detail["loc"]
        if location[:1] == ("scrub",):
            # The second step is no field but which of its two forms `scrub` has.
            location = location[:1] + location[2:]
        pointer = json_pointer(location)
        if detail["type"] == "extra_forbidden":
            yield Kind.UNKNOWN_FIELD.problem(
                f"there is no field {location[-1]!r} here", hint=_near_miss(location), pointer=pointer
            )
        else:
            message = detail["msg"].removeprefix("Value error, ")
            yield Kind.INVALID_FIELD.problem(
                f"field {location[-1]!r}: {message}" if location else message, pointer=pointer
            )


def _near_miss(location: tuple[int | str, ...]) -> str:
    part = _PARTS.get(tuple(step for step in location[:-1] if isinstance(step, str)))
    if part is None:
        return ""
    names = [info.alias or name for name, info in part.model_fields.items()]
    near = difflib.get_close_matches(str(location[-1]), names, n=1)
    return f"did you mean {near[0]!r}?" if near else f"the fields here are {', '.join(names)}"
