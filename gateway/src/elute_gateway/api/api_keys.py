"""API keys."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Response
from pydantic import Field

from elute_gateway.api.context import Gateway, holding
from elute_gateway.api.models import Body, View, moment, shown
from elute_gateway.api.pages import Cursor, Limit, Page, page_of, position
from elute_gateway.domain.access import Caller, Scope, StoredKey

router = APIRouter(prefix="/api-keys", tags=["api-keys"])

_DAY_SECONDS = 86_400
_KEY: dict[str, Any] = {
    "id": "01kb0rt5mqx5v1c6n0p8t2w4y6",
    "name": "nightly",
    "prefix": "elute_3fa94c21b07d",
    "scopes": ["pipelines:read", "runs:read", "runs:write"],
    "created_at": "2026-01-31T02:00:00Z",
    "expires_at": "2026-05-01T02:00:00Z",
}


class NewApiKey(Body):
    """The key that is wanted."""

    model_config = shown("NewApiKey", {"name": "nightly", "scopes": _KEY["scopes"], "days": 90})

    name: str = Field(min_length=1, max_length=100, description="What people call it, unique.")
    scopes: list[Scope] = Field(min_length=1, description="What it allows; its maker must hold all of them.")
    days: int | None = Field(default=None, ge=1, le=3650, description="When it expires; absent for never.")


class ApiKey(View):
    """A key as it may be shown."""

    model_config = shown("ApiKey", _KEY)

    id: str
    name: str
    prefix: str = Field(description="The first part of the key, which tells keys apart and proves nothing.")
    scopes: list[str]
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    last_used_at: datetime | None = Field(default=None, description="To the minute.")


class MadeApiKey(ApiKey):
    """A key that was just made."""

    model_config = shown("MadeApiKey", {**_KEY, "key": "elute_3fa94c21b07d_<43 characters>"})

    key: str = Field(description="The key itself. It is shown now and never again.")


class ApiKeyPage(Page[ApiKey]):
    """Some API keys."""


def _fields(key: StoredKey) -> dict[str, object]:
    return {
        "id": key.id,
        "name": key.name,
        "prefix": key.prefix,
        "scopes": list(key.scopes),
        "created_at": moment(key.created_at),
        "expires_at": moment(key.expires_at),
        "revoked_at": moment(key.revoked_at),
        "last_used_at": moment(key.last_used_at),
    }


@router.post("", status_code=201)
async def create_api_key(
    new: NewApiKey, gateway: Gateway, caller: Annotated[Caller, holding(Scope.API_KEYS_WRITE)]
) -> MadeApiKey:
    """Make an API key. The answer holds the key; it cannot be read again."""
    lifetime = None if new.days is None else float(new.days * _DAY_SECONDS)
    made = await gateway.api_keys.create(caller, new.name, new.scopes, lifetime)
    return MadeApiKey.model_validate({**_fields(made.stored), "key": made.key})


@router.get("")
async def list_api_keys(
    gateway: Gateway,
    _caller: Annotated[Caller, holding(Scope.API_KEYS_READ)],
    limit: Limit = 50,
    cursor: Cursor = "",
) -> ApiKeyPage:
    """List API keys by name, revoked and expired ones too."""
    found = await gateway.api_keys.page(position(cursor), limit + 1)
    keys, after = page_of(found, limit, lambda key: key.name)
    return ApiKeyPage(items=[ApiKey.model_validate(_fields(key)) for key in keys], next=after)


@router.delete("/{id}", status_code=204, response_class=Response)
async def revoke_api_key(
    id_: Annotated[str, Path(alias="id", max_length=64)],
    gateway: Gateway,
    caller: Annotated[Caller, holding(Scope.API_KEYS_WRITE)],
) -> None:
    """Revoke an API key, for good: requests with it are refused from now on."""
    await gateway.api_keys.revoke(caller, id_)
