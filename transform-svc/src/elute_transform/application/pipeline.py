"""The steps of one dataset, judged before a row moves: what goes on, and every problem at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from elute_transform.application.options import read_options
from elute_transform.domain.column import POLARS_TYPES, Columns
from elute_transform.domain.step import AnyDefinition, Change, nearest
from elute_wire.errors import Problem, Severity
from elute_wire.schema import Lane

Definitions = Mapping[str, AnyDefinition]
"""The known steps by name."""


@dataclass(frozen=True, slots=True)
class Step:
    """A step as a pipeline names it.

    Attributes:
        name: Which step.
        config: Its configuration, a JSON object.
        pointer: Where it stands in the pipeline's document, a JSON pointer.
    """

    name: str
    config: str
    pointer: str


@dataclass(frozen=True, slots=True)
class Work:
    """A step, and what it changes."""

    step: Step
    change: Change


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the steps of a dataset make of its columns.

    Attributes:
        columns: The columns that go on.
        origins: By outgoing name the incoming column that it is, renamed or cleaned or as it was; None for a column
            that a step made.
        carried: By outgoing name the incoming column that no step wrote: its values pass untouched.
        touched: The incoming columns whose values a step reads.
        changed: The outgoing columns that a step wrote.
        works: What each step does, in order.
        problems: Everything wrong.
    """

    columns: Columns
    origins: Mapping[str, str | None]
    carried: Mapping[str, str]
    touched: frozenset[str]
    changed: frozenset[str]
    works: tuple[Work, ...]
    problems: tuple[Problem, ...]

    @property
    def errors(self) -> tuple[Problem, ...]:
        """The problems that let nothing run."""
        return tuple(problem for problem in self.problems if problem.severity is Severity.ERROR)


def validate(dataset: str, steps: Sequence[Step], columns: Columns, definitions: Definitions) -> Outcome:
    """Judge the steps of a dataset, each by the columns that those before it let through.

    Args:
        dataset: Its name, for the problems.
        steps: The steps in their order.
        columns: The columns that come in.
        definitions: The known steps.
    """
    course = _Course(columns)
    for step in steps:
        problems = course.follow(step, definitions)
        course.problems.extend(
            replace(problem, pointer=step.pointer + problem.pointer, dataset=dataset) for problem in problems
        )
    return course.outcome()


class _Course:
    """The columns on their way through the steps."""

    def __init__(self, columns: Columns) -> None:
        self._columns = dict(columns)
        self._origins: dict[str, str | None] = {name: name for name in columns}
        self._carried = {name: name for name in columns}
        self._touched: set[str] = set()
        self._works: list[Work] = []
        self.problems: list[Problem] = []

    def follow(self, step: Step, definitions: Definitions) -> list[Problem]:
        """Take the columns through one step, and return what is wrong with it."""
        definition = definitions.get(step.name)
        if definition is None:
            hint = nearest(step.name, definitions) or f"these are: {', '.join(definitions)}"
            return [Problem("unknown-step", f"there is no step {step.name}", hint)]
        config, problems = read_options(definition.config, step.config)
        if config is None:
            return problems
        change = definition.change(config, self._columns)
        unreadable = list(self._unreadable(step.name, change))
        self._advance(change)
        self._works.append(Work(step, change))
        return [*change.problems, *unreadable]

    def outcome(self) -> Outcome:
        """Return where the columns have come to."""
        return Outcome(
            columns=self._columns,
            origins=self._origins,
            carried=self._carried,
            touched=frozenset(self._touched),
            changed=frozenset(self._columns.keys() - self._carried.keys()),
            works=tuple(self._works),
            problems=tuple(self.problems),
        )

    def _unreadable(self, step: str, change: Change) -> Iterator[Problem]:
        for name in sorted(change.reads):
            column = self._columns[name]
            if column.lane is Lane.WIRE:
                message = f"{step} reads column {name}, which travels in the wire lane"
                yield Problem("wire-lane", message, "plan anew: it must travel in the typed lane", column=name)
            elif column.logical not in POLARS_TYPES:
                message = f"{step} reads column {name} of type {column.source_type}, which no step reads"
                yield Problem("opaque-column", message, "leave it out", column=name)
        for name, made in change.makes.items():
            if made.value.meta.has_multiple_outputs():
                # Polars takes `*` and what stands between `^` and `$` for patterns.
                message = f"{step} makes column {name} of one whose name Polars takes for a pattern"
                yield Problem("pattern-name", message, "rename it in a step before", column=name)

    def _advance(self, change: Change) -> None:
        self._touched |= {self._carried[name] for name in change.reads & self._carried.keys()}
        renames = change.renames
        before = {renames.get(name, name): column for name, column in self._columns.items()}
        self._columns = change.outgoing(self._columns)
        self._carried = {renames.get(name, name): incoming for name, incoming in self._carried.items()}
        self._origins = {renames.get(name, name): incoming for name, incoming in self._origins.items()}
        for name, made in change.makes.items():
            self._carried.pop(name, None)
            # What is still of the source's type is still the source's column, only cleaned.
            if name not in before or before[name].source_type != made.column.source_type:
                self._origins[name] = None
