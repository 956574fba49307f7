"""From a pipeline to a plan: what is there, what happens to it, what speaks against it, all of it at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from elute_gateway.application.planning_ports import Cleaning, ColumnFacts, Judgement, Scrubbing, Stores, TargetAnswer
from elute_gateway.domain.assignment import Assignment
from elute_gateway.domain.catalog import Catalog
from elute_gateway.domain.checks import check
from elute_gateway.domain.connection import Connection
from elute_gateway.domain.coverage import Coverage, cover
from elute_gateway.domain.drafting import draft, with_binding, with_effects
from elute_gateway.domain.matching import NameIndex
from elute_gateway.domain.names import ColumnName, DatasetName
from elute_gateway.domain.pipeline import Pipeline, Step
from elute_gateway.domain.plan import ColumnPlan, Plan
from elute_gateway.domain.policy import Change, PolicyVersion, change_problem, compare, treatment_changes
from elute_gateway.domain.problems import Kind, errors
from elute_gateway.domain.selection import Selection, no_match, select
from elute_gateway.domain.stream import Stream, unchanged
from elute_wire.errors import KeyUnavailable, Problem, Severity


class Pinning(StrEnum):
    """What a plan may change of the policy that was pinned before."""

    EXACT = "exact"
    """Nothing: a run does what was pinned, or does not begin."""
    REVISE = "revise"
    """What the document says; what has changed in the source stays an open question."""
    ACCEPT = "accept"
    """Everything: a person has looked at what changed in the source."""


@dataclass(frozen=True, slots=True)
class Planner:
    """Plans pipelines with the help of the three services."""

    stores: Stores
    cleaning: Cleaning
    scrubbing: Scrubbing

    async def plan(
        self,
        pipeline: Pipeline,
        source: Connection,
        target: Connection,
        *,
        pinned: PolicyVersion | None = None,
        pinning: Pinning = Pinning.REVISE,
    ) -> Plan:
        """Plan a pipeline; never fails for what is wrong with it, but says so in the plan's problems.

        Args:
            pipeline: What a person declared.
            source: Its source's connection.
            target: Its target's connection.
            pinned: The policy version of the last accepted plan; None for the first.
            pinning: What may differ from it.

        Raises:
            StoreError: A store cannot be reached or read.
            PlanRefused: A store is of a kind that no run can use.
            ServiceUnavailable: A service does not answer.
        """
        catalog = await self.stores.discover(source)
        selection = select(pipeline.source, catalog)
        problems = [*selection.problems]
        streams = await self._streams(pipeline, selection, problems)
        coverage = cover(pipeline.scrub, streams) if pipeline.scrub else Coverage({}, ())
        problems += coverage.problems
        plan = draft(pipeline, selection, streams, coverage.assignments)
        plan = await self._judged(plan, streams, problems)
        plan = await self._bound(plan, catalog, source, target, problems)
        problems += check(pipeline, plan, streams, coverage.assignments)
        changes = _changes(pinned, plan.policy, catalog)
        problems += _change_problems(changes, pinned, plan.policy, pinning)
        return replace(plan, changes=tuple(changes), problems=_told(problems, coverage.assignments))

    async def _streams(
        self, pipeline: Pipeline, selection: Selection, problems: list[Problem]
    ) -> Mapping[DatasetName, Stream]:
        steps = _steps(pipeline, selection, problems)
        streams = {
            name: unchanged(dataset, steps.get(name, ())) for name, dataset in sorted(selection.datasets.items())
        }
        with_steps = [stream for stream in streams.values() if stream.steps]
        if with_steps:
            for answer in await self.cleaning.validate(with_steps):
                streams[answer.stream.dataset.name] = answer.stream
                problems += answer.problems
        return streams

    async def _judged(self, plan: Plan, streams: Mapping[DatasetName, Stream], problems: list[Problem]) -> Plan:
        if plan.policy is None:
            return plan
        facts = {dataset.name: _facts(streams[dataset.name], dataset.columns) for dataset in plan.datasets}
        try:
            answer = await self.scrubbing.validate(plan, facts)
        except KeyUnavailable as error:
            # A missing key is a fault of the document like any other, and hides none of the others.
            problem = Problem(error.code, error.message, error.hint, Severity.ERROR, "/scrub/key_ring")
            answer = Judgement({}, 0, (problem,))
        problems += answer.problems
        return with_effects(plan, answer.effects, answer.key_version)

    async def _bound(
        self, plan: Plan, catalog: Catalog, source: Connection, target: Connection, problems: list[Problem]
    ) -> Plan:
        if not plan.datasets:
            return plan
        answer = await self.stores.plan_target(plan, source, target, catalog.types)
        problems += answer.problems
        return _with_bindings(plan, answer)


def _steps(pipeline: Pipeline, selection: Selection, problems: list[Problem]) -> dict[DatasetName, tuple[Step, ...]]:
    """Find the steps of each dataset; several patterns for one dataset add up, in the document's order."""
    index = NameIndex(dict.fromkeys(selection.datasets, ()))
    steps: dict[DatasetName, tuple[Step, ...]] = {}
    for part in pipeline.cleaning:
        names = index.datasets(part.pattern)
        if not names:
            problems.append(no_match(part.pattern, index))
        for name in names:
            steps[name] = (*steps.get(name, ()), *part.steps)
    return steps


