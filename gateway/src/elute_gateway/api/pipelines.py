"""Pipelines: planned, saved, previewed; and the policies that were pinned with them."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import Field

from elute_gateway.api.context import Gateway, holding
from elute_gateway.api.models import Body, View, moment, shown
from elute_gateway.api.pages import Cursor, Limit, Page, page_of, position
from elute_gateway.api.plans import PLAN_EXAMPLE, PlanView, plan_view
from elute_gateway.api.problems import UnsupportedMediaType
from elute_gateway.application.pipeline_versions import Form, SavedPipeline
from elute_gateway.application.planning import Pinning
from elute_gateway.domain.access import Caller, Scope
from elute_gateway.domain.document import Version
from elute_gateway.domain.names import DatasetName
from elute_wire.errors import InvalidRequest

router = APIRouter(tags=["pipelines"])
policies = APIRouter(prefix="/policies", tags=["policies"])

Name = Annotated[str, Path(max_length=63, description="The name.")]
Number = Annotated[int, Path(ge=1, alias="version", description="The version, counted from 1.")]
Accept = Annotated[
    bool,
    Query(description="Pin what has changed in the source too: new columns and types, after a person looked at them."),
]

_YAML = """\
version: 1
pipeline: shop-to-qa
source: {connection: shop, datasets: ["public.*"]}
target: {connection: shop-qa}
scrub:
  key_ring: shop
  keep: ["public.*.id", "public.orders.*"]
  rules:
    - {columns: ["public.customers.email"], technique: {fake: {kind: email}}}
