"""The words of a pipeline document, `version: 1`: which fields there are, their types and bounds."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import (
    BaseModel,
    ByteSize,
    ConfigDict,
    Discriminator,
    Field,
    PlainValidator,
    Tag,
    WithJsonSchema,
)

from elute_gateway.domain.pipeline import MEBIBYTE, Extra, Mode, Structure, Verify

NAME = r"^[a-z0-9][a-z0-9_-]{0,62}$"
DOMAIN = r"^[A-Za-z0-9][A-Za-z0-9_.:-]{0,62}$"


class Named(NamedTuple):
    """A step or technique and its options, a JSON object as text; a bare word has none."""

    name: str
    config: str


def _named(value: object) -> Named:
    # In YAML, and in JSON, the technique `null` may be written as just that.
    if value is None or isinstance(value, str):
        return Named("null" if value is None else value, "{}")
    if isinstance(value, dict) and len(value) == 1:
        ((name, config),) = value.items()
        if config is None:
            config = {}
        if isinstance(config, dict):
            return Named(name, json.dumps(config, sort_keys=True, separators=(",", ":"), ensure_ascii=False))
    raise ValueError("write a name, or one name with its options: {name: {option: value}}")


_WITH_OPTIONS = {
    "type": "object",
    "minProperties": 1,
    "maxProperties": 1,
    "additionalProperties": {"type": ["object", "null"]},
}
Component = Annotated[
    Any, PlainValidator(_named), WithJsonSchema({"anyOf": [{"type": ["string", "null"]}, _WITH_OPTIONS]})
]
"""How a step or a technique is written; it becomes a `Named`."""
Patterns = Annotated[list[str], Field(min_length=1)]


class Part(BaseModel):
    """A part of the document; it has no other fields than these."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class SourcePart(Part):
    """What is read."""

    connection: str = Field(description="The name of the connection to read.", pattern=NAME)
    datasets: Patterns = Field(description="The datasets, as patterns `schema.dataset`.", examples=[["public.*"]])
    excluded: list[str] = Field(default=[], alias="except", description="Those of them to leave out.")
    where: dict[str, str] = Field(
        default={},
        description="By pattern `schema.dataset`: the rows to copy, a SQL expression over the dataset's columns.",
        examples=[{"public.orders": "placed_at >= DATE '2024-01-01'"}],
    )


class TargetPart(Part):
    """What is written."""

    connection: str = Field(description="The name of the connection to write.", pattern=NAME)
    mode: Mode = Field(default=Mode.REPLACE, description="What becomes of the rows that are there.")
    structure: Structure = Field(
        default=Structure.CREATE, description="Whether the source's schema is created, or the target's own is kept."
    )
    take_along: list[Extra] = Field(default=[], description="What `structure: create` copies besides the schema.")


class RulePart(Part):
    """A technique on columns."""

    columns: Patterns = Field(description="The columns, as patterns `schema.dataset.column`.")
    technique: Component = Field(description="The technique: a name, or `{name: {option: value}}`.")
    domain: str = Field(
        default="",
        pattern=DOMAIN,
        description="What pseudonyms depend on beside key and value: the same word, the same pseudonyms. "
        "Default: the kind of value that the technique makes; a foreign key takes its target's.",
    )
    subject: str = Field(
        default="", min_length=1, description="The column that tells whom a row is about, for techniques that need it."
    )
    trusts: list[str] = Field(
        default=[], description="Constraints that read these columns and that all scrubbed values satisfy."
    )


class ScrubPart(Part):
    """The policy: every column needs a rule or a keep."""

    key_ring: str = Field(description="The name of the key ring.", pattern=NAME)
    key_version: int | None = Field(default=None, ge=1, description="The key's version. Default: the current one.")
    keep: list[str] = Field(default=[], description="The columns to copy as they are: `schema.dataset.column`.")
    rules: list[RulePart] = Field(default=[], description="The rules; two on one column are an error.")


class LimitsPart(Part):
    """What a run may use."""

    parallel_partitions: int = Field(default=4, ge=1, le=64, description="Partitions that load at the same time.")
    partition_bytes: ByteSize = Field(
        default=ByteSize(64 * MEBIBYTE), ge=MEBIBYTE, le=16 * 1024 * MEBIBYTE, description="The size to aim at."
    )
    max_cell_bytes: ByteSize = Field(
        default=ByteSize(64 * MEBIBYTE), ge=MEBIBYTE, le=1024 * MEBIBYTE, description="The largest cell to carry."
    )


def _scrub_kind(value: object) -> str:
    return "off" if isinstance(value, str) else "policy"


class PipelinePart(Part):
    """A pipeline: what to copy, from where to where, and what becomes of it on the way."""

    version: Literal[1] = Field(description="The version of these words.")
    pipeline: str = Field(description="The pipeline's name.", pattern=NAME)
    source: SourcePart
    target: TargetPart
    clean: dict[str, list[Component]] = Field(
        default={}, description="By pattern `schema.dataset`: the cleaning steps, `{name: {option: value}}`, in order."
    )
    scrub: Annotated[
        Annotated[Literal["off"], Tag("off")] | Annotated[ScrubPart, Tag("policy")], Discriminator(_scrub_kind)
    ] = Field(description="What becomes of personal data; `off` copies rows as they are, and needs a right of its own.")
    verify: Verify = Field(
        default=Verify.COUNTS, description="What is compared in the end: rows counted, or their kept contents summed."
    )
    limits: LimitsPart = Field(default=LimitsPart())
