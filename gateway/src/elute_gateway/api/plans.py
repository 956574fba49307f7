"""A plan as the API shows it: what happens to each column, by which rule, and what that keeps and loses."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from elute_gateway.api.models import View, shown
from elute_gateway.api.problems import ProblemItem, problem_item
from elute_gateway.application.document_text import DocumentText
from elute_gateway.application.pipelines import Planned
from elute_gateway.domain.catalog import DatasetKind
from elute_gateway.domain.plan import ColumnPlan, DatasetPlan, Uniqueness
from elute_gateway.domain.policy import Change, ChangeKind

PLAN_EXAMPLE: dict[str, Any] = {
    "runnable": True,
    "pipeline": "shop-to-qa",
    "scrubbed": True,
    "datasets": [
        {
            "name": "public.customers",
            "kind": "table",
            "filter": None,
            "estimated_rows": 20_000,
            "size_bytes": 3_145_728,
            "columns": [
                {
                    "name": "email",
                    "type": "text",
                    "treatment": "/scrub/rules/0",
                    "line": 9,
                    "technique": "fake",
                    "domain": "email",
                    "inherited_from": None,
                    "summary": "another e-mail address",
                    "keeps": ["nulls", "equality"],
                    "loses": ["order", "length"],
                    "uniqueness": "collision-resistant",
                    "reversible": False,
                    "cast": None,
                }
            ],
        }
    ],
    "views": [],
    "changes": [],
    "problems": [],
}


class PlannedColumn(View):
    """What happens to a column."""

    name: str
    type: str = Field(description="The source's own name of its type, or the step that made it.")
    treatment: str = Field(description="`keep`, the JSON pointer of its rule, or empty when nothing covers it.")
    line: int | None = Field(description="The line of what treats it, in a YAML document; counted from 1.")
    technique: str = Field(description="The technique; `keep` when it is kept.")
    domain: str | None = Field(description="What its pseudonyms depend on beside key and value.")
    inherited_from: str | None = Field(description="The column whose rule it takes over, being a foreign key to it.")
    summary: str | None = Field(description="What becomes of its values, in a few words.")
    keeps: list[str] = Field(description="What survives.")
    loses: list[str] = Field(description="What does not.")
    uniqueness: Uniqueness | None = Field(description="Whether different values stay different.")
    reversible: bool = Field(description="Whether a holder of the key can get the values back.")
    cast: str | None = Field(description="What the target converts.")


class PlannedDataset(View):
    """What happens to a dataset."""

    name: str
    kind: DatasetKind
    filter: str | None = Field(description="The rows that are copied; absent for all.")
    estimated_rows: int | None
    size_bytes: int
    columns: list[PlannedColumn]


class PlannedChange(View):
    """What is different from the policy that was pinned before."""

    kind: ChangeKind
    dataset: str
    column: str | None
    before: str | None
    after: str | None


class PlanView(View):
    """What a run of a pipeline would do, and everything that speaks against it."""

    model_config = shown("Plan", PLAN_EXAMPLE)

    runnable: bool = Field(description="Whether nothing must be mended first.")
    pipeline: str | None = Field(description="The pipeline's name; absent when the document says none.")
    scrubbed: bool = Field(description="Whether a policy scrubs the rows.")
    datasets: list[PlannedDataset]
    views: list[str] = Field(description="The selected views: they have no rows of their own.")
    changes: list[PlannedChange]
    problems: list[ProblemItem]


def plan_view(planned: Planned) -> PlanView:
    """Show a plan, each of its problems with its line."""
    plan = planned.plan
    return PlanView(
        runnable=planned.runnable,
        pipeline=plan.pipeline if plan else None,
        scrubbed=plan is not None and plan.policy is not None,
        datasets=[_dataset(dataset, planned.document.text) for dataset in plan.datasets] if plan else [],
        views=[str(name) for name in plan.views] if plan else [],
        changes=[_change(change) for change in plan.changes] if plan else [],
        problems=[
            problem_item(problem, planned.document.text.line(problem.pointer) if problem.pointer else None)
            for problem in planned.problems
        ],
    )


def _dataset(dataset: DatasetPlan, text: DocumentText) -> PlannedDataset:
    return PlannedDataset(
        name=str(dataset.name),
        kind=dataset.kind,
        filter=dataset.filter or None,
        estimated_rows=dataset.estimated_rows if dataset.estimated_rows >= 0 else None,
        size_bytes=dataset.size_bytes,
        columns=[_column(column, text) for column in dataset.columns],
    )


def _column(column: ColumnPlan, text: DocumentText) -> PlannedColumn:
    effect = column.effect
    return PlannedColumn(
        name=column.name,
        type=column.source_type,
        treatment=column.treatment,
        line=text.line(column.treatment) if column.treatment.startswith("/") else None,
        technique=column.technique,
        domain=column.domain or None,
        inherited_from=column.inherited or None,
        summary=effect.summary if effect else None,
        keeps=list(effect.keeps) if effect else [],
        loses=list(effect.loses) if effect else [],
        uniqueness=effect.uniqueness if effect else None,
        reversible=effect.reversible if effect else False,
        cast=column.binding.cast or None if column.binding else None,
    )


def _change(change: Change) -> PlannedChange:
    return PlannedChange(
        kind=change.kind,
        dataset=str(change.dataset),
        column=change.column or None,
        before=change.before or None,
        after=change.after or None,
    )
