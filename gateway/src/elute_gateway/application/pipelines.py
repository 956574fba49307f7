"""Pipelines and their policies: planned, saved version by version, previewed, deleted, planned again for their runs."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Protocol

from elute_gateway.application.auditing import Auditing
from elute_gateway.application.connections import ConnectionRecords
from elute_gateway.application.document import Document
from elute_gateway.application.pipeline_versions import DocumentRecords, Form, SavedPipeline, parsed
from elute_gateway.application.plan_json import policy_from_json, policy_to_json
from elute_gateway.application.planning import Pinning, Planner
from elute_gateway.domain.access import Action, Caller, Scope
from elute_gateway.domain.canonical import sha256
from elute_gateway.domain.connection import Connection
from elute_gateway.domain.document import Version
from elute_gateway.domain.identifier import new_id
from elute_gateway.domain.names import DatasetName
from elute_gateway.domain.pipeline import Pipeline
from elute_gateway.domain.plan import DatasetPlan, Plan
from elute_gateway.domain.policy import PolicyVersion
from elute_gateway.domain.problems import errors
from elute_gateway.domain.run import NewRun, Run, ScrubMode
from elute_wire.errors import CatalogChanged, InternalFault, InUse, NotFound, PlanRefused, Problem

_RAW = (Scope.DATA_EXPORT_RAW,)


class Previewing(Protocol):
    """The connector service, as far as a preview needs it."""

    async def preview(
        self, plan: Plan, dataset: DatasetPlan, source: Connection, limit_rows: int
    ) -> list[dict[str, object]]:
        """Answer a few rows of a dataset as its plan would write them; nobody stores, logs or caches them."""
        ...


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan, and the document that it was made from; the plan is None when the document says no pipeline."""

    document: Document
    plan: Plan | None
    problems: tuple[Problem, ...]

    @property
    def runnable(self) -> bool:
        """Whether nothing must be mended first."""
        return self.plan is not None and not errors(self.problems)


