"""What the API's JSON has in common: bodies refuse fields that nobody knows, each kind shows an example of itself."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, overload

from pydantic import BaseModel, ConfigDict


class Body(BaseModel):
    """What a request may say."""

    model_config = ConfigDict(extra="forbid")


class View(BaseModel):
    """What an answer says."""


def shown(title: str, example: Any) -> ConfigDict:  # noqa: ANN401 - JSON
    """Name a kind in the OpenAPI document, and give it an example."""
    return ConfigDict(title=title, json_schema_extra={"examples": [example]})


@overload
def moment(seconds: float) -> datetime: ...
@overload
def moment(seconds: None) -> None: ...
@overload
def moment(seconds: float | None) -> datetime | None: ...
def moment(seconds: float | None) -> datetime | None:
    """Write seconds since 1970 as a moment."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
