"""Examine a policy: everything wrong with it at once, and what becomes of every column, before a row moves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from pydantic import ValidationError

from elute_anonymizer.application.options import Options
from elute_anonymizer.application.policy import Effect, Pin, Policy, Rule
from elute_anonymizer.domain.canonical import CANONICAL_TYPES
from elute_anonymizer.domain.technique import ColumnFacts, Definition, Need, problems
from elute_wire.errors import Problem
from elute_wire.registry import load
from elute_wire.schema import KEPT, LogicalType


@dataclass(frozen=True, slots=True)
class Treatment:
    """What is to be done to one column.

    Attributes:
        column: The column.
        pointer: `keep`, or the rule's pointer.
        definition: The technique.
        options: Its options, valid.
        domain: What pseudonyms are shared under.
        subject: The column that holds the subject; empty without one.
    """

    column: ColumnFacts
    pointer: str
    definition: Definition[Any]
    options: Options
    domain: str = ""
    subject: str = ""

    @property
    def effect(self) -> Effect:
        """What becomes of the column."""
        definition = self.definition
        return Effect(
            column=self.column.name,
            treatment=self.pointer,
            summary=definition.effect,
            verdict=definition.judge(self.options, self.column),
            reversible=definition.reversible,
            keyed=Need.KEY in definition.needs,
            reads_values=LogicalType.OPAQUE not in definition.accepts,
            logical=self.column.logical,
        )


@dataclass(frozen=True, slots=True)
class Examination:
    """All that can be said of a policy before a row moves.

    Attributes:
        treatments: What is to be done, for every column whose treatment is well defined, in the columns' order.
        problems: Everything wrong.
    """

    treatments: tuple[Treatment, ...]
    problems: tuple[Problem, ...]

    @property
    def effects(self) -> tuple[Effect, ...]:
        """What becomes of the columns, in order."""
        return tuple(
            treatment.effect
            for treatment in self.treatments
            if treatment.column.logical in treatment.definition.accepts
        )


@cache
def techniques() -> Mapping[str, Definition[Any]]:
    """Return every technique by its name."""
    return load("elute_anonymizer.techniques", Definition)


def examine(policy: Policy, columns: Sequence[ColumnFacts]) -> Examination:
    """Examine a policy over the columns that come in.

    Args:
        policy: The policy.
        columns: The columns, in order; one that travels opaque has `LogicalType.OPAQUE`.
    """
    facts = {column.name: column for column in columns}
    found = [*_coverage_problems(policy, facts)]
    chosen: dict[str, Treatment] = {}
    for rule in policy.rules:
        parsed = _parsed(rule)
        if isinstance(parsed, list):
            found.extend(parsed)
            continue
        definition, options = parsed
        found.extend(_rule_problems(rule, definition, facts))
        pointer = KEPT if definition.name == KEPT else rule.pointer
        for pin in rule.columns:
            if column := facts.get(pin.name):
                chosen[pin.name] = Treatment(column, pointer, definition, options, rule.domain, rule.subject)
                misfits = problems(definition, options, column)
                found.extend(replace(misfit, pointer=rule.pointer, column=pin.name) for misfit in misfits)
    keep = techniques()[KEPT]
    chosen |= {
        pin.name: Treatment(facts[pin.name], KEPT, keep, keep.config()) for pin in policy.kept if pin.name in facts
    }
    return Examination(
        treatments=tuple(chosen[column.name] for column in columns if column.name in chosen),
        problems=tuple(replace(problem, dataset=policy.dataset) for problem in found),
    )


def _coverage_problems(policy: Policy, facts: Mapping[str, ColumnFacts]) -> Iterator[Problem]:
    """Find columns that nobody treats, several treat, or that are not what the policy was saved for."""
    claims: list[tuple[Pin, str]] = [(pin, rule.pointer) for rule in policy.rules for pin in rule.columns]
    claims += [(pin, "") for pin in policy.kept]
    treated: dict[str, str] = {}
    for pin, pointer in claims:
        if pin.name in treated:
            message = f"column {pin.name} is treated twice"
            hint = f"it is also treated by {treated[pin.name] or 'keep'}: leave it out of one"
            yield Problem("column-treated-twice", message, hint, pointer=pointer, column=pin.name)
        treated[pin.name] = pointer
        column = facts.get(pin.name)
        if column is None:
            hint = "take it out of the policy, or select it"
            yield Problem("unknown-column", f"column {pin.name} does not exist", hint, pointer=pointer, column=pin.name)
        elif column.source_type != pin.source_type:
            message = (
                f"column {pin.name} has type {column.source_type} and was {pin.source_type} when the policy was saved"
            )
            yield Problem(
                "column-changed", message, "look at it and save the policy again", pointer=pointer, column=pin.name
            )
    for name in facts:
        if name not in treated:
            hint = "write a rule for it, or keep it"
            yield Problem("uncovered-column", f"column {name} is neither ruled nor kept", hint, column=name)


def _parsed(rule: Rule) -> tuple[Definition[Any], Options] | list[Problem]:
    """Read a rule's technique and options, or say what is wrong with them."""
    definition = techniques().get(rule.technique)
    if definition is None:
        hint = f"choose one of {', '.join(techniques())}"
        return [Problem("unknown-technique", f"there is no technique {rule.technique}", hint, pointer=rule.pointer)]
    try:
        return definition, definition.config.model_validate_json(rule.config)
    except ValidationError as error:
        at = f"{rule.pointer}/technique/{rule.technique}"
        return [
            Problem(
                "invalid-option",
                f"{rule.technique}: {detail['msg']}",
                pointer="/".join([at, *(str(step) for step in detail["loc"])]),
            )
            # Without the input: options may hold what a person typed in the wrong place.
            for detail in error.errors(include_url=False, include_input=False, include_context=False)
        ]


def _rule_problems(rule: Rule, definition: Definition[Any], facts: Mapping[str, ColumnFacts]) -> Iterator[Problem]:
    """Find what is wrong with a rule beside its columns and options."""
    if Need.KEY in definition.needs and not rule.domain:
        message = f"{definition.name} makes pseudonyms, and the rule names no domain to share them under"
        yield Problem("domain-missing", message, "name the kind of value, for example email", pointer=rule.pointer)
    needs_subject = Need.SUBJECT in definition.needs
    if needs_subject != bool(rule.subject):
        need = "needs a subject column" if needs_subject else "takes no subject"
        yield Problem("subject-misfit", f"{definition.name} {need}", pointer=rule.pointer)
    elif rule.subject:
        subject = facts.get(rule.subject)
        if subject is None or subject.logical not in CANONICAL_TYPES:
            message = f"the subject {rule.subject} is no column whose values can be compared"
            hint = "choose a key column of the same dataset, read in the typed lane"
            yield Problem("subject-unusable", message, hint, pointer=rule.pointer, column=rule.subject)