@dataclass(frozen=True, slots=True)
class PipelineUseCases:
    """The pipelines and policies of a workspace."""

    pipelines: DocumentRecords
    policies: DocumentRecords
    connections: ConnectionRecords
    planner: Planner
    previewing: Previewing
    audit: Auditing
    _names: dict[str, str] = field(default_factory=dict)

    async def plan_document(self, text: str, form: Form, pinning: Pinning = Pinning.REVISE) -> Planned:
        """Plan a document, held against what was pinned before under its name; saves nothing.

        Raises:
            StoreError: A store cannot be reached or read.
            ServiceUnavailable: A service does not answer.
        """
        document = parsed(text, form)
        if document.pipeline is None:
            return Planned(document, None, document.problems)
        pinned = await self._last_policy(document.pipeline.name)
        return await self._planned(document, document.pipeline, pinned, pinning)

    async def save(self, caller: Caller, text: str, form: Form, pinning: Pinning) -> tuple[SavedPipeline, Planned]:
        """Save a document and pin what its patterns expand to.

        Returns:
            Its version, which is the last one when nothing has changed, and its plan.

        Raises:
            PlanRefused: Something must be mended first; every problem is told.
            StoreError: A store cannot be reached or read.
        """
        planned = await self.plan_document(text, form, pinning)
        if planned.plan is None or not planned.runnable:
            count = len(errors(planned.problems))
            raise PlanRefused(
                f"saving the pipeline: {count} {'thing' if count == 1 else 'things'} must be mended first",
                problems=with_lines(planned),
            )
        plan = planned.plan
        number = None
        if plan.policy:
            policy_text = policy_to_json(plan.policy).decode()
            policy_digest = bytes.fromhex(plan.policy.digest)
            policy = await self.policies.save(new_id(), plan.pipeline, policy_text, policy_digest, caller.id)
            number = policy.number
        meaning = {"document": text, "form": form, "policy_version": number}
        saved = await self.pipelines.save(
            new_id(), plan.pipeline, json.dumps(meaning), bytes.fromhex(sha256(meaning)), caller.id
        )
        detail = {"version": saved.number, "policy_version": number}
        await self.audit.note(caller, Action.PIPELINE_SAVED, f"pipeline {saved.name}", detail)
        return SavedPipeline.read(saved), planned

    async def get(self, name: str, number: int | None = None) -> SavedPipeline:
        """Return a version of a pipeline, the last one unless another is asked for.

        Raises:
            NotFound: There is none.
        """
        return SavedPipeline.read(await self.pipelines.get(name, number))

    async def delete(self, caller: Caller, name: str) -> None:
        """Delete a pipeline with its versions, and what was pinned with them. Its runs stay, and tell of it.

        Raises:
            NotFound: There is none.
            InUse: A run that has not ended uses it.
        """
        version = await self.pipelines.get(name)
        try:
            await self.pipelines.delete(version.id)
        except InUse as error:
            raise error.within(f"deleting pipeline {version.name}") from None
        with suppress(NotFound):
            await self.policies.delete((await self.policies.get(version.name)).id)
        await self.audit.note(caller, Action.PIPELINE_DELETED, f"pipeline {version.name}")

    async def delete_policy(self, caller: Caller, name: str) -> None:
        """Delete a policy with its versions: what was pinned for a pipeline that scrubs nothing any more.

        Raises:
            NotFound: There is none.
            InUse: The pipeline, or a run that has not ended, uses it.
        """
        version = await self.policies.get(name)
        with suppress(NotFound):
            if (await self.get(version.name)).policy_version is not None:
                message = f"deleting policy {version.name}: the pipeline of that name uses it"
                raise InUse(message, hint="delete the pipeline, and its policy goes with it")
        try:
            await self.policies.delete(version.id)
        except InUse as error:
            raise error.within(f"deleting policy {version.name}") from None
        await self.audit.note(caller, Action.POLICY_DELETED, f"policy {version.name}")

    async def name_of(self, id_: str) -> str:
        """Return the name of a pipeline by its id; it never changes, not even when the pipeline is deleted."""
        if id_ not in self._names:
            self._names[id_] = (await self.pipelines.recall(id_)).name
        return self._names[id_]

    async def order(self, caller: Caller, name: str, number: int | None, parallel: int | None) -> NewRun:
        """Say what a run of a pipeline is.

        Args:
            caller: Who wants to run it.
            name: The pipeline.
            number: Its version; None for the last one.
            parallel: The most partitions that load at a time; None for what the pipeline says.

        Raises:
            NotFound: There is no such pipeline, or version of it.
            Forbidden: It scrubs nothing, and the caller may not copy rows as they are.
        """
        saved = await self.get(name, number)
        pipeline = saved.pipeline()
        require_raw(caller, pipeline, f"running pipeline {saved.version.name}")
        policy = None if pipeline.scrub is None else await self.policies.get(saved.version.name, saved.policy_version)
        return NewRun(
            pipeline_id=saved.version.id,
            pipeline_version=saved.version.number,
            parallel_partitions=parallel or pipeline.limits.parallel_partitions,
            scrub=ScrubMode.REQUIRED if policy else ScrubMode.OFF,
            policy_id=policy.id if policy else None,
            policy_version=policy.number if policy else None,
            started_by=caller.id,
        )

    async def plan(self, run: Run) -> Plan:
        """Plan a run exactly as it was pinned (`ports.RunPlanner`).

        Raises:
            CatalogChanged: The source is no longer what the policy was pinned for.
            PlanRefused: Something must be mended first.
        """
        request = run.request
        saved = SavedPipeline.read(await self.pipelines.recall(request.pipeline_id, request.pipeline_version))
        pinned = await self.policies.recall(request.policy_id, request.policy_version) if request.policy_id else None
        return await self._exact(saved, pinned)

    async def preview(
        self, caller: Caller, name: str, dataset: DatasetName, limit_rows: int
    ) -> tuple[DatasetPlan, list[dict[str, object]]]:
        """Show a few rows of a dataset as a pipeline's last version would write them.

        Raises:
            NotFound: There is no such pipeline, or it does not copy the dataset.
            Forbidden: It scrubs nothing, and the caller may not see rows as they are.
            PlanRefused: It cannot run as it is.
        """
        saved = await self.get(name)
        require_raw(caller, saved.pipeline(), f"previewing pipeline {saved.version.name}")
        number = saved.policy_version
        plan = await self._exact(saved, await self.policies.get(saved.version.name, number) if number else None)
        try:
            dataset_plan = plan.dataset(dataset)
        except KeyError:
            raise NotFound(f"previewing dataset {dataset}: pipeline {saved.version.name} does not copy it") from None
        detail = {"dataset": str(dataset), "raw": plan.policy is None}
        await self.audit.note(caller, Action.PIPELINE_PREVIEWED, f"pipeline {saved.version.name}", detail)
        source = (await self.connections.get(plan.source)).connection
        return dataset_plan, await self.previewing.preview(plan, dataset_plan, source, limit_rows)

    async def _exact(self, saved: SavedPipeline, policy: Version | None) -> Plan:
        document = parsed(saved.document, saved.form)
        pipeline = saved.pipeline()
        name = f"{saved.version.name}, version {saved.version.number}"
        pinned = None
        if pipeline.scrub is not None:
            if policy is None:
                raise InternalFault(f"planning pipeline {name}: it scrubs, and no policy was pinned with it")
            pinned = policy_from_json(policy.text)
        planned = await self._planned(document, pipeline, pinned, Pinning.EXACT)
        if planned.plan is None or not planned.runnable:
            problems = with_lines(planned)
            first, *more = errors(problems)
            message = "; ".join([f"planning pipeline {name}: {first.message}", *(one.message for one in more[:2])])
            if planned.plan and planned.plan.changes:
                raise CatalogChanged(message, hint="save the pipeline again", problems=problems)
            raise PlanRefused(message, hint=first.hint or "mend it first", problems=problems)
        return planned.plan

    async def _planned(
        self, document: Document, pipeline: Pipeline, pinned: PolicyVersion | None, pinning: Pinning
    ) -> Planned:
        ends, problems = [], []
        for part, name in (("source", pipeline.source.connection), ("target", pipeline.target.connection)):
            try:
                ends.append((await self.connections.get(name)).connection)
            except NotFound:
                message, hint = f"there is no connection {name!r}", f"make it: elute connect add {name}"
                problems.append(Problem("unknown-connection", message, hint, pointer=f"/{part}/connection"))
        if problems:
            return Planned(document, None, tuple(problems))
        plan = await self.planner.plan(pipeline, *ends, pinned=pinned, pinning=pinning)
        return Planned(document, plan, plan.problems)

    async def _last_policy(self, name: str) -> PolicyVersion | None:
        try:
            return policy_from_json((await self.policies.get(name)).text)
        except NotFound:
            return None


def require_raw(caller: Caller, pipeline: Pipeline, doing: str) -> None:
    """Check that a caller may see rows as they are, if a pipeline leaves them so.

    Raises:
        Forbidden: The caller may not.
    """
    if pipeline.scrub is None:
        caller.require(_RAW, f"{doing}, which scrubs nothing")


def with_lines(planned: Planned) -> tuple[Problem, ...]:
    """Return the problems of a plan, each with its line where the document has lines."""
    return tuple(
        replace(problem, message=f"line {line}: {problem.message}") if line else problem
        for problem in planned.problems
        for line in (planned.document.text.line(problem.pointer) if problem.pointer else None,)
    )
