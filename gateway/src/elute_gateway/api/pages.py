"""Lists, a page at a time: a cursor says where the next page begins, and means nothing else."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Annotated, Generic, TypeVar

from fastapi import Query
from pydantic import BaseModel, Field

from elute_wire.errors import InvalidRequest

T = TypeVar("T")

MAX_ITEMS = 200

Limit = Annotated[int, Query(ge=1, le=MAX_ITEMS, description="The most items of this page.")]
Cursor = Annotated[
    str, Query(max_length=400, description="Where the page begins: `next` of the page before; empty for the first.")
]


class Page(BaseModel, Generic[T]):
    """Some items of a list, and where it goes on."""

    items: list[T] = Field(description="The items, in the list's order.")
    next: str | None = Field(default=None, description="The cursor of the next page; absent on the last.")


def position(cursor: str) -> str:
    """Return the position that a cursor stands for; empty for the first page.

    Raises:
        InvalidRequest: It is no cursor of ours.
    """
    try:
        return base64.b64decode(cursor, altchars=b"-_", validate=True).decode()
    except (binascii.Error, UnicodeError, ValueError):
        raise InvalidRequest("reading the cursor: it is none that a page gave", hint="begin without one") from None


def page_of(found: Sequence[T], limit: int, place: Callable[[T], str]) -> tuple[list[T], str | None]:
    """Cut a page out of what was found.

    Args:
        found: At most `limit + 1` items: the extra one shows that the list goes on.
        limit: The most items of the page.
        place: The position of an item.

    Returns:
        The page's items, and the cursor of the next page.
    """
    items = list(found[:limit])
    if len(found) <= limit or not items:
        return items, None
    return items, base64.urlsafe_b64encode(place(items[-1]).encode()).decode()
