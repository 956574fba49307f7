"""Runs as callers ask for them: what they may, and what is written down about it."""

from __future__ import annotations

from dataclasses import dataclass

from elute_gateway.application.auditing import Auditing
from elute_gateway.application.pipelines import PipelineUseCases
from elute_gateway.application.runs import Request, RunUseCases
from elute_gateway.domain.access import Action, Caller, Scope
from elute_gateway.domain.run import Run, ScrubMode


@dataclass(frozen=True, slots=True)
class Running:
    """Starts, cancels, resumes and repairs runs for a caller; `runs` answers what they are and tell."""

    runs: RunUseCases
    pipelines: PipelineUseCases
    audit: Auditing

    async def start(
        self, caller: Caller, pipeline: str, version: int | None, parallel: int | None, idempotency_key: str | None
    ) -> Run:
        """Start a run of a pipeline.

        Args:
            caller: Who wants it.
            pipeline: The pipeline's name.
            version: Its version; None for the last one.
            parallel: The most partitions that load at a time; None for what the pipeline says.
            idempotency_key: Asked again with the same key, the run that it started is answered, whatever has become of
                the pipeline meanwhile.

        Raises:
            NotFound: There is no such pipeline.
            Forbidden: It scrubs nothing, and the caller may not copy rows as they are.
            AlreadyExists: The key was used for another request.
        """
        asked = {"pipeline": pipeline, "version": version, "parallel_partitions": parallel}
        request = Request(idempotency_key, asked)
        if run := await self.runs.started_by(request):
            return run
        new = await self.pipelines.order(caller, pipeline, version, parallel)
        # Before the first row can move: what leaves raw is written down even if the gateway dies right after.
        action = Action.RUN_STARTED_RAW if new.scrub is ScrubMode.OFF else Action.RUN_STARTED
        await self.audit.note(caller, action, f"pipeline {pipeline}", {"version": new.pipeline_version})
        return await self.runs.start(new, request)

    async def cancel(self, caller: Caller, run_id: str) -> Run:
        """Cancel a run.

        Raises:
            NotFound: There is no such run.
            InvalidRequest: It has ended.
        """
        run = await self.runs.cancel(run_id)
        await self.audit.note(caller, Action.RUN_CANCELLED, f"run {run_id}")
        return run

    async def resume(self, caller: Caller, run_id: str) -> Run:
        """Go on with a run that has failed or was cancelled.

        Raises:
            NotFound: There is no such run.
            Forbidden: It scrubs nothing, and the caller may not copy rows as they are.
            InvalidRequest: It has succeeded, or has not ended.
        """
        run = await self.runs.get(run_id)
        raw = run.request.scrub is ScrubMode.OFF
        if raw:
            caller.require((Scope.DATA_EXPORT_RAW,), f"resuming run {run_id}, which scrubs nothing")
        await self.audit.note(caller, Action.RUN_RESUMED, f"run {run_id}", {"raw": raw})
        return await self.runs.resume(run_id)

    async def repair(self, caller: Caller, run_id: str) -> Run:
        """Bring the target of a run that has ended half-way back to valid keys.

        Raises:
            NotFound: There is no such run.
            InvalidRequest: It has succeeded, has not ended, or never reached its target.
        """
        run = await self.runs.repair(run_id)
        await self.audit.note(caller, Action.RUN_REPAIRED, f"run {run_id}")
        return run