"""
_JSON = {
    "version": 1,
    "pipeline": "shop-to-qa",
    "source": {"connection": "shop", "datasets": ["public.*"]},
    "target": {"connection": "shop-qa"},
    "scrub": {
        "key_ring": "shop",
        "keep": ["public.*.id", "public.orders.*"],
        "rules": [{"columns": ["public.customers.email"], "technique": {"fake": {"kind": "email"}}}],
    },
}
_DOCUMENT = {
    "requestBody": {
        "required": True,
        "description": "A pipeline document, as YAML or as JSON.",
        "content": {
            "application/yaml": {"schema": {"type": "string"}, "example": _YAML},
            "application/json": {
                "schema": {"$ref": "#/components/schemas/PipelineDocument"},
                "example": _JSON,
            },
        },
    }
}
_FORMS = {
    "application/json": Form.JSON,
    "application/yaml": Form.YAML,
    "application/x-yaml": Form.YAML,
    "text/yaml": Form.YAML,
}


_PIPELINE: dict[str, Any] = {
    "id": "01kb0rt5mqx5v1c6n0p8t2w4y6",
    "name": "shop-to-qa",
    "version": 3,
    "policy_version": 2,
    "form": "yaml",
    "document": _YAML,
    "created_by": "01kb0rk2hne3s9b4m6n8p0r2t4",
    "created_at": "2026-01-31T02:00:00Z",
}


class Pipeline(View):
    """A version of a pipeline."""

    model_config = shown("Pipeline", _PIPELINE)

    id: str
    name: str
    version: int
    policy_version: int | None = Field(description="The version of its policy; absent when it scrubs nothing.")
    form: Form = Field(description="How the document is written.")
    document: str = Field(description="The document as it was saved.")
    created_by: str = Field(description="The id of the API key that saved it.")
    created_at: datetime


class PipelinePage(Page[Pipeline]):
    """Some pipelines."""


class SavedPlan(View):
    """A pipeline that was saved, and its plan."""

    model_config = shown("SavedPlan", {"pipeline": _PIPELINE, "plan": PLAN_EXAMPLE})

    pipeline: Pipeline
    plan: PlanView


class PreviewOrder(Body):
    """What is to be previewed."""

    model_config = shown("PreviewOrder", {"dataset": "public.customers", "limit": 5})

    dataset: str = Field(max_length=200, description="The dataset, `schema.name`.")
    limit: int = Field(default=10, ge=1, le=100, description="The most rows.")


class Preview(View):
    """A few rows as they would reach the target."""

    model_config = shown(
        "Preview",
        {
            "dataset": "public.customers",
            "columns": ["id", "email"],
            "rows": [{"id": 1, "email": "lea.moreau@example.org"}],
        },
    )

    dataset: str
    columns: list[str]
    rows: list[dict[str, Any]] = Field(
        description='Each row, by column. Long texts are cut, and bytes show as their size: `{"bytes": 12}`.'
    )


class Policy(View):
    """A version of a policy: what the patterns of a pipeline were expanded to."""

    model_config = shown(
        "Policy",
        {
            "id": "01kb0rt5mqx5v1c6n0p8t2w4y6",
            "name": "shop-to-qa",
            "version": 2,
            "digest": "9f2c…",
            "created_by": "01kb0rk2hne3s9b4m6n8p0r2t4",
            "created_at": "2026-01-31T02:00:00Z",
            "document": {"version": 1, "key_ring": "shop", "key_version": 0, "rules": [], "datasets": []},
        },
    )

    id: str
    name: str
    version: int
    digest: str = Field(description="SHA-256 of what it means, hexadecimal.")
    created_by: str = Field(description="The id of the API key that pinned it.")
    created_at: datetime
    document: dict[str, Any] = Field(description="Every column, its type, and the rule that treats it.")


class PolicyPage(Page[Policy]):
    """Some policies."""


@router.post("/plans", openapi_extra=_DOCUMENT)
async def plan_pipeline(
    request: Request,
    gateway: Gateway,
    _caller: Annotated[Caller, holding(Scope.PIPELINES_PLAN)],
    *,
    accept: Accept = False,
) -> PlanView:
    """Plan a pipeline and save nothing: what happens to every column, and everything that must be mended first."""
    text, form = await _document(request)
    planned = await gateway.pipelines.plan_document(text, form, Pinning.ACCEPT if accept else Pinning.REVISE)
    return plan_view(planned)


@router.post("/pipelines", openapi_extra=_DOCUMENT, status_code=201)
async def save_pipeline(
    request: Request,
    response: Response,
    gateway: Gateway,
    caller: Annotated[Caller, holding(Scope.PIPELINES_WRITE)],
    *,
    accept: Accept = False,
) -> SavedPlan:
    """Save a pipeline as a new version, and pin what its patterns expand to.

    Saving what is saved already makes no new version. What must be mended first is told as a problem.
    """
    text, form = await _document(request)
    saved, planned = await gateway.pipelines.save(caller, text, form, Pinning.ACCEPT if accept else Pinning.REVISE)
    response.headers["Location"] = f"/v1/pipelines/{saved.version.name}"
    return SavedPlan(pipeline=_pipeline(saved), plan=plan_view(planned))


@router.get("/pipelines")
async def list_pipelines(
    gateway: Gateway, _caller: Annotated[Caller, holding(Scope.PIPELINES_READ)], limit: Limit = 50, cursor: Cursor = ""
) -> PipelinePage:
    """List the last versions of pipelines, by name."""
    found = await gateway.pipelines.pipelines.page(position(cursor), limit + 1)
    versions, after = page_of(found, limit, lambda one: one.name)
    return PipelinePage(items=[_pipeline(SavedPipeline.read(one)) for one in versions], next=after)


@router.get("/pipelines/{name}")
async def get_pipeline(
    name: Name,
    gateway: Gateway,
    _caller: Annotated[Caller, holding(Scope.PIPELINES_READ)],
    version: Annotated[int | None, Query(ge=1, description="The version; absent for the last one.")] = None,
) -> Pipeline:
    """Get a pipeline."""
    return _pipeline(await gateway.pipelines.get(name, version))


@router.delete("/pipelines/{name}", status_code=204, response_class=Response)
async def delete_pipeline(
    name: Name, gateway: Gateway, caller: Annotated[Caller, holding(Scope.PIPELINES_WRITE)]
) -> None:
    """Delete a pipeline, all its versions and its policy. One that a run uses stays; runs that have ended stay too."""
    await gateway.pipelines.delete(caller, name)


@router.post("/pipelines/{name}/preview")
async def preview_pipeline(
    name: Name, order: PreviewOrder, gateway: Gateway, caller: Annotated[Caller, holding(Scope.DATASETS_PREVIEW)]
) -> Preview:
    """Show a few rows as a pipeline would write them, scrubbed.

    A pipeline that scrubs nothing needs the scope `data:export-raw` too.
    """
    schema, _, dataset = order.dataset.rpartition(".")
    plan, rows = await gateway.pipelines.preview(caller, name, DatasetName(schema, dataset), order.limit)
    return Preview(dataset=str(plan.name), columns=[column.name for column in plan.columns], rows=rows)


@policies.get("")
async def list_policies(
    gateway: Gateway, _caller: Annotated[Caller, holding(Scope.PIPELINES_READ)], limit: Limit = 50, cursor: Cursor = ""
) -> PolicyPage:
    """List the last versions of policies, by name: each has the name of its pipeline."""
    found = await gateway.pipelines.policies.page(position(cursor), limit + 1)
    versions, after = page_of(found, limit, lambda one: one.name)
    return PolicyPage(items=[_policy(one) for one in versions], next=after)


@policies.get("/{name}")
async def get_policy(name: Name, gateway: Gateway, _caller: Annotated[Caller, holding(Scope.PIPELINES_READ)]) -> Policy:
    """Get the last version of a policy."""
    return _policy(await gateway.pipelines.policies.get(name))


@policies.get("/{name}/versions/{version}")
async def get_policy_version(
    name: Name, version: Number, gateway: Gateway, _caller: Annotated[Caller, holding(Scope.PIPELINES_READ)]
) -> Policy:
    """Get a version of a policy. It never changes."""
    return _policy(await gateway.pipelines.policies.get(name, version))


@policies.delete("/{name}", status_code=204, response_class=Response)
async def delete_policy(
    name: Name, gateway: Gateway, caller: Annotated[Caller, holding(Scope.PIPELINES_WRITE)]
) -> None:
    """Delete a policy, all its versions. One that its pipeline or a run uses stays: it goes with the pipeline."""
    await gateway.pipelines.delete_policy(caller, name)


async def _document(request: Request) -> tuple[str, Form]:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    form = _FORMS.get(media_type)
    if form is None:
        raise UnsupportedMediaType(
            "reading the pipeline document: its media type is not one of these", hint=f"send {' or '.join(_FORMS)}"
        )
    try:
        return (await request.body()).decode(), form
    except UnicodeDecodeError:
        raise InvalidRequest("reading the pipeline document: it is not UTF-8") from None


def _pipeline(saved: SavedPipeline) -> Pipeline:
    return Pipeline(
        id=saved.version.id,
        name=saved.version.name,
        version=saved.version.number,
        policy_version=saved.policy_version,
        form=saved.form,
        document=saved.document,
        created_by=saved.version.created_by,
        created_at=moment(saved.version.created_at),
    )


def _policy(version: Version) -> Policy:
    return Policy(
        id=version.id,
        name=version.name,
        version=version.number,
        digest=version.digest.hex(),
        created_by=version.created_by,
        created_at=moment(version.created_at),
        document={"version": 1, **json.loads(version.text)},
    )
