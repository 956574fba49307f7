"""Configurations: what those of all steps have in common, and how one is read."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from elute_transform.domain.step import pointer
from elute_wire.errors import Problem

C = TypeVar("C")


class Options(BaseModel):
    """Options that a pipeline writes: immutable, of exactly the declared types, without unknown names.

    The text below an option is its meaning, here and on the reference page.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, hide_input_in_errors=True, use_attribute_docstrings=True
    )


def _distinct(names: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(names)) < len(names):
        raise ValueError("a column is named twice")
    return names


ColumnName = Annotated[str, Field(min_length=1, max_length=255, pattern=r"^[^\x00]+$")]
ColumnNames = Annotated[tuple[ColumnName, ...], Field(min_length=1, max_length=1_600), AfterValidator(_distinct)]


def read_options(model: type[C], text: str) -> tuple[C | None, list[Problem]]:
    """Read a configuration.

    Args:
        model: What it must be.
        text: A JSON object.

    Returns:
        The configuration, or everything that is wrong with it; pointers start at the configuration.
    """
    try:
        adapter: TypeAdapter[Any] = TypeAdapter(model)
        return adapter.validate_json(text), []
    except ValidationError as error:
        return None, [_problem(entry) for entry in error.errors(include_input=False, include_url=False)]


def _problem(entry: ErrorDetails) -> Problem:
    # pydantic marks the key of a mapping by a last part that the document does not have.
    parts = [part for part in entry["loc"] if part != "[key]"]
    message = entry["msg"].removeprefix("Value error, ")
    return Problem("invalid-option", message[:1].lower() + message[1:], pointer=pointer(*parts))