def _facts(stream: Stream, columns: Sequence[ColumnPlan]) -> list[ColumnFacts]:
    """Say what must hold for a dataset's covered columns."""
    dataset = stream.dataset
    keyed = {name for key in dataset.unique_keys for name in key.columns}
    keyed |= {name for key in dataset.foreign_keys for name in key.columns}
    computed = {name for key in dataset.unique_keys if key.expression for name in key.columns}
    covered = {column.name for column in columns if column.treatment}
    return [
        ColumnFacts(
            name=field.name,
            formatted=field.type,
            type=field.source.type if field.source else None,
            logical=field.logical,
            nullable=field.nullable,
            unique=field.origin in keyed,
            loose_equality=field.origin in computed or (field.source is not None and field.source.loose_equality),
        )
        for field in stream.fields
        if field.name in covered
    ]


def _with_bindings(plan: Plan, answer: TargetAnswer) -> Plan:
    datasets = (
        with_binding(dataset, found.columns, through_root=found.load_through_root, as_text=found.text_mode)
        if (found := answer.bindings.get(dataset.name))
        else dataset
        for dataset in plan.datasets
    )
    return replace(plan, datasets=tuple(datasets))


def _changes(pinned: PolicyVersion | None, policy: PolicyVersion | None, catalog: Catalog) -> list[Change]:
    if pinned is None or policy is None:
        return []
    return [*compare(pinned, catalog), *treatment_changes(pinned, policy)]


def _change_problems(
    changes: list[Change], pinned: PolicyVersion | None, policy: PolicyVersion | None, pinning: Pinning
) -> list[Problem]:
    problems = [problem for change in changes if (problem := change_problem(change))]
    if pinning is Pinning.ACCEPT:
        return [problem for problem in problems if problem.severity is not Severity.ERROR]
    changed = (pinned.digest if pinned else "") != (policy.digest if policy else "")
    if pinning is Pinning.EXACT and changed and not errors(problems):
        message = "the document makes another policy than the one that was pinned"
        problems.append(Kind.POLICY_CHANGED.problem(message, hint="save the pipeline again", pointer="/scrub"))
    return problems


_WEIGHTS = (Severity.ERROR, Severity.WARNING, Severity.NOTE)


def _told(problems: list[Problem], assignments: Mapping[ColumnName, Assignment]) -> tuple[Problem, ...]:
    """Put what must be mended first, each problem once, with the pattern of its column where it has no pointer."""
    pointers = {(str(name.dataset), name.column): found.pointer for name, found in assignments.items()}
    placed = (
        problem if problem.pointer else replace(problem, pointer=pointers.get((problem.dataset, problem.column), ""))
        for problem in problems
    )
    return tuple(sorted(dict.fromkeys(placed), key=lambda problem: _WEIGHTS.index(problem.severity)))
